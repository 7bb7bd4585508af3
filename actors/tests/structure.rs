//! Dependencies point one way. What a folder must not know is stated here and read from its source.

#![allow(clippy::unwrap_used, reason = "a test stops at the first file that it cannot read")]

use std::path::{Path, PathBuf};

/// A folder or file below `src`, and what must not stand in it.
const RULES: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "actix",
            "tokio",
            "sled",
            "reqwest",
            "hyper",
            "Instant",
            "SystemTime",
            "getrandom",
            "crate::chat",
            "crate::adapters",
            "crate::ledger",
            "crate::journal",
            "crate::workspace",
            "crate::provider",
        ],
    ),
    (
        "chat",
        &[
            "actix",
            "tokio",
            "sled",
            "reqwest",
            "hyper",
            "Instant",
            "SystemTime",
            "getrandom",
            "crate::adapters",
            "crate::ledger",
            "crate::journal",
            "crate::workspace",
            "crate::provider",
        ],
    ),
    (
        "media",
        &[
            "actix",
            "tokio",
            "sled",
            "reqwest",
            "hyper",
            "Instant",
            "SystemTime",
            "getrandom",
            "crate::chat",
            "crate::adapters",
            "crate::ledger",
            "crate::journal",
            "crate::workspace",
            "crate::provider",
        ],
    ),
    (
        "adapters",
        &[
            "actix",
            "tokio",
            "sled",
            "reqwest",
            "hyper",
            "Instant",
            "SystemTime",
            "getrandom",
            "crate::ledger",
            "crate::journal",
            "crate::workspace",
            "crate::provider",
            "crate::system",
            "crate::directory",
        ],
    ),
    (
        "ledger",
        &["actix", "reqwest", "hyper", "crate::adapters", "crate::journal", "crate::workspace", "crate::provider"],
    ),
    ("journal", &["actix", "sled::", "reqwest", "hyper", "crate::adapters", "crate::workspace", "crate::provider"]),
    (
        "workspace",
        &["sled", "reqwest", "hyper", "crate::adapters", "crate::provider", "crate::system", "crate::directory"],
    ),
    ("provider", &["sled", "crate::adapters", "crate::ledger", "crate::journal", "crate::workspace"]),
];

/// Code lines (no comments, nothing after the tests begin) that name something forbidden.
fn offences(source: &str, forbidden: &[&str]) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter(|line| forbidden.iter().any(|name| names(line, name)))
        .map(str::to_owned)
        .collect()
}

/// Whether `name` stands in the line as a path of its own, not within a longer word or a text.
fn names(line: &str, name: &str) -> bool {
    let code = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    code.match_indices(name).any(|(at, _)| {
        let bytes = code.as_bytes();
        !is_word(at.checked_sub(1).and_then(|before| bytes.get(before))) && !is_word(bytes.get(at + name.len()))
    })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_folder_knows_what_it_must_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (folder, forbidden) in RULES {
        let files = sources(&root.join(folder));
        assert!(!files.is_empty(), "{folder} is gone: the rule guards nothing");
        for file in files {
            let source = std::fs::read_to_string(&file).unwrap();
            let file = file.strip_prefix(&root).unwrap().display().to_string();
            broken.extend(offences(&source, forbidden).into_iter().map(|line| format!("{file}: {}", line.trim())));
        }
    }
    assert!(broken.is_empty(), "forbidden dependencies:\n{}", broken.join("\n"));
}

#[test]
fn the_simulator_shares_no_code_with_what_it_tests() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/simulator/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    assert!(!dependencies.contains("lmhaven"), "{dependencies}");
}

#[test]
fn a_broken_rule_is_found_and_a_word_that_contains_one_is_not() {
    let forbidden = ["tokio", "crate::ledger"];
    assert_eq!(offences("use tokio::time;\n", &forbidden).len(), 1);
    assert_eq!(offences("use crate::ledger::Record;\n", &forbidden).len(), 1);
    assert!(offences("// tokio is not known here\nlet tokio_like = \"tokio\";\n", &forbidden).is_empty());
    assert!(offences("fn f() {}\n#[cfg(test)]\nmod tests {\n    use tokio::time;\n}\n", &forbidden).is_empty());
}
