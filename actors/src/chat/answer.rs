//! A model's answer, whole or as it streams, in our own terms.

use super::{Part, Signature};
use crate::domain::usage::Usage;

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It was done, or met a stop text.
    Stop,
    /// It met one of the caller's stop texts (Anthropic tells; elsewhere it is [`FinishReason::Stop`]).
    StopSequence,
    /// The output limit, or the money, was used up.
    Length,
    /// It called tools.
    ToolCalls,
    /// It refused, or a filter stopped it.
    ContentFilter,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The provider's own id, for the log.
    pub upstream_id: Option<String>,
    /// Text, thinking and tool calls, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub finish: FinishReason,
    /// The stop text that was met, where the provider tells.
    pub stop_sequence: Option<String>,
    /// What the provider reported; `None` where it reported nothing.
    pub usage: Option<Usage>,
}

/// One step of a streamed answer. Blocks never interleave: a text, thinking or tool-call event ends the
/// block before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The answer began.
    Start {
        /// The provider's own id, for the log.
        upstream_id: Option<String>,
    },
    /// More text.
    Text(String),
    /// More of a thought.
    Thinking(String),
    /// The signature of the thought that is open; a thought of its own without text where none is open.
    ThinkingSignature(Signature),
    /// A whole thought that only the provider can read.
    RedactedThinking(Signature),
    /// A tool call began.
    ToolCall {
        /// Its id, unique within the conversation.
        id: String,
        /// The tool.
        name: String,
        /// What Gemini wants back with it.
        signature: Option<Signature>,
    },
    /// More of the arguments' JSON text of the open tool call; the fragments join to one object. A call
    /// without arguments has no such event.
    ToolArguments(String),
    /// The open block ended (Anthropic says so; others leave it to the next event).
    BlockEnd,
    /// What the provider reports as used so far; to be merged by the maximum.
    Usage(Usage),
    /// Why it ended. Usage may still follow.
    Finish {
        /// Why.
        reason: FinishReason,
        /// The stop text that was met, where the provider tells.
        stop_sequence: Option<String>,
    },
}
