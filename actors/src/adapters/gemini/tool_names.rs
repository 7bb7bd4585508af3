//! Names of tools as Gemini takes them: they must begin with a letter or an underscore.
//!
//! Clients of other dialects may begin a name with a digit or a hyphen. Such a name gets one underscore in
//! front, and so does every name that already looks like that, so that the way back is certain without
//! knowing the request.

use std::borrow::Cow;

/// The longest name.
const NAME_BYTES_MAX: usize = 128;

/// The name as it is sent; `None` where no underscore makes it legal.
pub(super) fn sent(name: &str) -> Option<Cow<'_, str>> {
    let sent = if is_shifted(name) { Cow::Owned(format!("_{name}")) } else { Cow::Borrowed(name) };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-');
    (!sent.is_empty() && sent.len() <= NAME_BYTES_MAX && sent.bytes().all(legal)).then_some(sent)
}

/// The caller's name for the tool that the model called by a name that [`sent`] made.
pub(super) fn restored(name: &str) -> &str {
    match name.strip_prefix('_') {
        Some(shorter) if is_shifted(shorter) => shorter,
        _ => name,
    }
}

/// After any underscores the first character is no letter.
fn is_shifted(name: &str) -> bool {
    name.trim_start_matches('_').starts_with(|first: char| !first.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_an_illegal_beginning_is_changed() {
        for (name, expected) in [
            ("weather", Some("weather")),
            ("_private", Some("_private")),
            ("_", Some("_")),
            ("1st", Some("_1st")),
            ("_1st", Some("__1st")),
            ("-x", Some("_-x")),
            ("", None),
            ("two words", None),
            ("wörter", None),
        ] {
            assert_eq!(sent(name).as_deref(), expected, "{name}");
        }
        assert_eq!(sent(&"1".repeat(128)), None, "one longer than the longest");
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "[a-zA-Z0-9_.:-]{1,127}") {
            let sent = sent(&name).unwrap();
            prop_assert!(sent.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'));
            prop_assert_eq!(restored(&sent), name.as_str());
        }
    }
}
