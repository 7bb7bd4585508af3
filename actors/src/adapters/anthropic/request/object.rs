//! Reading JSON objects strictly: a key once, a path with every error, nothing of the caller's in a message.
//!
//! [`object!`] makes a borrowing type from a list of keys. Every level that we interpret is read with it,
//! since a key that stands twice would let us price one value and the provider run the other. serde
//! errors know no path, so each level adds its part while an error passes through; that costs nothing
//! where there is none.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::super::text::Text;
use crate::adapters::fault::{BodyError, BodyErrorCode};

/// Separates code, path and message of our own errors on their way through serde.
const MARK: char = '\u{1}';

/// Keys beyond the known ones that an object may carry before we stop comparing them.
const UNKNOWN_KEYS_MAX: usize = 64;

/// An error of ours at `segment` (such as `.type`) of the object being read.
pub(crate) fn fault<E: de::Error>(code: BodyErrorCode, segment: &str, message: &str) -> E {
    let letter = match code {
        BodyErrorCode::InvalidJson => 'j',
        BodyErrorCode::InvalidRequest => 'i',
        BodyErrorCode::UnsupportedParameter => 'u',
    };
    E::custom(format_args!("{MARK}{letter}{MARK}{segment}{MARK}{message}"))
}

/// A value that cannot be.
pub(crate) fn invalid<E: de::Error>(segment: &str, message: &str) -> E {
    fault(BodyErrorCode::InvalidRequest, segment, message)
}

/// A parameter that is not served.
pub(crate) fn unsupported<E: de::Error>(segment: &str, message: &str) -> E {
    fault(BodyErrorCode::UnsupportedParameter, segment, message)
}

/// A field that must be there.
pub(crate) fn required<T, E: de::Error>(value: Option<T>, segment: &str) -> Result<T, E> {
    value.ok_or_else(|| invalid(segment, "this field is required"))
}

/// The same error, one level further up.
pub(crate) fn within<E: de::Error>(error: E, segment: &str) -> E {
    let text = error.to_string();
    match Parts::of(&text) {
        Some(parts) => {
            E::custom(format_args!("{MARK}{}{MARK}{segment}{}{MARK}{}", parts.letter, parts.path, parts.message))
        }
        None => match expectation(&text) {
            Some(expected) => invalid(segment, &format!("expected {expected}")),
            None => error, // broken JSON: its line and column say more than a path
        },
    }
}

struct Parts<'a> {
    letter: &'a str,
    path: &'a str,
    message: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix(MARK)?.splitn(3, MARK);
        let (letter, path, message) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { letter, path, message: without_position(message) })
    }
}

fn without_position(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |at| message.get(..at).unwrap_or(message))
}

/// What serde wanted where a value was of the wrong type. The value itself, which its message quotes, is
/// left behind.
fn expectation(text: &str) -> Option<&str> {
    const PREFIXES: [&str; 3] = ["invalid type: ", "invalid value: ", "invalid length "];
    if !PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        return None;
    }
    let (_, expected) = text.rsplit_once(", expected ")?;
    Some(without_position(expected))
}

/// Turns serde's error into one for the caller; `root` is the top-level field that was being read.
pub(crate) fn body_error(error: &serde_json::Error, root: &str) -> BodyError {
    let text = error.to_string();
    let (code, path, message) = match Parts::of(&text) {
        Some(parts) => {
            let code = match parts.letter {
                "j" => BodyErrorCode::InvalidJson,
                "u" => BodyErrorCode::UnsupportedParameter,
                _ => BodyErrorCode::InvalidRequest,
            };
            (code, format!("{root}{}", parts.path), parts.message.to_owned())
        }
        None => match expectation(&text) {
            Some(expected) => (BodyErrorCode::InvalidRequest, root.to_owned(), format!("expected {expected}")),
            None if root.is_empty() => {
                let message = format!("the body is not valid JSON at line {} column {}", error.line(), error.column());
                (BodyErrorCode::InvalidJson, String::new(), message)
            }
            None => (BodyErrorCode::InvalidJson, root.to_owned(), "the value is not valid JSON".to_owned()),
        },
    };
    let path = path.trim_start_matches('.');
    BodyError { code, message, param: (!path.is_empty()).then(|| path.to_owned()) }
}

/// A strict object's answer to a key that is not listed. The name is told only where it looks like one.
pub(crate) fn refuse_key<E: de::Error>(key: &str) -> Result<(), E> {
    let looks_like_a_name = key.len() <= 64 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let segment = if looks_like_a_name { format!(".{key}") } else { String::new() };
    Err(unsupported(&segment, "this field is not served"))
}

/// Any other object's answer to it.
#[expect(clippy::unnecessary_wraps, reason = "stands where `refuse_key` may stand")]
pub(crate) fn pass_key<E: de::Error>(_key: &str) -> Result<(), E> {
    Ok(())
}

/// Keys that we do not know, kept only to notice one that comes twice.
#[derive(Default)]
pub(crate) struct UnknownKeys<'a>(Vec<Text<'a>>);

impl<'a> UnknownKeys<'a> {
    /// Notes one more.
    pub(crate) fn note<E: de::Error>(&mut self, key: Text<'a>) -> Result<(), E> {
        if self.0.contains(&key) {
            return Err(fault(BodyErrorCode::InvalidJson, "", "a key stands twice in one object"));
        }
        if self.0.len() >= UNKNOWN_KEYS_MAX {
            return Err(invalid("", "too many unknown fields"));
        }
        self.0.push(key);
        Ok(())
    }
}

/// A list of at most `MAX` values.
#[derive(Clone, Debug)]
pub(crate) struct List<T, const MAX: usize>(pub(crate) Vec<T>);

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Self::Value, A::Error> {
        elements(sequence, MAX).map(List)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

/// The elements of a sequence, of which there may be `max`.
pub(crate) fn elements<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    mut sequence: A,
    max: usize,
) -> Result<Vec<T>, A::Error> {
    let mut values = Vec::new();
    loop {
        match sequence.next_element::<T>() {
            Ok(Some(_)) if values.len() >= max => return Err(invalid("", &format!("expected at most {max} entries"))),
            Ok(Some(value)) => values.push(value),
            Ok(None) => return Ok(values),
            Err(error) => return Err(within(error, &format!("[{}]", values.len()))),
        }
    }
}

/// A borrowing type for a JSON object. All fields are optional and `null` is absent; a key that stands
/// twice is refused, also where it is written with escapes. `strict` refuses keys that are not listed.
macro_rules! object {
    (strict $name:ident { $($key:literal $field:ident: $type:ty),* $(,)? }) => {
        object!(@type $name { $($key $field: $type),* } crate::adapters::anthropic::request::object::refuse_key);
    };
    ($name:ident { $($key:literal $field:ident: $type:ty),* $(,)? }) => {
        object!(@type $name { $($key $field: $type),* } crate::adapters::anthropic::request::object::pass_key);
    };
    (@type $name:ident { $($key:literal $field:ident: $type:ty),* } $unknown_key:path) => {
        #[derive(Debug)]
        pub(crate) struct $name<'de> {
            $(pub(crate) $field: Option<$type>,)*
            pub(crate) borrowed: std::marker::PhantomData<&'de ()>,
        }

        impl<'de> serde::Deserialize<'de> for $name<'de> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;

                impl<'de> serde::de::Visitor<'de> for ObjectVisitor {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        use crate::adapters::anthropic::request::object::{UnknownKeys, fault, within};
                        use crate::adapters::fault::BodyErrorCode::InvalidJson;
                        $(let mut $field: Option<Option<$type>> = None;)*
                        let mut unknown = UnknownKeys::default();
                        while let Some(key) = map.next_key::<crate::adapters::anthropic::text::Text<'de>>()? {
                            match &*key {
                                $($key => {
                                    if $field.is_some() {
                                        return Err(fault(InvalidJson, concat!(".", $key), "the key stands twice"));
                                    }
                                    let value = map.next_value::<Option<$type>>();
                                    $field = Some(value.map_err(|error| within(error, concat!(".", $key)))?);
                                })*
                                _ => {
                                    $unknown_key(&key)?;
                                    unknown.note(key)?;
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok($name { $($field: $field.flatten(),)* borrowed: std::marker::PhantomData })
                    }
                }

                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
}

pub(crate) use object;

#[cfg(test)]
mod tests {
    use super::*;

    object!(Inner { "kind" kind: Text<'de>, "count" count: u32 });
    object!(strict Outer { "list" list: List<Inner<'de>, 2> });

    #[test]
    fn what_is_listed_is_read_and_null_is_absent() {
        let outer: Outer<'_> = serde_json::from_str(r#"{"list":[{"kind":"a","count":null,"x":1}]}"#).unwrap();
        let inner = &outer.list.unwrap().0[0];
        assert_eq!((inner.kind.as_deref(), inner.count), (Some("a"), None));
    }

    fn error(json: &str) -> (BodyErrorCode, String, String) {
        let error = body_error(&serde_json::from_str::<Outer<'_>>(json).unwrap_err(), "root");
        (error.code, error.param.unwrap_or_default(), error.message)
    }

    #[test]
    fn errors_name_the_field_and_not_the_value() {
        use BodyErrorCode::{InvalidJson, InvalidRequest, UnsupportedParameter};
        for (json, code, path, message) in [
            (
                r#"{"list":[{},{"count":"hush, expected silence"}]}"#,
                InvalidRequest,
                "root.list[1].count",
                "expected u32",
            ),
            (r#"{"list":[{"kind":"a","\u006bind":"b"}]}"#, InvalidJson, "root.list[0].kind", "the key stands twice"),
            (r#"{"list":[{"kind":null,"kind":"b"}]}"#, InvalidJson, "root.list[0].kind", "the key stands twice"),
            (r#"{"list":[{"x":1,"\u0078":2}]}"#, InvalidJson, "root.list[0]", "a key stands twice in one object"),
            (r#"{"list":[{},{},{}]}"#, InvalidRequest, "root.list", "expected at most 2 entries"),
            (r#"{"list":7}"#, InvalidRequest, "root.list", "expected a list"),
            (r#"{"lost":7}"#, UnsupportedParameter, "root.lost", "this field is not served"),
            (r"[]", InvalidRequest, "root", "expected an object"),
            (r#"{"list":[{"count":-1}]}"#, InvalidRequest, "root.list[0].count", "expected u32"),
            (r#"{"list":[{"count":tru}]}"#, InvalidJson, "root", "the value is not valid JSON"),
        ] {
            assert_eq!(error(json), (code, path.to_owned(), message.to_owned()), "{json}");
        }
    }

    #[test]
    fn endless_unknown_keys_are_refused_before_they_are_compared_for_ever() {
        let keys: Vec<String> = (0..100).map(|n| format!("\"k{n}\":0")).collect();
        let json = format!("{{\"list\":[{{{}}}]}}", keys.join(","));
        assert_eq!(error(&json).2, "too many unknown fields");
    }
}
