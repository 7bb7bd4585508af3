//! Usage, stop reasons and content as an upstream writes them, for whole answers and streams alike.
//!
//! One mapping for both, so that they charge and finish the same. Any count may be absent or null.
//! `input_tokens` leaves out what the cache read or wrote; `output_tokens` includes thinking.

use serde::Deserialize;

use super::text::Text;
use crate::chat::FinishReason;
use crate::domain::usage::{Bucket, Usage};

/// `usage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct WireUsage {
    #[serde(default)]
    pub(crate) input_tokens: Option<u64>,
    #[serde(default)]
    pub(crate) cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    pub(crate) cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    pub(crate) cache_creation: Option<CacheCreation>,
    #[serde(default)]
    pub(crate) output_tokens: Option<u64>,
    #[serde(default)]
    pub(crate) output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct CacheCreation {
    #[serde(default)]
    ephemeral_5m_input_tokens: Option<u64>,
    #[serde(default)]
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Option<u64>,
}

impl WireUsage {
    /// Takes the larger of each count. The fields are merged before they become buckets: a stream tells
    /// the split of cache writes at its start only, and their sum at both ends.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.input_tokens = self.input_tokens.max(other.input_tokens);
        self.cache_creation_input_tokens = self.cache_creation_input_tokens.max(other.cache_creation_input_tokens);
        self.cache_read_input_tokens = self.cache_read_input_tokens.max(other.cache_read_input_tokens);
        self.output_tokens = self.output_tokens.max(other.output_tokens);
        if let Some(theirs) = other.cache_creation {
            let mine = self.cache_creation.get_or_insert_default();
            mine.ephemeral_5m_input_tokens = mine.ephemeral_5m_input_tokens.max(theirs.ephemeral_5m_input_tokens);
            mine.ephemeral_1h_input_tokens = mine.ephemeral_1h_input_tokens.max(theirs.ephemeral_1h_input_tokens);
        }
        if let Some(theirs) = other.output_tokens_details {
            let mine = self.output_tokens_details.get_or_insert_default();
            mine.thinking_tokens = mine.thinking_tokens.max(theirs.thinking_tokens);
        }
    }

    /// The prompt was counted, in whichever of its fields.
    pub(crate) fn has_input(&self) -> bool {
        self.input_tokens.is_some()
            || self.cache_read_input_tokens.is_some_and(|tokens| tokens > 0)
            || self.cache_creation_input_tokens.is_some_and(|tokens| tokens > 0)
    }

    /// The disjoint buckets. Cache writes without a split are of five minutes.
    pub(crate) fn buckets(&self) -> Usage {
        let split = self.cache_creation.unwrap_or_default();
        let written_5m = split.ephemeral_5m_input_tokens.unwrap_or(0);
        let written_1h = split.ephemeral_1h_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let unsplit = written.saturating_sub(written_5m.saturating_add(written_1h));
        let mut usage = Usage::default()
            .with(Bucket::Input, self.input_tokens.unwrap_or(0))
            .with(Bucket::Output, self.output_tokens.unwrap_or(0))
            .with(Bucket::CacheRead, self.cache_read_input_tokens.unwrap_or(0))
            .with(Bucket::CacheWrite5m, written_5m.saturating_add(unsplit))
            .with(Bucket::CacheWrite1h, written_1h);
        usage.reasoning = self.output_tokens_details.and_then(|details| details.thinking_tokens).unwrap_or(0);
        usage
    }
}

/// Our word for a `stop_reason`. `pause_turn` comes only with tools of the provider, which we refuse; an
/// unknown one ends the answer and says nothing more.
pub(crate) fn finish_reason(stop_reason: &str) -> FinishReason {
    match stop_reason {
        "stop_sequence" => FinishReason::StopSequence,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

/// The `stop_reason` for our word.
pub(crate) const fn stop_reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop => "end_turn",
        FinishReason::StopSequence => "stop_sequence",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter => "refusal",
    }
}

/// `error` in an error body or event.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireError<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) message: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) code: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) details: Option<ErrorDetails<'a>>,
}

/// `error.details`, where an account's limits are named.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorDetails<'a> {
    #[serde(borrow, default)]
    pub(crate) error_code: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) code: Option<Text<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> WireUsage {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn counts_go_into_buckets_that_do_not_overlap() {
        for (json, expected) in [
            (r#"{"input_tokens":3,"output_tokens":5}"#, [3, 5, 0, 0, 0, 0]),
            (
                r#"{"input_tokens":3,"cache_creation_input_tokens":null,"cache_read_input_tokens":null,"cache_creation":null,"output_tokens":5,"output_tokens_details":null}"#,
                [3, 5, 0, 0, 0, 0],
            ),
            (
                r#"{"input_tokens":3,"cache_creation_input_tokens":7,"cache_read_input_tokens":9,"output_tokens":5}"#,
                [3, 5, 9, 7, 0, 0],
            ),
            (
                r#"{"input_tokens":3,"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":6},"output_tokens":5}"#,
                [3, 5, 0, 1, 6, 0],
            ),
            (
                r#"{"input_tokens":3,"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_1h_input_tokens":4},"output_tokens":0}"#,
                [3, 0, 0, 3, 4, 0],
            ),
        ] {
            let buckets = usage(json).buckets();
            assert_eq!(Bucket::TOKENS.map(|bucket| buckets.get(bucket)), expected, "{json}");
        }
    }

    #[test]
    fn the_sum_of_cache_writes_at_the_end_is_not_counted_beside_their_split_at_the_start() {
        let mut merged = usage(
            r#"{"input_tokens":1,"cache_creation_input_tokens":100,"cache_creation":{"ephemeral_1h_input_tokens":100},"output_tokens":1}"#,
        );
        merged.merge(&usage(r#"{"input_tokens":1,"cache_creation_input_tokens":100,"output_tokens":40}"#));
        let buckets = merged.buckets();
        assert_eq!((buckets.get(Bucket::CacheWrite5m), buckets.get(Bucket::CacheWrite1h)), (0, 100));
        assert_eq!(buckets.get(Bucket::Output), 40);
    }

    #[test]
    fn a_stop_reason_survives_both_ways() {
        for reason in ["end_turn", "stop_sequence", "max_tokens", "tool_use", "refusal"] {
            assert_eq!(stop_reason(finish_reason(reason)), reason);
        }
        assert_eq!(finish_reason("model_context_window_exceeded"), FinishReason::Length);
        assert_eq!(finish_reason("pause_turn"), FinishReason::Stop);
    }
}
