//! Messages and content blocks as a client writes them.
//!
//! Read once per request, borrowing everything; the common block is small and the rare ones are boxed,
//! so that a body of many tiny blocks does not grow in memory. Blocks that cost money beside tokens or
//! point at files of an account are refused here by name.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::text::Text;
use super::object::{elements, invalid, object, required, unsupported};
use crate::chat::{Cache, CacheTtl, Role};

/// Blocks in one message or tool result.
const BLOCKS_MAX: usize = 100_000;

object!(MessageFields { "role" role: Text<'de>, "content" content: Content<'de> });

/// Who speaks; `system` inside `messages` is served by some models, and upstream decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    Turn(Role),
    System,
}

/// One entry of `messages`.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) speaker: Speaker,
    pub(crate) content: Content<'a>,
}

impl<'de> Deserialize<'de> for Message<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = MessageFields::deserialize(deserializer)?;
        let speaker = match &*required(fields.role, ".role")? {
            "user" => Speaker::Turn(Role::User),
            "assistant" => Speaker::Turn(Role::Assistant),
            "system" => Speaker::System,
            _ => return Err(invalid(".role", "expected user or assistant")),
        };
        Ok(Self { speaker, content: required(fields.content, ".content")? })
    }
}

/// A text, or a list of blocks.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Text(Text<'a>),
    Blocks(Vec<Block<'a>>),
}

impl<'a> Content<'a> {
    /// Its blocks; none where it is a plain text.
    pub(crate) fn blocks(&self) -> &[Block<'a>] {
        match self {
            Self::Text(_) => &[],
            Self::Blocks(blocks) => blocks,
        }
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of blocks")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Text(Text(text.into())))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content::Text(Text(text.to_owned().into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Self::Value, A::Error> {
        elements(sequence, BLOCKS_MAX).map(Content::Blocks)
    }
}

impl<'de> Deserialize<'de> for Content<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

object!(strict CacheFields { "type" kind: Text<'de>, "ttl" ttl: Text<'de> });

/// A cache breakpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheControl(pub(crate) CacheTtl);

impl<'de> Deserialize<'de> for CacheControl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = CacheFields::deserialize(deserializer)?;
        if &*required(fields.kind, ".type")? != "ephemeral" {
            return Err(unsupported(".type", "expected ephemeral"));
        }
        match fields.ttl.as_deref() {
            None | Some("5m") => Ok(Self(CacheTtl::FiveMinutes)),
            Some("1h") => Ok(Self(CacheTtl::OneHour)),
            Some(_) => Err(unsupported(".ttl", "expected 5m or 1h")),
        }
    }
}

object!(BlockFields {
    "type" kind: Text<'de>,
    "text" text: Text<'de>,
    "cache_control" cache: CacheControl,
    "source" source: SourceField<'de>,
    "title" title: Text<'de>,
    "context" context: Text<'de>,
    "id" id: Text<'de>,
    "name" name: Text<'de>,
    "input" input: &'de RawValue,
    "tool_use_id" tool_use_id: Text<'de>,
    "content" content: Content<'de>,
    "is_error" is_error: bool,
    "thinking" thinking: Text<'de>,
    "signature" signature: Text<'de>,
    "data" data: Text<'de>,
});

/// One content block.
#[derive(Debug)]
pub(crate) enum Block<'a> {
    Text { text: Text<'a>, cache: Cache },
    Image(Box<Image<'a>>),
    Document(Box<Document<'a>>),
    ToolUse(Box<ToolUse<'a>>),
    ToolResult(Box<ToolResult<'a>>),
    Thinking(Box<Thought<'a>>),
    Redacted(Box<Text<'a>>),
    SearchResult(Box<SearchResult<'a>>),
}

#[derive(Debug)]
pub(crate) struct Image<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) cache: Cache,
}

#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) title: Option<Text<'a>>,
    pub(crate) context: Option<Text<'a>>,
    pub(crate) cache: Cache,
}

#[derive(Debug)]
pub(crate) struct ToolUse<'a> {
    pub(crate) id: Text<'a>,
    pub(crate) name: Text<'a>,
    pub(crate) input: Option<&'a RawValue>,
    pub(crate) cache: Cache,
}

#[derive(Debug)]
pub(crate) struct ToolResult<'a> {
    pub(crate) tool_use_id: Text<'a>,
    pub(crate) content: Option<Content<'a>>,
    pub(crate) is_error: bool,
    pub(crate) cache: Cache,
}

#[derive(Debug)]
pub(crate) struct Thought<'a> {
    pub(crate) thinking: Option<Text<'a>>,
    pub(crate) signature: Option<Text<'a>>,
}

#[derive(Debug)]
pub(crate) struct SearchResult<'a> {
    pub(crate) source: Option<Text<'a>>,
    pub(crate) title: Option<Text<'a>>,
    pub(crate) content: Option<Content<'a>>,
    pub(crate) cache: Cache,
}

impl Block<'_> {
    /// The breakpoint after it.
    pub(crate) fn cache(&self) -> Cache {
        match self {
            Self::Text { cache, .. } => *cache,
            Self::Image(image) => image.cache,
            Self::Document(document) => document.cache,
            Self::ToolUse(call) => call.cache,
            Self::ToolResult(result) => result.cache,
            Self::SearchResult(result) => result.cache,
            Self::Thinking(_) | Self::Redacted(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Block<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = BlockFields::deserialize(deserializer)?;
        let cache = fields.cache.map(|control| control.0);
        Ok(match &*required(fields.kind, ".type")? {
            "text" => Self::Text { text: required(fields.text, ".text")?, cache },
            "image" => {
                let source = served_source(fields.source)?;
                match source {
                    Source::Base64 { .. } | Source::Url(_) => Self::Image(Box::new(Image { source, cache })),
                    Source::Text(_) | Source::Content(_) => {
                        return Err(invalid(".source.type", "expected base64 or url"));
                    }
                }
            }
            "document" => {
                let source = served_source(fields.source)?;
                if let Source::Url(_) = source {
                    return Err(unsupported(".source", "documents by URL are not served: send the data"));
                }
                let (title, context) = (fields.title, fields.context);
                Self::Document(Box::new(Document { source, title, context, cache }))
            }
            "tool_use" => {
                let (id, name) = (required(fields.id, ".id")?, required(fields.name, ".name")?);
                Self::ToolUse(Box::new(ToolUse { id, name, input: fields.input, cache }))
            }
            "tool_result" => Self::ToolResult(Box::new(ToolResult {
                tool_use_id: required(fields.tool_use_id, ".tool_use_id")?,
                content: fields.content,
                is_error: fields.is_error.unwrap_or(false),
                cache,
            })),
            "thinking" => Self::Thinking(Box::new(Thought { thinking: fields.thinking, signature: fields.signature })),
            "redacted_thinking" => Self::Redacted(Box::new(required(fields.data, ".data")?)),
            "search_result" => {
                let source = match fields.source {
                    None => None,
                    Some(SourceField::Name(name)) => Some(name),
                    Some(SourceField::Source(_)) => return Err(invalid(".source", "expected a string")),
                };
                let (title, content) = (fields.title, fields.content);
                Self::SearchResult(Box::new(SearchResult { source, title, content, cache }))
            }
            _ => return Err(unsupported(".type", "blocks of this type are not served")),
        })
    }
}

fn served_source<E: de::Error>(field: Option<SourceField<'_>>) -> Result<Source<'_>, E> {
    match required(field, ".source")? {
        SourceField::Source(source) => Ok(*source),
        SourceField::Name(_) => Err(invalid(".source", "expected an object")),
    }
}

/// `source`: an object, but the name of a search result.
#[derive(Debug)]
pub(crate) enum SourceField<'a> {
    Name(Text<'a>),
    Source(Box<Source<'a>>),
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SourceField<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(SourceField::Name(Text(text.into())))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(SourceField::Name(Text(text.to_owned().into())))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let fields = SourceFields::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Source::from_fields(fields).map(|source| SourceField::Source(Box::new(source)))
    }
}

impl<'de> Deserialize<'de> for SourceField<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

object!(strict SourceFields {
    "type" kind: Text<'de>,
    "media_type" media_type: Text<'de>,
    "data" data: Text<'de>,
    "url" url: Text<'de>,
    "content" content: Content<'de>,
    "file_id" file_id: Text<'de>,
});

/// Where an image or document comes from.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Base64 { media_type: Text<'a>, data: Text<'a> },
    Url(Text<'a>),
    Text(Text<'a>),
    Content(Content<'a>),
}

impl<'a> Source<'a> {
    fn from_fields<E: de::Error>(fields: SourceFields<'a>) -> Result<Self, E> {
        if fields.file_id.is_some() {
            return Err(unsupported(".file_id", "uploaded files are not served: send the data"));
        }
        match &*required(fields.kind, ".type")? {
            "base64" => Ok(Self::Base64 {
                media_type: required(fields.media_type, ".media_type")?,
                data: required(fields.data, ".data")?,
            }),
            "url" => Ok(Self::Url(required(fields.url, ".url")?)),
            "text" => Ok(Self::Text(required(fields.data, ".data")?)),
            "content" => Ok(Self::Content(required(fields.content, ".content")?)),
            _ => Err(unsupported(".type", "sources of this type are not served: send the data")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::body_error;
    use super::*;

    #[test]
    fn the_common_block_is_small() {
        assert!(size_of::<Block<'_>>() <= 40, "{}", size_of::<Block<'_>>());
    }

    #[test]
    fn blocks_of_other_tenants_and_of_other_prices_are_refused_by_name() {
        for (block, path) in [
            (r#"{"type":"image","source":{"type":"file","file_id":"file_1"}}"#, "source.file_id"),
            (r#"{"type":"document","source":{"type":"file","file_id":"file_1"}}"#, "source.file_id"),
            (r#"{"type":"document","source":{"type":"url","url":"https://x/y.pdf"}}"#, "source"),
            (r#"{"type":"container_upload","file_id":"file_1"}"#, "type"),
            (r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#, "type"),
            (r#"{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"24h"}}"#, "cache_control.ttl"),
            (
                r#"{"type":"text","text":"a","cache_control":{"type":"ephemeral","scope":"global"}}"#,
                "cache_control.scope",
            ),
            (r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"tool_reference"}]}"#, "content[0].type"),
        ] {
            let error = body_error(&serde_json::from_str::<Block<'_>>(block).unwrap_err(), "");
            assert_eq!(error.code, crate::adapters::fault::BodyErrorCode::UnsupportedParameter, "{block}");
            assert_eq!(error.param.as_deref(), Some(path), "{block}");
        }
    }

    #[test]
    fn a_nest_of_tool_results_is_refused_and_does_not_overflow_the_stack() {
        let mut block = String::from(r#"{"type":"text","text":"a"}"#);
        for _ in 0..200 {
            block = format!(r#"{{"type":"tool_result","tool_use_id":"t","content":[{block}]}}"#);
        }
        assert!(serde_json::from_str::<Block<'_>>(&block).is_err());
    }
}
