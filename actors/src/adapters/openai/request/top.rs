//! The top level of a body: every key with the text of its value, in one pass.
//!
//! `messages` and `tools` are most of a body and are read into their shapes at once. Their text, which is
//! needed too, is found without a second pass over them: it ends where the next key begins, and keys are
//! borrowed from the text. Where a key cannot be borrowed, because it is written with escapes, a second,
//! plain pass finds the texts. Calls nobody but serde; knows which keys exist, not what they mean.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Field;
use super::object::{DUPLICATE, List, UnknownKeys};
use super::position::refusal;
use super::wire::{MESSAGES_MAX, MessageFields, TOOLS_MAX, ToolFields};
use crate::adapters::fault::BodyError;
use crate::adapters::openai::raw::Text;
use crate::adapters::weave::offset_in;

/// What stands at the top of a body.
#[derive(Debug, Default)]
pub(super) struct Top<'a> {
    pub(super) fields: Vec<Field<'a>>,
    pub(super) messages: Option<List<MessageFields<'a>, MESSAGES_MAX>>,
    pub(super) tools: Option<List<ToolFields<'a>, TOOLS_MAX>>,
}

/// Defines the keys that are known and, of these, which are forwarded as they came.
macro_rules! known_keys {
    (forwarded: $($forwarded:literal)*; kept: $($kept:literal)*;) => {
        /// The key as we spell it; `None` for one that we do not know.
        fn known(key: &str) -> Option<&'static str> {
            match key {
                $($forwarded => Some($forwarded),)*
                $($kept => Some($kept),)*
                _ => None,
            }
        }

        /// An OpenAI-compatible provider is sent this key as it came.
        pub(super) fn is_forwarded(key: &str) -> bool {
            matches!(key, $($forwarded)|*)
        }
    };
}

known_keys! {
    // The fields of OpenAI's reference that neither change the price nor belong to us.
    forwarded: "messages" "tools" "tool_choice" "parallel_tool_calls" "functions" "function_call"
        "response_format" "reasoning_effort" "verbosity" "temperature" "top_p" "presence_penalty"
        "frequency_penalty" "stop" "seed" "logprobs" "top_logprobs" "logit_bias" "stream"
        "prompt_cache_options" "prompt_cache_retention";
    // Read, replaced, refused or passed over, but never forwarded as they came.
    kept: "model" "max_completion_tokens" "max_tokens" "stream_options" "user" "safety_identifier"
        "prompt_cache_key"
        "metadata" "service_tier" "n" "modalities" "audio" "prediction" "web_search_options"
        "system" "stop_sequences" "top_k" "thinking" "reasoning" "output_config" "cache_control";
}

/// Reads the top level of `text`.
pub(super) fn read(text: &str) -> Result<Top<'_>, BodyError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = TopLevel { text }.deserialize(&mut deserializer).and_then(|top| deserializer.end().map(|()| top));
    let (mut top, found_all) = read.map_err(|error| refusal(text, "", &error))?;
    if !found_all {
        top.fields = plain_fields(text).map_err(|error| refusal(text, "", &error))?;
    }
    top.fields.retain(|field| field.raw != "null");
    Ok(top)
}

struct TopLevel<'a> {
    text: &'a str,
}

impl<'a> TopLevel<'a> {
    /// The value that stands between the end of its key and `end`, where the next key or the text ends.
    fn between(&self, key: &str, end: Option<usize>) -> Option<&'a str> {
        let start = offset_in(self.text.as_bytes(), key.as_bytes())? + key.len() + 1;
        let value = self.text.get(start..end?)?.trim_ascii().strip_prefix(':')?.trim_ascii_start();
        Some(value.strip_suffix([',', '}'])?.trim_ascii_end())
    }
}

impl<'a> DeserializeSeed<'a> for TopLevel<'a> {
    type Value = (Top<'a>, bool);

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for TopLevel<'a> {
    /// The fields, and whether the text of every one was found.
    type Value = (Top<'a>, bool);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut top = Top::default();
        let mut unknown = UnknownKeys::default();
        let mut found_all = true;
        // The list whose text ends where the next key begins, and its key.
        let mut open: Option<(usize, Text<'a>)> = None;
        while let Some(key) = map.next_key::<Text<'a>>()? {
            if let Some((index, list_key)) = open.take() {
                let end = offset_in(self.text.as_bytes(), key.as_str().as_bytes()).and_then(|at| at.checked_sub(1));
                found_all &= place(&mut top.fields, index, self.between(list_key.as_str(), end));
            }
            let Some(name) = known(key.as_str()) else {
                unknown.remember(key)?;
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            if top.fields.iter().any(|field| field.name == name) {
                return Err(M::Error::custom(DUPLICATE));
            }
            let index = top.fields.len();
            top.fields.push(Field { name, raw: "null" });
            match name {
                "messages" => top.messages = map.next_value()?,
                "tools" => top.tools = map.next_value()?,
                _ => {
                    place(&mut top.fields, index, Some(map.next_value::<&RawValue>()?.get()));
                    continue;
                }
            }
            open = Some((index, key));
        }
        if let Some((index, key)) = open {
            let end = self.text.trim_ascii_end().len();
            found_all &= place(&mut top.fields, index, self.between(key.as_str(), Some(end)));
        }
        Ok((top, found_all))
    }
}

/// Sets the text of a field; false where there is none.
fn place<'a>(fields: &mut [Field<'a>], index: usize, raw: Option<&'a str>) -> bool {
    match (fields.get_mut(index), raw) {
        (Some(field), Some(raw)) => {
            field.raw = raw;
            true
        }
        _ => false,
    }
}

/// Every known key with the text of its value, in a pass of its own.
fn plain_fields(text: &str) -> Result<Vec<Field<'_>>, serde_json::Error> {
    struct Plain;
    impl<'a> Visitor<'a> for Plain {
        type Value = Vec<Field<'a>>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut fields = Vec::new();
            while let Some((key, value)) = map.next_entry::<Text<'a>, &RawValue>()? {
                fields.extend(known(key.as_str()).map(|name| Field { name, raw: value.get() }));
            }
            Ok(fields)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<(&'static str, String)> {
        read(text).unwrap().fields.iter().map(|field| (field.name, field.raw.to_owned())).collect()
    }

    #[test]
    fn escaped_keys_are_the_same_keys() {
        let plain = r#"{"tools":[ ],"x":1,"messages":[{}] ,"model":"m"}"#;
        for escaped in [plain.replace("messages", "m\\u0065ssages"), plain.replace("\"x\"", "\"\\u0078\"")] {
            assert_eq!(texts(&escaped), texts(plain), "{escaped}");
        }
    }

    #[test]
    fn a_known_key_that_is_null_is_absent_but_not_twice() {
        assert!(texts(r#"{"tools":null,"stop":null}"#).is_empty());
        assert!(read(r#"{"stop":null,"stop":"x"}"#).is_err());
    }

    proptest! {
        #[test]
        fn the_text_of_a_list_is_found_wherever_it_stands(
            space in "[ \n\t\r]{0,3}",
            order in Just(["messages", "tools", "model", "unknown", "stream"]).prop_shuffle(),
        ) {
            let value = |key| match key {
                "messages" => r#"[{"role":"user","content":"a,}\"]:b"}]"#,
                "tools" => "[]",
                "model" => r#""m""#,
                _ => "true",
            };
            let entries = order.map(|key| format!("{space}\"{key}\"{space}:{space}{}{space}", value(key)));
            let text = format!("{space}{{{}}}{space}", entries.join(","));
            let expected: Vec<_> = order.iter().filter_map(|key| Some((known(key)?, value(key).to_owned()))).collect();
            prop_assert_eq!(texts(&text), expected);
        }
    }
}
