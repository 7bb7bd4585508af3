//! JSON Schema as Gemini takes it.
//!
//! It refuses keywords that it does not know, so a schema is made anew from those that it does, and what
//! it cannot check is said in the description, where the model reads it. The rules are those of
//! `wire/translation.md` §6. Only keywords are looked at: the keys of `properties` and `$defs` are names,
//! whatever they are called. Flattening of references and `allOf` is in `flatten`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::flatten::{Definitions, Flat, Flattened};

/// Schemas below this many levels are cut off: nothing real is deeper.
const DEPTH_MAX: usize = 48;
/// The most that a request's schemas may grow by, in schemas and in what [`Flat::weight`] counts: references
/// can repeat, and repeat again, so that a small body would make a huge one.
const GROWTH_MAX: usize = 20_000;

/// How much the schemas of one request may still grow by replacing references.
#[derive(Debug)]
pub(super) struct Allowance(usize);

impl Default for Allowance {
    fn default() -> Self {
        Self(GROWTH_MAX)
    }
}
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];
/// Formats that Gemini knows.
const FORMATS: [&str; 7] = ["date-time", "date", "time", "int32", "int64", "float", "double"];
/// Keywords that become words.
const SPOKEN: [&str; 9] = [
    "pattern",
    "minLength",
    "maxLength",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minProperties",
    "maxProperties",
    "contentMediaType",
];

/// The parameters of a tool: an object at the root; `None` where there are none.
pub(super) fn of_tool(schema: &Value, allowance: &mut Allowance) -> Option<Value> {
    let mut root = cleaned(schema, allowance);
    merge_alternatives(&mut root);
    root.insert("type".to_owned(), json!("object"));
    let has_properties = root.get("properties").and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    (has_properties || root.contains_key("additionalProperties")).then_some(Value::Object(root))
}

/// The shape of an answer.
pub(super) fn of_answer(schema: &Value) -> Value {
    Value::Object(cleaned(schema, &mut Allowance::default()))
}

fn cleaned(schema: &Value, allowance: &mut Allowance) -> Map<String, Value> {
    let mut cleaner = Cleaner {
        definitions: Definitions::of(schema),
        stack: Vec::new(),
        outermost: 0,
        used: Vec::new(),
        known: BTreeSet::new(),
        allowance,
        is_cyclic: false,
    };
    let mut root = cleaner.schema(schema, 0).unwrap_or_default();
    let mut definitions = Map::new();
    // References in definitions may need more definitions.
    let mut next = 0;
    while let Some(name) = cleaner.used.get(next).copied() {
        next += 1;
        cleaner.stack = vec![name];
        cleaner.outermost = 1;
        let definition = cleaner.definitions.get(name).and_then(|schema| cleaner.schema(schema, 1));
        definitions.insert(name.to_owned(), Value::Object(definition.unwrap_or_default()));
    }
    if !definitions.is_empty() {
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    root
}

/// A choice at the root becomes one object with what any of the alternatives has.
fn merge_alternatives(root: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = root.remove("anyOf") else { return };
    let mut properties = match root.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    let mut required: Option<BTreeSet<String>> = None;
    for alternative in &alternatives {
        let reference = alternative.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
        let alternative = match reference {
            Some(name) => root.get("$defs").and_then(|definitions| definitions.get(name)).unwrap_or(alternative),
            None => alternative,
        };
        if alternative.get("type").and_then(Value::as_str) == Some("null") {
            continue;
        }
        for (name, schema) in alternative.get("properties").and_then(Value::as_object).into_iter().flatten() {
            properties.entry(name).or_insert_with(|| schema.clone());
        }
        let names: BTreeSet<String> = names(alternative.get("required")).map(str::to_owned).collect();
        required = Some(required.map_or(names.clone(), |required| &required & &names));
    }
    let own = names(root.get("required")).map(str::to_owned).collect::<BTreeSet<_>>();
    let required: Vec<String> = own.into_iter().chain(required.unwrap_or_default()).collect();
    root.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        root.insert("required".to_owned(), json!(required));
    }
}

fn names(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

struct Cleaner<'a, 'b> {
    definitions: Definitions<'a>,
    /// Definitions that we are in, and references that were replaced by what they name.
    stack: Vec<&'a str>,
    /// How much of the stack is no replaced reference.
    outermost: usize,
    /// Definitions that what was made refers to, in order.
    used: Vec<&'a str>,
    known: BTreeSet<&'a str>,
    /// What replaced references may still add.
    allowance: &'b mut Allowance,
    /// What was made since this was reset refers to a definition that we are in.
    is_cyclic: bool,
}

impl<'a> Cleaner<'a, '_> {
    /// The schema made anew; `None` for `false`, which nothing satisfies.
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Option<Map<String, Value>> {
        let map = match schema {
            Value::Bool(false) => return None,
            Value::Object(map) if depth <= DEPTH_MAX => map,
            _ => return Some(Map::new()),
        };
        if self.stack.len() > self.outermost && !self.grow(1) {
            return Some(Map::new());
        }
        let outer = self.stack.len();
        let made = match self.definitions.flatten(map, depth == 0, &mut self.stack) {
            Flattened::Reference(name) => {
                self.is_cyclic |= self.stack.iter().any(|inside| self.definitions.reaches(name, inside));
                if self.known.insert(name) {
                    self.used.push(name);
                }
                Map::from_iter([("$ref".to_owned(), json!(format!("#/$defs/{name}")))])
            }
            Flattened::Schema(flat) if self.stack.len() > outer && !self.grow(flat.weight()) => Map::new(),
            Flattened::Schema(flat) => self.object(&flat, depth),
        };
        self.stack.truncate(outer);
        Some(made)
    }

    /// Takes from the allowance; `false` where it is used up.
    fn grow(&mut self, by: usize) -> bool {
        let left = self.allowance.0.checked_sub(by);
        self.allowance.0 = left.unwrap_or(0);
        left.is_some()
    }

    fn object(&mut self, flat: &Flat<'a>, depth: usize) -> Map<String, Value> {
        let mut notes: Vec<String> = Vec::new();
        let (mut types, values) = types_and_values(flat, &mut notes);
        let mut pieces = self.pieces(flat, depth, &mut notes);
        for (keyword, kind) in [("properties", "object"), ("items", "array"), ("prefixItems", "array")] {
            if types.is_empty() && pieces.contains_key(keyword) {
                types.push(kind);
            }
        }
        let mut made = Map::new();
        if let Some(title) = flat.get("title").filter(|title| title.is_string()) {
            made.insert("title".to_owned(), title.clone());
        }
        let alternatives = flat.get("anyOf").or_else(|| flat.get("oneOf")).and_then(Value::as_array);
        let alternatives: Vec<Value> = alternatives
            .into_iter()
            .flatten()
            .filter_map(|alternative| self.schema(alternative, depth + 1).map(Value::Object))
            .collect();
        // An alternative that allows anything allows what the others do.
        let is_open = alternatives.iter().any(|alternative| alternative.as_object().is_some_and(Map::is_empty));
        let alternatives = if is_open { Vec::new() } else { alternatives };
        let described = match flat.get("description").and_then(Value::as_str) {
            Some(description) => std::iter::once(description.to_owned()).chain(notes).collect::<Vec<_>>().join("\n"),
            None => notes.join("\n"),
        };
        if !described.is_empty() {
            made.insert("description".to_owned(), json!(described));
        }
        match (types.as_slice(), alternatives.is_empty()) {
            (types, false) => {
                let null = json!({"type": "null"});
                let adds_null = types.contains(&"null") && types.len() > 1 && !alternatives.contains(&null);
                let alternatives: Vec<Value> = alternatives.into_iter().chain(adds_null.then_some(null)).collect();
                if let [kind] = types {
                    made.insert("type".to_owned(), json!(kind));
                    made.append(&mut of_type(kind, &pieces, &values));
                }
                made.insert("anyOf".to_owned(), json!(alternatives));
            }
            ([], true) => made.append(&mut pieces),
            ([kind], true) => {
                made.insert("type".to_owned(), json!(kind));
                made.append(&mut of_type(kind, &pieces, &values));
            }
            (types, true) => {
                let alternatives = types.iter().map(|kind| {
                    let mut alternative = Map::from_iter([("type".to_owned(), json!(kind))]);
                    alternative.append(&mut of_type(kind, &pieces, &values));
                    Value::Object(alternative)
                });
                made.insert("anyOf".to_owned(), alternatives.collect());
            }
        }
        made
    }

    /// Every keyword that belongs to a type, made anew.
    fn pieces(&mut self, flat: &Flat<'a>, depth: usize, notes: &mut Vec<String>) -> Map<String, Value> {
        let mut pieces = Map::new();
        for keyword in ["minimum", "maximum", "minItems", "maxItems"] {
            if let Some(number) = flat.get(keyword).filter(|number| number.is_number()) {
                pieces.insert(keyword.to_owned(), number.clone());
            }
        }
        match flat.get("format").and_then(Value::as_str) {
            Some(format) if FORMATS.contains(&format) => {
                pieces.insert("format".to_owned(), json!(format));
            }
            Some(format) => notes.push(format!("format: {format}")),
            None => {}
        }
        for keyword in SPOKEN {
            match flat.get(keyword) {
                Some(Value::String(text)) => notes.push(format!("{keyword}: {text}")),
                Some(number @ Value::Number(_)) => notes.push(format!("{keyword}: {number}")),
                Some(Value::Bool(true)) => notes.push(keyword.to_owned()),
                _ => {}
            }
        }
        self.object_pieces(flat, depth, &mut pieces);
        // An array of schemas is how tuples were written before `prefixItems`.
        for keyword in ["items", "prefixItems"] {
            match flat.get(keyword) {
                Some(Value::Array(items)) => {
                    let items = items.iter().map(|item| self.schema(item, depth + 1).unwrap_or_default());
                    pieces.insert("prefixItems".to_owned(), items.map(Value::Object).collect());
                }
                Some(item @ Value::Object(_)) if keyword == "items" => {
                    let item = self.schema(item, depth + 1).unwrap_or_default();
                    pieces.insert("items".to_owned(), Value::Object(item));
                }
                _ => {}
            }
        }
        pieces
    }

    fn object_pieces(&mut self, flat: &Flat<'a>, depth: usize, pieces: &mut Map<String, Value>) {
        match flat.get("additionalProperties") {
            Some(Value::Bool(false)) => {
                pieces.insert("additionalProperties".to_owned(), json!(false));
            }
            Some(schema @ Value::Object(_)) => {
                let schema = self.schema(schema, depth + 1).unwrap_or_default();
                pieces.insert("additionalProperties".to_owned(), Value::Object(schema));
            }
            _ => {}
        }
        if flat.properties.is_empty() {
            return;
        }
        let mut properties = Map::new();
        let mut cyclic: BTreeSet<&str> = BTreeSet::new();
        for (name, schema) in &flat.properties {
            let before = std::mem::replace(&mut self.is_cyclic, false);
            if let Some(made) = self.schema(schema, depth + 1) {
                properties.insert((*name).to_owned(), Value::Object(made));
            }
            // Gemini unrolls a cycle only where it may stop, which is at a property that is not required.
            if self.is_cyclic {
                cyclic.insert(name);
            }
            self.is_cyclic = before;
        }
        let required: Vec<&str> = flat.required.iter().copied().filter(|name| properties.contains_key(*name)).collect();
        let required: Vec<&str> = required.into_iter().filter(|name| !cyclic.contains(name)).collect();
        let ordering: Vec<&str> =
            names(flat.get("propertyOrdering")).filter(|name| properties.contains_key(*name)).collect();
        pieces.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            pieces.insert("required".to_owned(), json!(required));
        }
        if !ordering.is_empty() {
            pieces.insert("propertyOrdering".to_owned(), json!(ordering));
        }
    }
}

/// The types that a schema allows, in order, and its enumerated texts and numbers.
fn types_and_values<'f>(flat: &'f Flat<'_>, notes: &mut Vec<String>) -> (Vec<&'f str>, Vec<&'f Value>) {
    let mut types: Vec<&str> = match flat.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    types.retain(|kind| TYPES.contains(kind));
    let is_nullable = flat.get("nullable").and_then(Value::as_bool) == Some(true) && !types.is_empty();
    let listed: Vec<&Value> = match (flat.get("const"), flat.get("enum")) {
        (Some(value), _) => vec![value],
        (None, Some(Value::Array(values))) => values.iter().collect(),
        _ => Vec::new(),
    };
    let (values, others): (Vec<&Value>, Vec<&Value>) =
        listed.into_iter().partition(|value| value.is_string() || value.is_number());
    if types.is_empty() {
        types.extend(values.iter().map(|value| kind_of(value)));
        types.extend(others.iter().map(|value| kind_of(value)));
    } else if is_nullable || others.iter().any(|value| value.is_null()) {
        types.push("null");
    }
    let mut seen = BTreeSet::new();
    types.retain(|kind| seen.insert(*kind));
    // Both booleans say no more than the type.
    let spoken: Vec<String> = others.iter().filter(|value| !value.is_null()).map(ToString::to_string).collect();
    let is_bare = values.is_empty() && types.iter().all(|kind| matches!(*kind, "boolean" | "null"));
    let says_nothing = spoken.is_empty() || (is_bare && spoken.len() > 1);
    if !says_nothing {
        notes.push(format!("one of: {}", spoken.join(", ")));
    }
    (types, values)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What of the pieces and values concerns one type.
fn of_type(kind: &str, pieces: &Map<String, Value>, values: &[&Value]) -> Map<String, Value> {
    let keywords: &[&str] = match kind {
        "string" => &["format"],
        "number" | "integer" => &["format", "minimum", "maximum"],
        "array" => &["items", "prefixItems", "minItems", "maxItems"],
        "object" => &["properties", "required", "additionalProperties", "propertyOrdering"],
        _ => &[],
    };
    let mut made: Map<String, Value> =
        keywords.iter().filter_map(|keyword| Some(((*keyword).to_owned(), pieces.get(*keyword)?.clone()))).collect();
    let fits = |value: &&&Value| match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_number() && !value.is_f64(),
        _ => false,
    };
    let listed: Vec<&Value> = values.iter().filter(fits).copied().collect();
    if !listed.is_empty() {
        made.insert("enum".to_owned(), json!(listed));
    }
    made
}

#[cfg(test)]
mod tests;
