//! Objects and lists of a caller's body, read once, borrowed and strictly.
//!
//! serde's own derive refuses a known key that stands twice but not an unknown one, and says nothing of how
//! many bytes it passed over. Both matter here: what we do not know is forwarded unread, so it counts in
//! the bound of the prompt, and which of two values counts must not depend on who reads them.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::adapters::openai::raw::Text;

/// How the message of a duplicate key begins; turned into a code of its own.
pub(in crate::adapters::openai) const DUPLICATE: &str = "duplicate key";

/// Unknown keys of one object.
#[derive(Debug, Default)]
pub(in crate::adapters::openai) struct UnknownKeys<'a>(BTreeSet<Text<'a>>);

impl<'a> UnknownKeys<'a> {
    /// Remembers a key, or refuses it the second time.
    pub(in crate::adapters::openai) fn remember<E: Error>(&mut self, key: Text<'a>) -> Result<(), E> {
        if self.0.insert(key) { Ok(()) } else { Err(E::custom(DUPLICATE)) }
    }
}

/// An object that has passed over what it does not know.
pub(in crate::adapters::openai) trait Measured {
    /// Bytes of the keys and values that it does not know, without those of objects inside it.
    fn unknown_bytes(&self) -> usize;
}

/// A struct with optional fields that reads itself from an object: null is absent, a key twice is an error,
/// and keys that it does not know are measured.
macro_rules! object {
    ($(#[$meta:meta])* struct $name:ident<$a:lifetime> {
        $($(#[$field_meta:meta])* $key:literal => $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $name<$a> {
            $($(#[$field_meta])* pub(super) $field: Option<$type>,)*
            unknown_bytes: usize,
        }

        impl $crate::adapters::openai::request::object::Measured for $name<'_> {
            fn unknown_bytes(&self) -> usize {
                self.unknown_bytes
            }
        }

        impl<$a> serde::Deserialize<$a> for $name<$a> {
            fn deserialize<D: serde::Deserializer<$a>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<$a> serde::de::Visitor<$a> for Fields {
                    type Value = $name<$a>;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        formatter.write_str("an object")
                    }

                    fn visit_map<M: serde::de::MapAccess<$a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                        $(let mut $field: Option<Option<$type>> = None;)*
                        let mut unknown_bytes = 0_usize;
                        let mut unknown = $crate::adapters::openai::request::object::UnknownKeys::default();
                        while let Some(key) = map.next_key::<$crate::adapters::openai::raw::Text<$a>>()? {
                            match key.as_str() {
                                $($key => {
                                    if $field.is_some() {
                                        return Err(serde::de::Error::custom(
                                            $crate::adapters::openai::request::object::DUPLICATE,
                                        ));
                                    }
                                    $field = Some(map.next_value()?);
                                })*
                                other => {
                                    let key_bytes = other.len();
                                    unknown.remember(key)?;
                                    let value: &$a serde_json::value::RawValue = map.next_value()?;
                                    unknown_bytes = unknown_bytes.saturating_add(key_bytes + value.get().len());
                                }
                            }
                        }
                        Ok($name { $($field: $field.flatten(),)* unknown_bytes })
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }
    };
}
pub(in crate::adapters::openai) use object;

/// A list of at most `MAX` items, refused while it is being read.
#[derive(Debug)]
pub(super) struct List<T, const MAX: usize>(pub(super) Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
            type Value = List<T, MAX>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() == MAX {
                        return Err(S::Error::custom(format_args!("too long, expected at most {MAX} items")));
                    }
                    items.push(item);
                }
                Ok(List(items))
            }
        }
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::openai::raw::RawText;

    object! {
        /// An example.
        struct Example<'a> {
            "name" => name: RawText<'a>,
            "limit" => limit: u32,
        }
    }

    fn read(json: &str) -> Result<Example<'_>, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn null_is_absent_and_unknown_keys_are_measured() {
        let example = read(r#"{"name":null,"limit":3,"other":[1, 2],"more":"x"}"#).unwrap();
        assert!(example.name.is_none());
        assert_eq!(example.limit, Some(3));
        assert_eq!(example.unknown_bytes(), "other[1, 2]more\"x\"".len());
    }

    #[test]
    fn a_key_twice_is_refused_known_or_not_and_however_it_is_written() {
        for json in [
            r#"{"limit":1,"limit":1}"#,
            r#"{"limit":null,"limit":1}"#,
            r#"{"other":1,"other":2}"#,
            r#"{"limit":1,"li\u006dit":1}"#,
            r#"{"\u043a":1,"к":2}"#,
        ] {
            assert!(read(json).unwrap_err().starts_with(DUPLICATE), "{json}");
        }
    }

    #[test]
    fn a_list_is_bounded_while_it_is_read() {
        assert_eq!(serde_json::from_str::<List<u8, 2>>("[1,2]").unwrap().0, [1, 2]);
        assert!(serde_json::from_str::<List<u8, 2>>("[1,2,3,").unwrap_err().to_string().contains("at most 2"));
    }
}
