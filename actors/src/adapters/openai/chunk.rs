//! One chunk of a provider's stream, or its whole answer: the same object with `delta` or `message`.
//!
//! Typed and borrowed, since every event of every stream passes here. Strings stay as they stand until
//! somebody needs their text. Lenient where providers differ, never about what is text and what is not.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::errors;
use super::raw::{RawText, Text};
use crate::adapters::fault::{Malformed, UpstreamFault};
use crate::adapters::stream::StreamFault;
use crate::chat::FinishReason;

/// How an answer comes. Some providers send `delta` and `message` side by side in both forms, and only one
/// of them is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In chunks, each with a `delta`.
    Streamed,
    /// At once, with a `message`.
    Whole,
}

/// The data of the event that ends a stream.
pub(super) const DONE: &[u8] = b"[DONE]";

/// There is one as a rule, and a vector would make room for four, at a kilobyte.
type Choices<'a> = SmallVec<[Choice<'a>; 1]>;

/// A chunk or an answer.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) created: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) choices: Option<Choices<'a>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

/// One choice.
#[derive(Debug, Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    message: Option<Delta<'a>>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

/// What a choice adds, or holds.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<ToolDelta<'a>>>,
    #[serde(borrow)]
    pub(super) function_call: Option<FunctionDelta<'a>>,
}

/// Part of a tool call, or a whole one.
#[derive(Debug, Deserialize)]
pub(super) struct ToolDelta<'a> {
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) function: Option<FunctionDelta<'a>>,
    #[serde(borrow)]
    extra_content: Option<ExtraContent<'a>>,
}

/// The function of a tool call.
#[derive(Debug, Default, Deserialize)]
pub(super) struct FunctionDelta<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct ExtraContent<'a> {
    #[serde(borrow)]
    google: Option<Google<'a>>,
}

#[derive(Debug, Deserialize)]
struct Google<'a> {
    #[serde(borrow)]
    thought_signature: Option<Text<'a>>,
}

impl<'a> Chunk<'a> {
    /// Reads an event's data or an answer's body. An error object is a fault.
    pub(super) fn read(data: &'a [u8]) -> Result<Self, StreamFault> {
        let malformed = Malformed { what: "a chat completion in JSON" };
        let text = std::str::from_utf8(data).map_err(|_| malformed)?;
        let chunk: Self = serde_json::from_str(text).map_err(|_| malformed)?;
        if chunk.error.is_some() || chunk.kind.is_some_and(|kind| kind.get() == "\"error\"") {
            return Err(StreamFault::Upstream(errors::fault_in_stream(text)));
        }
        if chunk.choices.iter().flatten().any(Choice::is_error) {
            return Err(StreamFault::Upstream(UpstreamFault::Failed { status: None }));
        }
        Ok(chunk)
    }

    /// UTF-8 bytes of text, thoughts and tool calls in it.
    pub(super) fn delivered_bytes(&self, form: Form) -> u64 {
        let deltas = self.choices.iter().flatten().filter_map(|choice| choice.delta(form));
        u64::try_from(deltas.map(Delta::text_bytes).sum::<usize>()).unwrap_or(u64::MAX)
    }
}

impl<'a> Choice<'a> {
    /// What it adds, or holds.
    pub(super) fn delta(&self, form: Form) -> Option<&Delta<'a>> {
        match form {
            Form::Streamed => self.delta.as_ref().or(self.message.as_ref()),
            Form::Whole => self.message.as_ref().or(self.delta.as_ref()),
        }
    }

    fn finish_name(&self) -> Option<&str> {
        let name = self.finish_reason?.get().trim_matches('"');
        (!name.is_empty()).then_some(name)
    }

    /// Why it ended, if it says so. A reason that we do not know is `stop`.
    pub(super) fn finish(&self) -> Option<FinishReason> {
        Some(match self.finish_name()? {
            "length" | "max_tokens" => FinishReason::Length,
            "tool_calls" | "function_call" => FinishReason::ToolCalls,
            "content_filter" => FinishReason::ContentFilter,
            _ => FinishReason::Stop,
        })
    }

    /// Some providers end a broken answer with a reason of its own.
    fn is_error(&self) -> bool {
        self.finish_name() == Some("error")
    }
}

impl<'a> Delta<'a> {
    /// Text.
    pub(super) fn text(&self) -> Result<Option<Cow<'a, str>>, Malformed> {
        text(self.content)
    }

    /// Thoughts, under either of their names; providers that send both say the same twice.
    pub(super) fn thoughts(&self) -> Result<Option<Cow<'a, str>>, Malformed> {
        text(self.reasoning_content.or(self.reasoning))
    }

    /// The words of a refusal.
    pub(super) fn refusal(&self) -> Result<Option<Cow<'a, str>>, Malformed> {
        text(self.refusal)
    }

    fn text_bytes(&self) -> usize {
        let texts = [self.content, self.reasoning_content.or(self.reasoning), self.refusal];
        let calls = self.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref());
        let calls = calls.chain(&self.function_call).map(|function| {
            function.name.as_ref().map_or(0, |name| name.as_str().len()) + function.arguments.map_or(0, raw_bytes)
        });
        texts.into_iter().flatten().map(raw_bytes).sum::<usize>() + calls.sum::<usize>()
    }
}

impl ToolDelta<'_> {
    /// What Gemini's compatible endpoint wants back.
    pub(super) fn signature(&self) -> Option<&str> {
        self.extra_content.as_ref()?.google.as_ref()?.thought_signature.as_ref().map(Text::as_str)
    }
}

impl<'a> FunctionDelta<'a> {
    /// JSON text of the arguments; some providers send the object itself.
    pub(super) fn arguments(&self) -> Result<Option<Cow<'a, str>>, Malformed> {
        match self.arguments {
            Some(raw) if raw.get().starts_with('{') => Ok(Some(Cow::Borrowed(raw.get()))),
            raw => text(raw),
        }
    }
}

fn text(raw: Option<&RawValue>) -> Result<Option<Cow<'_, str>>, Malformed> {
    let Some(raw) = raw else { return Ok(None) };
    let text = RawText::of(raw).and_then(RawText::decode).ok_or(Malformed { what: "text as a string" })?;
    Ok((!text.is_empty()).then_some(text))
}

fn raw_bytes(raw: &RawValue) -> usize {
    RawText::of(raw).map_or(raw.get().len(), RawText::text_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_faults_in_every_shape() {
        for data in [
            r#"{"error":{"message":"x","code":500}}"#,
            r#"{"error":"An error occurred"}"#,
            r#"{"type":"error","message":"x"}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#,
        ] {
            assert!(matches!(Chunk::read(data.as_bytes()), Err(StreamFault::Upstream(_))), "{data}");
        }
        assert!(matches!(Chunk::read(b"<html>"), Err(StreamFault::Malformed(_))));
        assert!(Chunk::read(br#"{"error":null,"choices":[]}"#).is_ok());
    }

    #[test]
    fn everything_that_is_delivered_is_counted_once() {
        let data = r#"{"choices":[{"delta":{"content":"h\u00e9","reasoning":"ab","reasoning_content":"ab","refusal":"no",
            "tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}],"function_call":{"arguments":{"a":1}}}}]}"#;
        assert_eq!(Chunk::read(data.as_bytes()).unwrap().delivered_bytes(Form::Streamed), 3 + 2 + 2 + 3 + 7);
    }

    #[test]
    fn text_that_is_no_text_is_not_passed_over() {
        let chunk = Chunk::read(br#"{"choices":[{"delta":{"content":[{"type":"text"}]}}]}"#).unwrap();
        assert!(chunk.choices.unwrap()[0].delta(Form::Streamed).unwrap().text().is_err());
    }

    #[test]
    fn delta_and_message_side_by_side_are_one_answer() {
        let data = br#"{"choices":[{"delta":{"content":"b"},"message":{"content":"ab"}}]}"#;
        let chunk = Chunk::read(data).unwrap();
        assert_eq!([Form::Streamed, Form::Whole].map(|form| chunk.delivered_bytes(form)), [1, 2]);
    }
}
