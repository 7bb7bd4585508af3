//! The answer as one message, or as the events of a stream.

use crate::{
    call::Usage,
    chance::seal,
    dialect::{Finish, Frame, Part, Reply, Thinking},
    words::pieces,
};
use serde_json::{Value, json};

pub(super) fn whole(reply: &Reply<'_>) -> Value {
    let content: Vec<Value> = blocks(reply).into_iter().map(|(block, _)| block).collect();
    let mut message = message(reply, &content);
    if let Some(map) = message.as_object_mut() {
        let (reason, sequence) = stop(reply);
        map.insert("stop_reason".to_owned(), json!(reason));
        map.insert("stop_sequence".to_owned(), json!(sequence));
        map.insert("stop_details".to_owned(), json!(reply.change.stop_details));
        if let Some(usage) = reply.usage(usage_json(&reply.answer.usage)) {
            map.insert("usage".to_owned(), usage);
        }
    }
    message
}

fn message(reply: &Reply<'_>, content: &[Value]) -> Value {
    // The alias answers with the dated name.
    let model = if reply.ask.model == "claude-haiku-4-5" { "claude-haiku-4-5-20251001" } else { &reply.ask.model };
    json!({
        "id": format!("msg_{}", reply.response_id), "type": "message", "role": "assistant", "model": model,
        "content": content, "stop_reason": null, "stop_sequence": null, "stop_details": null,
    })
}

fn stop<'a>(reply: &'a Reply<'_>) -> (&'a str, Option<&'a str>) {
    let (own, sequence) = match &reply.answer.finish {
        Finish::Stop => ("end_turn", None),
        Finish::Length => ("max_tokens", None),
        Finish::Calls => ("tool_use", None),
        Finish::Sequence(sequence) => ("stop_sequence", Some(sequence.as_str())),
    };
    (reply.finish(own), sequence)
}

fn usage_json(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m, "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.thinking},
        "server_tool_use": null, "service_tier": "standard", "inference_geo": null, "speed": null,
    })
}

/// The content blocks, each with the text that its deltas carry.
fn blocks(reply: &Reply<'_>) -> Vec<(Value, String)> {
    let mut rng = reply.rng.clone();
    let model = reply.ask.model.as_str();
    let block = |part: &Part| match part {
        Part::Thought(thought) => {
            // Not shown, a thought is empty, and its signature says so.
            let hidden = reply.ask.thinking == Thinking::Hidden && reply.change.thinking.is_none();
            let thought = if hidden { "" } else { thought };
            let signature = seal(reply.seed, rng.draw(), &[model, "thinking", thought]);
            (json!({"type": "thinking", "thinking": thought, "signature": signature}), thought.to_owned())
        }
        Part::Redacted => {
            let data = seal(reply.seed, rng.draw(), &[model, "redacted"]);
            (json!({"type": "redacted_thinking", "data": data}), String::new())
        }
        Part::Text(text) => (json!({"type": "text", "text": text}), text.clone()),
        Part::Call { id, name, arguments, raw } => {
            let empty = arguments.as_object().is_some_and(serde_json::Map::is_empty);
            let written = if empty { String::new() } else { arguments.to_string() };
            let block = json!({"type": "tool_use", "id": id, "name": name, "input": arguments});
            (block, raw.clone().unwrap_or(written))
        }
    };
    reply.answer.parts.iter().map(block).collect()
}

struct Writer<'a, 'b> {
    reply: &'a Reply<'b>,
    meter: crate::dialect::Meter,
    frames: Vec<Frame>,
}

impl Writer<'_, '_> {
    fn event(&mut self, kind: &str, mut data: Value, text: &str) {
        if let Some(map) = data.as_object_mut() {
            map.shift_insert(0, "type".to_owned(), json!(kind));
        }
        let usage = self.meter.send(text);
        self.frames.push(Frame { text: format!("event: {kind}\ndata: {data}\n\n"), usage });
    }

    fn block(&mut self, at: usize, block: &Value, text: &str) {
        let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
        let start = match kind {
            "text" => json!({"type": "text", "text": ""}),
            "thinking" => json!({"type": "thinking", "thinking": "", "signature": ""}),
            "tool_use" => json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}),
            _ => block.clone(),
        };
        self.event("content_block_start", json!({"index": at, "content_block": start}), "");
        if at == 0 {
            self.event("ping", json!({}), "");
        }
        let (delta, field) = match kind {
            "text" => ("text_delta", "text"),
            "thinking" => ("thinking_delta", "thinking"),
            "tool_use" => ("input_json_delta", "partial_json"),
            _ => return self.event("content_block_stop", json!({"index": at}), ""),
        };
        let mut rng = self.reply.rng.clone();
        let mut cut = pieces(text, self.reply.change.pieces, &mut rng);
        if kind == "tool_use" {
            cut.insert(0, String::new());
        }
        for piece in cut {
            let data = json!({"index": at, "delta": {"type": delta, field: piece}});
            self.event("content_block_delta", data, &piece);
        }
        if kind == "thinking" {
            let delta = json!({"type": "signature_delta", "signature": block["signature"]});
            self.event("content_block_delta", json!({"index": at, "delta": delta}), "");
        }
        self.event("content_block_stop", json!({"index": at}), "");
    }
}

pub(super) fn frames(reply: &Reply<'_>) -> Vec<Frame> {
    let mut writer = Writer { reply, meter: reply.meter(), frames: Vec::new() };
    let mut start = message(reply, &[]);
    // The first count of the output is a guess that the last one replaces.
    let first = Usage { output: reply.answer.usage.output.min(1), thinking: 0, ..reply.answer.usage };
    if let (Some(map), Some(usage)) = (start.as_object_mut(), reply.usage(usage_json(&first))) {
        map.insert("usage".to_owned(), usage);
    }
    writer.event("message_start", json!({"message": start}), "");
    for (at, (block, text)) in blocks(reply).iter().enumerate() {
        writer.block(at, block, text);
    }
    let (reason, sequence) = stop(reply);
    let mut delta = json!({"delta": {"stop_reason": reason, "stop_sequence": sequence}});
    if let Some(map) = delta.as_object_mut() {
        if let (Some(details), Some(inner)) =
            (&reply.change.stop_details, map.get_mut("delta").and_then(Value::as_object_mut))
        {
            inner.insert("stop_details".to_owned(), details.clone());
        }
        let all = usage_json(&reply.answer.usage);
        let keys = ["cache_creation", "server_tool_use", "service_tier", "inference_geo", "speed"];
        if let Some(usage) = reply.usage(crate::json::without(&all, &keys)) {
            map.insert("usage".to_owned(), usage);
        }
    }
    writer.event("message_delta", delta, "");
    writer.event("message_stop", json!({}), "");
    if let Some(last) = writer.frames.last_mut() {
        last.usage = writer.meter.all();
    }
    writer.frames
}
