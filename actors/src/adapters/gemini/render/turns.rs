//! The conversation as `contents`.
//!
//! Gemini pairs calls and results by place: a model's turn with calls is followed by one turn of the user
//! with as many results, in the same order, each under its function's name. Clients give ids instead, and
//! in any order, so results are looked up and put in place here, and what stands alone is refused by id.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::tools::sent_name;
use crate::adapters::fault::BodyError;
use crate::adapters::json_depth;
use crate::chat::{Dialect, Media, MediaKind, MediaSource, Part, Role, Signature, Turn};

/// Stands in for the signature that Gemini wants on the first call of every turn, where the client or
/// another model left none. Sent as it is, not encoded; it costs quality, not correctness.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";
/// How deep a result may nest to be passed as an object: far below what Google's parser refuses.
const RESULT_DEPTH_MAX: usize = 32;

/// One turn.
#[derive(Debug, Serialize)]
pub(super) struct WireContent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<WirePart<'a>>,
}

/// One part: a payload and what decorates it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WirePart<'a> {
    #[serde(flatten)]
    payload: Payload<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Payload<'a> {
    Text(Cow<'a, str>),
    #[serde(rename_all = "camelCase")]
    InlineData {
        mime_type: &'a str,
        data: &'a str,
    },
    #[serde(rename_all = "camelCase")]
    FileData {
        mime_type: &'static str,
        file_uri: &'a str,
    },
    FunctionCall {
        name: Cow<'a, str>,
        args: &'a Value,
    },
    FunctionResponse {
        name: Cow<'a, str>,
        response: Map<String, Value>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        parts: Vec<WirePart<'a>>,
    },
}

impl<'a> From<Payload<'a>> for WirePart<'a> {
    fn from(payload: Payload<'a>) -> Self {
        Self { payload, thought: false, thought_signature: None }
    }
}

/// `systemInstruction`, one part for each text.
pub(super) fn system(parts: &[Part]) -> Option<WireContent<'_>> {
    let parts: Vec<WirePart<'_>> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Text { text, .. } if !text.trim().is_empty() => Some(Payload::Text(text.into()).into()),
            _ => None,
        })
        .collect();
    (!parts.is_empty()).then_some(WireContent { role: None, parts })
}

/// Calls that wait for their results, in order and by id: a turn may have thousands.
#[derive(Default)]
struct OpenCalls<'a> {
    in_order: Vec<&'a str>,
    names: BTreeMap<&'a str, &'a str>,
}

impl<'a> OpenCalls<'a> {
    fn first(&self) -> Option<&'a str> {
        self.in_order.first().copied()
    }

    /// Adds a call. Tells whether its id is new.
    fn add(&mut self, id: &'a str, name: &'a str) -> bool {
        let is_new = self.names.insert(id, name).is_none();
        self.in_order.push(id);
        is_new
    }
}

/// The turns; `model` is ours, and decides which signatures are its own.
pub(super) fn contents<'a>(turns: &'a [Turn], model: &str) -> Result<Vec<WireContent<'a>>, BodyError> {
    let mut contents: Vec<WireContent<'a>> = Vec::with_capacity(turns.len());
    let mut open = OpenCalls::default();
    for turn in turns {
        let (role, mut parts) = match turn.role {
            Role::User => ("user", user_parts(&turn.parts, std::mem::take(&mut open))?),
            Role::Assistant => {
                if let Some(id) = open.first() {
                    return Err(lonely(id, "has no result in the next turn"));
                }
                ("model", model_parts(&turn.parts, model, &mut open)?)
            }
        };
        match contents.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if last.role == Some(role) => last.parts.append(&mut parts),
            _ => contents.push(WireContent { role: Some(role), parts }),
        }
    }
    if let Some(id) = open.first() {
        return Err(lonely(id, "has no result in the next turn"));
    }
    if !contents.iter().any(|content| content.role == Some("user")) {
        return Err(BodyError::invalid("messages", "expected at least one message of the user that is not empty"));
    }
    Ok(contents)
}

/// Results in the order of their calls, then what the user says to them.
fn user_parts<'a>(parts: &'a [Part], open: OpenCalls<'a>) -> Result<Vec<WirePart<'a>>, BodyError> {
    let mut results: BTreeMap<&str, WirePart<'a>> = BTreeMap::new();
    let mut others = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::ToolResult { call_id, parts, is_error, .. } => {
                let name = open.names.get(call_id.as_str()).filter(|_| !results.contains_key(call_id.as_str()));
                let Some(name) = name else {
                    return Err(lonely(call_id, "has a result but was not called in the turn before"));
                };
                results.insert(call_id, result(name, parts, *is_error)?);
            }
            part => others.extend(plain_part(part)?),
        }
    }
    let mut wire = Vec::with_capacity(open.in_order.len() + others.len());
    for id in open.in_order {
        let result = results.remove(id);
        wire.push(result.ok_or_else(|| lonely(id, "has no result in the next turn"))?);
    }
    wire.append(&mut others);
    Ok(wire)
}

fn model_parts<'a>(parts: &'a [Part], model: &str, open: &mut OpenCalls<'a>) -> Result<Vec<WirePart<'a>>, BodyError> {
    let mut wire = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::ToolCall { id, name, arguments, signature, .. } => {
                let own = signature.as_ref().filter(|signature| signature.fits(Dialect::Gemini, model));
                let value = own.map(|signature| &*signature.value).filter(|value| !value.is_empty());
                // Only the first call of a turn needs one, and only that one may be made up.
                let thought_signature = value.or_else(|| open.in_order.is_empty().then_some(NO_SIGNATURE));
                let payload = Payload::FunctionCall { name: history_name(name)?, args: arguments };
                wire.push(WirePart { payload, thought: false, thought_signature });
                if !open.add(id, name) {
                    return Err(lonely(id, "is made twice in one turn"));
                }
            }
            Part::Thinking { text, signature } => {
                let own = signature.as_ref().filter(|signature| is_own_thought(signature, model));
                // A signature alone came on a part of the answer, and goes back on one.
                wire.extend(own.map(|signature| WirePart {
                    payload: Payload::Text(text.into()),
                    thought: !text.is_empty(),
                    thought_signature: Some(&signature.value),
                }));
            }
            part => wire.extend(plain_part(part)?),
        }
    }
    Ok(wire)
}

/// Claude's thoughts carry no tag in its own dialect, so a thought of Gemini is one that says so: ours
/// always do.
fn is_own_thought(signature: &Signature, model: &str) -> bool {
    signature.origin.is_some() && signature.fits(Dialect::Gemini, model) && !signature.value.is_empty()
}

/// Text and media. Thoughts, calls and results in a turn that cannot have them are none.
fn plain_part(part: &Part) -> Result<Option<WirePart<'_>>, BodyError> {
    Ok(match part {
        Part::Text { text, .. } if text.trim().is_empty() => None,
        Part::Text { text, .. } => Some(Payload::Text(text.into()).into()),
        Part::Media { media, .. } => Some(media_part(media)?),
        Part::ToolResult { call_id, .. } => {
            return Err(lonely(call_id, "has a result but was not called in the turn before"));
        }
        Part::ToolCall { .. } | Part::Thinking { .. } | Part::RedactedThinking { .. } => None,
    })
}

fn media_part(media: &Media) -> Result<WirePart<'_>, BodyError> {
    let payload = match &media.source {
        MediaSource::Base64(data) => Payload::InlineData { mime_type: &media.media_type, data },
        MediaSource::Text(text) => Payload::Text(match media.title.as_deref() {
            Some(title) if !title.is_empty() => format!("{title}\n\n{text}").into(),
            _ => text.into(),
        }),
        MediaSource::Url(file_uri) => {
            let mime_type = url_media_type(file_uri).filter(|_| media.kind != MediaKind::Audio).ok_or_else(|| {
                let message = "this model takes https addresses that end in .png, .jpg, .jpeg, .webp, .heic, .heif or \
                    .pdf only: send a data: URL";
                BodyError::invalid("messages", message)
            })?;
            Payload::FileData { mime_type, file_uri }
        }
    };
    Ok(payload.into())
}

/// What the address ends in, as Google does not look itself.
fn url_media_type(url: &str) -> Option<&'static str> {
    const HTTPS: &str = "https://";
    let scheme = url.get(..HTTPS.len())?;
    if !scheme.eq_ignore_ascii_case(HTTPS) {
        return None;
    }
    let (authority, path) = url.get(HTTPS.len()..)?.split(['?', '#']).next()?.split_once('/')?;
    // Files kept at the provider belong to our project, and so to whichever caller put them there.
    if authority.to_ascii_lowercase().contains("generativelanguage") {
        return None;
    }
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        _ => return None,
    })
}

/// `functionResponse`, whose `response` must be an object; media stand beside it.
fn result<'a>(name: &'a str, parts: &'a [Part], is_error: bool) -> Result<WirePart<'a>, BodyError> {
    let mut texts: Vec<Cow<'a, str>> = Vec::new();
    let mut media = Vec::new();
    for part in parts {
        if let Some(part) = plain_part(part)? {
            match part.payload {
                Payload::Text(text) => texts.push(text),
                _ => media.push(part),
            }
        }
    }
    let text = texts.join("\n");
    let response = match object(&text) {
        Some(object) if !is_error => object,
        _ => {
            let key = if is_error { "error" } else { "output" };
            Map::from_iter([(key.to_owned(), Value::String(text))])
        }
    };
    Ok(Payload::FunctionResponse { name: history_name(name)?, response, parts: media }.into())
}

fn object(text: &str) -> Option<Map<String, Value>> {
    if !text.trim_start().starts_with('{') || json_depth::check(text.as_bytes(), RESULT_DEPTH_MAX).is_err() {
        return None;
    }
    serde_json::from_str(text).ok()
}

fn history_name(name: &str) -> Result<Cow<'_, str>, BodyError> {
    sent_name(name, || "messages".to_owned())
}

/// Ids are the caller's own and short; a long one is cut so that a message stays a message.
fn lonely(id: &str, what: &str) -> BodyError {
    let shown: String = id.chars().take(80).collect();
    BodyError::invalid("messages", format!("tool call {shown} {what}"))
}

#[cfg(test)]
mod tests;
