//! The schemas of structured output and of strict tools: a subset of JSON Schema, and nothing else.

use super::invalid;
use crate::{
    dialect::Refusal,
    json::{given, text, unknown_key},
};
use serde_json::{Value, json};

const KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "required",
    "enum",
    "const",
    "anyOf",
    "allOf",
    "$ref",
    "$defs",
    "definitions",
    "title",
    "description",
    "items",
    "additionalProperties",
    "format",
    "minItems",
    "default",
];
const FORMATS: &[&str] = &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The schema that the answer must satisfy, from `output_config.format` or its beta name.
pub(super) fn read(body: &Value) -> Result<Option<Value>, Refusal> {
    let config = given(body, "output_config").and_then(|config| given(config, "format"));
    let (path, format) = match (config, given(body, "output_format")) {
        (Some(format), _) => ("output_config.format", format),
        (None, Some(format)) => ("output_format", format),
        (None, None) => return Ok(None),
    };
    if text(format, "type") != Some("json_schema") {
        return Err(invalid(&format!("{path}.type"), "Input should be 'json_schema'"));
    }
    if let Some(key) = unknown_key(format, &["type", "schema"]) {
        return Err(invalid(&format!("{path}.{key}"), "Extra inputs are not permitted"));
    }
    let Some(schema) = given(format, "schema") else {
        return Err(invalid(&format!("{path}.schema"), "Field required"));
    };
    check(schema, &format!("{path}.schema"))?;
    Ok(Some(schema.clone()))
}

/// Refuses keywords outside the subset, and objects that stay open.
pub(super) fn check(schema: &Value, path: &str) -> Result<(), Refusal> {
    let Some(map) = schema.as_object() else {
        return if schema.is_boolean() { Ok(()) } else { Err(invalid(path, "Input should be a valid dictionary")) };
    };
    let kind = text(schema, "type").unwrap_or("any");
    if let Some(key) = unknown_key(schema, KEYWORDS) {
        return Err(invalid(path, format!("For '{kind}' type, property '{key}' is not supported")));
    }
    if kind == "object" && schema.get("additionalProperties") != Some(&json!(false)) {
        let message = "For 'object' type, 'additionalProperties' must be explicitly set to false";
        return Err(invalid(path, message));
    }
    if text(schema, "format").is_some_and(|format| !FORMATS.contains(&format)) {
        return Err(invalid(path, "For 'string' type, the 'format' is not supported"));
    }
    if given(schema, "minItems").is_some_and(|least| !matches!(least.as_u64(), Some(0 | 1))) {
        return Err(invalid(path, "For 'array' type, 'minItems' values other than 0 or 1 are not supported"));
    }
    for key in ["properties", "$defs", "definitions"] {
        for (name, child) in map.get(key).and_then(Value::as_object).into_iter().flatten() {
            check(child, &format!("{path}.{key}.{name}"))?;
        }
    }
    for key in ["anyOf", "allOf"] {
        for (at, child) in crate::json::list(schema, key).iter().enumerate() {
            check(child, &format!("{path}.{key}.{at}"))?;
        }
    }
    map.get("items").map_or(Ok(()), |items| check(items, &format!("{path}.items")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_subset_passes() {
        let closed = |property: Value| json!({"type": "object", "properties": {"a": property}, "required": ["a"], "additionalProperties": false});
        assert!(check(&closed(json!({"type": "string"})), "s").is_ok());
        assert!(check(&closed(json!({"type": "string", "minLength": 1})), "s").is_err());
        assert!(check(&closed(json!({"type": "object", "properties": {}})), "s").is_err());
        assert!(check(&closed(json!({"type": "array", "minItems": 2})), "s").is_err());
        // A property may have the name of a keyword.
        assert!(check(&json!({"type": "object", "properties": {"pattern": {"type": "string"}}, "additionalProperties": false}), "s").is_ok());
    }
}
