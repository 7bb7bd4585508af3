//! The script: rules that change what the simulator answers, from Rust or as JSON on `POST /__script`.
//!
//! A rule says which calls it is for (`model`, `marker`, `protocol`, `key`, `path`, `times`, `skip`) and what happens
//! to them: an error `status`, a `fault` of the connection, other `answer`s, another `wire` form, and delays. The first
//! rule in the order of arrival that matches and is not used up takes the call. What only media have stands under
//! `media` and under the name of the protocol.

use crate::{
    call::Usage,
    dialect::Protocol,
    media::{ArkChange, ElevenLabsChange, GeminiImageChange, MediaChange, NovelAiChange, PixAiChange},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What happens to the calls it matches. An empty rule matches every call and changes nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Only calls for this model.
    pub model: Option<String>,
    /// Only calls whose body contains this string.
    pub marker: Option<String>,
    /// Only calls in this protocol.
    pub protocol: Option<Protocol>,
    /// Only calls that used this API key.
    pub key: Option<String>,
    /// Only calls whose path contains this string. A rule without it is for generations alone: polls, downloads and
    /// balances are met only by a rule that names their path.
    pub path: Option<String>,
    /// How many calls the rule is for; all when missing.
    pub times: Option<u64>,
    /// How many matching calls pass untouched before the rule begins.
    pub skip: u64,
    /// An error instead of an answer.
    pub status: Option<Status>,
    /// A fault of the connection or of the stream.
    pub fault: Option<Fault>,
    /// Changes to the answer.
    pub answer: AnswerChange,
    /// Changes to the bytes that carry the answer.
    pub wire: Wire,
    /// A wait before the first byte, the status line included, on top of the simulator's own latency.
    pub delay_ms: u64,
    /// A wait between two events, on top of the simulator's own latency.
    pub gap_ms: u64,
    /// Headers added to the response, or changed in it.
    pub headers: BTreeMap<String, String>,
    /// Changes to any picture or sound.
    pub media: MediaChange,
    /// Changes to an answer of Ark.
    pub ark: ArkChange,
    /// Changes to an answer of `NovelAI`.
    pub novelai: NovelAiChange,
    /// Changes to a task of `PixAI`.
    pub pixai: PixAiChange,
    /// Changes to a picture of Gemini.
    pub gemini_image: GeminiImageChange,
    /// Changes to an answer of `ElevenLabs`.
    pub elevenlabs: ElevenLabsChange,
}

/// An error answer. The provider's own error type, wording and shape are used where a field is missing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Status {
    /// The HTTP status.
    pub code: u16,
    /// The value of a `retry-after` header, sent as it is.
    pub retry_after: Option<String>,
    /// Anthropic and `OpenAI`: `error.type`; Gemini: `error.status`.
    pub error_type: Option<String>,
    /// `OpenAI`: `error.code`; Gemini: the `reason` of an `ErrorInfo` detail.
    pub error_code: Option<String>,
    /// The message.
    pub message: Option<String>,
    /// Gemini: a `RetryInfo` detail with this duration, such as `"7s"` or `"0.42s"`.
    pub retry_delay: Option<String>,
    /// Gemini: a `QuotaFailure` detail with this `quotaId`, such as `"GenerateRequestsPerDayPerProject"`.
    pub quota_id: Option<String>,
    /// The whole body instead: a string is sent as it is, anything else as JSON.
    pub body: Option<Value>,
    /// The content type of `body`.
    pub content_type: Option<String>,
}

/// What goes wrong with the connection. Every frame of a stream counts as an event: pings, the usage chunk and
/// `[DONE]` too. An answer that is not streamed is sent in two halves where it is to break, so that `after: 1` stops in
/// its middle.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing is sent, for so long or until the client hangs up; then the answer goes on as usual.
    HangBeforeHeaders {
        /// How long; for ever when missing.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// The headers are sent, then nothing, for so long or until the client hangs up.
    HangAfterHeaders {
        /// How long; for ever when missing.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// TCP reset before any byte of the response.
    ResetBeforeHeaders,
    /// Orderly TCP close before any byte of the response.
    CloseBeforeHeaders,
    /// The call is accepted, done and charged; then TCP reset before any byte of the response.
    ResetAfterCharge,
    /// The call is accepted, done and charged; then nothing is sent, for so long or until the client hangs up.
    HangAfterCharge {
        /// How long; for ever when missing.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// TCP reset after so many events.
    Reset {
        /// Events sent before.
        after: u64,
    },
    /// Orderly TCP close after so many events, with the chunked body left unfinished.
    Close {
        /// Events sent before.
        after: u64,
    },
    /// The body ends properly after so many events, without the terminal ones: a truncated answer that looks whole.
    Cut {
        /// Events sent before.
        after: u64,
    },
    /// Silence after so many events, for so long or until the client hangs up.
    Stall {
        /// Events sent before.
        after: u64,
        /// How long; for ever when missing.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// The JSON of one event lacks its last brace.
    Malformed {
        /// Which event, from one.
        event: u64,
    },
    /// An HTML page with status 200 and the content type of HTML, as an edge proxy sends it.
    Html,
    /// An error event of the protocol after so many events, then the end of the body. An answer that is not streamed
    /// becomes an error with the provider's status for an overload.
    ErrorEvent {
        /// Events sent before.
        after: u64,
        /// The protocol's name of the error, its overload by default.
        #[serde(default)]
        error_type: Option<String>,
        /// The message.
        #[serde(default)]
        message: Option<String>,
    },
}

/// Changes to the answer; what is missing stays as the simulator would have it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerChange {
    /// The exact text; `""` for none.
    pub text: Option<String>,
    /// The exact reasoning: thinking blocks, thought parts, or `reasoning_content`.
    pub thinking: Option<String>,
    /// Exactly these tool calls.
    pub tool_calls: Option<Vec<ToolCallChange>>,
    /// The stop or finish reason in the protocol's own spelling.
    pub finish: Option<String>,
    /// Anthropic: `stop_details`.
    pub stop_details: Option<Value>,
    /// Gemini: no candidates, and this `promptFeedback.blockReason`.
    pub block_reason: Option<String>,
    /// No usage anywhere, though the call is charged all the same.
    pub omit_usage: bool,
    /// Exactly this usage.
    pub usage: Option<Usage>,
    /// Exactly this JSON in place of the usage object, wherever one is sent; what is charged does not change.
    pub usage_json: Option<Value>,
    /// Text of exactly so many tokens.
    pub output_tokens: Option<u64>,
    /// How many pieces each text is streamed in.
    pub pieces: Option<usize>,
}

/// One scripted tool call.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolCallChange {
    /// The id; made up when missing, left out where it is `""` and the protocol allows that (Gemini).
    pub id: Option<String>,
    /// The name of the function.
    pub name: String,
    /// The arguments. A string is sent as raw text where the protocol carries text, so that it may be broken JSON.
    pub arguments: Value,
}

/// How the bytes of the answer are put on the wire.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wire {
    /// HTTP chunks of so many bytes each; 1 splits every character of several bytes.
    pub split: Option<usize>,
    /// The whole stream in one HTTP chunk.
    pub coalesce: bool,
    /// CRLF line ends in event streams. Gemini has them unless this says `false`, the others if it says `true`.
    pub crlf: Option<bool>,
}

impl Rule {
    /// A rule for every call that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only calls for this model.
    #[must_use]
    pub fn model(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }

    /// Only calls whose body contains this string.
    #[must_use]
    pub fn marker(mut self, marker: &str) -> Self {
        self.marker = Some(marker.to_owned());
        self
    }

    /// Only calls that used this API key.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Only so many calls.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Answers with this status and the provider's own error for it.
    #[must_use]
    pub fn status(mut self, code: u16) -> Self {
        self.status = Some(Status { code, ..Status::default() });
        self
    }

    /// Adds a `retry-after` header to the status.
    #[must_use]
    pub fn retry_after(mut self, value: &str) -> Self {
        self.status.get_or_insert_default().retry_after = Some(value.to_owned());
        self
    }

    /// Breaks the connection or the stream.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Only calls whose path contains this string, polls and downloads too.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// Takes so long from the acceptance of a picture or sound to its answer.
    #[must_use]
    pub fn generate_ms(mut self, ms: u64) -> Self {
        self.media.generate_ms = ms;
        self
    }

    /// Answers with exactly this text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.answer.text = Some(text.to_owned());
        self
    }

    /// Reports and charges exactly this usage.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.answer.usage = Some(usage);
        self
    }

    /// Whether the rule is for a call of this kind, used up or not.
    pub(crate) fn matches(&self, call: &Sought<'_>) -> bool {
        self.protocol.is_none_or(|wanted| wanted == call.protocol)
            && self.model.as_deref().is_none_or(|wanted| Some(wanted) == call.model)
            && self.key.as_deref().is_none_or(|wanted| Some(wanted) == call.key)
            && self.marker.as_deref().is_none_or(|wanted| call.text.contains(wanted))
            && self.path.as_deref().map_or(call.is_generation, |wanted| call.path.contains(wanted))
    }
}

/// A call for which a rule is sought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) model: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) path: &'a str,
    /// Where markers are looked for: the body, or the query where there is none.
    pub(crate) text: &'a str,
    /// Whether it asks for something new, and so for money.
    pub(crate) is_generation: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rule_reads_from_json() {
        let rule: Rule = serde_json::from_value(json!({
            "marker": "M1", "times": 2, "fault": {"kind": "reset", "after": 3}, "wire": {"split": 1},
        }))
        .unwrap();
        assert!(matches!(rule.fault, Some(Fault::Reset { after: 3 })));
        let call = Sought {
            protocol: Protocol::OpenAi,
            model: None,
            key: None,
            path: "/v1/chat/completions",
            text: "…M1…",
            is_generation: true,
        };
        assert!(rule.matches(&call) && !rule.matches(&Sought { text: "", ..call }));
        // A poll is met only by a rule that names its path.
        let poll = Sought { path: "/v1/task/1", text: "M1", is_generation: false, ..call };
        assert!(!rule.matches(&poll) && Rule { path: Some("/task/".to_owned()), ..rule }.matches(&poll));
        assert!(serde_json::from_value::<Rule>(json!({"falt": {}})).is_err());
        assert!(serde_json::from_value::<Rule>(json!({"fault": {"kind": "hang_before_headers"}})).is_ok());
    }
}
