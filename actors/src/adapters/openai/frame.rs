//! The chunks that we write ourselves: their common head, and the ones that end a stream.

use bytes::{BufMut, BytesMut};

use super::{json, usage};
use crate::adapters::Label;
use crate::chat::FinishReason;
use crate::domain::money::NanoUsd;
use crate::domain::usage::Usage;

/// What all chunks of one stream share.
#[derive(Debug)]
pub(super) struct Frame {
    /// From `data:` to where the choices begin.
    head: Vec<u8>,
    /// With a usage chunk to come, every other chunk says that it has none.
    tail: &'static [u8],
}

impl Frame {
    /// The frame of an answer with our own id.
    pub(super) fn new(label: &Label) -> Self {
        let id = format!("\"chatcmpl-{}\"", label.id);
        Self::with(&id, &label.created.to_string(), label)
    }

    /// The frame of an answer whose id and time the provider gave; both are JSON.
    pub(super) fn with(id: &str, created: &str, label: &Label) -> Self {
        let mut head = Vec::with_capacity(160);
        head.put_slice(b"data: {\"id\":");
        head.put_slice(id.as_bytes());
        head.put_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        head.put_slice(created.as_bytes());
        head.put_slice(b",\"model\":");
        json::string(&mut head, &label.model);
        head.put_slice(b",\"choices\":[");
        let tail: &[u8] = if label.include_usage { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" };
        Self { head, tail }
    }

    /// A chunk with a delta, written by `delta` between its braces.
    pub(super) fn delta(&self, out: &mut BytesMut, delta: impl FnOnce(&mut BytesMut)) {
        out.put_slice(&self.head);
        out.put_slice(b"{\"index\":0,\"delta\":{");
        delta(out);
        out.put_slice(b"},\"logprobs\":null,\"finish_reason\":null");
        out.put_slice(self.tail);
    }

    /// The chunk that names the role: the first, and the only one that does.
    pub(super) fn role(&self, out: &mut BytesMut) {
        self.delta(out, |out| out.put_slice(b"\"role\":\"assistant\",\"content\":\"\""));
    }

    /// The chunk that says why it ended.
    pub(super) fn finish(&self, out: &mut BytesMut, reason: &str) {
        out.put_slice(&self.head);
        out.put_slice(b"{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":");
        json::string(out, reason);
        out.put_slice(self.tail);
    }

    /// The chunk that says what it took and cost: the last one, without choices.
    pub(super) fn usage(&self, out: &mut BytesMut, usage: &Usage, cost: NanoUsd) {
        out.put_slice(&self.head);
        out.put_slice(b"],\"usage\":");
        usage::write(out, usage, Some(cost));
        out.put_slice(b"}\n\n");
    }
}

/// Writes the end mark.
pub(super) fn done(out: &mut BytesMut) {
    out.put_slice(b"data: [DONE]\n\n");
}

/// The reason's name.
pub(super) const fn finish_name(reason: FinishReason, legacy_functions: bool) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::StopSequence => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls if legacy_functions => "function_call",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}
