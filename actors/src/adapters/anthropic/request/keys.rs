//! The top level of a body: which keys pass, which are ours to set, and which are refused by name.
//!
//! A list of what is allowed: a key that is not here is cut out, so that a field invented tomorrow
//! cannot change what a request costs or whose data it touches.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::text::Text;
use super::object::{UnknownKeys, fault};
use crate::adapters::fault::{BodyError, BodyErrorCode};

/// A key that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Model,
    Messages,
    MaxTokens,
    Stream,
    System,
    Tools,
    ToolChoice,
    Thinking,
    OutputConfig,
    OutputFormat,
    StopSequences,
    Temperature,
    TopP,
    TopK,
    CacheControl,
    Metadata,
    ServiceTier,
    Speed,
    InferenceGeo,
    Container,
    McpServers,
    ContextManagement,
    Diagnostics,
}

/// What becomes of a key on its way to an Anthropic upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Its value is forwarded as it came.
    Forwarded,
    /// The same, but it means nothing where tokens are only counted.
    ForwardedToGenerate,
    /// We write it ourselves, or leave it out.
    Ours,
}

impl Key {
    const ALL: [(Self, &'static str); 23] = [
        (Self::Model, "model"),
        (Self::Messages, "messages"),
        (Self::MaxTokens, "max_tokens"),
        (Self::Stream, "stream"),
        (Self::System, "system"),
        (Self::Tools, "tools"),
        (Self::ToolChoice, "tool_choice"),
        (Self::Thinking, "thinking"),
        (Self::OutputConfig, "output_config"),
        (Self::OutputFormat, "output_format"),
        (Self::StopSequences, "stop_sequences"),
        (Self::Temperature, "temperature"),
        (Self::TopP, "top_p"),
        (Self::TopK, "top_k"),
        (Self::CacheControl, "cache_control"),
        (Self::Metadata, "metadata"),
        (Self::ServiceTier, "service_tier"),
        (Self::Speed, "speed"),
        (Self::InferenceGeo, "inference_geo"),
        (Self::Container, "container"),
        (Self::McpServers, "mcp_servers"),
        (Self::ContextManagement, "context_management"),
        (Self::Diagnostics, "diagnostics"),
    ];

    fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(key, _)| *key)
    }

    /// As it stands in the body.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(key, _)| *key == self).map_or("", |(_, name)| name)
    }

    /// What becomes of it.
    pub(crate) const fn passage(self) -> Passage {
        match self {
            Self::Messages
            | Self::System
            | Self::Tools
            | Self::ToolChoice
            | Self::Thinking
            | Self::OutputConfig
            | Self::OutputFormat
            | Self::CacheControl => Passage::Forwarded,
            Self::Stream | Self::StopSequences | Self::Temperature | Self::TopP | Self::TopK => {
                Passage::ForwardedToGenerate
            }
            Self::Model
            | Self::MaxTokens
            | Self::Metadata
            | Self::ServiceTier
            | Self::Speed
            | Self::InferenceGeo
            | Self::Container
            | Self::McpServers
            | Self::ContextManagement
            | Self::Diagnostics => Passage::Ours,
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Refuses what would change the price, or reach into data of the account we pay with.
pub(crate) fn check_priced(key: Key, raw: &str) -> Result<(), BodyError> {
    let (harmless, message): (&[&str], _) = match key {
        Key::ServiceTier => (&["\"auto\"", "\"standard_only\""], "only the standard tier is served"),
        Key::Speed => (&["\"standard\""], "only the standard speed is served"),
        Key::McpServers => (&["[]"], "tools on remote servers are not served"),
        Key::InferenceGeo => (&[], "a place of inference cannot be chosen"),
        Key::Container => (&[], "containers are not served"),
        Key::ContextManagement => (&[], "context management is not served"),
        _ => (&[], "this field is not served"),
    };
    if harmless.contains(&raw) { Ok(()) } else { Err(BodyError::unsupported(key.name(), message)) }
}

/// The known keys with their raw values, in order; `null` is absent.
#[derive(Debug)]
pub(crate) struct Top<'a>(pub(crate) Vec<(Key, &'a str)>);

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(8);
        let mut unknown = UnknownKeys::default();
        let mut seen = 0_u32;
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let Some(key) = Key::by_name(&name) else {
                unknown.note(name)?;
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            if seen & key.bit() != 0 {
                return Err(fault(BodyErrorCode::InvalidJson, key.name(), "the key stands twice"));
            }
            seen |= key.bit();
            let raw = map.next_value::<&'de RawValue>()?.get();
            if raw != "null" {
                fields.push((key, raw));
            }
        }
        Ok(Top(fields))
    }
}

impl<'de> Deserialize<'de> for Top<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TopVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_name_of_its_own() {
        for (index, (key, name)) in Key::ALL.iter().enumerate() {
            assert_eq!(*key as usize, index, "{name} stands at its place");
            assert_eq!(Key::by_name(key.name()), Some(*key));
        }
    }
}
