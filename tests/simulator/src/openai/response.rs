//! The answer as one completion, or as the chunks of a stream.

use crate::{
    call::Usage,
    dialect::{Finish, Frame, Meter, Part, Reply},
    words::pieces,
};
use serde_json::{Map, Value, json};

pub(super) fn whole(reply: &Reply<'_>) -> Value {
    let mut message = Map::new();
    message.insert("role".to_owned(), json!("assistant"));
    message.insert("content".to_owned(), Value::Null);
    message.insert("refusal".to_owned(), Value::Null);
    let mut calls = Vec::new();
    for part in &reply.answer.parts {
        match part {
            Part::Thought(text) if reply.change.thinking.is_some() => {
                message.insert("reasoning_content".to_owned(), json!(text));
            }
            Part::Thought(_) | Part::Redacted => {}
            Part::Text(text) => {
                message.insert("content".to_owned(), json!(text));
            }
            Part::Call { id, name, arguments, raw } => {
                let arguments = raw.clone().unwrap_or_else(|| arguments.to_string());
                calls.push(json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}));
            }
        }
    }
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), calls.into());
    } else if message.get("content") == Some(&Value::Null) {
        message.insert("content".to_owned(), json!(""));
    }
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish(reply)});
    let mut whole = json!({
        "id": format!("chatcmpl-{}", reply.response_id), "object": "chat.completion", "created": reply.created,
        "model": reply.ask.model, "choices": [choice],
    });
    if let Some(map) = whole.as_object_mut() {
        if let Some(usage) = reply.usage(usage_json(&reply.answer.usage)) {
            map.insert("usage".to_owned(), usage);
        }
        map.insert("service_tier".to_owned(), json!("default"));
        map.insert("system_fingerprint".to_owned(), Value::Null);
    }
    whole
}

fn finish<'a>(reply: &'a Reply<'_>) -> &'a str {
    reply.finish(match &reply.answer.finish {
        Finish::Stop | Finish::Sequence(_) => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
    })
}

fn usage_json(usage: &Usage) -> Value {
    let prompt = usage.input_total();
    json!({
        "prompt_tokens": prompt, "completion_tokens": usage.output, "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.thinking, "audio_tokens": 0, "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

struct Writer<'a, 'b> {
    reply: &'a Reply<'b>,
    meter: Meter,
    frames: Vec<Frame>,
}

impl Writer<'_, '_> {
    fn chunk(&mut self, choices: &Value, usage: Option<Value>, text: &str) {
        let reply = self.reply;
        let mut chunk = json!({
            "id": format!("chatcmpl-{}", reply.response_id), "object": "chat.completion.chunk",
            "created": reply.created, "model": reply.ask.model, "service_tier": "default",
            "system_fingerprint": null, "choices": choices,
        });
        if let (Some(map), true) = (chunk.as_object_mut(), reply.ask.include_usage) {
            map.insert("usage".to_owned(), usage.unwrap_or_default());
        }
        let charged = self.meter.send(text);
        self.frames.push(Frame::data(&chunk, charged));
    }

    fn delta(&mut self, delta: &Value, finish: Option<&str>, text: &str) {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        self.chunk(&json!([choice]), None, text);
    }
}

pub(super) fn frames(reply: &Reply<'_>) -> Vec<Frame> {
    let mut writer = Writer { reply, meter: reply.meter(), frames: Vec::new() };
    let mut rng = reply.rng.clone();
    let has_text = reply.answer.parts.iter().any(|part| matches!(part, Part::Text(_)));
    let has_calls = reply.answer.parts.iter().any(|part| matches!(part, Part::Call { .. }));
    let content = if has_text || !has_calls { json!("") } else { Value::Null };
    writer.delta(&json!({"role": "assistant", "content": content, "refusal": null}), None, "");
    let mut calls = 0;
    for part in &reply.answer.parts {
        match part {
            Part::Thought(text) if reply.change.thinking.is_some() => {
                for piece in pieces(text, reply.change.pieces, &mut rng) {
                    writer.delta(&json!({"reasoning_content": piece}), None, "");
                }
            }
            Part::Thought(_) | Part::Redacted => {}
            Part::Text(text) => {
                for piece in pieces(text, reply.change.pieces, &mut rng) {
                    writer.delta(&json!({"content": piece}), None, &piece);
                }
            }
            Part::Call { id, name, arguments, raw } => {
                let call =
                    json!({"index": calls, "id": id, "type": "function", "function": {"name": name, "arguments": ""}});
                writer.delta(&json!({"tool_calls": [call]}), None, "");
                let arguments = raw.clone().unwrap_or_else(|| arguments.to_string());
                for piece in pieces(&arguments, reply.change.pieces, &mut rng) {
                    let call = json!({"index": calls, "function": {"arguments": piece}});
                    writer.delta(&json!({"tool_calls": [call]}), None, &piece);
                }
                calls += 1;
            }
        }
    }
    writer.delta(&json!({}), Some(finish(reply)), "");
    let usage = reply.usage(usage_json(&reply.answer.usage)).filter(|_| reply.ask.include_usage);
    if let Some(usage) = usage {
        writer.chunk(&json!([]), Some(usage), "");
    }
    let all = writer.meter.all();
    writer.frames.push(Frame { text: "data: [DONE]\n\n".to_owned(), usage: all });
    writer.frames
}
