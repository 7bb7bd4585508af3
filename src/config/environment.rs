//! Where a configuration looks beyond its own text: environment variables and files.
//!
//! Tests hand in a [`FixedEnvironment`], so that none of them depends on, or changes, the process they run in.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Environment variables and files.
pub trait Environment {
    /// Every variable whose name starts with `prefix`, sorted by name. Bytes that are not UTF-8 are replaced.
    fn variables(&self, prefix: &str) -> Vec<(String, String)>;

    /// One variable; `None` where it is unset or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// A whole file as text.
    ///
    /// # Errors
    /// Where the file cannot be read or is not UTF-8.
    fn read(&self, path: &Path) -> io::Result<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

/// An environment given as values.
#[derive(Clone, Debug, Default)]
pub struct FixedEnvironment {
    /// Variables by name.
    pub variables: BTreeMap<String, String>,
    /// Contents by path.
    pub files: BTreeMap<PathBuf, String>,
}

impl Environment for ProcessEnvironment {
    fn variables(&self, prefix: &str) -> Vec<(String, String)> {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let mut found: Vec<_> = std::env::vars_os()
            .map(|(name, value)| (lossy(name), lossy(value)))
            .filter(|(name, _)| name.starts_with(prefix))
            .collect();
        found.sort();
        found
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
}

impl FixedEnvironment {
    /// The same environment with one more variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same environment with one more file.
    #[must_use]
    pub fn with_file(mut self, path: &str, content: &str) -> Self {
        self.files.insert(PathBuf::from(path), content.to_owned());
        self
    }
}

impl Environment for FixedEnvironment {
    fn variables(&self, prefix: &str) -> Vec<(String, String)> {
        let found = self.variables.iter().filter(|(name, _)| name.starts_with(prefix));
        found.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
