//! Tokens of a prompt, and the places in it that are marked for the cache.
//!
//! The order of a prompt is tools, system, messages. A breakpoint covers everything before it, without the marks
//! themselves: moving a mark does not change the prefix.

use super::{blocks::check_cache_control, invalid, request::Family};
use crate::{
    cache::Breakpoint,
    chance::digest,
    dialect::{CacheAsk, Refusal, Request},
    json::{canonical, given, list, text, without},
    words::token_count,
};
use serde_json::{Value, json};

/// An image or a page counts the same whatever it shows.
const MEDIA_TOKENS: u64 = 1_500;
const MESSAGE_TOKENS: u64 = 3;

/// The tokens of the whole prompt.
pub(super) fn tokens(body: &Value) -> u64 {
    pieces(body).iter().map(|piece| piece.tokens).sum()
}

struct Piece {
    content: String,
    tokens: u64,
    mark: Option<Value>,
}

fn pieces(body: &Value) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut add = |scope: &str, block: &Value, overhead: u64| {
        let content = format!("{scope}:{}", canonical(&without(block, &["cache_control"])));
        let mark = given(block, "cache_control").cloned();
        pieces.push(Piece { content, tokens: overhead + block_tokens(block), mark });
    };
    for tool in list(body, "tools") {
        add("tool", tool, 0);
    }
    for key in ["system", "messages"] {
        match body.get(key) {
            Some(Value::String(content)) => add(key, &json!({"type": "text", "text": content}), 0),
            Some(Value::Array(items)) if key == "system" => items.iter().for_each(|block| add(key, block, 0)),
            _ => {}
        }
    }
    for message in list(body, "messages") {
        let role = text(message, "role").unwrap_or_default();
        match message.get("content") {
            Some(Value::String(content)) => add(role, &json!({"type": "text", "text": content}), MESSAGE_TOKENS),
            Some(Value::Array(blocks)) => {
                for (at, block) in blocks.iter().enumerate() {
                    add(role, block, if at == 0 { MESSAGE_TOKENS } else { 0 });
                }
            }
            _ => {}
        }
    }
    pieces
}

fn block_tokens(block: &Value) -> u64 {
    match text(block, "type") {
        Some("text") => token_count(text(block, "text").unwrap_or_default()),
        Some("image" | "document") => MEDIA_TOKENS,
        Some("thinking") => token_count(text(block, "thinking").unwrap_or_default()),
        Some("redacted_thinking") => 16,
        Some("tool_use") => {
            let input = block.get("input").map(Value::to_string).unwrap_or_default();
            token_count(text(block, "name").unwrap_or_default()) + token_count(&input)
        }
        Some("tool_result") => match block.get("content") {
            Some(Value::String(content)) => token_count(content),
            Some(Value::Array(parts)) => parts.iter().map(block_tokens).sum(),
            _ => 1,
        },
        _ => token_count(&without(block, &["cache_control"]).to_string()),
    }
}

/// The breakpoints of a request, checked.
pub(super) fn cache(request: &Request<'_>, model: &str, family: Family) -> Result<CacheAsk, Refusal> {
    let body = request.body;
    let mut pieces = pieces(body);
    for (at, tool) in list(body, "tools").iter().enumerate() {
        check_cache_control(tool, &format!("tools.{at}"))?;
    }
    check_cache_control(body, "").map_err(|refusal| invalid("", refusal.message.trim_start_matches('.')))?;
    if let (Some(mark), Some(last)) = (given(body, "cache_control"), pieces.last_mut()) {
        last.mark.get_or_insert_with(|| mark.clone());
    }
    let marks: Vec<&Value> = pieces.iter().filter_map(|piece| piece.mark.as_ref()).collect();
    if marks.len() > 4 {
        let message = format!("A maximum of 4 blocks with cache_control may be provided. Found {}.", marks.len());
        return Err(invalid("", message));
    }
    let is_hour = |mark: &Value| text(mark, "ttl") == Some("1h");
    if marks.iter().skip_while(|mark| is_hour(mark)).any(|mark| is_hour(mark)) {
        let message = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.";
        return Err(invalid("", message));
    }
    let key = request.header("x-api-key").unwrap_or_default();
    let (mut prefix, mut tokens, mut places) = (digest(request.seed, &[model, key]), 0, Vec::new());
    for piece in &pieces {
        prefix = digest(prefix, &[&piece.content]);
        tokens += piece.tokens;
        if let Some(mark) = piece.mark.as_ref().filter(|_| tokens >= family.cached_tokens_min()) {
            places.push(Breakpoint { prefix, tokens, hour: is_hour(mark) });
        }
    }
    Ok(if places.is_empty() { CacheAsk::None } else { CacheAsk::Marked(places) })
}
