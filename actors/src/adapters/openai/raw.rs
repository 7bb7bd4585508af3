//! JSON strings as they stand in a body: nothing is unescaped before somebody needs the text.
//!
//! Most text is only measured and passed on, so parsing it into a `String` would be the dearest part of
//! the whole request. Used by the request and by the chunk parser; knows no field of the dialect.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The message where a string was expected: told to the caller, and known to whoever looks for its place.
pub(super) const NOT_A_STRING: &str = "wrong type, expected a string";

/// A JSON string, still quoted and escaped.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawText<'a>(&'a str);

impl<'a> RawText<'a> {
    /// The value as a string, `None` where it is another kind of value.
    pub(super) fn of(raw: &'a RawValue) -> Option<Self> {
        raw.get().starts_with('"').then_some(Self(raw.get()))
    }

    /// What stands between the quotes.
    fn inner(self) -> &'a str {
        self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default()
    }

    /// UTF-8 bytes of the text once unescaped; half a surrogate pair counts as the replacement character.
    pub(super) fn text_bytes(self) -> usize {
        let (inner, mut at) = (self.inner(), 0);
        let mut length = inner.len();
        while let Some(found) = memchr::memchr(b'\\', inner.as_bytes().get(at..).unwrap_or_default()) {
            let escape = at + found;
            let (raw, decoded) = escape_size(inner, escape);
            length = length.saturating_sub(raw - decoded);
            at = escape + raw;
        }
        length
    }

    /// The text. `None` where it holds half a surrogate pair, which is no text.
    pub(super) fn decode(self) -> Option<Cow<'a, str>> {
        if memchr::memchr(b'\\', self.0.as_bytes()).is_none() {
            return Some(Cow::Borrowed(self.inner()));
        }
        serde_json::from_str(self.0).ok().map(Cow::Owned)
    }
}

/// Bytes of the escape at `at`, and bytes of what it stands for. A surrogate pair is one escape.
fn escape_size(inner: &str, at: usize) -> (usize, usize) {
    let unit = |at: usize| {
        let hex = inner.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(hex, 16).ok()
    };
    match unit(at) {
        None => (2, 1),
        Some(0..=0x7f) => (6, 1),
        Some(0x80..=0x7ff) => (6, 2),
        Some(0xd800..=0xdbff) if unit(at + 6).is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) => (12, 4),
        Some(_) => (6, 3),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Self::of(raw).ok_or_else(|| D::Error::custom(NOT_A_STRING))
    }
}

/// A short string that is compared: unescaped, borrowed where it can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl Text<'_> {
    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(json: &str) -> RawText<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_escape_is_counted_as_what_it_stands_for() {
        for json in [r#""plain""#, r#""\n\t\"\\\/""#, r#""\u0041\u00e9\u6f22""#, r#""x\ud83d\ude42y\u0000""#, r#""""#] {
            assert_eq!(raw(json).text_bytes(), raw(json).decode().unwrap().len(), "{json}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_has_a_size_but_is_no_text() {
        for json in [r#""\ud83d""#, r#""\ude42""#, r#""\ud83d\ud83d""#, r#""\ud83dx""#] {
            assert!(raw(json).decode().is_none(), "{json}");
            assert!(raw(json).text_bytes() >= 3);
        }
    }

    #[test]
    fn a_number_is_no_string() {
        assert!(serde_json::from_str::<RawText<'_>>("7").is_err());
    }

    proptest! {
        #[test]
        fn the_size_is_right_however_the_text_is_escaped(text: String, ascii: bool) {
            let mut json = serde_json::to_string(&text).unwrap();
            if ascii {
                let mut escaped = String::new();
                for unit in json.encode_utf16() {
                    match u8::try_from(unit) {
                        Ok(byte) if byte.is_ascii() => escaped.push(char::from(byte)),
                        _ => escaped.extend(format!("\\u{unit:04x}").chars()),
                    }
                }
                json = escaped;
            }
            prop_assert_eq!(raw(&json).text_bytes(), text.len());
            prop_assert_eq!(raw(&json).decode().unwrap(), text);
        }
    }
}
