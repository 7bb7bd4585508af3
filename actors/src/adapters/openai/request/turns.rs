//! The conversation in our own terms: system text hoisted, runs merged, every tool call answered.
//!
//! OpenAI's history is looser than what other providers take: system messages anywhere, one message per
//! tool result, runs of the same role. A call without its result, or a result without its call, is a 400
//! upstream that names no field; so it is found here and named (clients trim histories).

use std::collections::BTreeMap;

use super::names::RoleName;
use super::parts;
use super::settings::text;
use super::wire::{Function, MessageFields, ToolCall};
use super::{Body, Message, parse};
use crate::adapters::fault::BodyError;
use crate::adapters::openai::raw::{RawText, Text};
use crate::adapters::openai::tag;
use crate::chat::{Part, Role, Turn};

impl Body<'_> {
    /// System text, and turns that alternate.
    pub(super) fn conversation(&self) -> Result<(Vec<Part>, Vec<Turn>), BodyError> {
        let mut conversation = Conversation::default();
        parts::system(&self.system, "system", &mut conversation.system)?;
        for (index, message) in self.messages().enumerate() {
            conversation.add(message, &format!("messages[{index}]"))?;
        }
        conversation.finish()
    }
}

/// A call that waits for its result.
struct OpenCall {
    /// Which of all calls it is, in order.
    number: usize,
    name: String,
    path: String,
}

#[derive(Default)]
struct Conversation {
    system: Vec<Part>,
    turns: Vec<Turn>,
    /// Calls without a result yet, by id.
    open: BTreeMap<String, OpenCall>,
    /// Calls so far. The legacy kind has no id: it is given one with this number.
    calls: usize,
}

impl Conversation {
    fn add(&mut self, message: Message<'_, '_>, path: &str) -> Result<(), BodyError> {
        let content = format!("{path}.content");
        match message.fields.role {
            Some(RoleName::System | RoleName::Developer) => parts::system(message.content, &content, &mut self.system),
            Some(RoleName::User) => {
                let parts = parts::content(message.content, &content)?;
                self.user(parts, &content)
            }
            Some(RoleName::Assistant) => self.assistant(message, path),
            Some(RoleName::Tool) => {
                let Some(id) = message.fields.tool_call_id else {
                    return Err(BodyError::invalid(format!("{path}.tool_call_id"), "tool_call_id is required"));
                };
                let id_path = || format!("{path}.tool_call_id");
                let call_id = text(id, id_path)?;
                let cache = message.fields.cache_control.as_deref().map(super::summary::ttl);
                let parts = parts::content(message.content, &content)?;
                self.result(Part::ToolResult { call_id, parts, is_error: false, cache }, &id_path())
            }
            Some(RoleName::Function) => {
                let name_path = format!("{path}.name");
                let name = message.fields.name.map(|name| text(name, || name_path.clone())).transpose()?;
                let call = self.open.iter().find(|(_, call)| Some(&call.name) == name.as_ref());
                let Some(call_id) = call.map(|(id, _)| id.clone()) else {
                    return Err(BodyError::invalid(name_path, "this result answers no function call"));
                };
                let parts = parts::content(message.content, &content)?;
                self.result(Part::ToolResult { call_id, parts, is_error: false, cache: None }, &name_path)
            }
            Some(RoleName::Unknown) | None => Err(BodyError::invalid(
                format!("{path}.role"),
                "expected system, developer, user, assistant, tool or function",
            )),
        }
    }

    fn user(&mut self, parts: Vec<Part>, path: &str) -> Result<(), BodyError> {
        for part in parts {
            match part {
                Part::ToolResult { .. } => self.result(part, path)?,
                Part::ToolCall { .. } | Part::Thinking { .. } | Part::RedactedThinking { .. } => {
                    return Err(BodyError::invalid(path, "only the assistant calls tools and thinks"));
                }
                Part::Text { .. } | Part::Media { .. } => self.push(Role::User, part),
            }
        }
        Ok(())
    }

    /// Adds a result, and takes its call off the list.
    fn result(&mut self, part: Part, path: &str) -> Result<(), BodyError> {
        let Part::ToolResult { call_id, .. } = &part else { return Ok(()) };
        if self.open.remove(call_id).is_none() {
            let id = shown(call_id);
            let message = format!("tool result {id} answers no tool call of the assistant message before it");
            return Err(BodyError::invalid(path, message));
        }
        self.push(Role::User, part);
        Ok(())
    }

    fn assistant(&mut self, message: Message<'_, '_>, path: &str) -> Result<(), BodyError> {
        if self.turns.last().is_some_and(|turn| turn.role == Role::User) {
            self.all_answered()?;
        }
        let fields = message.fields;
        let mut content = parts::content(message.content, &format!("{path}.content"))?;
        if let Some(refusal) = fields.refusal {
            content.extend(parts::text_part(refusal, None, || format!("{path}.refusal"))?);
        }
        // Thoughts come first, from whichever carrier brought them back.
        let thinks = |part: &Part| matches!(part, Part::Thinking { .. } | Part::RedactedThinking { .. });
        if !content.iter().any(thinks) {
            for part in carried_thoughts(fields, path)? {
                self.push(Role::Assistant, part);
            }
        }
        for part in content {
            match part {
                Part::ToolCall { id, name, arguments, signature, cache } => {
                    self.call(&format!("{path}.content"), &id, &name)?;
                    self.push(Role::Assistant, Part::ToolCall { id, name, arguments, signature, cache });
                }
                Part::ToolResult { .. } => {
                    return Err(BodyError::invalid(format!("{path}.content"), "only the user answers tool calls"));
                }
                other => self.push(Role::Assistant, other),
            }
        }
        for (index, call) in fields.tool_calls.iter().flat_map(|calls| &calls.0).enumerate() {
            let path = format!("{path}.tool_calls[{index}]");
            let part = tool_call(call, &path)?;
            if let Part::ToolCall { id, name, .. } = &part {
                self.call(&path, id, name)?;
            }
            self.push(Role::Assistant, part);
        }
        if let Some(function) = &fields.function_call {
            let path = format!("{path}.function_call");
            let id = format!("call_legacy_{}", self.calls);
            let (name, arguments) = function_call(function, &path)?;
            self.call(&path, &id, &name)?;
            self.push(Role::Assistant, Part::ToolCall { id, name, arguments, signature: None, cache: None });
        }
        Ok(())
    }

    fn call(&mut self, path: &str, id: &str, name: &str) -> Result<(), BodyError> {
        let call = OpenCall { number: self.calls, name: name.to_owned(), path: path.to_owned() };
        self.calls += 1;
        match self.open.insert(id.to_owned(), call) {
            None => Ok(()),
            Some(_) => Err(BodyError::invalid(path, format!("two tool calls have the id {}", shown(id)))),
        }
    }

    fn all_answered(&self) -> Result<(), BodyError> {
        match self.open.iter().min_by_key(|(_, call)| call.number) {
            None => Ok(()),
            Some((id, call)) => {
                let message = format!("tool call {} has no result in the messages after it", shown(id));
                Err(BodyError::invalid(call.path.clone(), message))
            }
        }
    }

    fn push(&mut self, role: Role, part: Part) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.push(part),
            _ => self.turns.push(Turn { role, parts: vec![part] }),
        }
    }

    fn finish(mut self) -> Result<(Vec<Part>, Vec<Turn>), BodyError> {
        self.all_answered()?;
        if !self.turns.iter().any(|turn| turn.role == Role::User) {
            return Err(BodyError::invalid("messages", "at least one user message with content is needed"));
        }
        for turn in &mut self.turns {
            // A stable sort: results first, and each group in its own order.
            if turn.role == Role::User {
                turn.parts.sort_by_key(|part| !matches!(part, Part::ToolResult { .. }));
            }
        }
        Ok((self.system, self.turns))
    }
}

/// An id in a message of ours: ids are the caller's, so they are shown only where they are plain and short.
fn shown(id: &str) -> &str {
    let plain = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte));
    if plain { id } else { "(id not shown)" }
}

/// Thoughts that stand beside the content: our `thinking_blocks`, or `OpenRouter`'s `reasoning_details`.
/// `reasoning_content` alone proves nothing and is not sent back.
fn carried_thoughts(fields: &MessageFields<'_>, path: &str) -> Result<Vec<Part>, BodyError> {
    let mut thoughts = Vec::new();
    for (index, block) in fields.thinking_blocks.iter().flat_map(|blocks| &blocks.0).enumerate() {
        thoughts.extend(parts::thought(block, &format!("{path}.thinking_blocks[{index}]"))?);
    }
    if !thoughts.is_empty() {
        return Ok(thoughts);
    }
    for (index, detail) in fields.reasoning_details.iter().flat_map(|details| &details.0).enumerate() {
        let path = || format!("{path}.reasoning_details[{index}]");
        let format = detail.format.as_ref().map_or("", Text::as_str);
        match (detail.kind.as_ref().map(Text::as_str), detail.signature, detail.data) {
            (Some("reasoning.text"), Some(signature), _) => thoughts.push(Part::Thinking {
                text: detail.text.map_or(Ok(String::new()), |it| text(it, path))?,
                signature: Some(tag::read(&text(signature, path)?)),
            }),
            (Some("reasoning.encrypted"), _, Some(data)) if format.starts_with("anthropic") => {
                thoughts.push(Part::RedactedThinking { data: tag::read(&text(data, path)?) });
            }
            _ => {}
        }
    }
    Ok(thoughts)
}

fn tool_call(call: &ToolCall<'_>, path: &str) -> Result<Part, BodyError> {
    let id_path = || format!("{path}.id");
    let id = match call.id.map(|id| text(id, id_path)).transpose()? {
        Some(id) if !id.is_empty() => id,
        _ => return Err(BodyError::invalid(id_path(), "an id is required")),
    };
    let google = call.extra_content.as_ref().and_then(|extra| extra.google.as_ref());
    let signature = google.and_then(|google| google.thought_signature);
    let signature = signature.map(|it| text(it, || format!("{path}.extra_content"))).transpose()?;
    let signature = signature.map(|signature| tag::read(&signature));
    let (name, arguments) = match (&call.function, &call.custom) {
        (Some(function), _) => function_call(function, &format!("{path}.function"))?,
        (None, Some(custom)) => {
            let path = format!("{path}.custom");
            let input = custom.input.map_or(Ok(String::new()), |it| text(it, || format!("{path}.input")))?;
            (name(custom.name, &path)?, serde_json::json!({ "input": input }))
        }
        (None, None) => return Err(BodyError::invalid(format!("{path}.function"), "function is required")),
    };
    Ok(Part::ToolCall { id, name, arguments, signature, cache: None })
}

/// Name and arguments of a call. No arguments are an empty object; what is not an object is refused rather
/// than replaced, since the model would be told that it called something else.
fn function_call(function: &Function<'_>, path: &str) -> Result<(String, serde_json::Value), BodyError> {
    let name = name(function.name, path)?;
    let arguments_path = || format!("{path}.arguments");
    let wrong = || BodyError::invalid(arguments_path(), "expected a JSON object written as a string");
    let arguments = match function.arguments {
        None => String::new(),
        Some(raw) => match RawText::of(raw) {
            Some(arguments) => text(arguments, arguments_path)?,
            None => raw.get().to_owned(),
        },
    };
    if arguments.trim().is_empty() {
        return Ok((name, serde_json::Value::Object(serde_json::Map::new())));
    }
    let value: serde_json::Value = parse(&arguments, "").map_err(|_| wrong())?;
    if value.is_object() { Ok((name, value)) } else { Err(wrong()) }
}

fn name(name: Option<RawText<'_>>, path: &str) -> Result<String, BodyError> {
    let path = || format!("{path}.name");
    match name.map(|name| text(name, path)).transpose()? {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(BodyError::invalid(path(), "a name is required")),
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
