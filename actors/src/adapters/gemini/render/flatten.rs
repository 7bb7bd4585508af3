//! References and `allOf` of a JSON Schema, resolved where Gemini cannot.
//!
//! It takes `$ref` to a definition at the root, and nothing beside it. Every other reference is replaced
//! by what it names, and so is one with siblings; one that leads back to itself stays or is cut. The
//! members of `allOf` are merged into their schema, which wins where they disagree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Beyond so many definitions every reference between them is taken for a cycle, which is always safe.
const TRACED_MAX: usize = 256;
/// The most references replaced within each other.
const REPLACED_MAX: usize = 12;

/// A schema without `$ref` and `allOf`, with the names that belong to its object apart.
#[derive(Debug, Default)]
pub(super) struct Flat<'a> {
    keywords: BTreeMap<&'a str, &'a Value>,
    /// In the order in which they stand.
    pub(super) properties: Vec<(&'a str, &'a Value)>,
    pub(super) required: Vec<&'a str>,
    named: BTreeSet<&'a str>,
    required_names: BTreeSet<&'a str>,
}

impl<'a> Flat<'a> {
    /// The value of a keyword.
    pub(super) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.keywords.get(keyword).copied()
    }

    /// How much it would add to write it once more, without the schemas that it holds.
    pub(super) fn weight(&self) -> usize {
        const SCHEMAS: [&str; 5] = ["items", "prefixItems", "anyOf", "oneOf", "additionalProperties"];
        let own = self.keywords.iter().filter(|(keyword, _)| !SCHEMAS.contains(*keyword));
        own.map(|(_, value)| weight(value)).sum::<usize>() + self.properties.len() + self.required.len()
    }
}

/// What a schema is.
#[derive(Debug)]
pub(super) enum Flattened<'a> {
    /// A reference to this definition and nothing else.
    Reference(&'a str),
    /// Anything else.
    Schema(Flat<'a>),
}

/// The definitions at the root of a schema.
#[derive(Debug)]
pub(super) struct Definitions<'a> {
    root: &'a Value,
    by_name: BTreeMap<&'a str, &'a Value>,
    /// For each definition all that it leads to.
    reached: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

/// Where a reference leads.
enum Place<'a> {
    Definition(&'a str),
    Elsewhere(&'a str),
}

impl<'a> Definitions<'a> {
    pub(super) fn of(root: &'a Value) -> Self {
        let at = |key: &str| root.get(key).and_then(Value::as_object).into_iter().flatten();
        let by_name: BTreeMap<&str, &Value> =
            at("definitions").chain(at("$defs")).map(|(name, schema)| (name.as_str(), schema)).collect();
        let mut direct: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, schema) in &by_name {
            let mut names = BTreeSet::new();
            references(schema, &mut names);
            names.retain(|name| by_name.contains_key(name));
            direct.insert(name, names);
        }
        let traced = if by_name.len() > TRACED_MAX { 0 } else { TRACED_MAX };
        let reached = by_name.keys().take(traced).map(|name| (*name, closure(name, &direct))).collect();
        Self { root, by_name, reached }
    }

    /// The definition of this name.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.by_name.get(name).copied()
    }

    /// Whether one definition leads to another, or may.
    pub(super) fn reaches(&self, from: &str, to: &str) -> bool {
        self.reached.get(from).is_none_or(|names| names.contains(to))
    }

    /// The schema without references. Those that were replaced are pushed on the stack, for the caller to
    /// take off when it is done with all that the schema holds.
    pub(super) fn flatten(
        &self,
        map: &'a Map<String, Value>,
        is_root: bool,
        stack: &mut Vec<&'a str>,
    ) -> Flattened<'a> {
        let reference = map.get("$ref").and_then(Value::as_str);
        if let Some(Place::Definition(name)) = reference.map(|path| self.place(path)) {
            let stands_alone = !is_root && map.keys().all(|key| key == "$ref" || is_silent(key));
            if stands_alone || stack.contains(&name) || stack.len() >= REPLACED_MAX {
                return Flattened::Reference(name);
            }
        }
        let mut flat = Flat::default();
        self.merge(map, &mut flat, stack);
        Flattened::Schema(flat)
    }

    fn merge(&self, map: &'a Map<String, Value>, flat: &mut Flat<'a>, stack: &mut Vec<&'a str>) {
        for (key, value) in map {
            match (key.as_str(), value) {
                ("$ref" | "allOf" | "$defs" | "definitions", _) => {}
                ("properties", Value::Object(properties)) => {
                    for (name, schema) in properties {
                        if flat.named.insert(name) {
                            flat.properties.push((name, schema));
                        }
                    }
                }
                ("required", Value::Array(names)) => {
                    for name in names.iter().filter_map(Value::as_str) {
                        if flat.required_names.insert(name) {
                            flat.required.push(name);
                        }
                    }
                }
                _ => {
                    flat.keywords.entry(key).or_insert(value);
                }
            }
        }
        if let Some((key, Value::Object(target))) =
            map.get("$ref").and_then(Value::as_str).and_then(|it| self.target(it))
            && !stack.contains(&key)
            && stack.len() < REPLACED_MAX
        {
            stack.push(key);
            self.merge(target, flat, stack);
        }
        for member in map.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            if let Value::Object(member) = member {
                self.merge(member, flat, stack);
            }
        }
    }

    /// What a reference names, with what stands for it on the stack.
    fn target(&self, path: &'a str) -> Option<(&'a str, &'a Value)> {
        match self.place(path) {
            Place::Definition(name) => Some((name, self.get(name)?)),
            Place::Elsewhere(path) => Some((path, self.root.pointer(path.strip_prefix('#')?)?)),
        }
    }

    fn place(&self, path: &'a str) -> Place<'a> {
        let name = path.strip_prefix("#/$defs/").or_else(|| path.strip_prefix("#/definitions/"));
        match name.filter(|name| self.by_name.contains_key(name)) {
            Some(name) => Place::Definition(name),
            None => Place::Elsewhere(path),
        }
    }
}

/// Keywords beside a reference that say nothing to Gemini, so that it still stands alone.
fn is_silent(keyword: &str) -> bool {
    const SILENT: [&str; 9] =
        ["$schema", "$id", "$comment", "$defs", "definitions", "default", "examples", "deprecated", "readOnly"];
    SILENT.contains(&keyword)
}

fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / 32,
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Object(map) => 1 + map.iter().map(|(key, value)| key.len() / 32 + weight(value)).sum::<usize>(),
        _ => 1,
    }
}

/// Names of definitions that anything in `value` refers to.
fn references<'a>(value: &'a Value, names: &mut BTreeSet<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, names)),
        Value::Object(map) => {
            if let Some(path) = map.get("$ref").and_then(Value::as_str) {
                names.extend(path.strip_prefix("#/$defs/").or_else(|| path.strip_prefix("#/definitions/")));
            }
            map.values().for_each(|value| references(value, names));
        }
        _ => {}
    }
}

fn closure<'a>(name: &'a str, direct: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::from([name]);
    let mut pending = vec![name];
    while let Some(name) = pending.pop() {
        for next in direct.get(name).into_iter().flatten() {
            if reached.insert(next) {
                pending.push(next);
            }
        }
    }
    reached
}
