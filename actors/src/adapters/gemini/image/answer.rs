//! The image in an answer, or why there is none.
//!
//! An answer may hold drafts, some of them flagged as thoughts and some not: the last one that is no thought is
//! the result. A refusal is a success without an image, in three shapes. Drafts of a refused picture are not
//! delivered. Only the result is decoded, in the place where it stands: an answer may be tens of megabytes.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault;
use crate::adapters::metadata;
use crate::media::{Image, MediaFault};

/// Base 64 that is decoded at a time: whole groups of four.
const PIECE_TEXT: usize = 4096;

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
pub(super) fn image(body: Bytes) -> Result<Image, MediaFault> {
    let text = text_of_image(&body)?;
    // From here on the text is the only reader of the answer's memory.
    drop(body);
    let bytes = decoded(text.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..])));
    let bytes = bytes.ok_or(MediaFault::Malformed { what: "image data" })?;
    Image::read(metadata::cleaned(bytes)).ok_or(MediaFault::Malformed { what: "a PNG, JPEG or WebP file" })
}

/// Base 64 becomes what it stands for, without other memory: what was read is longer than what is written.
fn decoded(mut text: BytesMut) -> Option<Bytes> {
    let mut piece = [0; PIECE_TEXT / 4 * 3];
    let (mut read, mut written) = (0_usize, 0_usize);
    while read < text.len() {
        let end = read.saturating_add(PIECE_TEXT).min(text.len());
        let len = STANDARD.decode_slice(text.get(read..end)?, &mut piece).ok()?;
        // Padding belongs at the end alone.
        if end < text.len() && len < piece.len() {
            return None;
        }
        text.get_mut(written..written.checked_add(len)?)?.copy_from_slice(piece.get(..len)?);
        (read, written) = (end, written + len);
    }
    text.truncate(written);
    Some(text.freeze())
}

/// The base 64 of the result: a part of the body, unless an escape in it had to be resolved.
fn text_of_image(body: &Bytes) -> Result<Bytes, MediaFault> {
    let answer: WireAnswer<'_> =
        serde_json::from_slice(body).map_err(|_| MediaFault::Malformed { what: "an answer in JSON" })?;
    if answer.error.is_some() {
        return Err(fault::of_body(body));
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
    Ok(match &data.data {
        Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
        Cow::Owned(text) => Bytes::copy_from_slice(text.as_bytes()),
    })
}

/// The reasons that are about what is to be seen.
fn is_refusal(reason: &str) -> bool {
    matches!(
        reason.strip_prefix("IMAGE_").unwrap_or(reason),
        "SAFETY" | "PROHIBITED_CONTENT" | "RECITATION" | "BLOCKLIST" | "SPII" | "LANGUAGE" | "MODEL_ARMOR"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decoding_in_place_says_what_decoding_elsewhere_says(
            file in proptest::collection::vec(any::<u8>(), 0..9_000), at in any::<prop::sample::Index>(), letter: u8,
        ) {
            let text = STANDARD.encode(&file);
            prop_assert_eq!(decoded(BytesMut::from(text.as_bytes())), Some(Bytes::from(file)));
            let mut broken = text.into_bytes();
            if !broken.is_empty() {
                let at = at.index(broken.len());
                broken[at] = letter;
            }
            let elsewhere = STANDARD.decode(&broken).ok().map(Bytes::from);
            prop_assert_eq!(decoded(BytesMut::from(&broken[..])), elsewhere);
        }
    }

    #[test]
    fn padding_in_the_middle_is_refused_wherever_a_piece_ends() {
        let piece = STANDARD.encode([7; PIECE_TEXT / 4 * 3 - 1]);
        assert_eq!(piece.len(), PIECE_TEXT);
        assert_eq!(decoded(BytesMut::from(format!("{piece}{piece}").as_bytes())), None);
        assert!(decoded(BytesMut::from(piece.as_bytes())).is_some());
    }

    #[test]
    fn the_image_takes_the_place_of_its_text() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x08\0\0\0\x04\0\x08\x02\0\0\0";
        for escape in [false, true] {
            let text = STANDARD.encode(png);
            let text = if escape { text.replacen('i', "\\u0069", 1) } else { text };
            let body =
                format!(r#"{{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"data":"{text}"}}}}]}}}}]}}"#);
            let body = Bytes::from(body.into_bytes());
            let start = body.as_ptr().addr();
            let image = image(body).unwrap();
            assert_eq!(&image.bytes[..], png);
            let is_inside = (start..start + 200).contains(&image.bytes.as_ptr().addr());
            assert!(is_inside || escape, "copied");
        }
    }
}
