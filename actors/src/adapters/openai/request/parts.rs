//! Content parts of either dialect in our own terms.
//!
//! Text that is empty or only white space is dropped: other providers refuse it. Media arrive as data, or
//! as an https address of an image; we never fetch anything.

use serde_json::Value;

use super::Content;
use super::media::{DataUrl, kind_of};
use super::names::PartKind;
use super::settings::{object, text};
use super::summary::{file_data, ttl};
use super::wire::{Part as Wire, Source};
use crate::adapters::fault::BodyError;
use crate::adapters::openai::raw::{RawText, Text};
use crate::adapters::openai::tag;
use crate::chat::{Cache, Media, MediaKind, MediaSource, Part};

/// A text, unless there is nothing in it.
pub(super) fn text_part(raw: RawText<'_>, cache: Cache, path: impl Fn() -> String) -> Result<Option<Part>, BodyError> {
    let text = text(raw, path)?;
    Ok((!text.trim().is_empty()).then_some(Part::Text { text, cache }))
}

/// System content, which is text and nothing else.
pub(super) fn system(content: &Content<'_>, path: &str, into: &mut Vec<Part>) -> Result<(), BodyError> {
    for part in self::content(content, path)? {
        match part {
            Part::Text { .. } => into.push(part),
            _ => return Err(BodyError::invalid(path, "system messages hold text only")),
        }
    }
    Ok(())
}

/// Content in order.
pub(super) fn content(content: &Content<'_>, path: &str) -> Result<Vec<Part>, BodyError> {
    match content {
        Content::None => Ok(Vec::new()),
        Content::Text(text) => Ok(text_part(*text, None, || path.to_owned())?.into_iter().collect()),
        Content::Parts(list) => {
            let mut parts = Vec::with_capacity(list.0.len());
            for (index, wire) in list.0.iter().enumerate() {
                parts.extend(part(wire, &format!("{path}[{index}]"))?);
            }
            Ok(parts)
        }
    }
}

fn part(wire: &Wire<'_>, path: &str) -> Result<Option<Part>, BodyError> {
    let cache = wire.cache_control.as_deref().or(wire.prompt_cache_breakpoint.as_deref()).map(ttl);
    let at = |field: &'static str| move || format!("{path}.{field}");
    let required = |raw: Option<RawText<'_>>, field| match raw {
        Some(raw) => text(raw, at(field)),
        None => Err(BodyError::invalid(at(field)(), format!("{field} is required"))),
    };
    let media = |media| Ok(Some(Part::Media { media, cache }));
    match wire.kind {
        Some(PartKind::Text) => wire.text.map_or(Ok(None), |raw| text_part(raw, cache, at("text"))),
        Some(PartKind::Refusal) => wire.refusal.map_or(Ok(None), |raw| text_part(raw, cache, at("refusal"))),
        Some(PartKind::ImageUrl) => {
            let url = required(wire.image_url.as_ref().and_then(|image| image.url), "image_url.url")?;
            media(image_at(&url, &at("image_url.url"))?)
        }
        Some(PartKind::InputAudio) => {
            let audio = wire.input_audio.as_deref();
            let base64 = required(audio.and_then(|audio| audio.data), "input_audio.data")?;
            let format = audio.and_then(|audio| audio.format.as_ref()).map_or("wav", Text::as_str);
            let declared = format!("audio/{format}");
            media(from_data(DataUrl { declared: &declared, base64: &base64 }, None, &at("input_audio.data"))?)
        }
        Some(PartKind::File) => {
            let file = wire.file.as_deref();
            let data = required(file.and_then(|file| file.file_data), "file.file_data")?;
            let title = file.and_then(|file| file.filename).map(|name| text(name, at("file.filename"))).transpose()?;
            media(from_data(file_data(&data), title, &at("file.file_data"))?)
        }
        Some(kind @ (PartKind::Image | PartKind::Document)) => {
            let Some(source) = &wire.source else {
                return Err(BodyError::invalid(at("source")(), "source is required"));
            };
            let title = wire.title.map(|title| text(title, at("title"))).transpose()?;
            media(from_source(source, kind == PartKind::Image, title, &at("source"))?)
        }
        Some(PartKind::ToolUse) => Ok(Some(Part::ToolCall {
            id: required(wire.id, "id")?,
            name: required(wire.name, "name")?,
            arguments: match wire.input {
                Some(input) => object(input, at("input"))?,
                None => Value::Object(serde_json::Map::new()),
            },
            signature: None,
            cache,
        })),
        Some(PartKind::ToolResult) => {
            let path = at("content")();
            let inner = Content::read(wire.content, || path.clone())?;
            Ok(Some(Part::ToolResult {
                call_id: required(wire.tool_use_id, "tool_use_id")?,
                parts: content(&inner, &path)?,
                is_error: wire.is_error.unwrap_or(false),
                cache,
            }))
        }
        Some(PartKind::Thinking | PartKind::RedactedThinking) => thought(wire, path),
        Some(PartKind::Unknown) | None => {
            Err(BodyError::unsupported(at("type")(), "this type of part is not served here"))
        }
    }
}

/// A thinking block of Anthropic's shape, in the content or in `thinking_blocks`.
pub(super) fn thought(wire: &Wire<'_>, path: &str) -> Result<Option<Part>, BodyError> {
    let at = |field: &'static str| move || format!("{path}.{field}");
    Ok(match (wire.kind, wire.data) {
        (Some(PartKind::RedactedThinking), Some(data)) => {
            Some(Part::RedactedThinking { data: tag::read(&text(data, at("data"))?) })
        }
        (Some(PartKind::Thinking), _) => {
            let signature = wire.signature.map(|signature| text(signature, at("signature"))).transpose()?;
            let signature = signature.filter(|signature| !signature.is_empty()).map(|it| tag::read(&it));
            Some(Part::Thinking {
                text: wire.thinking.map_or(Ok(String::new()), |it| text(it, at("thinking")))?,
                signature,
            })
        }
        _ => None,
    })
}

/// An image by address: as data, or by https for the provider to fetch.
fn image_at(url: &str, path: &dyn Fn() -> String) -> Result<Media, BodyError> {
    if let Some(data) = DataUrl::of(url) {
        return from_data(data, None, path);
    }
    if !url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
        return Err(BodyError::invalid(path(), "expected a data: URL in base64, or an https address"));
    }
    let address = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let known = [
        (".png", "image/png"),
        (".gif", "image/gif"),
        (".webp", "image/webp"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
    ];
    let media_type = known.iter().find(|(ending, _)| address.ends_with(ending)).map_or("image/*", |(_, it)| it);
    Ok(Media {
        kind: MediaKind::Image,
        media_type: media_type.to_owned(),
        source: MediaSource::Url(url.to_owned()),
        title: None,
    })
}

fn from_data(data: DataUrl<'_>, title: Option<String>, path: &dyn Fn() -> String) -> Result<Media, BodyError> {
    let media_type = data.media_type().into_owned();
    let Some(kind) = kind_of(&media_type) else {
        return Err(BodyError::invalid(path(), "expected an image, a PDF, plain text or audio"));
    };
    let source = if media_type.starts_with("text/") {
        MediaSource::Text(data.text().ok_or_else(|| BodyError::invalid(path(), "expected UTF-8 text in base64"))?)
    } else {
        MediaSource::Base64(data.compact().into_owned())
    };
    Ok(Media { kind, media_type, source, title })
}

fn from_source(
    source: &Source<'_>,
    is_image: bool,
    title: Option<String>,
    path: &dyn Fn() -> String,
) -> Result<Media, BodyError> {
    let field = |raw: Option<RawText<'_>>, name: &str| match raw {
        Some(raw) => text(raw, || format!("{}.{name}", path())),
        None => Err(BodyError::invalid(format!("{}.{name}", path()), format!("{name} is required"))),
    };
    match source.kind.as_ref().map(Text::as_str) {
        Some("base64") => {
            let base64 = field(source.data, "data")?;
            let default = if is_image { "" } else { "application/pdf" };
            let declared = source.media_type.as_ref().map_or(default, Text::as_str);
            from_data(DataUrl { declared, base64: &base64 }, title, path)
        }
        Some("text") => Ok(Media {
            kind: MediaKind::Document,
            media_type: "text/plain".to_owned(),
            source: MediaSource::Text(field(source.data, "data")?),
            title,
        }),
        Some("url") if is_image => image_at(&field(source.url, "url")?, path),
        _ => Err(BodyError::invalid(path(), "send the document itself, as base64 or text")),
    }
}
