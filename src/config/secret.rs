//! A secret of the configuration: a literal, `env:NAME` or `file:PATH`, and never printed.

use std::fmt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::environment::Environment;

/// What stands for a literal secret wherever it would be printed.
pub const HIDDEN: &str = "********";

/// A secret and where it came from.
#[derive(Clone)]
pub struct Secret {
    value: SecretString,
    /// `env:NAME` or `file:PATH` as written, `None` for a literal.
    reference: Option<String>,
}

/// Why there is no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretError {
    /// The variable does not exist or is empty. A shipped provider is disabled by this.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("the file {path} cannot be read: {reason}")]
    Unreadable {
        /// As written after `file:`.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// Nothing, or bytes that no header can carry.
    #[error("a secret is visible ASCII without spaces, and not empty")]
    Unusable,
}

impl Secret {
    /// The secret that `written` means.
    pub(super) fn resolve(written: &str, environment: &dyn Environment) -> Result<Self, SecretError> {
        let (value, reference) = if let Some(name) = written.strip_prefix("env:") {
            let value = environment.variable(name).filter(|value| !value.is_empty());
            (value.ok_or_else(|| SecretError::Unset(name.to_owned()))?, Some(written.to_owned()))
        } else if let Some(path) = written.strip_prefix("file:") {
            let value = environment.read(Path::new(path));
            let value =
                value.map_err(|error| SecretError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
            // An editor ends the file with a line break that is not part of the secret.
            (value.trim_end_matches(['\r', '\n']).to_owned(), Some(written.to_owned()))
        } else {
            (written.to_owned(), None)
        };
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretError::Unusable);
        }
        Ok(Self { value: value.into(), reference })
    }

    /// The secret itself, for the one header or comparison that needs it.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// What may be shown: the reference, or [`HIDDEN`] for a literal.
    pub fn shown(&self) -> &str {
        self.reference.as_deref().unwrap_or(HIDDEN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FixedEnvironment;

    #[test]
    fn a_secret_is_found_where_its_reference_says_and_never_printed() {
        let environment = FixedEnvironment::default()
            .with_variable("UPSTREAM", "sk-from-variable")
            .with_file("/run/secrets/upstream", "sk-from-file\n");
        for (written, value, shown) in [
            ("sk-literal", "sk-literal", HIDDEN),
            ("env:UPSTREAM", "sk-from-variable", "env:UPSTREAM"),
            ("file:/run/secrets/upstream", "sk-from-file", "file:/run/secrets/upstream"),
        ] {
            let secret = Secret::resolve(written, &environment).unwrap();
            assert_eq!(secret.expose(), value);
            assert_eq!(secret.shown(), shown);
            assert!(!format!("{secret:?}").contains(value), "{secret:?}");
        }
    }

    #[test]
    fn a_secret_that_is_missing_or_unusable_says_why() {
        let environment = FixedEnvironment::default()
            .with_variable("EMPTY", "")
            .with_variable("TWO_LINES", "one\ntwo")
            .with_file("blank", "\n");
        for (written, reason) in [
            ("env:NOWHERE", "the environment variable NOWHERE is not set"),
            ("env:EMPTY", "the environment variable EMPTY is not set"),
            ("env:TWO_LINES", "a secret is visible ASCII without spaces, and not empty"),
            ("file:blank", "a secret is visible ASCII without spaces, and not empty"),
            ("file:/nowhere", "the file /nowhere cannot be read: entity not found"),
            ("", "a secret is visible ASCII without spaces, and not empty"),
        ] {
            let error = Secret::resolve(written, &environment).unwrap_err();
            assert_eq!(error.to_string(), reason, "{written:?}");
        }
    }
}
