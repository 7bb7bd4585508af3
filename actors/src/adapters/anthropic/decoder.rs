//! The upstream's stream in our own events, for callers of another dialect.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::errors::{event_fault, truncated};
use super::stream_event::{self, BlockStart, Delta, StreamEvent};
use super::text::Text;
use super::wire::{WireUsage, finish_reason};
use crate::adapters::fault::Malformed;
use crate::adapters::quantity::estimated_tokens;
use crate::adapters::sse::{SseDecoder, SseEvent};
use crate::adapters::stream::{Flow, StreamFault};
use crate::adapters::translated::Decoder;
use crate::chat::{Dialect, Event, Origin, Signature};

/// Reads a messages stream.
#[derive(Debug)]
pub struct StreamDecoder {
    sse: SseDecoder,
    state: State,
}

#[derive(Debug)]
struct State {
    origin: Origin,
    usage: UsageCount,
    open: Open,
    finished: bool,
    complete: bool,
}

/// The block that is open.
#[derive(Debug)]
enum Open {
    Nothing,
    Text,
    Thinking,
    /// With arguments that came whole at the start, until a fragment shows that they do not count.
    Tool {
        whole: Option<String>,
    },
    /// A kind that is not passed on.
    Other,
}

impl StreamDecoder {
    /// A decoder for an answer of `model`, by our name, to a prompt of about `input_estimate` tokens. The
    /// estimate is used only where the upstream counts nothing.
    pub fn new(model: Arc<str>, input_estimate: u64) -> Self {
        let origin = Origin { protocol: Dialect::Anthropic, model };
        let usage = UsageCount::new(input_estimate);
        let state = State { origin, usage, open: Open::Nothing, finished: false, complete: false };
        Self { sse: SseDecoder::default(), state }
    }
}

impl Decoder for StreamDecoder {
    fn feed(&mut self, chunk: &Bytes, on_event: &mut dyn FnMut(Event)) -> Result<Flow, StreamFault> {
        let Self { sse, state } = self;
        sse.feed(chunk, |event| state.take(&event, on_event))?;
        Ok(if state.complete { Flow::Complete } else { Flow::More })
    }

    fn end_of_input(&mut self, _on_event: &mut dyn FnMut(Event)) -> Result<Flow, StreamFault> {
        if self.state.complete {
            return Ok(Flow::Complete);
        }
        Err(truncated(&std::mem::take(&mut self.sse).into_stray()))
    }
}

impl State {
    fn take(&mut self, event: &SseEvent, on_event: &mut dyn FnMut(Event)) -> Result<(), StreamFault> {
        if self.complete {
            return Ok(());
        }
        let kind = stream_event::kind(&event.name, &event.data)?;
        match stream_event::read(&kind, &event.data)? {
            StreamEvent::MessageStart(message) => {
                on_event(Event::Start { upstream_id: message.id.as_ref().map(Text::to_owned_string) });
                if let Some(usage) = message.usage {
                    on_event(Event::Usage(self.usage.started(&usage)));
                }
            }
            StreamEvent::BlockStart { block, .. } => self.block_start(&block, on_event)?,
            StreamEvent::BlockDelta { delta } => self.delta(&delta, on_event),
            StreamEvent::BlockStop => {
                if let Open::Tool { whole: Some(arguments) } = &self.open {
                    on_event(Event::ToolArguments(arguments.clone()));
                }
                self.open = Open::Nothing;
                on_event(Event::BlockEnd);
            }
            StreamEvent::MessageDelta { stop_reason, stop_sequence, usage } => {
                self.finished |= stop_reason.is_some();
                on_event(Event::Usage(self.usage.ended(usage.as_ref())));
                if let Some(reason) = stop_reason {
                    let stop_sequence = stop_sequence.as_ref().map(Text::to_owned_string);
                    on_event(Event::Finish { reason: finish_reason(&reason), stop_sequence });
                }
            }
            StreamEvent::MessageStop if self.finished => self.complete = true,
            StreamEvent::MessageStop => return Err(Malformed { what: "a stop reason before message_stop" }.into()),
            StreamEvent::Error(error) => return Err(event_fault(&error).into()),
            StreamEvent::Ping | StreamEvent::Unknown => {}
        }
        Ok(())
    }

    fn block_start(&mut self, block: &BlockStart<'_>, on_event: &mut dyn FnMut(Event)) -> Result<(), Malformed> {
        let some = |text: &Option<Text<'_>>| text.as_ref().filter(|text| !text.is_empty()).map(Text::to_owned_string);
        self.open = match &*block.kind {
            "text" => {
                if let Some(text) = some(&block.text) {
                    self.usage.delivered(text.len());
                    on_event(Event::Text(text));
                }
                Open::Text
            }
            "thinking" => {
                if let Some(text) = some(&block.thinking) {
                    self.usage.delivered(text.len());
                    on_event(Event::Thinking(text));
                }
                if let Some(value) = some(&block.signature) {
                    on_event(Event::ThinkingSignature(self.signed(&value)));
                }
                Open::Thinking
            }
            "redacted_thinking" => {
                if let Some(data) = some(&block.data) {
                    on_event(Event::RedactedThinking(self.signed(&data)));
                }
                Open::Other
            }
            "tool_use" => {
                let (Some(id), Some(name)) = (some(&block.id), some(&block.name)) else {
                    return Err(Malformed { what: "a tool call with id and name" });
                };
                self.usage.delivered(name.len());
                on_event(Event::ToolCall { id, name, signature: None });
                let whole = block.input.map(RawValue::get).filter(|raw| !matches!(*raw, "{}" | "null"));
                Open::Tool { whole: whole.map(str::to_owned) }
            }
            _ => Open::Other,
        };
        Ok(())
    }

    fn delta(&mut self, delta: &Delta<'_>, on_event: &mut dyn FnMut(Event)) {
        let some = |text: &Option<Text<'_>>| text.as_ref().filter(|text| !text.is_empty()).map(Text::to_owned_string);
        self.usage.delivered(delta.delivered_bytes());
        match &mut self.open {
            Open::Text => {
                if let Some(text) = some(&delta.text) {
                    on_event(Event::Text(text));
                }
            }
            Open::Thinking => {
                if let Some(text) = some(&delta.thinking) {
                    on_event(Event::Thinking(text));
                }
                if let Some(value) = some(&delta.signature) {
                    on_event(Event::ThinkingSignature(self.signed(&value)));
                }
            }
            Open::Tool { whole } => {
                if let Some(fragment) = some(&delta.partial_json) {
                    *whole = None;
                    on_event(Event::ToolArguments(fragment));
                }
            }
            Open::Nothing | Open::Other => {}
        }
    }

    fn signed(&self, value: &str) -> Signature {
        Signature { origin: Some(self.origin.clone()), value: Arc::from(value) }
    }
}

/// The counts of a stream, from its two ends.
#[derive(Debug)]
pub(crate) struct UsageCount {
    counted: WireUsage,
    input_estimate: u64,
    pub(crate) delivered_bytes: u64,
}

impl UsageCount {
    /// Nothing counted yet.
    pub(crate) const fn new(input_estimate: u64) -> Self {
        Self {
            counted: WireUsage {
                input_tokens: None,
                cache_creation_input_tokens: None,
                cache_read_input_tokens: None,
                cache_creation: None,
                output_tokens: None,
                output_tokens_details: None,
            },
            input_estimate,
            delivered_bytes: 0,
        }
    }

    /// So many bytes more went to the caller.
    pub(crate) fn delivered(&mut self, bytes: usize) {
        self.delivered_bytes = self.delivered_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The counts of `message_start`. Its output is a first token or so, and not the answer's.
    pub(crate) fn started(&mut self, usage: &WireUsage) -> crate::domain::usage::Usage {
        self.counted.merge(usage);
        self.counted.buckets()
    }

    /// The counts of `message_delta`. Whatever no end of the stream has counted is estimated and marked,
    /// since a finished answer's report is taken as final.
    pub(crate) fn ended(&mut self, usage: Option<&WireUsage>) -> crate::domain::usage::Usage {
        use crate::domain::usage::Bucket;
        let end = usage.copied().unwrap_or_default();
        self.counted.merge(&end);
        let mut buckets = self.counted.buckets();
        if end.output_tokens.is_none() {
            let estimate = estimated_tokens(self.delivered_bytes);
            buckets.set(Bucket::Output, estimate.max(buckets.get(Bucket::Output)));
            buckets.estimated = true;
        }
        if !self.counted.has_input() {
            buckets.set(Bucket::Input, self.input_estimate);
            buckets.estimated = true;
        }
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::super::upstream::read_answer;
    use super::*;
    use crate::adapters::fault::UpstreamFault;
    use crate::chat::{Answer, FinishReason, Part};
    use crate::domain::usage::{Bucket, Usage};

    const STREAM: &str = include_str!("fixtures/stream.sse");
    const ANSWER: &str = include_str!("fixtures/answer.json");

    fn decode(chunks: &[&[u8]]) -> (Vec<Event>, Result<Flow, StreamFault>) {
        let mut decoder = StreamDecoder::new("claude-opus-4-7".into(), 11);
        let mut events = Vec::new();
        for chunk in chunks {
            if let Err(fault) = decoder.feed(&Bytes::copy_from_slice(chunk), &mut |event| events.push(event)) {
                return (events, Err(fault));
            }
        }
        let end = decoder.end_of_input(&mut |event| events.push(event));
        (events, end)
    }

    /// What a caller who joins the events gets.
    fn joined(events: Vec<Event>) -> Answer {
        let (mut parts, mut usage): (Vec<Part>, Option<Usage>) = (Vec::new(), None);
        let (mut upstream_id, mut finish, mut arguments) = (None, FinishReason::Stop, String::new());
        for event in events {
            match (event, parts.last_mut()) {
                (Event::Start { upstream_id: id }, _) => upstream_id = id,
                (Event::Text(more), Some(Part::Text { text, .. }))
                | (Event::Thinking(more), Some(Part::Thinking { text, .. })) => text.push_str(&more),
                (Event::Text(text), _) => parts.push(Part::Text { text, cache: None }),
                (Event::Thinking(text), _) => parts.push(Part::Thinking { text, signature: None }),
                (Event::ThinkingSignature(value), Some(Part::Thinking { signature, .. })) => *signature = Some(value),
                (Event::RedactedThinking(data), _) => parts.push(Part::RedactedThinking { data }),
                (Event::ToolCall { id, name, signature }, _) => {
                    let arguments = serde_json::json!({});
                    parts.push(Part::ToolCall { id, name, arguments, signature, cache: None });
                }
                (Event::ToolArguments(more), _) => arguments.push_str(&more),
                (Event::BlockEnd, Some(Part::ToolCall { arguments: value, .. })) => {
                    let text = std::mem::take(&mut arguments);
                    *value = serde_json::from_str(if text.is_empty() { "{}" } else { &text }).unwrap();
                }
                (Event::Usage(more), _) => usage = Some(usage.unwrap_or_default().merged_max(&more)),
                (Event::Finish { reason, .. }, _) => finish = reason,
                _ => {}
            }
        }
        Answer { upstream_id, parts, finish, stop_sequence: None, usage }
    }

    #[test]
    fn a_stream_and_a_whole_answer_give_the_same_message_and_the_same_usage() {
        let (events, end) = decode(&[STREAM.as_bytes()]);
        assert_eq!(end, Ok(Flow::Complete));
        assert_eq!(joined(events), read_answer(ANSWER.as_bytes(), "claude-opus-4-7").unwrap());
    }

    #[test]
    fn the_events_are_the_same_however_the_bytes_are_cut() {
        let whole = decode(&[STREAM.as_bytes()]);
        insta::assert_debug_snapshot!(whole);
        for cut in 0..STREAM.len() {
            let (left, right) = STREAM.as_bytes().split_at(cut);
            assert_eq!(decode(&[left, right]), whole, "cut at {cut}");
        }
        let crlf = STREAM.replace('\n', "\r\n");
        assert_eq!(decode(&crlf.as_bytes().chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn an_answer_that_stops_anywhere_before_its_end_mark_is_truncated() {
        let end = STREAM.len() - 1;
        for cut in 0..end {
            assert!(matches!(decode(&[&STREAM.as_bytes()[..cut]]).1, Err(StreamFault::Malformed(_))), "cut at {cut}");
        }
        let no_reason = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        assert!(decode(&[no_reason.as_bytes()]).1.is_err(), "an end without a stop reason is none");
    }

    #[test]
    fn errors_in_the_stream_keep_their_meaning() {
        let event = |kind: &str| {
            format!(
                "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"m\"}}}}\n\n"
            )
        };
        for (kind, fault) in [
            ("overloaded_error", UpstreamFault::Overloaded { retry_after_millis: None }),
            ("rate_limit_error", UpstreamFault::RateLimited { retry_after_millis: None }),
            ("api_error", UpstreamFault::Failed { status: None }),
            ("timeout_error", UpstreamFault::Failed { status: Some(504) }),
            ("billing_error", UpstreamFault::OurAccount { what: "key or account refused", model_gone: false }),
            ("never_seen_error", UpstreamFault::Failed { status: None }),
        ] {
            assert_eq!(decode(&[event(kind).as_bytes()]).1, Err(StreamFault::Upstream(fault)));
        }
        let bare = r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#;
        let overloaded = UpstreamFault::Overloaded { retry_after_millis: None };
        assert_eq!(decode(&[bare.as_bytes()]).1, Err(StreamFault::Upstream(overloaded)));
    }

    #[test]
    fn what_is_no_event_is_malformed() {
        for data in ["not json", "[]", r#"{"type":"content_block_delta"}"#, r#"{"index":"x"}"#] {
            let stream = format!("event: content_block_delta\ndata: {data}\n\n");
            assert!(matches!(decode(&[stream.as_bytes()]).1, Err(StreamFault::Malformed(_))), "{data}");
        }
    }

    fn last_usage(stream: &str) -> Usage {
        let (events, _) = decode(&[stream.as_bytes()]);
        let usage = events.into_iter().filter_map(|event| match event {
            Event::Usage(usage) => Some(usage),
            _ => None,
        });
        usage.fold(Usage::default(), |all, usage| all.merged_max(&usage))
    }

    #[test]
    fn what_the_upstream_does_not_count_is_estimated_and_marked() {
        let uncounted = STREAM.replace(r#""usage":{"input_tokens":25,"cache_creation_input_tokens":100,"cache_read_input_tokens":40,"output_tokens":87"#, r#""usage":{"x":{}"#);
        let usage = last_usage(&uncounted);
        assert_eq!((usage.get(Bucket::Input), usage.get(Bucket::Output), usage.estimated), (25, 23, true));
        let silent = "event: message_start\ndata: {\"message\":{}}\n\nevent: message_delta\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n";
        let usage = last_usage(silent);
        assert_eq!((usage.get(Bucket::Input), usage.get(Bucket::Output), usage.estimated), (11, 0, true));
        assert!(!last_usage(STREAM).estimated);
    }

    #[test]
    fn arguments_that_come_whole_are_passed_on_once() {
        let start = r#"event: content_block_start
data: {"index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a":1}}}

"#;
        let stop = "event: content_block_stop\ndata: {\"index\":0}\n\n";
        let arguments = |stream: String| -> Vec<Event> {
            decode(&[stream.as_bytes()])
                .0
                .into_iter()
                .filter(|event| matches!(event, Event::ToolArguments(_)))
                .collect()
        };
        assert_eq!(arguments(format!("{start}{stop}")), [Event::ToolArguments(r#"{"a":1}"#.into())]);
        let delta = "event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"partial_json\":\"{}\"}}\n\n";
        assert_eq!(arguments(format!("{start}{delta}{stop}")), [Event::ToolArguments("{}".into())]);
    }
}
