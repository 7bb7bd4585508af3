//! One table out of three sources: the shipped configuration, the file over it, the environment over both.
//!
//! Also remembers which source said what, so that an error names the file or the variable to change.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::environment::Environment;
use super::error::ConfigError;
use super::fields::key_of;

/// The configuration that holds where a file says nothing.
const SHIPPED: &str = include_str!("shipped.toml");
/// What errors call it.
pub(super) const SHIPPED_NAME: &str = "shipped configuration";
/// Variables that start with this override keys.
pub const VARIABLE_PREFIX: &str = "LMHAVEN__";
/// The arrays whose entries are named by their `id`, in paths and in variables.
const ARRAYS_BY_ID: [&str; 2] = ["providers", "models"];

/// Who said what a key has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Embedded in the binary.
    Shipped,
    /// The operator's file.
    File,
    /// This environment variable.
    Variable(String),
}

/// Which source each key came from.
pub(super) struct Origins {
    file: Option<(String, Table)>,
    variables: BTreeMap<String, String>,
}

/// All sources laid over each other.
pub(super) struct Merged {
    pub(super) table: Table,
    pub(super) origins: Origins,
    pub(super) errors: Vec<ConfigError>,
}

/// Lays the file, given by its name and text, and the environment over the shipped configuration.
pub(super) fn merge(file: Option<(&str, &str)>, environment: &dyn Environment) -> Result<Merged, ConfigError> {
    let mut table = parse(SHIPPED_NAME, SHIPPED)?;
    let mut origins = Origins { file: None, variables: BTreeMap::new() };
    if let Some((name, text)) = file {
        let own = parse(name, text)?;
        lay_over(&mut table, own.clone());
        origins.file = Some((name.to_owned(), own));
    }
    let mut errors = Vec::new();
    for (name, value) in environment.variables(VARIABLE_PREFIX) {
        let rest = name.get(VARIABLE_PREFIX.len()..).unwrap_or_default();
        match set(&mut table, rest, value) {
            Ok(paths) => origins.variables.extend(paths.into_iter().map(|path| (path, name.clone()))),
            Err(reason) => {
                errors.push(ConfigError { source_name: Origins::variable_label(&name), key: String::new(), reason });
            }
        }
    }
    Ok(Merged { table, origins, errors })
}

/// The shipped configuration alone.
pub(super) fn shipped() -> Table {
    SHIPPED.parse().unwrap_or_default()
}

/// What a path calls an entry of an array: by its id where it has one, else by its place.
pub(super) fn entry_path(array: &str, place: usize, entry: &Value) -> String {
    match entry.get("id").and_then(Value::as_str) {
        Some(id) if ARRAYS_BY_ID.contains(&array) && !id.is_empty() => format!("{array}.{id}"),
        _ => format!("{array}[{place}]"),
    }
}

impl Origins {
    /// Where the value at `path` came from.
    pub(super) fn of(&self, path: &str) -> Origin {
        if let Some(name) = self.variables.get(path) {
            return Origin::Variable(name.clone());
        }
        let Some((_, own)) = &self.file else { return Origin::Shipped };
        let mut table = own;
        for segment in path.split(['.', '[']) {
            match table.get(segment) {
                Some(Value::Table(inner)) => table = inner,
                // Arrays and values are replaced as a whole, so the rest of the path is the file's too.
                Some(_) => return Origin::File,
                None => return Origin::Shipped,
            }
        }
        Origin::File
    }

    /// What an error about `path` calls its source.
    pub(super) fn label(&self, path: &str) -> String {
        match (self.of(path), &self.file) {
            (Origin::Variable(name), _) => Self::variable_label(&name),
            // With a file at hand the file is where the operator mends what the shipped configuration says.
            (Origin::File | Origin::Shipped, Some((name, _))) => name.clone(),
            (Origin::File | Origin::Shipped, None) => SHIPPED_NAME.to_owned(),
        }
    }

    fn variable_label(name: &str) -> String {
        format!("environment variable {name}")
    }
}

/// A TOML text as a table. The parser's own rendering is not used: it quotes the line, secrets and all.
fn parse(name: &str, text: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| {
        let place = error.span().map_or_else(String::new, |span| {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("line {line}, column {column}: ")
        });
        ConfigError { source_name: name.to_owned(), key: String::new(), reason: format!("{place}{}", error.message()) }
    })
}

/// Tables are merged key by key; anything else, arrays included, is replaced.
fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => drop(below.insert(key, value)),
        }
    }
}

/// A key or id as a variable writes it: upper case, and `_` for everything but letters and digits.
fn as_variable(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' }).collect()
}

/// Sets what the variable names and answers the path of everything that it made.
fn set(table: &mut Table, rest: &str, value: String) -> Result<Vec<String>, String> {
    let mut made = Vec::new();
    set_in_table(table, "", rest, value, &mut made)?;
    Ok(made)
}

fn set_in_table(
    table: &mut Table,
    path: &str,
    rest: &str,
    value: String,
    made: &mut Vec<String>,
) -> Result<(), String> {
    let (segment, below) = rest.split_once("__").map_or((rest, None), |(segment, below)| (segment, Some(below)));
    let wanted = as_variable(segment);
    if segment.is_empty() {
        return Err("names no key; write LMHAVEN__SECTION__KEY".to_owned());
    }
    // An existing key keeps its spelling (`4K`); a new one is taken as lower case, to be judged by its section.
    let existing = table.keys().find(|key| as_variable(key) == wanted).cloned();
    let key = existing.unwrap_or_else(|| segment.to_ascii_lowercase());
    let path = key_of(path, &key);
    let Some(below) = below else {
        table.insert(key, Value::String(value));
        made.push(path);
        return Ok(());
    };
    let child = table.entry(key.clone()).or_insert_with(|| {
        made.push(path.clone());
        Value::Table(Table::new())
    });
    match child {
        Value::Table(child) => set_in_table(child, &path, below, value, made),
        Value::Array(entries) => set_in_array(entries, &key, &path, below, value, made),
        _ => Err(format!("`{path}` is a value, it has no keys below it")),
    }
}

fn set_in_array(
    entries: &mut [Value],
    array: &str,
    path: &str,
    rest: &str,
    value: String,
    made: &mut Vec<String>,
) -> Result<(), String> {
    let names_of = |place: usize, entry: &Value| {
        let id = entry.get("id").and_then(Value::as_str).filter(|_| ARRAYS_BY_ID.contains(&array));
        id.map_or_else(|| place.to_string(), as_variable)
    };
    // The longest name wins, so that `GPT_4__MINI` is not taken for a key of `GPT_4`.
    let found = entries
        .iter()
        .enumerate()
        .filter_map(|(place, entry)| Some((place, rest.strip_prefix(&names_of(place, entry))?.strip_prefix("__")?)))
        .min_by_key(|(_, below)| below.len());
    let (place, below) = found.ok_or_else(|| format!("names no entry of `{path}`"))?;
    let twins = entries.iter().enumerate().filter(|(other, entry)| {
        rest.strip_prefix(&names_of(*other, entry)).and_then(|rest| rest.strip_prefix("__")) == Some(below)
    });
    if twins.count() > 1 {
        return Err(format!("names more than one entry of `{path}`"));
    }
    let Some(entry) = entries.get_mut(place) else { return Err(format!("names no entry of `{path}`")) };
    let path = if path == array { entry_path(array, place, entry) } else { format!("{path}[{place}]") };
    match entry {
        Value::Table(_) if below == "ID" => Err(format!("the id of `{path}` cannot be overridden")),
        Value::Table(entry) => set_in_table(entry, &path, below, value, made),
        _ => Err(format!("`{path}` is a value, it has no keys below it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FixedEnvironment;

    fn merged(file: &str, variables: &[(&str, &str)]) -> Merged {
        let environment = variables
            .iter()
            .fold(FixedEnvironment::default(), |environment, (name, value)| environment.with_variable(name, value));
        merge(Some(("test.toml", file)), &environment).unwrap()
    }

    #[test]
    fn tables_merge_and_arrays_are_replaced() {
        let merged = merged("[server]\nlisten = '0.0.0.0:80'\n[[providers]]\nid = 'own'\n", &[]);
        let server = merged.table["server"].as_table().unwrap();
        assert_eq!(server["listen"].as_str(), Some("0.0.0.0:80"));
        assert_eq!(server["admin_listen"].as_str(), Some("127.0.0.1:8081"));
        assert_eq!(merged.table["providers"].as_array().unwrap().len(), 1);
        assert_eq!(merged.origins.of("server.listen"), Origin::File);
        assert_eq!(merged.origins.of("server.admin_listen"), Origin::Shipped);
        assert_eq!(merged.origins.of("providers.own.kind"), Origin::File);
        assert_eq!(merged.origins.of("models.claude-opus-4-7.ratio"), Origin::Shipped);
    }

    #[test]
    fn variables_reach_every_key_by_id_place_and_name() {
        let merged = merged(
            "[[limits.tiers]]\nmin_balance = '1'\n",
            &[
                ("LMHAVEN__LIMITS__TIERS__0__MIN_BALANCE", "2"),
                ("LMHAVEN__MODELS__CLAUDE_OPUS_4_7__LIST_PRICE__INPUT", "4"),
                ("LMHAVEN__MODELS__NANO_BANANA_PRO__LIST_PRICE__4K", "0.2"),
                ("LMHAVEN__PROVIDERS__ANTHROPIC__BASE_URL", "http://127.0.0.1:9100"),
            ],
        );
        assert_eq!(merged.errors, []);
        assert_eq!(merged.table["limits"]["tiers"][0]["min_balance"].as_str(), Some("2"));
        assert_eq!(merged.table["models"][0]["list_price"]["input"].as_str(), Some("4"));
        assert_eq!(merged.table["models"][8]["list_price"]["4K"].as_str(), Some("0.2"));
        assert_eq!(merged.table["providers"][0]["base_url"].as_str(), Some("http://127.0.0.1:9100"));
        let variable = |name: &str| Origin::Variable(name.to_owned());
        for (path, name) in [
            ("limits.tiers[0].min_balance", "LMHAVEN__LIMITS__TIERS__0__MIN_BALANCE"),
            ("models.claude-opus-4-7.list_price.input", "LMHAVEN__MODELS__CLAUDE_OPUS_4_7__LIST_PRICE__INPUT"),
            ("providers.anthropic.base_url", "LMHAVEN__PROVIDERS__ANTHROPIC__BASE_URL"),
        ] {
            assert_eq!(merged.origins.of(path), variable(name));
        }
    }

    #[test]
    fn variables_that_lead_nowhere_are_errors() {
        let models = "[[models]]\nid = 'gpt-4'\n[[models]]\nid = 'gpt.4'\n[[models]]\nid = 'gpt-4--mini'\n";
        let merged = merged(
            models,
            &[
                ("LMHAVEN__", "1"),
                ("LMHAVEN__MODELS__GPT_4__MINI__RATIO", "1"),
                ("LMHAVEN__MODELS__GPT_4__RATIO", "1"),
                ("LMHAVEN__MODELS__NONE__RATIO", "1"),
                ("LMHAVEN__PROVIDERS__ANTHROPIC__ID", "other"),
                ("LMHAVEN__SERVER__LISTEN__PORT", "80"),
                ("LMHAVEN__SERVER__TRUSTED_PROXIES__0", "::1"),
            ],
        );
        assert_eq!(merged.table["models"][2]["ratio"].as_str(), Some("1"), "the longest id wins");
        let lines: Vec<_> = merged.errors.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join(
            "
"
        ));
    }

    #[test]
    fn a_syntax_error_names_its_line_and_does_not_quote_it() {
        let text = "[server]\nadmin_token = \"sk-very-secret\nlisten = \"127.0.0.1:80\"\n";
        let error = merge(Some(("bad.toml", text)), &FixedEnvironment::default()).err().unwrap().to_string();
        assert!(error.starts_with("bad.toml: line 2, column "), "{error}");
        assert!(!error.contains("sk-very-secret"), "{error}");
    }
}
