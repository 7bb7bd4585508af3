//! Thoughts that another model made, in a conversation that goes on with Claude.
//!
//! An answer of Gemini or OpenAI reaches an Anthropic client as thinking blocks with our envelope in
//! `signature`. Where the client then asks for a Claude model, those blocks would fail upstream. This is
//! the rare path: only here are messages taken apart, and every block that stays keeps its bytes.

use serde_json::value::RawValue;

use super::blocks::{Block, Content, Message, Thought};
use crate::adapters::anthropic::text::{Text, put_string};
use crate::chat::{Dialect, Signature};

/// Whether any thought may not be forwarded as it stands.
pub(crate) fn is_needed(messages: &[Message<'_>]) -> bool {
    messages.iter().any(|message| message.content.blocks().iter().any(is_suspect))
}

/// An unsigned thought was not made by Claude, which signs all of its own.
fn is_suspect(block: &Block<'_>) -> bool {
    match block {
        Block::Thinking(thought) => match thought.signature.as_deref() {
            None | Some("") => true,
            Some(signature) => Signature::may_be_envelope(signature),
        },
        Block::Redacted(data) => Signature::may_be_envelope(data),
        _ => false,
    }
}

/// The same messages for `model`: foreign thoughts left out, its own taken out of their envelopes. A
/// message of which nothing is left goes too.
pub(crate) fn rewritten(raw: &str, messages: &[Message<'_>], model: &str) -> String {
    let Ok(raw_messages) = serde_json::from_str::<Vec<&RawValue>>(raw) else { return raw.to_owned() };
    let mut kept = Vec::with_capacity(raw_messages.len());
    for (raw_message, message) in raw_messages.iter().zip(messages) {
        if !message.content.blocks().iter().any(is_suspect) {
            kept.push(raw_message.get().to_owned());
        } else if let Some(rewritten) = rewritten_message(raw_message.get(), &message.content, model) {
            kept.push(rewritten);
        }
    }
    format!("[{}]", kept.join(","))
}

fn rewritten_message(raw: &str, content: &Content<'_>, model: &str) -> Option<String> {
    let fields = fields_of(raw)?;
    let mut out = Vec::with_capacity(raw.len());
    for (name, value) in fields {
        begin_field(&mut out, &name);
        if &*name == "content" {
            let raw_blocks = serde_json::from_str::<Vec<&RawValue>>(value.get()).ok()?;
            let blocks: Vec<String> = raw_blocks
                .iter()
                .zip(content.blocks())
                .filter_map(|(raw_block, block)| rewritten_block(raw_block.get(), block, model))
                .collect();
            if blocks.is_empty() {
                return None;
            }
            out.extend_from_slice(format!("[{}]", blocks.join(",")).as_bytes());
        } else {
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    finish(out)
}

/// The block as it may be sent, or nothing.
fn rewritten_block(raw: &str, block: &Block<'_>, model: &str) -> Option<String> {
    if !is_suspect(block) {
        return Some(raw.to_owned());
    }
    let (key, envelope) = match block {
        Block::Thinking(thought) => ("signature", signature_of(thought)?),
        Block::Redacted(data) => ("data", &***data),
        _ => return Some(raw.to_owned()),
    };
    let signature = Signature::from_envelope(envelope);
    if !signature.fits(Dialect::Anthropic, model) {
        return None;
    }
    let mut out = Vec::with_capacity(raw.len());
    for (name, value) in fields_of(raw)? {
        begin_field(&mut out, &name);
        if &*name == key {
            put_string(&mut out, &signature.value);
        } else {
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    finish(out)
}

fn signature_of<'b>(thought: &'b Thought<'_>) -> Option<&'b str> {
    thought.signature.as_deref().filter(|signature| !signature.is_empty())
}

/// The fields of an object in order; the object was read before, so it is one.
fn fields_of(raw: &str) -> Option<Vec<(Text<'_>, &RawValue)>> {
    struct FieldsVisitor;

    impl<'de> serde::de::Visitor<'de> for FieldsVisitor {
        type Value = Vec<(Text<'de>, &'de RawValue)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(field) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }

    use serde::Deserializer as _;
    serde_json::Deserializer::from_str(raw).deserialize_map(FieldsVisitor).ok()
}

fn begin_field(out: &mut Vec<u8>, name: &str) {
    out.push(if out.is_empty() { b'{' } else { b',' });
    put_string(out, name);
    out.push(b':');
}

fn finish(mut out: Vec<u8>) -> Option<String> {
    out.push(b'}');
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Body;
    use crate::adapters::Target;
    use crate::chat::{Dialect, Origin, Signature};

    fn envelope(protocol: Dialect, model: &str, value: &str) -> String {
        Signature { origin: Some(Origin { protocol, model: model.into() }), value: value.into() }.to_envelope()
    }

    #[test]
    fn foreign_thoughts_are_left_out_and_own_ones_unwrapped() {
        let own = envelope(Dialect::Anthropic, "claude-opus-4-7", "EqQB");
        let own_redacted = envelope(Dialect::Anthropic, "claude-opus-4-7", "EmRE");
        let sibling = envelope(Dialect::Anthropic, "claude-sonnet-4-6", "EqQB");
        let gemini = envelope(Dialect::Gemini, "gemini-3-flash", "CiQB");
        let body = format!(
            r#"{{"model":"claude-opus-4-7","max_tokens":9,"messages":[
            {{"role":"user","content":"a"}},
            {{"role":"assistant","content":[{{"type":"thinking","thinking":"x","signature":"{gemini}"}}]}},
            {{"role":"user" ,"content":"b"}},
            {{"role":"assistant","content":[{{"type":"thinking","thinking":"y","signature":"{gemini}"}},
              {{"type":"thinking","thinking":"unsigned","signature":""}},
              {{"type":"thinking","thinking":"z","signature":"{sibling}"}},
              {{"type":"thinking", "signature":"{own}","thinking":"o\u00e9"}},{{"type":"redacted_thinking","data":"{own_redacted}"}},
              {{"type":"thinking","thinking":"raw","signature":"ErAw"}},
              {{"type":"text" ,"text":"kept \u00e9"}}]}},
            {{"role":"user","content":"c"}}]}}"#
        );
        let target = Target {
            model: "claude-opus-4-7",
            upstream_model: "claude-opus-4-7",
            output_limit: 9,
            end_user: None,
            cache_key: None,
        };
        let forwarded =
            String::from_utf8(Body::read(body.as_bytes()).unwrap().forward(&target, &bytes::Bytes::new()).concat())
                .unwrap();
        insta::assert_snapshot!(forwarded);
    }
}
