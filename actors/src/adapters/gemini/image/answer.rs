//! The image in an answer, or why there is none.
//!
//! An answer may hold drafts, some of them flagged as thoughts and some not: the last one that is no thought is
//! the result. A refusal is a success without an image, in three shapes. Drafts of a refused picture are not
//! delivered. Only the result is decoded; an answer may be tens of megabytes.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault;
use crate::media::{Image, MediaFault};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAnswer<'a> {
    #[serde(borrow, default)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(default)]
    prompt_feedback: Option<Feedback>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow, default)]
    inline_data: Option<Data<'a>>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(default)]
    thought: Option<bool>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// The result of an answer with a success status.
pub(super) fn image(bytes: &[u8]) -> Result<Image, MediaFault> {
    let answer: WireAnswer<'_> =
        serde_json::from_slice(bytes).map_err(|_| MediaFault::Malformed { what: "an answer in JSON" })?;
    if answer.error.is_some() {
        return Err(fault::of_body(bytes));
    }
    let is_blocked = answer.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some());
    let Some(candidate) = answer.candidates.unwrap_or_default().into_iter().next() else {
        return Err(if is_blocked { MediaFault::Policy } else { MediaFault::Malformed { what: "a candidate" } });
    };
    let reason = candidate.finish_reason.unwrap_or_default();
    if is_blocked || is_refusal(&reason) {
        return Err(MediaFault::Policy);
    }
    let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
    let result = parts.iter().filter(|part| part.thought != Some(true));
    let Some(data) = result.clone().filter_map(|part| part.inline_data.as_ref()).next_back() else {
        let has_text = || result.clone().any(|part| part.text.as_deref().is_some_and(|text| !text.trim().is_empty()));
        // Finished, and all it has to say are words: an apology.
        return Err(if reason == "STOP" && has_text() { MediaFault::Policy } else { MediaFault::NothingMade });
    };
    let bytes = STANDARD.decode(data.data.as_bytes()).map_err(|_| MediaFault::Malformed { what: "image data" })?;
    Image::read(bytes.into()).ok_or(MediaFault::Malformed { what: "a PNG, JPEG or WebP file" })
}

/// The reasons that are about what is to be seen.
fn is_refusal(reason: &str) -> bool {
    matches!(
        reason.strip_prefix("IMAGE_").unwrap_or(reason),
        "SAFETY" | "PROHIBITED_CONTENT" | "RECITATION" | "BLOCKLIST" | "SPII" | "LANGUAGE" | "MODEL_ARMOR"
    )
}
