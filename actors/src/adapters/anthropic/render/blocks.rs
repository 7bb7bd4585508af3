//! Parts of a conversation as content blocks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use super::super::tool_ids::ToolIds;
use super::thinking::is_own_thought;
use crate::adapters::fault::BodyError;
use crate::chat::{Cache, CacheTtl, Media, MediaKind, MediaSource, Part, Role, Turn};

const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// `cache_control`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct CacheControl {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

/// The breakpoint as it is written; five minutes are the default.
pub(super) fn cache_control(cache: Cache) -> Option<CacheControl> {
    cache.map(|ttl| CacheControl {
        kind: "ephemeral",
        ttl: match ttl {
            CacheTtl::FiveMinutes => None,
            CacheTtl::OneHour => Some("1h"),
        },
    })
}

/// One message.
#[derive(Debug, Serialize)]
pub(super) struct WireMessage<'a> {
    pub(super) role: &'static str,
    pub(super) content: Vec<WireBlock<'a>>,
}

/// One content block.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum WireBlock<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Image {
        source: WireSource<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Document {
        source: WireSource<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolUse {
        id: String,
        name: &'a str,
        input: &'a Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<WireBlock<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
}

/// Where a piece of media is.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum WireSource<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
    Text { media_type: &'static str, data: std::borrow::Cow<'a, str> },
}

impl WireBlock<'_> {
    /// Its breakpoint, if it may have one.
    pub(super) fn breakpoint(&mut self) -> Option<&mut Option<CacheControl>> {
        match self {
            Self::Text { cache_control, .. }
            | Self::Image { cache_control, .. }
            | Self::Document { cache_control, .. }
            | Self::ToolUse { cache_control, .. }
            | Self::ToolResult { cache_control, .. } => Some(cache_control),
            Self::Thinking { .. } | Self::RedactedThinking { .. } => None,
        }
    }
}

/// The messages of a conversation. Thoughts are kept only where the request thinks, and only this model's.
pub(super) fn messages<'a>(turns: &'a [Turn], model: &str, thinks: bool) -> Result<Vec<WireMessage<'a>>, BodyError> {
    let mut ids = ToolIds::default();
    let mut messages: Vec<WireMessage<'a>> = Vec::with_capacity(turns.len());
    for turn in turns {
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let mut content = Vec::with_capacity(turn.parts.len());
        // Results come first in their message, then what the user says to them.
        let is_result = |part: &&Part| matches!(part, Part::ToolResult { .. });
        let (results, others): (Vec<_>, Vec<_>) = turn.parts.iter().partition(is_result);
        for part in results.into_iter().chain(others) {
            content.extend(block(part, model, thinks, &mut ids)?);
        }
        match messages.last_mut() {
            _ if content.is_empty() => {}
            Some(last) if last.role == role => last.content.append(&mut content),
            _ => messages.push(WireMessage { role, content }),
        }
    }
    Ok(messages)
}

fn block<'a>(part: &'a Part, model: &str, thinks: bool, ids: &mut ToolIds) -> Result<Option<WireBlock<'a>>, BodyError> {
    Ok(match part {
        Part::Text { text, .. } if text.trim().is_empty() => None,
        Part::Text { text, cache } => Some(WireBlock::Text { text, cache_control: cache_control(*cache) }),
        Part::Media { media, cache } => Some(media_block(media, *cache)?),
        Part::ToolCall { id, name, arguments, cache, .. } => Some(WireBlock::ToolUse {
            id: ids.for_call(id),
            name,
            input: arguments,
            cache_control: cache_control(*cache),
        }),
        Part::ToolResult { call_id, parts, is_error, cache } => {
            let mut content = Vec::with_capacity(parts.len());
            for part in parts {
                content.extend(block(part, model, false, ids)?);
            }
            let (tool_use_id, cache_control) = (ids.for_result(call_id), cache_control(*cache));
            Some(WireBlock::ToolResult { tool_use_id, content, is_error: *is_error, cache_control })
        }
        Part::Thinking { .. } | Part::RedactedThinking { .. } if !thinks || !is_own_thought(part, model) => None,
        Part::Thinking { text, signature } => {
            signature.as_ref().map(|signature| WireBlock::Thinking { thinking: text, signature: &signature.value })
        }
        Part::RedactedThinking { data } => Some(WireBlock::RedactedThinking { data: &data.value }),
    })
}

fn media_block(media: &Media, cache: Cache) -> Result<WireBlock<'_>, BodyError> {
    let cache_control = cache_control(cache);
    match (media.kind, &media.source) {
        (MediaKind::Image, MediaSource::Base64(data)) => {
            if !IMAGE_TYPES.contains(&media.media_type.as_str()) {
                return Err(BodyError::invalid("messages", "images may be JPEG, PNG, GIF or WebP for this model"));
            }
            let source = WireSource::Base64 { media_type: &media.media_type, data };
            Ok(WireBlock::Image { source, cache_control })
        }
        (MediaKind::Image, MediaSource::Url(url)) => {
            Ok(WireBlock::Image { source: WireSource::Url { url }, cache_control })
        }
        (MediaKind::Document, source) => {
            let title = media.title.as_deref().filter(|title| !title.is_empty());
            Ok(WireBlock::Document { source: document_source(&media.media_type, source)?, title, cache_control })
        }
        (MediaKind::Image, MediaSource::Text(_)) => Err(BodyError::invalid("messages", "an image cannot be text")),
        (MediaKind::Audio, _) => Err(BodyError::unsupported("messages", "audio input is not served for this model")),
    }
}

fn document_source<'a>(media_type: &'a str, source: &'a MediaSource) -> Result<WireSource<'a>, BodyError> {
    const TEXT: &str = "text/plain";
    match source {
        MediaSource::Base64(data) if media_type == "application/pdf" => Ok(WireSource::Base64 { media_type, data }),
        MediaSource::Base64(data) if media_type.starts_with("text/") => {
            let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or_else(|| BodyError::invalid("messages", "a text document must be UTF-8"))?;
            Ok(WireSource::Text { media_type: TEXT, data: text.into() })
        }
        MediaSource::Text(text) => Ok(WireSource::Text { media_type: TEXT, data: text.into() }),
        MediaSource::Base64(_) => Err(BodyError::invalid("messages", "documents may be PDF or text for this model")),
        MediaSource::Url(_) => {
            Err(BodyError::unsupported("messages", "documents by URL are not served: send the data"))
        }
    }
}
