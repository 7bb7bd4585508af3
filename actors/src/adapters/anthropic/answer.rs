//! A whole answer for Anthropic clients, and the pieces of JSON that a streamed one shares with it.

use bytes::BufMut;

use super::encoder::put_cost;
use super::text::{put_display, put_string};
use super::tool_ids;
use super::wire::stop_reason;
use crate::adapters::Label;
use crate::chat::{Answer, FinishReason, Part, Signature};
use crate::domain::money::NanoUsd;
use crate::domain::usage::{Bucket, Usage};

/// The body of an answer that is not streamed; `usage` is what is charged for.
pub fn render_answer(answer: &Answer, label: &Label, usage: &Usage) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    out.put_slice(b"{\"id\":");
    put_string(&mut out, &format!("msg_{}", label.id));
    out.put_slice(b",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    put_string(&mut out, &label.model);
    out.put_slice(b",\"content\":[");
    let mut content = Content { label, first: true, call_signed: false };
    for (index, part) in answer.parts.iter().enumerate() {
        content.put(part, answer.parts.get(index + 1), &mut out);
    }
    out.put_slice(b"],\"stop_reason\":\"");
    out.put_slice(stop_reason(answer.finish).as_bytes());
    out.put_slice(b"\",\"stop_sequence\":");
    match &answer.stop_sequence {
        Some(stop) => put_string(&mut out, stop),
        None => out.put_slice(b"null"),
    }
    out.put_slice(b",\"stop_details\":");
    out.put_slice(stop_details(answer.finish).as_bytes());
    out.put_slice(b",\"usage\":");
    put_usage(usage, None, &mut out);
    out.put_slice(b"}");
    out
}

/// The blocks of an answer as they are written.
struct Content<'a> {
    label: &'a Label,
    first: bool,
    /// The signature of the next tool call went out with the thought before it.
    call_signed: bool,
}

impl Content<'_> {
    fn put(&mut self, part: &Part, next: Option<&Part>, out: &mut Vec<u8>) {
        let Self { label, first, call_signed } = self;
        let show_thoughts = label.show_thoughts;
        match part {
            Part::Text { text, .. } if !text.is_empty() => {
                begin(first, "{\"type\":\"text\",\"text\":", out);
                put_string(out, text);
            }
            Part::Thinking { text, signature } if show_thoughts => {
                let envelope = match (signature, next) {
                    (Some(signature), _) => signature.to_envelope(),
                    // The call's signature goes with the thought before it, as in a stream.
                    (None, Some(Part::ToolCall { signature: Some(signature), .. })) => {
                        *call_signed = true;
                        signature.to_call_envelope()
                    }
                    // Clients drop a thought without a signature, and Anthropic itself never sends one.
                    (None, _) => Signature::absent(&label.model).to_envelope(),
                };
                put_thought(text, &envelope, first, out);
                return;
            }
            Part::RedactedThinking { data } if show_thoughts => {
                begin(first, "{\"type\":\"redacted_thinking\",\"data\":", out);
                put_string(out, &data.to_envelope());
            }
            Part::ToolCall { id, name, arguments, signature, .. } => {
                let signed = std::mem::take(call_signed);
                if let Some(signature) = signature.as_ref().filter(|_| show_thoughts && !signed) {
                    put_thought("", &signature.to_call_envelope(), first, out);
                }
                begin(first, "{\"type\":\"tool_use\",\"id\":", out);
                put_string(out, &tool_ids::fitting(id));
                out.put_slice(b",\"name\":");
                put_string(out, name);
                out.put_slice(b",\"input\":");
                put_display(out, arguments);
            }
            Part::Text { .. }
            | Part::Thinking { .. }
            | Part::RedactedThinking { .. }
            | Part::Media { .. }
            | Part::ToolResult { .. } => return,
        }
        out.put_slice(b"}");
    }
}

fn put_thought(text: &str, envelope: &str, first: &mut bool, out: &mut Vec<u8>) {
    begin(first, "{\"type\":\"thinking\",\"thinking\":", out);
    put_string(out, text);
    out.put_slice(b",\"signature\":");
    put_string(out, envelope);
    out.put_slice(b"}");
}

fn begin(first: &mut bool, text: &str, out: &mut Vec<u8>) {
    if !std::mem::take(first) {
        out.put_slice(b",");
    }
    out.put_slice(text.as_bytes());
}

/// `stop_details` for the reason.
pub(crate) const fn stop_details(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::ContentFilter => "{\"type\":\"refusal\",\"category\":null,\"explanation\":null}",
        FinishReason::Stop | FinishReason::StopSequence | FinishReason::Length | FinishReason::ToolCalls => "null",
    }
}

/// A usage object. The prompt is written as Anthropic counts it: `input_tokens` without the cache's share.
pub(crate) fn put_usage(usage: &Usage, cost: Option<NanoUsd>, out: &mut impl BufMut) {
    let (written_5m, written_1h) = (usage.get(Bucket::CacheWrite5m), usage.get(Bucket::CacheWrite1h));
    let input = usage.get(Bucket::Input).saturating_add(usage.get(Bucket::AudioInput));
    for (key, count) in [
        ("{\"input_tokens\":", input),
        (",\"cache_creation_input_tokens\":", written_5m.saturating_add(written_1h)),
        (",\"cache_read_input_tokens\":", usage.get(Bucket::CacheRead)),
        (",\"cache_creation\":{\"ephemeral_5m_input_tokens\":", written_5m),
        (",\"ephemeral_1h_input_tokens\":", written_1h),
        ("},\"output_tokens\":", usage.get(Bucket::Output)),
        (",\"output_tokens_details\":{\"thinking_tokens\":", usage.reasoning),
    ] {
        out.put_slice(key.as_bytes());
        put_display(out, count);
    }
    out.put_slice(b"}");
    if let Some(cost) = cost {
        out.put_slice(b",");
        put_cost(cost, out);
    }
    out.put_slice(b"}");
}

#[cfg(test)]
mod tests {
    use super::super::upstream::{read_answer, read_usage};
    use super::*;

    fn label(show_thoughts: bool) -> Label {
        Label {
            id: "01J0000000000000000000TEST".into(),
            model: "claude-opus-4-7".into(),
            created: 1_790_000_000,
            include_usage: true,
            show_thoughts,
            input_estimate: 1,
        }
    }

    #[test]
    fn an_answer_is_written_as_anthropic_writes_it() {
        let answer = read_answer(include_bytes!("fixtures/answer.json"), "claude-opus-4-7").unwrap();
        let usage = answer.usage.unwrap();
        let shown = render_answer(&answer, &label(true), &usage);
        insta::assert_snapshot!(String::from_utf8(shown.clone()).unwrap());
        assert_eq!(read_usage(&shown).unwrap().usage, Some(usage), "the same counts come back");
        let hidden = String::from_utf8(render_answer(&answer, &label(false), &usage)).unwrap();
        assert!(!hidden.contains("thinking\":\"") && hidden.contains("get_weather"), "{hidden}");
        assert!(serde_json::from_str::<serde_json::Value>(&hidden).is_ok());
    }

    #[test]
    fn a_refusal_elsewhere_is_a_refusal_here() {
        let finish = FinishReason::ContentFilter;
        let answer = Answer { upstream_id: None, parts: Vec::new(), finish, stop_sequence: None, usage: None };
        let body = String::from_utf8(render_answer(&answer, &label(true), &Usage::default())).unwrap();
        assert!(body.contains(r#""content":[],"stop_reason":"refusal""#), "{body}");
        assert!(body.contains(r#""stop_details":{"type":"refusal""#), "{body}");
    }
}
