//! Which field an error of the JSON parser is about, and how deep a body is nested.
//!
//! The parser knows a line and a column; the caller is told a path such as `messages[3].content[0].text`.
//! Only read after a failure, so that the parse itself does not keep a path.

use std::fmt::Write;

use serde_json::error::Category;

use super::object::DUPLICATE;
use crate::adapters::fault::BodyError;
use crate::adapters::openai::raw::NOT_A_STRING;

/// The refusal for a parse of `text` that failed; `base` is the path of `text` itself, empty for the body.
pub(in crate::adapters::openai) fn refusal(text: &str, base: &str, error: &serde_json::Error) -> BodyError {
    let message = error.to_string();
    let mut end = offset(text, error);
    if message.starts_with(NOT_A_STRING) && text.as_bytes().get(end.saturating_sub(1)) == Some(&b'}') {
        end -= 1; // found after the value was read; by then the parser has left its object
    }
    let path = format!("{base}{}", path_at(text, end));
    let path = path.strip_prefix('.').unwrap_or(&path);
    match error.classify() {
        Category::Data if message.starts_with(DUPLICATE) => BodyError {
            param: Some(path.to_owned()),
            ..BodyError::invalid_json("a key stands twice in the same object")
        },
        Category::Data => {
            // What was found is the caller's content and is not repeated; what was expected is ours.
            let expected = message.rsplit_once("expected ").map_or("another value", |(_, rest)| rest);
            let expected = expected.rsplit_once(" at line ").map_or(expected, |(what, _)| what);
            BodyError::invalid(if path.is_empty() { "body" } else { path }, format!("expected {expected}"))
        }
        Category::Syntax | Category::Eof | Category::Io => {
            let (line, column) = (error.line(), error.column());
            BodyError::invalid_json(format!("the body is not valid JSON (line {line}, column {column})"))
        }
    }
}

fn offset(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    lines.map(str::len).sum::<usize>() + error.column()
}

enum Level<'a> {
    Object { key: &'a str, in_value: bool },
    Array(usize),
}

/// The path of the value that stands at `end`, with a leading point unless it begins with an index.
fn path_at(text: &str, end: usize) -> String {
    let mut levels: Vec<Level<'_>> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).filter(|_| at < end) {
        match byte {
            b'{' => levels.push(Level::Object { key: "", in_value: false }),
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' => drop(levels.pop()),
            b',' => match levels.last_mut() {
                Some(Level::Array(index)) => *index += 1,
                Some(Level::Object { in_value, .. }) => *in_value = false,
                None => {}
            },
            b':' => {
                if let Some(Level::Object { in_value, .. }) = levels.last_mut() {
                    *in_value = true;
                }
            }
            b'"' => {
                let close = string_end(bytes, at);
                if let Some(Level::Object { key, in_value: false }) = levels.last_mut() {
                    *key = text.get(at + 1..close).unwrap_or_default();
                }
                at = close;
            }
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for level in levels {
        // Writing to a string does not fail.
        let _ = match level {
            Level::Object { key: "", .. } => Ok(()),
            Level::Object { key, .. } if is_plain(key) => write!(path, ".{key}"),
            Level::Object { .. } => write!(path, ".?"),
            Level::Array(index) => write!(path, "[{index}]"),
        };
    }
    path
}

/// A key that is a name, and not content that is not to be repeated.
fn is_plain(key: &str) -> bool {
    key.len() <= 64 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte))
}

/// The index of the quote that ends the string which begins at `open`.
fn string_end(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

/// How deep arrays and objects are nested, counted without parsing: for the front end's bound, which holds
/// before anything else is read. What is not JSON is the parser's business.
pub fn json_depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0_usize, 0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(bytes, at),
            _ => {}
        }
        at += 1;
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_place_in_the_text() {
        let text = r#"{"a": 1, "messages": [{"x": "]}\""}, {"content": ["t", {"text": 5 }]}]}"#;
        for (needle, path) in [
            ("1,", ".a"),
            ("]}\\\"", ".messages[0].x"),
            ("\"t\"", ".messages[1].content[0]"),
            ("5 ", ".messages[1].content[1].text"),
        ] {
            assert_eq!(path_at(text, text.find(needle).unwrap() + 1), path);
        }
    }

    #[test]
    fn content_of_the_caller_is_not_repeated() {
        let text = "{\n \"a secret key\": {\"n\": \"a secret value, expected nothing\"}\n}";
        let error =
            serde_json::from_str::<std::collections::BTreeMap<String, std::collections::BTreeMap<String, u8>>>(text);
        let refusal = refusal(text, "tools[0]", &error.unwrap_err());
        assert_eq!(refusal.message, "expected u8");
        assert_eq!(refusal.param.as_deref(), Some("tools[0].?.n"));
    }

    #[test]
    fn brackets_in_strings_are_not_nesting() {
        assert_eq!(json_depth(br#"{"a":["[[[[\"[["],"b":{}}"#), 2);
        assert_eq!(json_depth("[".repeat(70).as_bytes()), 70);
        assert_eq!(json_depth(b"\"unfinished \\"), 0);
    }
}
