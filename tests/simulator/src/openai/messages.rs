//! The conversation: roles, contents, and tool messages that answer tool calls.

use super::invalid;
use crate::{
    dialect::Refusal,
    json::{given, list, text},
    words::token_count,
};
use serde_json::Value;

const MEDIA_TOKENS: u64 = 765;
const MESSAGE_TOKENS: u64 = 3;

/// What the answer needs to know of the conversation.
#[derive(Default)]
pub(super) struct Conversation {
    pub(super) last_text: String,
    pub(super) tool_result: Option<String>,
}

pub(super) fn read(body: &Value) -> Result<Conversation, Refusal> {
    let messages = match body.get("messages") {
        Some(Value::Array(messages)) if !messages.is_empty() => messages,
        Some(Value::Array(_)) => {
            let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.";
            return Err(invalid("messages", message));
        }
        Some(_) => return Err(invalid("messages", "Invalid type for 'messages': expected an array of objects.")),
        None => return Err(invalid("messages", "Missing required parameter: 'messages'.")),
    };
    // Ids of tool calls whose answers are due.
    let mut due: Vec<&str> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let path = format!("messages.[{at}]");
        let role = text(message, "role").unwrap_or_default();
        if role == "tool" {
            check_tool_message(message, &path, &mut due)?;
            continue;
        }
        check_answered(&due, &path)?;
        match role {
            "system" | "developer" | "user" => check_content(message, &path, role == "user")?,
            "function" => {}
            "assistant" => due = check_assistant(message, &path)?,
            other => {
                let message = format!(
                    "Invalid value: '{other}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and \
                     'developer'."
                );
                return Err(invalid(&format!("messages[{at}].role"), message));
            }
        }
    }
    check_answered(&due, &format!("messages.[{}]", messages.len()))?;
    let said = |role: &str| messages.iter().rev().find(|message| text(message, "role") == Some(role)).map(content_text);
    let ends_in_tool = messages.last().is_some_and(|last| text(last, "role") == Some("tool"));
    Ok(Conversation {
        last_text: said("user").unwrap_or_default(),
        tool_result: if ends_in_tool { said("tool") } else { None },
    })
}

fn check_answered(due: &[&str], path: &str) -> Result<(), Refusal> {
    if due.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The \
         following tool_call_ids did not have response messages: {}",
        due.join(", ")
    );
    Err(invalid(&format!("{path}.role"), message))
}

fn check_tool_message(message: &Value, path: &str, due: &mut Vec<&str>) -> Result<(), Refusal> {
    let Some(id) = text(message, "tool_call_id") else {
        return Err(invalid(
            path,
            format!("Missing parameter 'tool_call_id': messages with role 'tool' must have it ('{path}')."),
        ));
    };
    let Some(at) = due.iter().position(|own| *own == id) else {
        let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
        return Err(invalid(&format!("{path}.role"), message));
    };
    due.remove(at);
    check_content(message, path, false)
}

fn check_assistant<'a>(message: &'a Value, path: &str) -> Result<Vec<&'a str>, Refusal> {
    let calls = list(message, "tool_calls");
    let is_empty = given(message, "content").is_none() && given(message, "refusal").is_none();
    if given(message, "tool_calls").is_some() && calls.is_empty() {
        return Err(invalid(
            &format!("{path}.tool_calls"),
            "Invalid 'tool_calls': empty array. Expected an array with minimum length 1.",
        ));
    }
    if calls.is_empty() && is_empty && given(message, "function_call").is_none() && given(message, "audio").is_none() {
        return Err(invalid(&format!("{path}.content"), "Invalid value for 'content': expected a string, got null."));
    }
    let mut ids = Vec::new();
    for call in calls {
        let Some(id) = text(call, "id") else {
            return Err(invalid(&format!("{path}.tool_calls"), "Missing required parameter: 'tool_calls[0].id'."));
        };
        let function = call.get("function").unwrap_or(&Value::Null);
        let is_whole = text(function, "name").is_some() && text(function, "arguments").is_some();
        if !is_whole && call.get("custom").is_none() {
            let message = "Missing required parameter: 'function.name' and 'function.arguments' must be strings.";
            return Err(invalid(&format!("{path}.tool_calls"), message));
        }
        ids.push(id);
    }
    Ok(ids)
}

fn check_content(message: &Value, path: &str, takes_media: bool) -> Result<(), Refusal> {
    let wrong = |what: &str| invalid(&format!("{path}.content"), format!("Invalid value for 'content': {what}."));
    match message.get("content") {
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) if !parts.is_empty() => {
            parts.iter().try_for_each(|part| match text(part, "type").unwrap_or_default() {
                "text" if text(part, "text").is_some() => Ok(()),
                "image_url" if takes_media && part.get("image_url").and_then(|url| text(url, "url")).is_some() => {
                    Ok(())
                }
                "input_audio" | "file" if takes_media => Ok(()),
                _ => Err(wrong("an invalid content part")),
            })
        }
        Some(Value::Array(_)) => Err(wrong("an empty array")),
        Some(Value::Null) | None => Err(wrong("expected a string, got null")),
        Some(_) => Err(wrong("expected a string or an array")),
    }
}

fn content_text(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(content)) => content.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| text(part, "text")).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

/// The tokens of one message.
pub(super) fn tokens(message: &Value) -> u64 {
    let media = list(message, "content").iter().filter(|part| text(part, "type") != Some("text")).count();
    let calls = given(message, "tool_calls").map_or(0, |calls| token_count(&calls.to_string()));
    MESSAGE_TOKENS + token_count(&content_text(message)) + calls + crate::words::size(media) * MEDIA_TOKENS
}
