//! JSON Schema as Anthropic takes it.
//!
//! A tool's schema is an ordinary one with an object at its root. The schema of an answer, and of a
//! strict tool, is a subset: what is not in it is removed and told to the model in the description. A key
//! under `properties` is a name and never a keyword, whatever it is called.

use serde_json::{Map, Value, json};

/// Formats of strings that are kept.
const STRING_FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6"];

/// The schema of a tool's arguments.
pub(crate) fn of_tool(parameters: Option<&Value>, strict: bool) -> Value {
    let root = match parameters {
        Some(Value::Object(schema)) => object_root(schema),
        _ => Map::from_iter([("type".to_owned(), json!("object")), ("properties".to_owned(), json!({}))]),
    };
    let root = Value::Object(root);
    if strict { of_answer(&root) } else { root }
}

/// The schema of an answer, in the accepted subset.
pub(crate) fn of_answer(schema: &Value) -> Value {
    let Value::Object(schema) = schema else { return json!({}) };
    let mut rest = schema.clone();
    let mut kept = Map::new();
    if let Some(reference) = rest.shift_remove("$ref") {
        kept.insert("$ref".to_owned(), renamed_reference(&reference));
        keep_definitions(&mut rest, &mut kept);
        return Value::Object(kept);
    }
    keep_definitions(&mut rest, &mut kept);
    rest.shift_remove("$schema");
    let kind = rest.shift_remove("type");
    for (keyword, written) in [("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")] {
        if let Some(Value::Array(branches)) = rest.get(keyword)
            && !kept.contains_key("anyOf")
        {
            let branches: Vec<Value> = branches.iter().map(of_answer).collect();
            kept.insert(written.to_owned(), Value::Array(branches));
            rest.shift_remove(keyword);
        }
    }
    for keyword in ["enum", "const", "title", "description"] {
        if let Some(value) = rest.shift_remove(keyword) {
            kept.insert(keyword.to_owned(), value);
        }
    }
    let is = |name: &str| match &kind {
        Some(Value::String(kind)) => kind == name,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        _ => false,
    };
    let is_object = is("object") || (kind.is_none() && rest.contains_key("properties"));
    let is_array = is("array") || (kind.is_none() && rest.contains_key("items"));
    let is_string = is("string");
    match kind {
        Some(kind) => kept.insert("type".to_owned(), kind),
        None if is_object => kept.insert("type".to_owned(), json!("object")),
        None if is_array => kept.insert("type".to_owned(), json!("array")),
        None => None,
    };
    if is_object {
        let properties = match rest.shift_remove("properties") {
            Some(Value::Object(properties)) => {
                properties.iter().map(|(name, property)| (name.clone(), of_answer(property))).collect()
            }
            _ => Map::new(),
        };
        kept.insert("properties".to_owned(), Value::Object(properties));
        rest.shift_remove("additionalProperties");
        kept.insert("additionalProperties".to_owned(), Value::Bool(false));
        if let Some(required) = rest.shift_remove("required") {
            kept.insert("required".to_owned(), required);
        }
    }
    if is_array {
        if let Some(items) = rest.shift_remove("items") {
            kept.insert("items".to_owned(), of_answer(&items));
        }
        if matches!(rest.get("minItems").and_then(Value::as_u64), Some(0 | 1))
            && let Some(least) = rest.shift_remove("minItems")
        {
            kept.insert("minItems".to_owned(), least);
        }
    }
    let format = rest.get("format").and_then(Value::as_str);
    if is_string
        && format.is_some_and(|format| STRING_FORMATS.contains(&format) || format == "uuid")
        && let Some(format) = rest.shift_remove("format")
    {
        kept.insert("format".to_owned(), format);
    }
    describe(&mut kept, &rest);
    Value::Object(kept)
}

/// Tells the model in words what the schema may not say.
fn describe(kept: &mut Map<String, Value>, rest: &Map<String, Value>) {
    if rest.is_empty() {
        return;
    }
    let told: Vec<String> = rest.iter().map(|(keyword, value)| format!("{keyword}: {value}")).collect();
    append_description(kept, &format!("{{{}}}", told.join(", ")));
}

fn append_description(schema: &mut Map<String, Value>, text: &str) {
    let description = match schema.get("description").and_then(Value::as_str) {
        Some(description) => format!("{description}\n\n{text}"),
        None => text.to_owned(),
    };
    schema.insert("description".to_owned(), Value::String(description));
}

/// `$defs`, also under its former name.
fn keep_definitions(rest: &mut Map<String, Value>, kept: &mut Map<String, Value>) {
    let mut definitions = Map::new();
    for keyword in ["definitions", "$defs"] {
        if let Some(Value::Object(found)) = rest.shift_remove(keyword) {
            definitions.extend(found.iter().map(|(name, schema)| (name.clone(), of_answer(schema))));
        }
    }
    if !definitions.is_empty() {
        kept.insert("$defs".to_owned(), Value::Object(definitions));
    }
}

fn renamed_reference(reference: &Value) -> Value {
    match reference.as_str().and_then(|reference| reference.strip_prefix("#/definitions/")) {
        Some(name) => Value::String(format!("#/$defs/{name}")),
        None => reference.clone(),
    }
}

/// The schema with an object at its root. Alternatives at the root, which are refused, become one object
/// with the properties of all: the arguments keep their shape, and the alternatives are told in words.
fn object_root(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut root = match resolved(schema, schema) {
        Some(target) => {
            let mut target = target.clone();
            for keyword in ["$defs", "definitions"] {
                if let Some(definitions) = schema.get(keyword) {
                    target.entry(keyword.to_owned()).or_insert_with(|| definitions.clone());
                }
            }
            target
        }
        None => schema.clone(),
    };
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let Some(Value::Array(branches)) = root.shift_remove(keyword) else { continue };
        let objects: Vec<&Map<String, Value>> = branches
            .iter()
            .filter_map(Value::as_object)
            .map(|branch| resolved(branch, schema).unwrap_or(branch))
            .collect();
        let required = required_of(&objects, keyword == "allOf");
        for branch in &objects {
            if let Some(Value::Object(properties)) = branch.get("properties") {
                merge_properties(&mut root, properties);
            }
        }
        add_required(&mut root, required);
        if keyword != "allOf" {
            append_description(&mut root, &format!("{{{keyword}: {}}}", Value::Array(branches)));
        }
    }
    root.insert("type".to_owned(), json!("object"));
    root.entry("properties").or_insert_with(|| json!({}));
    root
}

/// What a `$ref` into the definitions of the root points at.
fn resolved<'s>(schema: &Map<String, Value>, root: &'s Map<String, Value>) -> Option<&'s Map<String, Value>> {
    let mut path = schema.get("$ref")?.as_str()?.strip_prefix("#/")?.split('/');
    let definitions = root.get(path.next()?)?;
    definitions.get(path.next()?)?.as_object()
}

fn merge_properties(root: &mut Map<String, Value>, properties: &Map<String, Value>) {
    let mine = root.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(mine) = mine {
        for (name, property) in properties {
            mine.entry(name.clone()).or_insert_with(|| property.clone());
        }
    }
}

/// Names that every branch requires, or with `any` that one of them does.
fn required_of(branches: &[&Map<String, Value>], any: bool) -> Vec<Value> {
    let lists: Vec<&[Value]> = branches
        .iter()
        .map(|branch| branch.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice))
        .collect();
    let mut required = Vec::new();
    for name in lists.iter().copied().flatten() {
        if !required.contains(name) && (any || lists.iter().all(|list| list.contains(name))) {
            required.push(name.clone());
        }
    }
    required
}

fn add_required(root: &mut Map<String, Value>, names: Vec<Value>) {
    if names.is_empty() {
        return;
    }
    if let Value::Array(required) = root.entry("required").or_insert_with(|| json!([])) {
        for name in names {
            if !required.contains(&name) {
                required.push(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answers_schema_keeps_the_subset_and_tells_the_rest() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Person",
            "type": "object",
            "description": "A person.",
            "properties": {
                "pattern": {"type": "string", "pattern": "^a", "minLength": 2, "description": "A name."},
                "default": {"type": ["integer", "null"], "minimum": 1, "default": 7},
                "mail": {"type": "string", "format": "email"},
                "odd": {"type": "string", "format": "color"},
                "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1, "maxItems": 3},
                "many": {"type": "array", "items": {"$ref": "#/definitions/Pet"}, "minItems": 2},
                "either": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {}}]},
                "fixed": {"const": 3}
            },
            "required": ["pattern"],
            "additionalProperties": {"type": "string"},
            "definitions": {"Pet": {"type": "object", "properties": {"kind": {"type": "string"}}, "patternProperties": {}}}
        });
        insta::assert_json_snapshot!(of_answer(&schema));
    }

    #[test]
    fn a_tools_schema_has_an_object_at_its_root() {
        let cases = [
            json!(null),
            json!({}),
            json!({"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}, "additionalProperties": true}),
            json!({"type": ["object", "null"]}),
            json!({"anyOf": [
                {"type": "object", "properties": {"a": {"type": "string"}, "x": {}}, "required": ["x", "a"]},
                {"type": "object", "properties": {"b": {"type": "string"}, "x": {}}, "required": ["x", "b"]}]}),
            json!({"description": "D", "allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": {}}, "required": ["b"]}],
                "$defs": {"A": {"type": "object", "properties": {"a": {}}, "required": ["a"]}}}),
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}}}),
        ];
        let written: Vec<Value> = cases.iter().map(|case| of_tool(Some(case), false)).collect();
        assert!(written.iter().all(|schema| schema["type"] == "object"));
        insta::assert_json_snapshot!(written);
    }

    #[test]
    fn a_strict_tool_takes_the_subset() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}});
        assert_eq!(
            of_tool(Some(&schema), true),
            json!({"type": "object", "properties": {"a": {"type": "integer", "description": "{minimum: 0}"}},
                "additionalProperties": false})
        );
    }
}
