//! Answers as Gemini writes them, for whole answers and for each event of a stream.
//!
//! proto-JSON: what is empty or zero is absent, and 64-bit integers may be strings. One mapping of counts
//! and finish reasons for both forms, so that they charge and finish the same.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

use crate::adapters::fault::UpstreamFault;
use crate::adapters::quantity::readable;
use crate::chat::FinishReason;
use crate::domain::usage::{Bucket, Usage};

/// A `GenerateContentResponse`, or the error in its place.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireResponse<'a> {
    #[serde(borrow, default)]
    pub(super) candidates: Option<Vec<WireCandidate<'a>>>,
    #[serde(default)]
    pub(super) prompt_feedback: Option<WireFeedback>,
    #[serde(default, deserialize_with = "readable")]
    pub(super) usage_metadata: Option<WireUsage>,
    #[serde(default)]
    pub(super) response_id: Option<String>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

/// One candidate; we ask for one.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireCandidate<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<WireContent<'a>>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct WireContent<'a> {
    #[serde(borrow, default)]
    pub(super) parts: Option<Vec<WirePart<'a>>>,
}

/// One part: text, a thought or a call. Kinds that we do not ask for have none of these fields.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WirePart<'a> {
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) thought: Option<bool>,
    #[serde(default)]
    pub(super) thought_signature: Option<String>,
    #[serde(borrow, default)]
    pub(super) function_call: Option<WireCall<'a>>,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct WireCall<'a> {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(borrow, default)]
    pub(super) args: Option<&'a RawValue>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireFeedback {
    #[serde(default)]
    pub(super) block_reason: Option<String>,
}

/// `usageMetadata`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireUsage {
    #[serde(default)]
    prompt_token_count: Option<Count>,
    #[serde(default)]
    cached_content_token_count: Option<Count>,
    #[serde(default)]
    candidates_token_count: Option<Count>,
    #[serde(default)]
    thoughts_token_count: Option<Count>,
    #[serde(default)]
    tool_use_prompt_token_count: Option<Count>,
    #[serde(default)]
    prompt_tokens_details: Option<Vec<ModalityCount>>,
    #[serde(default)]
    cache_tokens_details: Option<Vec<ModalityCount>>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModalityCount {
    #[serde(default)]
    modality: String,
    #[serde(default)]
    token_count: Option<Count>,
}

impl WireUsage {
    /// Takes what a later report says. It repeats what came before or leaves it out, and never takes it back.
    pub(super) fn update(&mut self, later: Self) {
        self.prompt_token_count = later.prompt_token_count.or(self.prompt_token_count);
        self.cached_content_token_count = later.cached_content_token_count.or(self.cached_content_token_count);
        self.candidates_token_count = later.candidates_token_count.or(self.candidates_token_count);
        self.thoughts_token_count = later.thoughts_token_count.or(self.thoughts_token_count);
        self.tool_use_prompt_token_count = later.tool_use_prompt_token_count.or(self.tool_use_prompt_token_count);
        self.prompt_tokens_details = later.prompt_tokens_details.or(self.prompt_tokens_details.take());
        self.cache_tokens_details = later.cache_tokens_details.or(self.cache_tokens_details.take());
    }

    /// The prompt was counted: no prompt is empty, so without this nothing is reported at all.
    pub(super) fn has_prompt(&self) -> bool {
        self.prompt_token_count.is_some()
    }

    /// The answer without its thoughts was counted.
    pub(super) fn has_answer(&self) -> bool {
        self.candidates_token_count.is_some()
    }

    /// The disjoint buckets. The prompt includes what was cached and what was audio, and audio that was
    /// cached stands in both lists: it is charged as cached.
    pub(super) fn buckets(&self) -> Usage {
        let prompt = count(self.prompt_token_count).saturating_add(count(self.tool_use_prompt_token_count));
        let cached = count(self.cached_content_token_count).min(prompt);
        let cached_audio = audio(self.cache_tokens_details.as_deref());
        let audio = audio(self.prompt_tokens_details.as_deref()).saturating_sub(cached_audio).min(prompt - cached);
        let thoughts = count(self.thoughts_token_count);
        let mut usage = Usage::default()
            .with(Bucket::Input, prompt - cached - audio)
            .with(Bucket::CacheRead, cached)
            .with(Bucket::AudioInput, audio)
            .with(Bucket::Output, count(self.candidates_token_count).saturating_add(thoughts));
        usage.reasoning = thoughts;
        usage
    }
}

fn count(count: Option<Count>) -> u64 {
    count.map_or(0, |Count(count)| count)
}

fn audio(details: Option<&[ModalityCount]>) -> u64 {
    let audio = details.unwrap_or_default().iter().filter(|detail| detail.modality == "AUDIO");
    audio.fold(0, |sum, detail| sum.saturating_add(count(detail.token_count)))
}

/// A count, as a number or as a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;

        impl Visitor<'_> for CountVisitor {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Count, E> {
                Ok(Count(count))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
                text.parse().map(Count).map_err(|_| E::custom("not a count"))
            }
        }
        deserializer.deserialize_any(CountVisitor)
    }
}

/// The reason in our words. Gemini says `STOP` with tool calls too, and only that is overridden.
pub(super) fn finish_reason(reason: &str, called_tools: bool) -> Result<FinishReason, UpstreamFault> {
    Ok(match reason {
        "STOP" if called_tools => FinishReason::ToolCalls,
        // A continuation would be a second request, charged again: the answer ends where this one does.
        "MAX_TOKENS" | "CONTINUATION" => FinishReason::Length,
        "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "MODEL_ARMOR" => {
            FinishReason::ContentFilter
        }
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE" => return Err(UpstreamFault::MalformedFunctionCall),
        image if image.starts_with("IMAGE_") => FinishReason::ContentFilter,
        // STOP, OTHER and whatever comes in the future: the answer stands as it was delivered.
        _ => FinishReason::Stop,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(json: &str) -> Usage {
        serde_json::from_str::<WireUsage>(json).unwrap().buckets()
    }

    #[test]
    fn buckets_do_not_overlap() {
        let usage = buckets(
            r#"{"promptTokenCount":1000,"cachedContentTokenCount":"400","candidatesTokenCount":3,"thoughtsTokenCount":7,
                "toolUsePromptTokenCount":50,"totalTokenCount":1060,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":700},{"modality":"AUDIO","tokenCount":"300"}],
                "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":100},{"modality":"TEXT","tokenCount":300}]}"#,
        );
        let expected =
            [(Bucket::Input, 450), (Bucket::Output, 10), (Bucket::CacheRead, 400), (Bucket::AudioInput, 200)];
        assert_eq!(usage.iter().collect::<Vec<_>>(), expected);
        assert_eq!((usage.reasoning, usage.prompt()), (7, 1050));
    }

    #[test]
    fn missing_counts_are_zero_and_impossible_ones_never_wrap() {
        assert_eq!(buckets("{}"), Usage::default());
        let odd = buckets(
            r#"{"promptTokenCount":5,"cachedContentTokenCount":9,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":7}]}"#,
        );
        assert_eq!(odd.iter().collect::<Vec<_>>(), [(Bucket::CacheRead, 5)]);
        for bad in [r#"{"promptTokenCount":-1}"#, r#"{"promptTokenCount":"x"}"#, r#"{"promptTokenCount":{}}"#] {
            assert!(serde_json::from_str::<WireUsage>(bad).is_err(), "{bad}: a failed conversion is not zero");
        }
    }

    #[test]
    fn every_finish_reason_has_its_meaning() {
        use FinishReason::{ContentFilter, Length, Stop, ToolCalls};
        for (reason, plain, with_calls) in [
            ("STOP", Stop, ToolCalls),
            ("MAX_TOKENS", Length, Length),
            ("CONTINUATION", Length, Length),
            ("SAFETY", ContentFilter, ContentFilter),
            ("RECITATION", ContentFilter, ContentFilter),
            ("LANGUAGE", ContentFilter, ContentFilter),
            ("BLOCKLIST", ContentFilter, ContentFilter),
            ("PROHIBITED_CONTENT", ContentFilter, ContentFilter),
            ("SPII", ContentFilter, ContentFilter),
            ("IMAGE_SAFETY", ContentFilter, ContentFilter),
            ("IMAGE_RECITATION", ContentFilter, ContentFilter),
            ("OTHER", Stop, Stop),
            ("NEVER_SEEN", Stop, Stop),
        ] {
            assert_eq!(finish_reason(reason, false), Ok(plain), "{reason}");
            assert_eq!(finish_reason(reason, true), Ok(with_calls), "{reason}");
        }
        for reason in [
            "MALFORMED_FUNCTION_CALL",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE",
            "MALFORMED_RESPONSE",
        ] {
            assert_eq!(finish_reason(reason, true), Err(UpstreamFault::MalformedFunctionCall), "{reason}");
        }
    }
}
