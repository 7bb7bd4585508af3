//! Reading one key after another out of a raw section, and collecting what is wrong instead of stopping at it.
//!
//! A raw section is a serde struct with `deny_unknown_fields` whose fields are all untyped and optional.
//! So serde finds the unknown keys, and everything else is read here, where path and source are known.

use std::num::NonZeroU32;
use std::time::Duration;

use lmhaven_actors::domain::money::NanoUsd;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::environment::Environment;
use super::error::{ConfigError, Warning};
use super::secret::{Secret, SecretError};
use super::source::{Origin, Origins};
use super::units;

/// Reads sections and remembers what was wrong with them.
pub(super) struct Reader<'a> {
    pub(super) environment: &'a dyn Environment,
    pub(super) origins: Origins,
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<Warning>,
}

/// The value of one key.
pub(super) struct Given {
    value: Value,
    /// Variables are text: numbers are written in them as text, and lists with commas.
    from_variable: bool,
}

/// A key's whole path.
pub(super) fn key_of(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

impl Reader<'_> {
    /// Notes an error at `key`, given by its whole path.
    pub(super) fn refuse(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        let key = key.into();
        self.errors.push(ConfigError { source_name: self.origins.label(&key), key, reason: reason.into() });
    }

    /// Notes a warning at `key`, given by its whole path.
    pub(super) fn warn(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.warnings.push(Warning { key: key.into(), reason: reason.into() });
    }

    /// A table as its raw section; `None` for anything else. Every unknown key is an error, the others are still read.
    pub(super) fn section<Raw: DeserializeOwned>(&mut self, path: &str, value: Value) -> Option<Raw> {
        let Value::Table(mut table) = value else {
            self.refuse(path, "expected a table");
            return None;
        };
        // All fields are optional and untyped: a key that fails alone fails because it is unknown.
        table.retain(|key, value| match Raw::deserialize(Table::from_iter([(key.to_owned(), value.clone())])) {
            Ok(_) => true,
            Err(error) => {
                self.refuse(key_of(path, key), error.message().replacen("unknown field", "unknown key", 1));
                false
            }
        });
        table.try_into().ok()
    }

    /// The entries of an array of tables; none where it is absent or something else.
    pub(super) fn entries(&mut self, path: &str, value: Option<Value>) -> Vec<Value> {
        match value {
            None => Vec::new(),
            Some(Value::Array(entries)) => entries,
            Some(_) => {
                self.refuse(path, "expected a list of tables");
                Vec::new()
            }
        }
    }

    /// The value of a key that may be absent. `None` also where it was wrong, which is then noted.
    pub(super) fn optional<T>(
        &mut self,
        section: &str,
        key: &str,
        value: Option<Value>,
        parse: impl FnOnce(&Given) -> Result<T, String>,
    ) -> Option<T> {
        let path = key_of(section, key);
        let from_variable = matches!(self.origins.of(&path), Origin::Variable(_));
        match parse(&Given { value: value?, from_variable }) {
            Ok(parsed) => Some(parsed),
            Err(reason) => {
                self.refuse(path, reason);
                None
            }
        }
    }

    /// The value of a key that must be there.
    pub(super) fn required<T>(
        &mut self,
        section: &str,
        key: &str,
        value: Option<Value>,
        parse: impl FnOnce(&Given) -> Result<T, String>,
    ) -> Option<T> {
        if value.is_none() {
            self.refuse(key_of(section, key), "is missing");
        }
        self.optional(section, key, value, parse)
    }

    /// A secret by its text. `None` where there is none: noted as an error, or, for an unset variable that only
    /// the shipped configuration asks for, answered as `Some(Err(name of the variable))`.
    pub(super) fn secret(&mut self, path: &str, written: &str) -> Option<Result<Secret, String>> {
        match Secret::resolve(written, self.environment) {
            Ok(secret) => Some(Ok(secret)),
            Err(SecretError::Unset(name)) if self.origins.of(path) == Origin::Shipped => Some(Err(name)),
            Err(error @ (SecretError::Unset(_) | SecretError::Unreadable { .. } | SecretError::Unusable)) => {
                self.refuse(path, error.to_string());
                None
            }
        }
    }
}

impl Given {
    /// A text.
    pub(super) fn text(&self) -> Result<&str, String> {
        let text = self.value.as_str().ok_or("expected a text in quotes")?;
        if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text) }
    }

    /// Texts, or a single one.
    pub(super) fn texts(&self) -> Result<Vec<String>, String> {
        let text_of = |value: &Value| value.as_str().map(str::to_owned).ok_or("expected a list of texts in quotes");
        match &self.value {
            Value::String(text) if self.from_variable => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Ok(parts.map(str::to_owned).collect())
            }
            Value::Array(values) => values.iter().map(text_of).collect::<Result<_, _>>().map_err(str::to_owned),
            single => Ok(vec![text_of(single)?]),
        }
    }

    /// Yes or no.
    pub(super) fn boolean(&self) -> Result<bool, String> {
        match (&self.value, self.from_variable) {
            (Value::Boolean(value), _) => Some(*value),
            (Value::String(text), true) => text.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| "expected true or false".to_owned())
    }

    /// A whole number that is not negative.
    pub(super) fn whole(&self) -> Result<u64, String> {
        let number = match &self.value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::String(text) if self.from_variable => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| "expected a whole number that is not negative".to_owned())
    }

    /// A whole number from `least` to `most`.
    pub(super) fn whole_within(&self, least: u32, most: u32) -> Result<u32, String> {
        let number = u32::try_from(self.whole()?).ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("expected a whole number from {least} to {most}"))
    }

    /// A whole number from 1 to `most`.
    pub(super) fn positive(&self, most: u32) -> Result<NonZeroU32, String> {
        NonZeroU32::new(self.whole_within(1, most)?).ok_or_else(|| "cannot be zero".to_owned())
    }

    /// A number from 1 to `most`, or 0 for off.
    pub(super) fn positive_or_off(&self, most: u32) -> Result<Option<NonZeroU32>, String> {
        Ok(NonZeroU32::new(self.whole_within(0, most)?))
    }

    /// A duration, zero included.
    pub(super) fn duration(&self) -> Result<Duration, String> {
        units::parse_duration(self.value.as_str().unwrap_or_default())
    }

    /// A duration above zero.
    pub(super) fn positive_duration(&self) -> Result<Duration, String> {
        let duration = self.duration()?;
        if duration.is_zero() { Err("cannot be zero".to_owned()) } else { Ok(duration) }
    }

    /// A size in bytes, written as a number or as a text with a unit.
    pub(super) fn size(&self) -> Result<u64, String> {
        if self.value.is_str() { units::parse_size(self.text()?) } else { self.whole() }
    }

    /// An amount of money that is not negative.
    pub(super) fn price(&self) -> Result<NanoUsd, String> {
        let text = self.value.as_str().ok_or("expected a decimal number of US dollars in quotes, such as \"12.50\"")?;
        let amount: NanoUsd =
            text.parse().map_err(|error: lmhaven_actors::domain::money::ParseMoneyError| error.to_string())?;
        if amount.is_negative() { Err("cannot be negative".to_owned()) } else { Ok(amount) }
    }

    /// The value as it stands, for a type that reads itself.
    pub(super) fn deserialized<T: DeserializeOwned>(&self) -> Result<T, String> {
        self.value.clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }
}
