//! A provider's whole answer: read into our own, or metered and passed on as it came.

use bytes::{BufMut, Bytes, BytesMut};

use super::chunk::{Chunk, Form};
use super::decoder::AnswerState;
use super::{json, usage};
use crate::adapters::fault::Malformed;
use crate::adapters::stream::StreamFault;
use crate::chat::{Answer, Event, FinishReason, Part};
use crate::domain::usage::Usage;

/// What an answer that is passed on as it came says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerMeter {
    /// What the provider counted; `None` where it counted nothing.
    pub usage: Option<Usage>,
    /// UTF-8 bytes of text, thoughts and tool calls: the basis of an estimate.
    pub delivered_bytes: u64,
}

/// Reads a whole answer into our own terms. `model` is our name for it and `request_id` makes ids for tool
/// calls that come without; the events are the ones of a stream, so that both forms say the same.
///
/// # Errors
/// [`Malformed`] for what is no answer: no JSON, an error object under a 200, or no choices.
pub fn read_answer(body: &[u8], model: &str, request_id: &str) -> Result<Answer, Malformed> {
    let chunk = answer(body)?;
    let mut collected = Collected::default();
    let mut state = AnswerState::new(model, request_id);
    state.chunk(&chunk, Form::Whole, &mut |event| collected.take(event)).map_err(|fault| match fault {
        StreamFault::Malformed(malformed) => malformed,
        StreamFault::Upstream(_) => Malformed { what: "an answer, not an error" },
    })?;
    Ok(collected.finish())
}

/// Reads what an answer says of itself, without unescaping a string.
///
/// # Errors
/// [`Malformed`] for what is no answer, as [`read_answer`].
pub fn read_usage(body: &[u8]) -> Result<AnswerMeter, Malformed> {
    let chunk = answer(body)?;
    let usage = chunk.usage.and_then(|raw| usage::read(raw.get()));
    Ok(AnswerMeter { usage, delivered_bytes: chunk.delivered_bytes(Form::Whole) })
}

/// The same answer with `model` as its model. Nothing else is touched; what has no model stays as it is.
pub fn splice_model(body: Bytes, model: &str) -> Bytes {
    let Some(range) = Chunk::read(&body).ok().and_then(|chunk| {
        let raw = chunk.model?.get().as_bytes();
        let start = crate::adapters::weave::offset_in(&body, raw)?;
        Some(start..start + raw.len())
    }) else {
        return body;
    };
    let mut out = BytesMut::with_capacity(body.len() + model.len() + 8);
    out.put_slice(body.get(..range.start).unwrap_or_default());
    json::string(&mut out, model);
    out.put_slice(body.get(range.end..).unwrap_or_default());
    out.freeze()
}

fn answer(body: &[u8]) -> Result<Chunk<'_>, Malformed> {
    let chunk = Chunk::read(body).map_err(|fault| match fault {
        StreamFault::Malformed(malformed) => malformed,
        StreamFault::Upstream(_) => Malformed { what: "an answer, not an error" },
    })?;
    if chunk.choices.iter().flatten().any(|choice| choice.delta(Form::Whole).is_some()) {
        Ok(chunk)
    } else {
        Err(Malformed { what: "a choice with a message" })
    }
}

/// Events joined to parts.
#[derive(Default)]
struct Collected {
    upstream_id: Option<String>,
    parts: Vec<Part>,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    /// Arguments of the last call, as text.
    arguments: String,
}

impl Collected {
    fn take(&mut self, event: Event) {
        match event {
            Event::Start { upstream_id } => self.upstream_id = upstream_id,
            Event::Text(text) => self.push(Part::Text { text, cache: None }),
            Event::Thinking(text) => self.push(Part::Thinking { text, signature: None }),
            Event::ToolCall { id, name, signature } => {
                let arguments = serde_json::Value::Object(serde_json::Map::new());
                self.push(Part::ToolCall { id, name, arguments, signature, cache: None });
            }
            Event::ToolArguments(text) => self.arguments.push_str(&text),
            Event::Usage(usage) => self.usage = Some(self.usage.unwrap_or_default().merged_max(&usage)),
            Event::Finish { reason, .. } => self.finish = Some(reason),
            Event::ThinkingSignature(_) | Event::RedactedThinking(_) | Event::BlockEnd => {}
        }
    }

    fn push(&mut self, part: Part) {
        self.end_call();
        self.parts.push(part);
    }

    /// Puts the text of the arguments into the call that it belongs to. A model that was cut off, or that
    /// wrote what is no object, is passed on honestly: the text stands under `unparsed_arguments`.
    fn end_call(&mut self) {
        let text = std::mem::take(&mut self.arguments);
        if let Some(Part::ToolCall { arguments, .. }) = self.parts.last_mut()
            && !text.trim().is_empty()
        {
            *arguments = match serde_json::from_str(&text) {
                Ok(value @ serde_json::Value::Object(_)) => value,
                _ => serde_json::json!({ "unparsed_arguments": text }),
            };
        }
    }

    fn finish(mut self) -> Answer {
        self.end_call();
        let called = self.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
        let unsaid = if called { FinishReason::ToolCalls } else { FinishReason::Stop };
        Answer {
            upstream_id: self.upstream_id,
            parts: self.parts,
            finish: self.finish.unwrap_or(unsaid),
            stop_sequence: None,
            usage: self.usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::usage::Bucket;

    const ANSWER: &str = r#"{"id":"x","object":"chat.completion","created":1, "model" : "their\/model","choices":[{"index":0,
        "message":{"role":"assistant","content":"h\u00e9","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},
        "finish_reason":"tool_calls"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6}}}"#;

    #[test]
    fn an_answer_is_read_whole() {
        insta::assert_debug_snapshot!(read_answer(ANSWER.as_bytes(), "m", "r").unwrap());
    }

    #[test]
    fn an_answer_that_is_passed_on_is_metered() {
        let meter = read_usage(ANSWER.as_bytes()).unwrap();
        assert_eq!(meter.delivered_bytes, 3 + 1 + 7);
        let usage = meter.usage.unwrap();
        assert_eq!([Bucket::Input, Bucket::CacheRead, Bucket::Output].map(|it| usage.get(it)), [4, 6, 4]);
        let silent = br#"{"choices":[{"message":{"content":"x"}}]}"#;
        assert_eq!(read_usage(silent), Ok(AnswerMeter { usage: None, delivered_bytes: 1 }));
    }

    #[test]
    fn a_200_that_is_no_answer_is_malformed() {
        for body in [
            r#"{"error":{"message":"x"}}"#,
            r#"{"error":{"message":"x"},"choices":[{"message":{"content":"x"}}]}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]}"#,
            "{}",
            "",
            "upstream timed out",
        ] {
            assert!(read_usage(body.as_bytes()).is_err(), "{body}");
            assert!(read_answer(body.as_bytes(), "m", "r").is_err(), "{body}");
        }
    }

    #[test]
    fn only_the_model_is_changed() {
        let spliced = splice_model(Bytes::from_static(ANSWER.as_bytes()), "our\"s");
        let expected = ANSWER.replace(r#""their\/model""#, r#""our\"s""#);
        assert_eq!(spliced, expected.as_bytes());
        let without = Bytes::from_static(br#"{"choices":[{"message":{"model":"x"}}]}"#);
        assert_eq!(splice_model(without.clone(), "m"), without);
    }

    #[test]
    fn arguments_that_are_cut_off_are_kept_as_text() {
        let body = r#"{"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\":"}}]},"finish_reason":"length"}]}"#;
        let answer = read_answer(body.as_bytes(), "m", "r").unwrap();
        assert_eq!(answer.finish, FinishReason::Length);
        let Some(Part::ToolCall { arguments, .. }) = answer.parts.first() else { panic!("no call") };
        assert_eq!(*arguments, serde_json::json!({"unparsed_arguments": "{\"x\":"}));
    }
}
