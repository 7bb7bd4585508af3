//! The answer as one response, or as the chunks of a stream.
//!
//! The pro model gives its function calls ids, the flash model does not: both happen.

use super::contents::{sealed_call, sealed_text};
use crate::{
    call::Usage,
    chance::{Rng, seal},
    dialect::{Finish, Frame, Part, Reply, Thinking},
    json::canonical,
    words::pieces,
};
use serde_json::{Map, Value, json};

struct Writer<'a, 'b> {
    reply: &'a Reply<'b>,
    rng: Rng,
    has_called: bool,
}

impl Writer<'_, '_> {
    fn model(&self) -> &str {
        &self.reply.ask.model
    }

    fn call(&mut self, id: &str, name: &str, arguments: &Value) -> Value {
        let mut call = json!({"name": name, "args": arguments});
        if let (Some(map), true) = (call.as_object_mut(), self.model().contains("pro") && !id.is_empty()) {
            map.insert("id".to_owned(), json!(id));
        }
        let mut part = json!({"functionCall": call});
        // Of parallel calls only the first is signed.
        if !std::mem::replace(&mut self.has_called, true) {
            let args = canonical(arguments);
            let signature = seal(self.reply.seed, self.rng.draw(), &sealed_call(self.model(), name, &args));
            set(&mut part, "thoughtSignature", json!(signature));
        }
        part
    }

    fn text_signature(&mut self) -> String {
        seal(self.reply.seed, self.rng.draw(), &sealed_text(self.model()))
    }

    fn shows_thoughts(&self) -> bool {
        self.reply.ask.thinking == Thinking::Shown
    }

    fn chunk(&self, parts: Option<Vec<Value>>, finish: Option<&str>, usage: &Usage) -> Value {
        let mut chunk = Map::new();
        if let Some(reason) = &self.reply.change.block_reason {
            chunk.insert("promptFeedback".to_owned(), json!({"blockReason": reason}));
        } else {
            let mut candidate = json!({});
            if let Some(parts) = parts {
                set(&mut candidate, "content", json!({"parts": parts, "role": "model"}));
            }
            if let Some(finish) = finish {
                set(&mut candidate, "finishReason", json!(finish));
            }
            set(&mut candidate, "index", json!(0));
            chunk.insert("candidates".to_owned(), json!([candidate]));
        }
        if let Some(usage) = self.reply.usage(usage_json(usage)) {
            chunk.insert("usageMetadata".to_owned(), usage);
        }
        chunk.insert("modelVersion".to_owned(), json!(self.model()));
        chunk.insert("responseId".to_owned(), json!(self.reply.response_id));
        Value::Object(chunk)
    }
}

fn set(value: &mut Value, key: &str, field: Value) {
    if let Some(map) = value.as_object_mut() {
        map.insert(key.to_owned(), field);
    }
}

/// `promptTokenCount` holds the cached tokens too, `candidatesTokenCount` does not hold the thoughts, and a field that
/// would be zero is left out.
fn usage_json(usage: &Usage) -> Value {
    let prompt = usage.input_total();
    let candidates = usage.output.saturating_sub(usage.thinking);
    let mut json = json!({
        "promptTokenCount": prompt,
        "totalTokenCount": prompt + usage.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    });
    let fields = [
        ("candidatesTokenCount", candidates),
        ("cachedContentTokenCount", usage.cache_read),
        ("thoughtsTokenCount", usage.thinking),
    ];
    for (name, count) in fields.into_iter().filter(|(_, count)| *count > 0) {
        set(&mut json, name, json!(count));
    }
    json
}

fn finish<'a>(reply: &'a Reply<'_>) -> &'a str {
    // A turn that ends in function calls has stopped, too.
    reply.finish(if reply.answer.finish == Finish::Length { "MAX_TOKENS" } else { "STOP" })
}

pub(super) fn whole(reply: &Reply<'_>) -> Value {
    let mut writer = Writer { reply, rng: reply.rng.clone(), has_called: false };
    let mut parts = Vec::new();
    for part in &reply.answer.parts {
        match part {
            Part::Thought(text) if writer.shows_thoughts() => parts.push(json!({"text": text, "thought": true})),
            Part::Thought(_) | Part::Redacted => {}
            Part::Text(text) => {
                let mut part = json!({"text": text});
                if reply.answer.finish != Finish::Calls {
                    set(&mut part, "thoughtSignature", json!(writer.text_signature()));
                }
                parts.push(part);
            }
            Part::Call { id, name, arguments, .. } => parts.push(writer.call(id, name, arguments)),
        }
    }
    let parts = if parts.is_empty() { None } else { Some(parts) };
    writer.chunk(parts, Some(finish(reply)), &reply.answer.usage)
}

pub(super) fn frames(reply: &Reply<'_>) -> Vec<Frame> {
    let mut writer = Writer { reply, rng: reply.rng.clone(), has_called: false };
    let mut meter = reply.meter();
    let mut chunks: Vec<(Value, Usage)> = Vec::new();
    let mut cutting = reply.rng.clone();
    if reply.change.block_reason.is_none() {
        for part in &reply.answer.parts {
            let (text, is_thought) = match part {
                Part::Thought(text) if writer.shows_thoughts() => (text, true),
                Part::Thought(_) | Part::Redacted => continue,
                Part::Text(text) => (text, false),
                Part::Call { id, name, arguments, .. } => {
                    let usage = meter.send(&arguments.to_string());
                    let call = writer.call(id, name, arguments);
                    chunks.push((writer.chunk(Some(vec![call]), None, &usage), usage));
                    continue;
                }
            };
            for piece in pieces(text, reply.change.pieces, &mut cutting) {
                let usage = meter.send(&piece);
                let part = if is_thought { json!({"text": piece, "thought": true}) } else { json!({"text": piece}) };
                chunks.push((writer.chunk(Some(vec![part]), None, &usage), usage));
            }
            if !is_thought && reply.answer.finish != Finish::Calls {
                let usage = meter.so_far();
                let part = json!({"text": "", "thoughtSignature": writer.text_signature()});
                chunks.push((writer.chunk(Some(vec![part]), None, &usage), usage));
            }
        }
    }
    let all = meter.all();
    chunks.push((writer.chunk(None, Some(finish(reply)), &all), all));
    if reply.ask.as_array {
        array(chunks)
    } else {
        chunks.iter().map(|(chunk, usage)| Frame::data(chunk, *usage)).collect()
    }
}

/// Without `alt=sse`, the chunks are the elements of one JSON array that grows.
fn array(chunks: Vec<(Value, Usage)>) -> Vec<Frame> {
    let last = chunks.len().saturating_sub(1);
    let frame = |(at, (chunk, usage)): (usize, (Value, Usage))| {
        let (before, after) = (if at == 0 { "[" } else { ",\r\n" }, if at == last { "\n]\n" } else { "\n" });
        Frame { text: format!("{before}{chunk:#}{after}"), usage }
    };
    chunks.into_iter().enumerate().map(frame).collect()
}
