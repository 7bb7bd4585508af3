//! What an upstream answers when the answer is not streamed.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::{Text, put_string};
use super::wire::{WireUsage, finish_reason};
use crate::adapters::fault::Malformed;
use crate::adapters::quantity::readable;
use crate::adapters::weave::offset_in;
use crate::chat::{Answer, Dialect, Origin, Part, Signature};
use crate::domain::usage::Usage;

/// Where messages are made, below the provider's base URL.
pub const ENDPOINT: &str = "/v1/messages";
/// Where tokens are counted.
pub const COUNT_ENDPOINT: &str = "/v1/messages/count_tokens";

const NOT_A_MESSAGE: Malformed = Malformed { what: "a message" };

/// What is charged for an answer that is forwarded as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerMeter {
    /// What the provider reported; `None` unless it counted both sides.
    pub usage: Option<Usage>,
    /// UTF-8 bytes of text, thoughts, tool names and arguments: the basis of an estimate.
    pub delivered_bytes: u64,
}

#[derive(Deserialize)]
struct WireAnswer<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    content: Vec<WireBlock<'a>>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    #[serde(borrow, default)]
    stop_sequence: Option<Text<'a>>,
    #[serde(default, deserialize_with = "readable")]
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct WireBlock<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    thinking: Option<Text<'a>>,
    #[serde(borrow, default)]
    signature: Option<Text<'a>>,
    #[serde(borrow, default)]
    data: Option<Text<'a>>,
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

/// A whole answer in our own terms; `model` is ours, and tags its signatures.
///
/// # Errors
/// [`Malformed`] for anything but a message that gives its stop reason.
pub fn read_answer(body: &[u8], model: &str) -> Result<Answer, Malformed> {
    let answer = wire_answer(body)?;
    let origin = Origin { protocol: Dialect::Anthropic, model: Arc::from(model) };
    let mut parts = Vec::with_capacity(answer.content.len());
    for block in &answer.content {
        parts.extend(part(block, &origin)?);
    }
    Ok(Answer {
        upstream_id: answer.id.as_ref().map(Text::to_owned_string),
        parts,
        finish: finish_reason(&answer.stop_reason),
        stop_sequence: answer.stop_sequence.as_ref().map(Text::to_owned_string),
        usage: reported(answer.usage),
    })
}

/// What is to be charged for an answer, without copying it.
///
/// # Errors
/// [`Malformed`] for anything but a message that gives its stop reason.
pub fn read_usage(body: &[u8]) -> Result<AnswerMeter, Malformed> {
    let answer = wire_answer(body)?;
    let bytes: usize = answer
        .content
        .iter()
        .map(|block| {
            let texts = [&block.text, &block.thinking, &block.name];
            let text_bytes: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
            text_bytes + block.input.map_or(0, |input| input.get().len())
        })
        .sum();
    Ok(AnswerMeter { usage: reported(answer.usage), delivered_bytes: u64::try_from(bytes).unwrap_or(u64::MAX) })
}

fn wire_answer(body: &[u8]) -> Result<WireAnswer<'_>, Malformed> {
    let answer: WireAnswer<'_> = serde_json::from_slice(body).map_err(|_| NOT_A_MESSAGE)?;
    if &*answer.kind == "message" { Ok(answer) } else { Err(NOT_A_MESSAGE) }
}

/// A count that is missing on either side is missing: nothing is charged as zero that was not counted.
fn reported(usage: Option<WireUsage>) -> Option<Usage> {
    usage.filter(|usage| usage.has_input() && usage.output_tokens.is_some()).map(|usage| usage.buckets())
}

/// The block as a part; nothing for kinds that we do not ask for.
fn part(block: &WireBlock<'_>, origin: &Origin) -> Result<Option<Part>, Malformed> {
    let sign = |value: &Text<'_>| Signature { origin: Some(origin.clone()), value: Arc::from(&**value) };
    let owned = |text: &Option<Text<'_>>| text.as_ref().map(Text::to_owned_string).unwrap_or_default();
    Ok(match &*block.kind {
        "text" => Some(owned(&block.text)).filter(|text| !text.is_empty()).map(|text| Part::Text { text, cache: None }),
        "thinking" => {
            let signature = block.signature.as_ref().filter(|value| !value.is_empty()).map(sign);
            Some(Part::Thinking { text: owned(&block.thinking), signature })
        }
        "redacted_thinking" => block.data.as_ref().map(|data| Part::RedactedThinking { data: sign(data) }),
        "tool_use" => {
            let (Some(id), Some(name)) = (&block.id, &block.name) else {
                return Err(Malformed { what: "a tool call with id and name" });
            };
            let arguments = match block.input {
                Some(raw) => serde_json::from_str(raw.get()).map_err(|_| Malformed { what: "arguments as JSON" })?,
                None => serde_json::Value::Object(serde_json::Map::new()),
            };
            let (id, name) = (id.to_owned_string(), name.to_owned_string());
            Some(Part::ToolCall { id, name, arguments, signature: None, cache: None })
        }
        _ => None,
    })
}

/// The same answer under the model's name of ours. Only the top level is touched; an answer that names no
/// model stays as it is.
pub fn splice_model(body: Bytes, model: &str) -> Bytes {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        model: &'a RawValue,
    }
    let Ok(named) = serde_json::from_slice::<Named<'_>>(&body) else { return body };
    spliced(&body, named.model.get(), model).map_or_else(|| body.clone(), Bytes::from)
}

/// `outer` with the JSON text `value`, which was borrowed from it, replaced by the string `model`; `None`
/// where it says that already.
pub(crate) fn spliced(outer: &[u8], value: &str, model: &str) -> Option<Vec<u8>> {
    let at = offset_in(outer, value.as_bytes())?;
    let mut out = Vec::with_capacity(outer.len() + model.len());
    out.extend_from_slice(outer.get(..at)?);
    put_string(&mut out, model);
    if out.get(at..) == Some(value.as_bytes()) {
        return None;
    }
    out.extend_from_slice(outer.get(at + value.len()..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::usage::Bucket;

    const ANSWER: &str = include_str!("fixtures/answer.json");

    #[test]
    fn an_answer_is_read_whole() {
        insta::assert_debug_snapshot!(read_answer(ANSWER.as_bytes(), "claude-opus-4-7").unwrap());
    }

    #[test]
    fn usage_is_read_beside_a_forwarded_answer() {
        let meter = read_usage(ANSWER.as_bytes()).unwrap();
        let answer = read_answer(ANSWER.as_bytes(), "claude-opus-4-7").unwrap();
        assert_eq!(meter.usage, answer.usage);
        assert_eq!(meter.delivered_bytes, 92);
    }

    #[test]
    fn zero_is_a_report_and_absence_is_none() {
        let with = |usage: &str| {
            let body = format!(r#"{{"type":"message","content":[],"stop_reason":"end_turn"{usage}}}"#);
            read_usage(body.as_bytes()).unwrap().usage
        };
        assert_eq!(with(r#","usage":{"input_tokens":0,"output_tokens":0}"#), Some(Usage::default()));
        assert_eq!(with(""), None);
        assert_eq!(with(r#","usage":null"#), None);
        assert_eq!(with(r#","usage":{"input_tokens":5}"#), None, "half a report would charge half");
        assert_eq!(with(r#","usage":{"input_tokens":"many","output_tokens":7}"#), None, "nobody can read it");
        let cached = with(r#","usage":{"cache_read_input_tokens":5,"output_tokens":1}"#).unwrap();
        assert_eq!(cached.get(Bucket::CacheRead), 5);
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        for body in [
            "",
            "{}",
            r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#,
            r#"{"type":"message","content":[],"stop_reason":null}"#,
            r#"{"type":"message","content":[]"#,
            r#"{"type":"completion","content":[],"stop_reason":"end_turn"}"#,
        ] {
            assert!(read_usage(body.as_bytes()).is_err(), "{body}");
            assert!(read_answer(body.as_bytes(), "m").is_err(), "{body}");
        }
    }

    #[test]
    fn only_the_model_of_the_top_level_is_replaced() {
        let body = Bytes::from_static(br#"{"content":[{"input":{"model":"x"}}], "model" : "up-1" ,"z":1.0}"#);
        let spliced = splice_model(body.clone(), "ours\"");
        assert_eq!(
            spliced,
            Bytes::from_static(br#"{"content":[{"input":{"model":"x"}}], "model" : "ours\"" ,"z":1.0}"#)
        );
        assert_eq!(splice_model(body.clone(), "up-1"), body);
        assert_eq!(splice_model(Bytes::from_static(b"{}"), "x"), Bytes::from_static(b"{}"));
    }
}
