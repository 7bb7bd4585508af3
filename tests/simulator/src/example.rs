//! A value that satisfies a JSON Schema: the arguments of a tool call, or a structured answer.
//!
//! Required properties are filled by type, `enum`, `const` and bounds; optional ones are left out unless nothing is
//! required. `pattern` is not understood, and `format` only for the formats that providers accept.

use crate::chance::Rng;
use serde_json::{Map, Value, json};

const DEPTH_MAX: u32 = 12;
const PLACES: &[&str] = &["Paris", "Zürich", "東京", "São Paulo", "Reykjavík"];

/// An example of the schema; `rng` varies the strings and numbers.
pub(crate) fn example(schema: &Value, rng: &mut Rng) -> Value {
    fill(schema, schema, rng, 0)
}

fn fill(schema: &Value, root: &Value, rng: &mut Rng, depth: u32) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return found.map_or(Value::Null, |found| fill(found, root, rng, depth + 1));
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return rng.pick(values).cloned().unwrap_or(Value::Null);
    }
    for key in ["anyOf", "oneOf"] {
        // The first branch that is not null says more than null does.
        if let Some(branches) = schema.get(key).and_then(Value::as_array) {
            let branch = branches.iter().find(|branch| !is_null(branch)).or(branches.first());
            return branch.map_or(Value::Null, |branch| fill(branch, root, rng, depth + 1));
        }
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        return merge(parts, root, rng, depth);
    }
    match kind(schema).as_str() {
        "object" => object(schema, root, rng, depth),
        "array" => array(schema, root, rng, depth),
        "integer" => integer(schema, rng),
        "number" => json!(integer(schema, rng).as_f64().unwrap_or(0.0)),
        "boolean" => json!(rng.below(2) == 1),
        "null" => Value::Null,
        _ => string(schema, rng),
    }
}

fn is_null(schema: &Value) -> bool {
    kind(schema) == "null"
}

/// The type in lower case, since Gemini's own schema writes `STRING`; of several, the first that is not `null`.
fn kind(schema: &Value) -> String {
    let named = match schema.get("type") {
        Some(Value::String(name)) => Some(name.as_str()),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").or(Some("null"))
        }
        _ => None,
    };
    match named {
        Some(name) => name.to_lowercase(),
        None if schema.get("properties").is_some() => "object".to_owned(),
        None if schema.get("items").is_some() => "array".to_owned(),
        None => "string".to_owned(),
    }
}

fn object(schema: &Value, root: &Value, rng: &mut Rng, depth: u32) -> Value {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return json!({}) };
    let required: Vec<&str> = crate::json::list(schema, "required").iter().filter_map(Value::as_str).collect();
    let wanted = |name: &str| required.contains(&name) || (required.is_empty() && depth < 2);
    let filled: Map<String, Value> = properties
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, property)| (name.clone(), fill(property, root, rng, depth + 1)))
        .collect();
    Value::Object(filled)
}

fn array(schema: &Value, root: &Value, rng: &mut Rng, depth: u32) -> Value {
    let least = schema.get("minItems").and_then(number).unwrap_or(1);
    let most = schema.get("maxItems").and_then(number).unwrap_or(u64::MAX);
    let heads = crate::json::list(schema, "prefixItems");
    let items = schema.get("items").cloned().unwrap_or_else(|| json!({"type": "string"}));
    let count = usize::try_from(least.min(most)).unwrap_or(1).max(heads.len());
    let fill_at = |at: usize| fill(heads.get(at).unwrap_or(&items), root, rng, depth + 1);
    Value::Array((0..count).map(fill_at).collect())
}

fn integer(schema: &Value, rng: &mut Rng) -> Value {
    let bound = |key: &str| schema.get(key).and_then(Value::as_i64);
    let low = bound("minimum").or(bound("exclusiveMinimum").map(|low| low + 1));
    let high = bound("maximum").or(bound("exclusiveMaximum").map(|high| high - 1));
    let drawn = i64::try_from(rng.below(100)).unwrap_or(0);
    let (low, high) = match (low, high) {
        (Some(low), Some(high)) => (low, high),
        (Some(low), None) => (low, low.saturating_add(99)),
        (None, Some(high)) => (high.saturating_sub(99), high),
        (None, None) => (0, 99),
    };
    json!(low.saturating_add(drawn).min(high))
}

/// Draft 2020 allows whole numbers as `2.0`, and Gemini writes its 64-bit integers as strings.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn string(schema: &Value, rng: &mut Rng) -> Value {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-03-05T09:30:00Z",
        Some("date") => "2026-03-05",
        Some("time") => "09:30:00Z",
        Some("duration") => "PT5M",
        Some("email") => "ada@example.com",
        Some("hostname") => "example.com",
        Some("uri") => "https://example.com/",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uuid") => "2f1e9c1a-9d0b-4c57-8a51-3d5f1f0f7c11",
        _ => rng.pick(PLACES).copied().unwrap_or("Paris"),
    };
    let least = schema.get("minLength").and_then(number).and_then(|least| usize::try_from(least).ok()).unwrap_or(0);
    let most = schema.get("maxLength").and_then(number).and_then(|most| usize::try_from(most).ok());
    let padding = "x".repeat(least.saturating_sub(text.chars().count()));
    let text = format!("{text}{padding}");
    json!(crate::words::first_chars(&text, most.unwrap_or(usize::MAX)))
}

fn merge(parts: &[Value], root: &Value, rng: &mut Rng, depth: u32) -> Value {
    let mut merged = Map::new();
    for part in parts {
        match fill(part, root, rng, depth + 1) {
            Value::Object(map) => merged.extend(map),
            other => return other,
        }
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_properties_are_filled_by_type() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["c", "f"]},
                "days": {"type": "integer", "minimum": 3, "maximum": 4},
                "tags": {"type": "array", "items": {"type": "string", "minLength": 20}, "minItems": 2},
                "where": {"$ref": "#/$defs/point"},
                "maybe": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
                "never": {"type": "string"},
            },
            "required": ["city", "unit", "days", "tags", "where", "maybe"],
            "$defs": {"point": {"type": "OBJECT", "properties": {"x": {"type": "NUMBER"}}, "required": ["x"]}},
        });
        let value = example(&schema, &mut Rng::new(5));
        assert!(value["city"].is_string() && value["maybe"].is_boolean() && value["where"]["x"].is_f64());
        assert!(["c", "f"].contains(&value["unit"].as_str().unwrap()));
        assert!((3..=4).contains(&value["days"].as_i64().unwrap()));
        assert!(value["tags"].as_array().unwrap().iter().all(|tag| tag.as_str().unwrap().chars().count() >= 20));
        assert!(value.get("never").is_none());
    }

    #[test]
    fn a_recursive_schema_ends() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]});
        assert!(example(&schema, &mut Rng::new(5)).is_object());
    }
}
