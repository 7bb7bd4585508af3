//! The JSON Schema keywords that Gemini takes in `parametersJsonSchema` and `responseJsonSchema`.

use super::invalid;
use crate::{
    dialect::Refusal,
    json::{list, text, unknown_key},
};
use serde_json::Value;

const KEYWORDS: &[&str] = &[
    "$id",
    "$defs",
    "$ref",
    "$anchor",
    "type",
    "format",
    "title",
    "description",
    "enum",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "anyOf",
    "oneOf",
    "properties",
    "additionalProperties",
    "required",
    "propertyOrdering",
];

/// Refuses what is not on the list, at every level. The keys under `properties` and `$defs` are names, not keywords.
pub(super) fn check(schema: &Value, path: &str) -> Result<(), Refusal> {
    if schema.is_boolean() {
        return Ok(());
    }
    let Some(map) = schema.as_object() else { return Err(invalid(format!("{path}: schema must be an object"))) };
    if let Some(key) = unknown_key(schema, KEYWORDS) {
        return Err(invalid(format!("Unsupported JSON Schema keyword \"{key}\" at '{path}'.")));
    }
    if map.contains_key("$ref") && map.keys().any(|key| !key.starts_with('$')) {
        return Err(invalid(format!("A schema with \"$ref\" may have no other keywords at '{path}'.")));
    }
    if map.get("type").is_some_and(|kind| !kind.is_string()) {
        return Err(invalid(format!("\"type\" must be a string at '{path}'.")));
    }
    if list(schema, "enum").iter().any(|value| !value.is_string() && !value.is_number()) {
        return Err(invalid(format!("\"enum\" may hold strings and numbers only at '{path}'.")));
    }
    let properties = map.get("properties").and_then(Value::as_object);
    let is_known =
        |name: &Value| name.as_str().is_some_and(|name| properties.is_some_and(|own| own.contains_key(name)));
    if let Some(name) = list(schema, "required").iter().find(|name| !is_known(name)) {
        return Err(invalid(format!("{path}.required: property {name} is not defined")));
    }
    for key in ["properties", "$defs"] {
        for (name, child) in map.get(key).and_then(Value::as_object).into_iter().flatten() {
            check(child, &format!("{path}.{key}.{name}"))?;
        }
    }
    for key in ["anyOf", "oneOf", "prefixItems"] {
        for (at, child) in list(schema, key).iter().enumerate() {
            check(child, &format!("{path}.{key}[{at}]"))?;
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get(key) {
            check(child, &format!("{path}.{key}"))?;
        }
    }
    Ok(())
}

/// The parameters of a function must be an object.
pub(super) fn check_parameters(schema: &Value, name: &str) -> Result<(), Refusal> {
    match text(schema, "type").map(str::to_lowercase).as_deref() {
        Some("object") | None => Ok(()),
        Some(_) => Err(invalid(format!("Function {name}: parameters schema should be of type OBJECT."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keywords_outside_the_list_are_refused() {
        for (keyword, value) in [
            ("const", json!(1)),
            ("pattern", json!("a")),
            ("minLength", json!(1)),
            ("$schema", json!("x")),
            ("default", json!(1)),
            ("not", json!({})),
        ] {
            let mut property = json!({"type": "string"});
            property[keyword] = value;
            assert!(check(&json!({"type": "object", "properties": {"a": property}}), "s").is_err(), "{keyword}");
        }
        assert!(check(&json!({"type": "object", "properties": {"pattern": {"type": "string"}}}), "s").is_ok());
        assert!(check(&json!({"type": ["string", "null"]}), "s").is_err());
        assert!(check(&json!({"$ref": "#/$defs/a", "description": "b"}), "s").is_err());
        assert!(check(&json!({"type": "object", "required": ["gone"]}), "s").is_err());
    }
}
