//! The top level of a body: which keys pass, which are ours to set, and which are refused by name.
//!
//! A list of what is allowed: a key that is not here is cut out, so that a field invented tomorrow
//! cannot change what a request costs or whose data it touches.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{Deserialize, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::text::Text;
use super::blocks::{Content, Message};
use super::object::{List, UnknownKeys, fault, within};
use super::options::Tool;
use super::{MESSAGES_MAX, TOOLS_MAX};
use crate::adapters::fault::{BodyError, BodyErrorCode};
use crate::adapters::weave::offset_in;

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

/// The top level of a body.
#[derive(Debug, Default)]
pub(crate) struct Top<'a> {
    /// The known keys with their raw values, in order; `null` is absent.
    pub(crate) fields: Vec<(Key, &'a str)>,
    pub(crate) messages: Option<Vec<Message<'a>>>,
    pub(crate) system: Option<Content<'a>>,
    pub(crate) tools: Option<Vec<Tool<'a>>>,
}

impl<'a> Top<'a> {
    /// Reads a whole body.
    ///
    /// Nearly all of it is messages, system and tools. To read them once and still know their bytes, a
    /// value's place is told by the keys around it: it stands between the end of its own key and the
    /// beginning of the next one.
    pub(crate) fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let top = deserializer.deserialize_map(TopVisitor { text })?;
        deserializer.end()?;
        Ok(top)
    }
}

struct TopVisitor<'de> {
    text: &'de str,
}

impl<'de> Visitor<'de> for TopVisitor<'de> {
    type Value = Top<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut top = Top { fields: Vec::with_capacity(8), ..Top::default() };
        let mut unknown = UnknownKeys::default();
        let mut seen = 0_u32;
        // A value whose end is told by what follows: its key, and where that key ends.
        let mut open: Option<(Key, usize)> = None;
        while let Some(name) = map.next_key::<Text<'de>>()? {
            // A key with escapes is not a part of the body, and tells no place.
            let place = match &name.0 {
                Cow::Borrowed(name) => offset_in(self.text.as_bytes(), name.as_bytes()).map(|at| (at, at + name.len())),
                Cow::Owned(_) => None,
            };
            if let Some((key, start)) = open.take() {
                let behind = place.map_or(Behind::HiddenKey, |(at, _)| Behind::Key(at));
                top.push(key, raw_value(self.text, start, behind));
            }
            let Some(key) = Key::by_name(&name) else {
                unknown.note(name)?;
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            if seen & key.bit() != 0 {
                return Err(fault(BodyErrorCode::InvalidJson, key.name(), "the key stands twice"));
            }
            seen |= key.bit();
            match (key, place) {
                (Key::Messages | Key::System | Key::Tools, Some((_, end))) => {
                    top.read_large(key, MapValue(&mut map)).map_err(|error| within(error, key.name()))?;
                    open = Some((key, end));
                }
                (Key::Messages | Key::System | Key::Tools, None) => {
                    let raw = map.next_value::<&'de RawValue>()?;
                    top.read_large(key, raw).map_err(|error| within(A::Error::custom(error), key.name()))?;
                    top.push(key, Some(raw.get()));
                }
                _ => top.push(key, Some(map.next_value::<&'de RawValue>()?.get())),
            }
        }
        if let Some((key, start)) = open {
            top.push(key, raw_value(self.text, start, Behind::End));
        }
        Ok(top)
    }
}

impl<'de> Top<'de> {
    fn push(&mut self, key: Key, raw: Option<&'de str>) {
        self.fields.extend(raw.filter(|raw| *raw != "null").map(|raw| (key, raw)));
    }

    fn read_large<S: Source<'de>>(&mut self, key: Key, source: S) -> Result<(), S::Error> {
        match key {
            Key::Messages => self.messages = source.read::<List<Message<'de>, MESSAGES_MAX>>()?.map(|list| list.0),
            Key::System => self.system = source.read()?,
            _ => self.tools = source.read::<List<Tool<'de>, TOOLS_MAX>>()?.map(|list| list.0),
        }
        Ok(())
    }
}

/// Where a large value is read from.
trait Source<'de> {
    type Error;
    fn read<T: Deserialize<'de>>(self) -> Result<Option<T>, Self::Error>;
}

/// The body itself.
struct MapValue<'m, A>(&'m mut A);

impl<'de, A: MapAccess<'de>> Source<'de> for MapValue<'_, A> {
    type Error = A::Error;

    fn read<T: Deserialize<'de>>(self) -> Result<Option<T>, A::Error> {
        self.0.next_value()
    }
}

/// Its bytes, which were looked through before.
impl<'de> Source<'de> for &'de RawValue {
    type Error = serde_json::Error;

    fn read<T: Deserialize<'de>>(self) -> Result<Option<T>, serde_json::Error> {
        serde_json::from_str(self.get())
    }
}

/// What stands behind a value.
#[derive(Clone, Copy)]
enum Behind {
    /// A key that begins here.
    Key(usize),
    /// A key that is written with escapes, so that its place is not known.
    HiddenKey,
    /// The end of the body.
    End,
}

/// The value behind the key that ends at `key_end`. The body was read before, so between them stand a
/// quote, white space and a colon, and behind it white space with a comma or a brace.
fn raw_value(text: &str, key_end: usize, behind: Behind) -> Option<&str> {
    const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
    let colon = text.get(key_end..)?.strip_prefix('"')?.trim_start_matches(WHITE_SPACE);
    let rest = colon.strip_prefix(':')?.trim_start_matches(WHITE_SPACE);
    let value = match behind {
        Behind::Key(at) => {
            let bytes_behind = text.len().checked_sub(at)?;
            let value = rest.get(..rest.len().checked_sub(bytes_behind)?)?.strip_suffix('"')?;
            value.trim_end_matches(WHITE_SPACE).strip_suffix(',')?
        }
        Behind::End => rest.trim_end_matches(WHITE_SPACE).strip_suffix('}')?,
        Behind::HiddenKey => {
            let mut deserializer = serde_json::Deserializer::from_str(rest);
            <&RawValue>::deserialize(&mut deserializer).ok()?.get()
        }
    };
    Some(value.trim_end_matches(WHITE_SPACE))
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

    #[test]
    fn raw_values_are_the_bytes_between_the_keys() {
        let text = " { \"system\" : \"a\\\"b,\" ,\n\"x\":[1,{\"messages\":2}],\"messages\":[ ]  , \"\\u006dodel\":\"m\", \"tools\":[]\t} ";
        let expected = [(Key::System, r#""a\"b,""#), (Key::Messages, "[ ]"), (Key::Model, "\"m\""), (Key::Tools, "[]")];
        assert_eq!(Top::read(text).unwrap().fields, expected);
        let escaped = r#"{"\u006dessages":[{"role":"user","content":"a"}],"system":null}"#;
        let top = Top::read(escaped).unwrap();
        assert_eq!(top.fields, [(Key::Messages, r#"[{"role":"user","content":"a"}]"#)]);
        assert_eq!(top.messages.unwrap().len(), 1);
    }
}
