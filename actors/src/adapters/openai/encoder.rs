//! Our events as the chunks that OpenAI SDKs read, in exactly the sequence that they accept.
//!
//! What breaks them, and is therefore kept: the role stands on the first chunk and only there; tool calls
//! count 0, 1, 2 whatever the provider's block numbers are, each with id, type and name once; a call
//! without arguments has `{}`; the finish comes once; the usage chunk is the last one. Entries of
//! `thinking_blocks` carry an `index`, without which Python's stream helper raises on the second.
//!
//! Events that arrive together leave together: this writes into the relay's buffer and never flushes.

use bytes::{BufMut, BytesMut};

use super::frame::{self, Frame, finish_name};
use super::{json, tag};
use crate::adapters::Label;
use crate::adapters::stream::Closing;
use crate::adapters::translated::Encoder;
use crate::chat::{Event, FinishReason, Signature};

/// What keeps a silent stream open. One line end only: a blank line after it makes openai-python parse an
/// empty event.
pub const KEEP_ALIVE: &[u8] = b": ping\n";

/// Writes the event that ends a stream that failed. The connection closes after it, without an end mark.
pub fn error_event(envelope_json: &str, out: &mut BytesMut) {
    out.put_slice(b"data: ");
    out.put_slice(envelope_json.as_bytes());
    out.put_slice(b"\n\n");
}

/// Encodes one answer.
#[derive(Debug)]
pub struct ChunkEncoder {
    frame: Frame,
    include_usage: bool,
    legacy_functions: bool,
    role_written: bool,
    /// The thought that is open, kept until its signature comes.
    thought: Option<String>,
    thinking_blocks: u64,
    tool_calls: u64,
    call: OpenCall,
    finish: Option<FinishReason>,
}

/// The tool call that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenCall {
    None,
    WithoutArguments,
    WithArguments,
}

impl ChunkEncoder {
    /// An encoder for a caller. `legacy_functions` is [`super::Body::uses_legacy_functions`].
    pub fn new(label: &Label, legacy_functions: bool) -> Self {
        Self {
            frame: Frame::new(label),
            include_usage: label.include_usage,
            legacy_functions,
            role_written: false,
            thought: None,
            thinking_blocks: 0,
            tool_calls: 0,
            call: OpenCall::None,
            finish: None,
        }
    }

    fn role(&mut self, out: &mut BytesMut) {
        if !self.role_written {
            self.role_written = true;
            self.frame.role(out);
        }
    }

    fn text(&mut self, key: &[u8], text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        self.frame.delta(out, |out| {
            out.put_slice(key);
            json::string(out, text);
        });
    }

    fn thinking_block(&mut self, text: Option<&str>, signature: &Signature, out: &mut BytesMut) {
        let index = self.thinking_blocks;
        self.thinking_blocks += 1;
        self.frame.delta(out, |out| {
            out.put_slice(b"\"thinking_blocks\":[{\"index\":");
            json::number(out, index);
            out.put_u8(b',');
            thinking_block(out, text, signature);
            out.put_slice(b"}]");
        });
    }

    fn tool_call(&mut self, id: &str, name: &str, signature: Option<&Signature>, out: &mut BytesMut) {
        let index = self.tool_calls;
        self.tool_calls += 1;
        self.call = OpenCall::WithoutArguments;
        if self.legacy_functions {
            // One call is all that the legacy answer holds.
            if index == 0 {
                self.frame.delta(out, |out| {
                    out.put_slice(b"\"function_call\":{\"name\":");
                    json::string(out, name);
                    out.put_slice(b",\"arguments\":\"\"}");
                });
            }
            return;
        }
        self.frame.delta(out, |out| {
            out.put_slice(b"\"tool_calls\":[{\"index\":");
            json::number(out, index);
            out.put_slice(b",\"id\":");
            json::string(out, id);
            out.put_slice(b",\"type\":\"function\",\"function\":{\"name\":");
            json::string(out, name);
            out.put_slice(b",\"arguments\":\"\"}");
            if let Some(signature) = signature {
                extra_content(out, signature);
            }
            out.put_slice(b"}]");
        });
    }

    fn arguments(&mut self, fragment: &str, out: &mut BytesMut) {
        if fragment.is_empty() || self.call == OpenCall::None {
            return;
        }
        self.call = OpenCall::WithArguments;
        let index = self.tool_calls.saturating_sub(1);
        if self.legacy_functions && index > 0 {
            return;
        }
        let legacy = self.legacy_functions;
        self.frame.delta(out, |out| {
            if legacy {
                out.put_slice(b"\"function_call\":{\"arguments\":");
                json::string(out, fragment);
                out.put_u8(b'}');
            } else {
                out.put_slice(b"\"tool_calls\":[{\"index\":");
                json::number(out, index);
                out.put_slice(b",\"function\":{\"arguments\":");
                json::string(out, fragment);
                out.put_slice(b"}}]");
            }
        });
    }

    /// Ends the block that is open: a call that had no arguments gets the empty object.
    fn end_block(&mut self, out: &mut BytesMut) {
        if self.call == OpenCall::WithoutArguments {
            self.arguments("{}", out);
        }
        self.call = OpenCall::None;
        self.thought = None;
    }

    fn close(&mut self, reason: &str, closing: &Closing, out: &mut BytesMut) {
        self.frame.finish(out, reason);
        if self.include_usage {
            self.frame.usage(out, &closing.usage, closing.cost);
        }
        frame::done(out);
    }
}

impl Encoder for ChunkEncoder {
    fn encode(&mut self, event: Event, out: &mut BytesMut) {
        match &event {
            Event::Usage(_) => return,
            Event::Finish { reason, .. } => {
                self.finish = Some(*reason);
                return;
            }
            // These belong to the block that is open, if it is of their kind.
            Event::Start { .. } | Event::ToolArguments(_) => {}
            Event::Thinking(_) | Event::ThinkingSignature(_) if self.call == OpenCall::None => {}
            _ => self.end_block(out),
        }
        self.role(out);
        match event {
            Event::Text(text) => self.text(b"\"content\":", &text, out),
            Event::Thinking(text) => {
                self.text(b"\"reasoning_content\":", &text, out);
                self.thought.get_or_insert_default().push_str(&text);
            }
            Event::ThinkingSignature(signature) => {
                let thought = self.thought.take().unwrap_or_default();
                self.thinking_block(Some(&thought), &signature, out);
            }
            Event::RedactedThinking(data) => self.thinking_block(None, &data, out),
            Event::ToolCall { id, name, signature } => self.tool_call(&id, &name, signature.as_ref(), out),
            Event::ToolArguments(fragment) => self.arguments(&fragment, out),
            Event::Start { .. } | Event::BlockEnd | Event::Usage(_) | Event::Finish { .. } => {}
        }
    }

    fn conclude(&mut self, closing: &Closing, out: &mut BytesMut) {
        self.role(out);
        self.end_block(out);
        let unsaid = if self.tool_calls > 0 { FinishReason::ToolCalls } else { FinishReason::Stop };
        let reason = finish_name(self.finish.unwrap_or(unsaid), self.legacy_functions);
        self.close(reason, closing, out);
    }

    fn cut_short(&mut self, closing: &Closing, out: &mut BytesMut) {
        self.role(out);
        self.close(finish_name(FinishReason::Length, false), closing, out);
    }
}

/// Writes the inside of one entry of `thinking_blocks`: a thought with its signature, or one that only its
/// provider can read.
pub(super) fn thinking_block(out: &mut impl BufMut, text: Option<&str>, signature: &Signature) {
    if let Some(text) = text {
        out.put_slice(b"\"type\":\"thinking\",\"thinking\":");
        json::string(out, text);
        out.put_slice(b",\"signature\":");
    } else {
        out.put_slice(b"\"type\":\"redacted_thinking\",\"data\":");
    }
    json::string(out, &tag::write(signature));
}

/// Writes a tool call's signature where Google's own convention has it.
pub(super) fn extra_content(out: &mut impl BufMut, signature: &Signature) {
    out.put_slice(b",\"extra_content\":{\"google\":{\"thought_signature\":");
    json::string(out, &tag::write(signature));
    out.put_slice(b"}}");
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
