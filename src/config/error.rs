//! What is wrong with a configuration, and what is merely worth knowing: always with source, key and reason.
//!
//! Reasons never quote the value of a key, because the value may be a secret.

use std::fmt;

/// The process exit code for a bad configuration (`EX_CONFIG` of `sysexits.h`).
pub const EXIT_CODE: u8 = 78;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {}{reason}", key_prefix(.key))]
pub struct ConfigError {
    /// The file, or the environment variable, that says it.
    pub source_name: String,
    /// The key with its whole path, such as `providers.anthropic.base_url`; empty where the whole source is meant.
    pub key: String,
    /// Why it cannot be.
    pub reason: String,
}

/// Everything that is wrong, in the order of the sections; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// Something the operator should know, with which the gateway still starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The key with its whole path.
    pub key: String,
    /// What follows from it.
    pub reason: String,
}

fn key_prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

impl fmt::Display for ConfigErrors {
    /// One line per error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", key_prefix(&self.key), self.reason)
    }
}
