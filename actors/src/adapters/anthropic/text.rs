//! JSON text that borrows, and the few lines that write JSON by hand.
//!
//! Used by everything in this folder that reads a body, an answer or an event without copying it, and
//! by what writes events. serde's own `Option<Cow<str>>` always copies, hence a type of our own.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use bytes::BufMut;
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A JSON string, borrowed from the input where it has no escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    /// The text as one's own.
    pub(crate) fn to_owned_string(&self) -> String {
        self.0.clone().into_owned()
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Writes `text` as a JSON string.
pub(crate) fn put_string(out: &mut impl BufMut, text: &str) {
    // Neither a string nor a growing buffer can fail.
    let written = serde_json::to_writer(out.writer(), text);
    debug_assert!(written.is_ok(), "a string is always JSON");
}

/// Writes what `Display` makes of the value: for numbers and amounts, which need no escapes.
pub(crate) fn put_display(out: &mut impl BufMut, value: impl fmt::Display) {
    use std::io::Write as _;
    let written = write!(out.writer(), "{value}");
    debug_assert!(written.is_ok(), "a growing buffer takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_borrowed_where_it_can_be() {
        let plain: Option<Text<'_>> = serde_json::from_str(r#""漢字""#).unwrap();
        assert!(matches!(plain, Some(Text(Cow::Borrowed("漢字")))));
        let escaped: Text<'_> = serde_json::from_str(r#""a\nb""#).unwrap();
        assert_eq!(&*escaped, "a\nb");
    }
}
