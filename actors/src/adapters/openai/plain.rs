//! A whole answer as the one JSON object that a caller gets who did not ask for a stream.

use bytes::BufMut;

use super::encoder::{extra_content, thinking_block};
use super::frame::finish_name;
use super::{json, usage};
use crate::adapters::Label;
use crate::chat::{Answer, Part};
use crate::domain::usage::Usage;

/// Writes the answer. `legacy_functions` is [`super::Body::uses_legacy_functions`]; `usage` is what was
/// charged for, since the answer's own may be missing.
pub fn render_answer(answer: &Answer, label: &Label, usage: &Usage, legacy_functions: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    out.put_slice(b"{\"id\":");
    json::string(&mut out, &format!("chatcmpl-{}", label.id));
    out.put_slice(b",\"object\":\"chat.completion\",\"created\":");
    out.put_slice(label.created.to_string().as_bytes());
    out.put_slice(b",\"model\":");
    json::string(&mut out, &label.model);
    out.put_slice(b",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    message(&mut out, &answer.parts, legacy_functions);
    out.put_slice(b"},\"logprobs\":null,\"finish_reason\":");
    json::string(&mut out, finish_name(answer.finish, legacy_functions));
    out.put_slice(b"}],\"usage\":");
    usage::write(&mut out, usage, None);
    out.put_slice(b",\"system_fingerprint\":null}");
    out
}

fn message(out: &mut Vec<u8>, parts: &[Part], legacy_functions: bool) {
    let (mut text, mut thoughts) = (String::new(), String::new());
    let (mut blocks, mut calls) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text { text: more, .. } => text.push_str(more),
            Part::Thinking { text: thought, signature } => {
                thoughts.push_str(thought);
                if let Some(signature) = signature {
                    entry(&mut blocks, |out| thinking_block(out, Some(thought), signature));
                }
            }
            Part::RedactedThinking { data } => entry(&mut blocks, |out| thinking_block(out, None, data)),
            Part::ToolCall { id, name, arguments, signature, .. } => {
                let arguments = arguments.to_string();
                if legacy_functions {
                    // One call is all that the legacy answer holds.
                    if calls.is_empty() {
                        function(&mut calls, name, &arguments);
                    }
                    continue;
                }
                let index = calls.len();
                calls.put_slice(if index == 0 { b"{\"id\":".as_slice() } else { b",{\"id\":" });
                json::string(&mut calls, id);
                calls.put_slice(b",\"type\":\"function\",\"function\":");
                function(&mut calls, name, &arguments);
                if let Some(signature) = signature {
                    extra_content(&mut calls, signature);
                }
                calls.put_u8(b'}');
            }
            // A model answers with none of these.
            Part::Media { .. } | Part::ToolResult { .. } => {}
        }
    }
    if text.is_empty() && !calls.is_empty() {
        out.put_slice(b"null");
    } else {
        json::string(out, &text);
    }
    out.put_slice(b",\"refusal\":null");
    if !thoughts.is_empty() {
        out.put_slice(b",\"reasoning_content\":");
        json::string(out, &thoughts);
    }
    if !blocks.is_empty() {
        list(out, b",\"thinking_blocks\":[", &blocks);
    }
    if !calls.is_empty() && legacy_functions {
        out.put_slice(b",\"function_call\":");
        out.put_slice(&calls);
    } else if !calls.is_empty() {
        list(out, b",\"tool_calls\":[", &calls);
    }
}

fn entry(blocks: &mut Vec<u8>, inside: impl FnOnce(&mut Vec<u8>)) {
    blocks.put_slice(if blocks.is_empty() { b"{".as_slice() } else { b",{" });
    inside(blocks);
    blocks.put_u8(b'}');
}

fn list(out: &mut Vec<u8>, head: &[u8], entries: &[u8]) {
    out.put_slice(head);
    out.put_slice(entries);
    out.put_u8(b']');
}

fn function(out: &mut Vec<u8>, name: &str, arguments: &str) {
    out.put_slice(b"{\"name\":");
    json::string(out, name);
    out.put_slice(b",\"arguments\":");
    json::string(out, arguments);
    out.put_u8(b'}');
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
