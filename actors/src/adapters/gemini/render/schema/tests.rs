use serde_json::json;

use super::*;

fn made(schema: &Value) -> Value {
    of_answer(schema)
}

#[test]
fn every_rule_has_its_row() {
    let rows = [
        (
            "keywords that go",
            json!({"$schema": "x", "$id": "y", "$comment": "z", "examples": [1], "default": 1, "patternProperties": {},
                "propertyNames": {}, "not": {}, "if": {}, "then": {}, "else": {}, "contentEncoding": "base64",
                "uniqueItems": true, "x-unknown": 1, "type": "string"}),
        ),
        ("const of a string", json!({"const": "a"})),
        ("const of a number", json!({"const": 1.5, "description": "half"})),
        ("const of a boolean", json!({"type": "boolean", "const": true})),
        ("const of null", json!({"const": null})),
        ("enum of both booleans", json!({"enum": [true, false]})),
        ("enum with null", json!({"type": ["string", "null"], "enum": ["a", null]})),
        ("enum of strings and numbers", json!({"enum": ["a", 1]})),
        ("enum of objects", json!({"type": "object", "enum": [{"a": 1}]})),
        ("type with null", json!({"type": ["string", "null"], "description": "maybe", "format": "date"})),
        ("several types", json!({"type": ["array", "integer"], "items": {"const": 1}, "minimum": 2})),
        ("one type in a list", json!({"type": ["string"]})),
        ("no type at all", json!({"type": "any"})),
        ("nullable", json!({"type": "integer", "nullable": true, "minimum": 0})),
        ("one allOf", json!({"allOf": [{"type": "string", "pattern": "^a"}], "description": "text"})),
        (
            "several allOf",
            json!({"properties": {"a": {"type": "string"}}, "required": ["a"], "allOf": [
                {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "integer"}}, "required": ["b", "a"]},
                {"properties": {"c": {}}, "allOf": [{"properties": {"d": true}}]}]}),
        ),
        (
            "what cannot be checked is said",
            json!({"type": "string", "description": "a name", "pattern": "^[a-z]+$", "minLength": 1, "maxLength": 9,
                "format": "email"}),
        ),
        ("exclusive bounds", json!({"type": "number", "exclusiveMinimum": 0, "maximum": 9, "multipleOf": 0.5})),
        ("known format", json!({"type": "string", "format": "date-time"})),
        (
            "required is pruned",
            json!({"type": "object", "properties": {"a": {}, "b": false}, "required": ["a", "b", "c"]}),
        ),
        ("required of nothing", json!({"type": "object", "required": ["a"]})),
        ("oneOf", json!({"oneOf": [{"type": "string"}, {"$comment": "x", "type": "integer"}]})),
        ("open alternatives", json!({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})),
        ("null beside alternatives", json!({"type": ["object", "null"], "anyOf": [{"type": "object"}]})),
        ("tuple of old", json!({"type": "array", "items": [{"type": "string"}, true], "minItems": 2})),
        ("items as they are", json!({"type": "array", "items": {"type": "string", "default": "x"}, "maxItems": 3})),
        ("map", json!({"type": "object", "additionalProperties": {"type": "string", "default": "x"}})),
        ("closed", json!({"properties": {"a": {"type": "string"}}, "additionalProperties": false})),
        (
            "words that are no schema",
            json!({"type": 7, "title": 1, "description": [], "minimum": "x", "required": true}),
        ),
    ];
    let table: Vec<String> =
        rows.iter().map(|(name, schema)| format!("{name}\n  {schema}\n  {}", made(schema))).collect();
    insta::assert_snapshot!(table.join("\n\n"));
}

#[test]
fn a_property_may_have_the_name_of_a_keyword() {
    let names =
        ["default", "pattern", "title", "const", "not", "$ref", "allOf", "required", "examples", "enum", "type"];
    let properties: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({"type": "string", "default": "x"}))).collect();
    let schema = json!({"type": "object", "properties": properties, "required": names,
        "$defs": {"default": {"type": "integer"}}, "additionalProperties": {"$ref": "#/$defs/default"}});
    let made = made(&schema);
    for name in names {
        assert_eq!(made["properties"][name], json!({"type": "string"}), "{name}");
    }
    assert_eq!(made["required"], json!(names));
    assert_eq!(made["$defs"], json!({"default": {"type": "integer"}}));
}

#[test]
fn references_stay_where_they_stand_alone_and_are_replaced_elsewhere() {
    let schema = json!({
        "definitions": {"Old": {"type": "string", "maxLength": 3}},
        "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}, "Unused": {}},
        "type": "object",
        "properties": {
            "alone": {"$ref": "#/$defs/Point", "default": {"x": 1}},
            "described": {"$ref": "#/$defs/Point", "description": "where"},
            "old": {"$ref": "#/definitions/Old"},
            "elsewhere": {"$ref": "#/properties/alone"},
            "nowhere": {"$ref": "https://example.com/schema.json"},
            "all": {"allOf": [{"$ref": "#/$defs/Point"}, {"properties": {"y": {"type": "number"}}}]},
        },
    });
    insta::assert_json_snapshot!(made(&schema));
}

#[test]
fn a_cycle_stays_but_nothing_that_leads_into_it_is_required() {
    let schema = json!({
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {"type": "object", "required": ["value", "children", "owner"], "properties": {
                "value": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                "owner": {"$ref": "#/$defs/Owner", "description": "who"},
            }},
            "Owner": {"type": "object", "required": ["node", "name"], "properties": {
                "name": {"type": "string"},
                "node": {"$ref": "#/$defs/Node", "description": "again"},
            }},
        },
    });
    insta::assert_json_snapshot!(made(&schema));
    let root = json!({"type": "object", "properties": {"next": {"$ref": "#"}, "value": {"type": "string"}}});
    let unrolled = json!({"type": "object", "properties": {"next": {"type": "object",
        "properties": {"next": {}, "value": {"type": "string"}}}, "value": {"type": "string"}}});
    assert_eq!(made(&root), unrolled, "a cycle through the root is unrolled once");
    let own = json!({"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"});
    assert_eq!(made(&own), json!({}));
}

#[test]
fn references_that_repeat_cannot_make_a_huge_schema() {
    let mut definitions = Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/L{}", level + 1), "description": "x"});
        let schema = json!({"type": "object", "properties": {"a": next, "b": next, "c": next, "d": next}});
        definitions.insert(format!("L{level}"), schema);
    }
    definitions.insert("L40".to_owned(), json!({"type": "string", "description": "x".repeat(10_000)}));
    let text = made(&json!({"$ref": "#/$defs/L0", "$defs": definitions})).to_string();
    assert!(text.len() < 4_000_000, "{}", text.len());
    let big = json!({"type": "string", "enum": (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>()});
    let properties: Map<String, Value> =
        (0..1_000).map(|n| (n.to_string(), json!({"$ref": "#/$defs/Big", "description": "x"}))).collect();
    let text = made(&json!({"$defs": {"Big": big}, "properties": properties})).to_string();
    assert!(text.len() < 1_000_000, "{}", text.len());
}

#[test]
fn the_parameters_of_a_tool_are_one_object() {
    assert_eq!(of_tool(&json!({}), &mut Allowance::default()), None);
    assert_eq!(
        of_tool(&json!({"type": "object", "properties": {}, "additionalProperties": true}), &mut Allowance::default()),
        None
    );
    assert_eq!(
        of_tool(&json!({"properties": {"a": {}}}), &mut Allowance::default()),
        Some(json!({"properties": {"a": {}}, "type": "object"}))
    );
    let choice = json!({"anyOf": [
        {"type": "object", "properties": {"a": {"type": "string"}, "c": {}}, "required": ["a", "c"]},
        {"$ref": "#/$defs/B"},
        {"type": "null"},
    ], "$defs": {"B": {"type": "object", "properties": {"b": {"type": "integer"}, "c": {}}, "required": ["b", "c"]}}});
    insta::assert_json_snapshot!(of_tool(&choice, &mut Allowance::default()));
}
