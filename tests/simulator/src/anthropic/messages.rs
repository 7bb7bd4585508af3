//! The conversation: roles, tool calls and their results, thinking before tools.

use super::{blocks, invalid, request::Family};
use crate::{
    dialect::Refusal,
    json::{list, text, unknown_key},
};
use serde_json::{Value, json};

/// What a conversation is checked against.
pub(super) struct Rules<'a> {
    pub(super) model: &'a str,
    pub(super) family: Family,
    pub(super) seed: u64,
    pub(super) thinks: bool,
}

/// What the answer needs to know of the conversation.
#[derive(Default)]
pub(super) struct Conversation {
    pub(super) last_text: String,
    pub(super) tool_result: Option<String>,
}

/// Neighbouring messages of one role, merged as the API merges them.
struct Turn {
    is_user: bool,
    /// The index of the first message.
    at: usize,
    blocks: Vec<Value>,
}

impl Turn {
    fn kinds(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().map(|block| text(block, "type").unwrap_or_default())
    }

    /// The values of a field of all blocks of a kind.
    fn field<'a>(&'a self, kind: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.blocks.iter().filter(move |block| text(block, "type") == Some(kind)).filter_map(move |it| text(it, name))
    }
}

pub(super) fn read(body: &Value, rules: &Rules<'_>) -> Result<Conversation, Refusal> {
    let Some(messages) = body.get("messages") else { return Err(invalid("messages", "Field required")) };
    let Some(messages) = messages.as_array() else { return Err(invalid("messages", "Input should be a valid list")) };
    if messages.is_empty() {
        return Err(invalid("messages", "at least one message is required"));
    }
    let turns = turns(messages, rules)?;
    check_pairs(&turns)?;
    if rules.thinks {
        check_thinking_first(&turns)?;
    }
    let Some(last) = turns.last() else { return Err(invalid("messages", "at least one message is required")) };
    if !last.is_user {
        check_prefill(last, rules)?;
    }
    Ok(conversation(&turns))
}

fn turns(messages: &[Value], rules: &Rules<'_>) -> Result<Vec<Turn>, Refusal> {
    let mut turns: Vec<Turn> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let path = format!("messages.{at}");
        if let Some(key) = unknown_key(message, &["role", "content"]) {
            return Err(invalid(&format!("{path}.{key}"), "Extra inputs are not permitted"));
        }
        let is_user = match text(message, "role") {
            Some("user") => true,
            Some("assistant") if at == 0 => {
                return Err(invalid("messages", "first message must use the \"user\" role"));
            }
            Some("assistant") => false,
            Some("system") => {
                return Err(invalid(
                    "messages",
                    "Unexpected role \"system\". The Messages API accepts a top-level `system` parameter, not \"system\" as an input message role.",
                ));
            }
            _ => return Err(invalid(&format!("{path}.role"), "Input should be 'user' or 'assistant'")),
        };
        let is_final = at + 1 == messages.len();
        let content = match message.get("content") {
            Some(Value::String(text)) if text.is_empty() && (is_user || !is_final) => {
                let message =
                    "all messages must have non-empty content except for the optional final assistant message";
                return Err(invalid(&path, message));
            }
            Some(Value::String(text)) if text.is_empty() => Vec::new(),
            Some(Value::String(text)) => vec![json!({"type": "text", "text": text})],
            Some(Value::Array(blocks)) if blocks.is_empty() && (is_user || !is_final) => {
                let message =
                    "all messages must have non-empty content except for the optional final assistant message";
                return Err(invalid(&path, message));
            }
            Some(Value::Array(blocks)) => blocks.clone(),
            Some(_) => return Err(invalid(&format!("{path}.content"), "Input should be a valid list")),
            None => return Err(invalid(&format!("{path}.content"), "Field required")),
        };
        for (number, block) in content.iter().enumerate() {
            let path = format!("{path}.content.{number}");
            blocks::check(block, &blocks::Place { path: &path, is_user, model: rules.model, seed: rules.seed })?;
        }
        match turns.last_mut() {
            Some(turn) if turn.is_user == is_user => turn.blocks.extend(content),
            _ => turns.push(Turn { is_user, at, blocks: content }),
        }
    }
    Ok(turns)
}

/// Each tool call has its one result at the beginning of the next turn, and each result its call.
fn check_pairs(turns: &[Turn]) -> Result<(), Refusal> {
    let mut seen: Vec<&str> = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let path = format!("messages.{}", turn.at);
        let before = number.checked_sub(1).and_then(|before| turns.get(before));
        let next = turns.get(number + 1);
        for id in turn.field("tool_use", "id") {
            if seen.contains(&id) {
                return Err(invalid(&path, "`tool_use` ids must be unique"));
            }
            seen.push(id);
        }
        let has_result =
            |id: &&str| next.is_some_and(|next| next.field("tool_result", "tool_use_id").any(|it| it == *id));
        let missing: Vec<&str> = turn.field("tool_use", "id").filter(|id| !has_result(id)).collect();
        if !missing.is_empty() {
            let message = format!(
                "`tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must \
                 have a corresponding `tool_result` block in the next message.",
                missing.join(", ")
            );
            return Err(invalid(&path, message));
        }
        let results: Vec<&str> = turn.field("tool_result", "tool_use_id").collect();
        for (at, id) in results.iter().enumerate() {
            if !before.is_some_and(|before| before.field("tool_use", "id").any(|it| it == *id)) {
                let message = format!(
                    "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a \
                     corresponding `tool_use` block in the previous message."
                );
                return Err(invalid(&format!("{path}.content.{at}"), message));
            }
            if results.iter().skip(at + 1).any(|other| other == id) {
                let message = format!(
                    "each tool_use must have a single result. Found multiple `tool_result` blocks with id: {id}"
                );
                return Err(invalid(&format!("{path}.content.{at}"), message));
            }
        }
        if turn.kinds().skip_while(|kind| *kind == "tool_result").any(|kind| kind == "tool_result") {
            return Err(invalid(&path, "`tool_result` blocks must come first in the message that follows `tool_use`"));
        }
    }
    Ok(())
}

/// With thinking on, every turn of the running tool loop that calls a tool must begin with its thinking. The loop is
/// everything after the last turn in which the user did more than return results.
fn check_thinking_first(turns: &[Turn]) -> Result<(), Refusal> {
    let is_loop = |turn: &&Turn| !turn.is_user || turn.kinds().any(|kind| kind == "tool_result");
    for turn in turns.iter().rev().take_while(is_loop).filter(|turn| !turn.is_user) {
        let first = turn.kinds().next().unwrap_or_default();
        let calls = turn.kinds().any(|kind| kind == "tool_use");
        if calls && !matches!(first, "thinking" | "redacted_thinking") {
            let message = format!(
                "Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` is enabled, a final \
                 `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and \
                 `tool_result` blocks)."
            );
            return Err(invalid(&format!("messages.{}.content.0.type", turn.at), message));
        }
        let after = turn.kinds().skip_while(|kind| *kind != "tool_use");
        if after.into_iter().any(|kind| kind == "thinking" || kind == "redacted_thinking") {
            let message = "`thinking` blocks must precede `tool_use` blocks of the same turn";
            return Err(invalid(&format!("messages.{}", turn.at), message));
        }
    }
    Ok(())
}

fn check_prefill(last: &Turn, rules: &Rules<'_>) -> Result<(), Refusal> {
    if !rules.family.takes_prefill() {
        let message =
            "This model does not support assistant message prefill. The conversation must end with a user message.";
        return Err(invalid("", message));
    }
    if rules.thinks {
        return Err(invalid("", "Prefilling assistant messages is not supported when thinking is enabled."));
    }
    let ends_blank =
        last.blocks.last().and_then(|block| text(block, "text")).is_some_and(|it| it.ends_with(char::is_whitespace));
    if ends_blank {
        return Err(invalid("messages", "final assistant content cannot end with trailing whitespace"));
    }
    Ok(())
}

fn conversation(turns: &[Turn]) -> Conversation {
    let mut conversation = Conversation::default();
    if let Some(last) = turns.iter().rev().find(|turn| turn.is_user) {
        conversation.last_text = last.field("text", "text").last().map(str::to_owned).unwrap_or_default();
        let result = last.blocks.iter().rev().find(|block| text(block, "type") == Some("tool_result"));
        conversation.tool_result = result.map(|block| {
            let parts = list(block, "content").iter().filter_map(|part| text(part, "text"));
            text(block, "content").map_or_else(|| parts.collect::<Vec<_>>().join(" "), str::to_owned)
        });
    }
    conversation
}
