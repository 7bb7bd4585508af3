//! Our own events as a messages stream, for Anthropic clients of another upstream.
//!
//! The order is that of `wire/anthropic.md` §4: the SDKs drop events without an `event:` line, and lose
//! text where the first block is not number 0. Blocks are opened and closed as the kind of event changes.
//! Thoughts go out only to a caller who asked for them; their signatures travel in our envelope.

use bytes::{BufMut, BytesMut};

use super::answer::{put_usage, stop_details};
use super::text::{put_display, put_string};
use super::tool_ids;
use super::wire::stop_reason;
use crate::adapters::Label;
use crate::adapters::stream::Closing;
use crate::adapters::translated::Encoder;
use crate::chat::{Event, FinishReason, Signature};
use crate::domain::money::NanoUsd;
use crate::domain::usage::Usage;

/// Sent while the upstream is silent.
pub const KEEP_ALIVE: &[u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";

/// Writes the event that ends a broken stream; `envelope` is the error envelope, one line of JSON.
pub fn error_event(envelope: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(b"event: error\ndata: ");
    out.extend_from_slice(envelope);
    out.extend_from_slice(b"\n\n");
}

/// Writes a messages stream.
#[derive(Debug)]
pub struct StreamEncoder {
    label: Label,
    started: bool,
    open: Open,
    /// The index of the next block.
    next_index: u64,
    finish: Option<FinishReason>,
    stop_sequence: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking { signed: bool },
    Tool { has_arguments: bool },
}

impl StreamEncoder {
    /// An encoder for one answer.
    pub fn new(label: Label) -> Self {
        Self { label, started: false, open: Open::Nothing, next_index: 0, finish: None, stop_sequence: None }
    }

    fn start(&mut self, out: &mut BytesMut) {
        if !self.started {
            self.started = true;
            put_message_start(&self.label, out);
        }
    }

    fn close(&mut self, out: &mut BytesMut) {
        if self.open == (Open::Tool { has_arguments: false }) {
            self.delta(out, "input_json_delta", "partial_json", "");
        }
        if self.open == (Open::Thinking { signed: false }) {
            // Clients drop a thought without a signature, and Anthropic itself never sends one.
            let envelope = Signature::absent(&self.label.model).to_envelope();
            self.delta(out, "signature_delta", "signature", &envelope);
        }
        if self.open != Open::Nothing {
            self.open = Open::Nothing;
            put_block_stop(self.index(), out);
        }
    }

    /// Closes what is open and begins a block; `rest` is what follows its type.
    fn begin(&mut self, open: Open, kind: &str, out: &mut BytesMut, rest: impl FnOnce(&mut BytesMut)) {
        self.start(out);
        self.close(out);
        out.extend_from_slice(b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":");
        put_display(out, self.next_index);
        out.extend_from_slice(b",\"content_block\":{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\"");
        rest(out);
        out.extend_from_slice(b"}}\n\n");
        self.next_index += 1;
        self.open = open;
    }

    fn delta(&self, out: &mut BytesMut, kind: &str, key: &str, value: &str) {
        out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        put_display(out, self.index());
        out.extend_from_slice(b",\"delta\":{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"");
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        put_string(out, value);
        out.extend_from_slice(b"}}\n\n");
    }

    /// The index of the block that was begun last.
    const fn index(&self) -> u64 {
        self.next_index.saturating_sub(1)
    }

    fn text(&mut self, text: &str, out: &mut BytesMut) {
        if self.open != Open::Text {
            self.begin(Open::Text, "text", out, |out| out.extend_from_slice(b",\"text\":\"\""));
        }
        self.delta(out, "text_delta", "text", text);
    }

    /// Makes sure that a thought is open which no signature has closed.
    fn thought(&mut self, out: &mut BytesMut) {
        if self.open != (Open::Thinking { signed: false }) {
            self.begin(Open::Thinking { signed: false }, "thinking", out, |out| {
                out.extend_from_slice(b",\"thinking\":\"\",\"signature\":\"\"");
            });
        }
    }

    fn sign(&mut self, envelope: &str, out: &mut BytesMut) {
        self.thought(out);
        self.delta(out, "signature_delta", "signature", envelope);
        self.open = Open::Thinking { signed: true };
    }

    fn tool_call(&mut self, id: &str, name: &str, signature: Option<&Signature>, out: &mut BytesMut) {
        if let Some(signature) = signature.filter(|_| self.label.show_thoughts) {
            self.sign(&signature.to_call_envelope(), out);
        }
        self.begin(Open::Tool { has_arguments: false }, "tool_use", out, |out| {
            out.extend_from_slice(b",\"id\":");
            put_string(out, &tool_ids::fitting(id));
            out.extend_from_slice(b",\"name\":");
            put_string(out, name);
            out.extend_from_slice(b",\"input\":{}");
        });
    }

    fn end(&mut self, finish: FinishReason, closing: &Closing, out: &mut BytesMut) {
        self.start(out);
        self.close(out);
        put_message_end(finish, self.stop_sequence.as_deref(), closing, out);
    }
}

impl Encoder for StreamEncoder {
    fn encode(&mut self, event: Event, out: &mut BytesMut) {
        match event {
            Event::Start { .. } => self.start(out),
            Event::Text(text) if !text.is_empty() => self.text(&text, out),
            Event::Thinking(text) if !text.is_empty() && self.label.show_thoughts => {
                self.thought(out);
                self.delta(out, "thinking_delta", "thinking", &text);
            }
            Event::ThinkingSignature(signature) if self.label.show_thoughts => {
                self.sign(&signature.to_envelope(), out);
            }
            Event::RedactedThinking(data) if self.label.show_thoughts => {
                self.begin(Open::Nothing, "redacted_thinking", out, |out| {
                    out.extend_from_slice(b",\"data\":");
                    put_string(out, &data.to_envelope());
                });
                put_block_stop(self.index(), out);
            }
            Event::ToolCall { id, name, signature } => self.tool_call(&id, &name, signature.as_ref(), out),
            Event::ToolArguments(fragment) if !fragment.is_empty() => {
                if let Open::Tool { has_arguments } = &mut self.open {
                    *has_arguments = true;
                    self.delta(out, "input_json_delta", "partial_json", &fragment);
                }
            }
            Event::BlockEnd => self.close(out),
            Event::Finish { reason, stop_sequence } => {
                self.finish = Some(reason);
                self.stop_sequence = stop_sequence;
            }
            Event::Text(_)
            | Event::Thinking(_)
            | Event::ThinkingSignature(_)
            | Event::RedactedThinking(_)
            | Event::ToolArguments(_)
            | Event::Usage(_) => {}
        }
    }

    fn conclude(&mut self, closing: &Closing, out: &mut BytesMut) {
        self.end(self.finish.unwrap_or(FinishReason::Stop), closing, out);
    }

    fn cut_short(&mut self, closing: &Closing, out: &mut BytesMut) {
        self.stop_sequence = None;
        self.end(FinishReason::Length, closing, out);
    }
}

/// The first event, with an estimate of the prompt: clients show it while the answer comes.
pub(crate) fn put_message_start(label: &Label, out: &mut BytesMut) {
    out.extend_from_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":");
    put_string(out, &format!("msg_{}", label.id));
    out.extend_from_slice(b",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    put_string(out, &label.model);
    out.extend_from_slice(
        b",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"stop_details\":null,\"usage\":",
    );
    let estimate = Usage::default().with(crate::domain::usage::Bucket::Input, label.input_estimate);
    put_usage(&estimate, None, out);
    out.extend_from_slice(b"}}\n\n");
}

/// The end of a block.
pub(crate) fn put_block_stop(index: u64, out: &mut BytesMut) {
    out.extend_from_slice(b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
    put_display(out, index);
    out.extend_from_slice(b"}\n\n");
}

/// The last two events.
pub(crate) fn put_message_end(finish: FinishReason, stop: Option<&str>, closing: &Closing, out: &mut BytesMut) {
    out.extend_from_slice(b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"");
    out.extend_from_slice(stop_reason(finish).as_bytes());
    out.extend_from_slice(b"\",\"stop_sequence\":");
    match stop {
        Some(stop) => put_string(out, stop),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"stop_details\":");
    out.extend_from_slice(stop_details(finish).as_bytes());
    out.extend_from_slice(b"},\"usage\":");
    put_usage(&closing.usage, Some(closing.cost), out);
    out.extend_from_slice(b"}\n\n");
    out.extend_from_slice(MESSAGE_STOP);
}

/// The end mark.
pub(crate) const MESSAGE_STOP: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// `"cost_usd":"…"`, a field of the last usage object that no SDK trips over.
pub(crate) fn put_cost(cost: NanoUsd, out: &mut impl BufMut) {
    out.put_slice(b"\"cost_usd\":\"");
    put_display(out, cost);
    out.put_slice(b"\"");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::adapters::anthropic::StreamDecoder;
    use crate::adapters::stream::{Flow, StreamRelay as _};
    use crate::adapters::translated::Translated;
    use crate::chat::{Dialect, Origin};
    use crate::domain::usage::Bucket;

    fn label(show_thoughts: bool) -> Label {
        Label {
            id: "01J0000000000000000000TEST".into(),
            model: "gemini-3-flash".into(),
            created: 1_790_000_000,
            include_usage: true,
            show_thoughts,
            input_estimate: 17,
        }
    }

    fn closing() -> Closing {
        let mut usage = Usage::default().with(Bucket::Input, 20).with(Bucket::Output, 9).with(Bucket::CacheRead, 4);
        usage.reasoning = 3;
        Closing { usage, cost: NanoUsd::from_nano(12_345) }
    }

    fn signature(value: &str) -> Signature {
        let origin = Origin { protocol: Dialect::Gemini, model: "gemini-3-flash".into() };
        Signature { origin: Some(origin), value: value.into() }
    }

    fn call(id: &str, signature: Option<Signature>) -> Event {
        Event::ToolCall { id: id.into(), name: "get_weather".into(), signature }
    }

    fn events() -> Vec<Event> {
        vec![
            Event::Start { upstream_id: Some("upstream".into()) },
            Event::Thinking("Let me ".into()),
            Event::Thinking("see.".into()),
            Event::Text("Hello\u{2028}\"漢字\"".into()),
            Event::Text(String::new()),
            Event::Text(" there".into()),
            Event::ThinkingSignature(signature("CiQB")),
            call("call_1", Some(signature("CiQC"))),
            Event::ToolArguments("{\"city\":".into()),
            Event::ToolArguments("\"Bern\"}".into()),
            call("functions.get_weather:0", None),
            Event::RedactedThinking(signature("CiQD")),
            Event::Usage(Usage::default().with(Bucket::Output, 9)),
            Event::Finish { reason: FinishReason::ToolCalls, stop_sequence: None },
        ]
    }

    fn encode(label: Label, events: Vec<Event>, end: impl FnOnce(&mut StreamEncoder, &mut BytesMut)) -> String {
        let (mut encoder, mut out) = (StreamEncoder::new(label), BytesMut::new());
        for event in events {
            encoder.encode(event, &mut out);
        }
        end(&mut encoder, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn blocks_open_and_close_as_the_kind_changes() {
        insta::assert_snapshot!(encode(label(true), events(), |encoder, out| encoder.conclude(&closing(), out)));
    }

    #[test]
    fn thoughts_go_only_to_a_caller_who_asked() {
        let stream = encode(label(false), events(), |encoder, out| encoder.conclude(&closing(), out));
        insta::assert_snapshot!(stream);
        assert!(!stream.contains("thinking_delta") && !stream.contains("signature"));
    }

    #[test]
    fn money_that_ends_closes_the_block_and_says_max_tokens() {
        let begun = vec![Event::Text("Half a".into())];
        insta::assert_snapshot!(encode(label(false), begun, |encoder, out| encoder.cut_short(&closing(), out)));
    }

    #[test]
    fn an_answer_of_nothing_is_still_a_whole_stream() {
        insta::assert_snapshot!(encode(label(false), Vec::new(), |encoder, out| encoder.conclude(&closing(), out)));
    }

    #[test]
    fn every_reason_has_its_word() {
        for (reason, word) in [
            (FinishReason::Stop, "end_turn"),
            (FinishReason::StopSequence, "stop_sequence"),
            (FinishReason::Length, "max_tokens"),
            (FinishReason::ToolCalls, "tool_use"),
            (FinishReason::ContentFilter, "refusal"),
        ] {
            let finish = vec![Event::Finish { reason, stop_sequence: Some("END".into()) }];
            let stream = encode(label(false), finish, |encoder, out| encoder.conclude(&closing(), out));
            assert!(stream.contains(&format!("\"stop_reason\":\"{word}\",\"stop_sequence\":\"END\"")), "{stream}");
        }
    }

    #[test]
    fn what_was_decoded_and_encoded_decodes_to_the_same_events() {
        let relay = |bytes: &[u8]| {
            let decoder = StreamDecoder::new(Arc::from("claude-opus-4-7"), 1);
            let mut relay = Translated::new(decoder, StreamEncoder::new(label(true)));
            let mut out = BytesMut::new();
            assert_eq!(relay.feed(&bytes::Bytes::copy_from_slice(bytes), &mut out), Ok(Flow::Complete));
            let usage = relay.meter().reported.unwrap();
            relay.conclude(&Closing { usage, cost: NanoUsd::ZERO }, &mut out);
            (relay.meter().delivered_bytes, usage, out)
        };
        let (bytes, usage, once) = relay(include_bytes!("fixtures/stream.sse"));
        let (bytes_again, usage_again, _) = relay(&once);
        assert_eq!((bytes, usage), (bytes_again, usage_again));
    }

    #[test]
    fn keep_alive_and_error_are_named_events() {
        let mut out = BytesMut::new();
        error_event(b"{\"type\":\"error\"}", &mut out);
        assert_eq!(&out[..], b"event: error\ndata: {\"type\":\"error\"}\n\n");
        assert!(KEEP_ALIVE.starts_with(b"event: ping\ndata: {") && KEEP_ALIVE.ends_with(b"}\n\n"));
    }
}
