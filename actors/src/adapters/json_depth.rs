//! How deeply a body nests, told before anything parses it.
//!
//! Routes call this on every JSON body, so it is one pass over the bytes that jumps over strings. It does
//! not check that the text is JSON: the parser after it does.

use super::fault::BodyError;

/// Passes a body whose arrays and objects nest at most `max_depth` deep.
///
/// # Errors
/// [`BodyError`] of invalid JSON where they nest deeper.
pub fn check(bytes: &[u8], max_depth: usize) -> Result<(), BodyError> {
    let mut depth = 0_usize;
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = after_string(after),
            b'{' | b'[' => {
                depth += 1;
                if depth > max_depth {
                    let message = format!("the body nests more than {max_depth} arrays and objects");
                    return Err(BodyError::invalid_json(message));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// What follows the string whose opening quote came just before `bytes`; nothing where it does not end.
///
/// Only quotes are searched for, since text has more escapes than quotes: a quote after an odd number of
/// backslashes is part of the string.
fn after_string(bytes: &[u8]) -> &[u8] {
    for at in memchr::memchr_iter(b'"', bytes) {
        let (inside, after) = bytes.split_at(at);
        let backslashes = inside.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return after.get(1..).unwrap_or_default();
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::adapters::fault::BodyErrorCode;

    fn depth_of(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
            Value::Object(map) => 1 + map.values().map(depth_of).max().unwrap_or(0),
            _ => 0,
        }
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        for text in [r#""[[[[""#, r#"{"a[[":"\"[[{\\"}"#, r#"["\\",1]"#, r#"[[],[],{"a":"]"}]"#, "", "7", r#""\"#] {
            let deep = serde_json::from_str(text).map_or(1, |value| depth_of(&value));
            assert!(check(text.as_bytes(), deep).is_ok(), "{text}");
        }
        let error = check(br#"{"a":[["\"]"]]}"#, 2).unwrap_err();
        assert_eq!(error.code, BodyErrorCode::InvalidJson);
        assert!(check(&b"[".repeat(1_000_000), 64).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<i32>().prop_map(Value::from),
            r#"[\[\]{}"\\a\n]{0,6}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 40, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(r#"[\[{"\\]{0,3}"#, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_depth_is_that_of_the_parsed_value(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let depth = depth_of(&value);
            prop_assert!(check(text.as_bytes(), depth).is_ok());
            prop_assert!(depth == 0 || check(text.as_bytes(), depth - 1).is_err());
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let open = bytes.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
            prop_assert!(check(&bytes, open).is_ok());
        }
    }
}
