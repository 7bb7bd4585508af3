//! Signatures on their way through an OpenAI client, tagged with who made them.
//!
//! The dialect has no place for an origin, and a signature sent to another model is an error upstream. So
//! we write `lmh1:<dialect>:<length of the model's name>:<model>:<value>` and take it apart when it comes
//! back. A value without our mark was made by the provider itself: its origin is unknown.

use std::borrow::Cow;

use crate::chat::{Dialect, Origin, Signature};

const MARK: &str = "lmh1:";

/// The signature as a client carries it.
pub(super) fn write(signature: &Signature) -> Cow<'_, str> {
    match &signature.origin {
        None => Cow::Borrowed(&signature.value),
        Some(Origin { protocol, model }) => {
            let dialect = name(*protocol);
            Cow::Owned(format!("{MARK}{dialect}:{}:{model}:{}", model.len(), signature.value))
        }
    }
}

/// The signature that a client brought back.
pub(super) fn read(text: &str) -> Signature {
    tagged(text).unwrap_or_else(|| Signature { origin: None, value: text.into() })
}

fn tagged(text: &str) -> Option<Signature> {
    let (dialect, rest) = text.strip_prefix(MARK)?.split_once(':')?;
    let (length, rest) = rest.split_once(':')?;
    let (model, value) = rest.split_at_checked(length.parse().ok()?)?;
    let protocol =
        [Dialect::Openai, Dialect::Anthropic, Dialect::Gemini].into_iter().find(|it| name(*it) == dialect)?;
    Some(Signature { origin: Some(Origin { protocol, model: model.into() }), value: value.strip_prefix(':')?.into() })
}

const fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Openai => "openai",
        Dialect::Anthropic => "anthropic",
        Dialect::Gemini => "gemini",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_of_the_provider_itself_has_no_origin() {
        for text in ["EqQBCkYI", "lmh1:", "lmh1:gemini:99:short:x", "lmh1:venus:1:m:x", ""] {
            let signature = read(text);
            assert_eq!((signature.origin.clone(), &*signature.value), (None, text));
            assert_eq!(write(&signature), text);
        }
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same(model: String, value: String) {
            for protocol in [Dialect::Openai, Dialect::Anthropic, Dialect::Gemini] {
                let origin = Some(Origin { protocol, model: model.as_str().into() });
                let signature = Signature { origin, value: value.as_str().into() };
                prop_assert_eq!(read(&write(&signature)), signature);
            }
        }
    }
}
