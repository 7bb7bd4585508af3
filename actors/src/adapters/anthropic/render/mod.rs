//! Our own request as a body for an Anthropic upstream: callers of another dialect, asking for Claude.
//!
//! The rules are those of `wire/translation.md` §2 and §3. What a model does not take is left out where
//! the answer stays right without it, and refused by name where it would not.

mod blocks;
mod thinking;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use self::blocks::{CacheControl, WireBlock, WireMessage, cache_control};
use self::thinking::{Plan, WireThinking, is_prefilled};
use super::history::check_pairs;
use super::model::Abilities;
use super::schema;
use crate::adapters::Target;
use crate::adapters::fault::BodyError;
use crate::chat::{Format, Part, Request, Tool, ToolChoice};

/// Breakpoints that one request may carry.
const BREAKPOINTS_MAX: usize = 4;
/// What stands in for a mode that the protocol does not have.
const JSON_INSTRUCTION: &str = "Answer with one valid JSON object and nothing else: no explanation, no code fence.";

#[derive(Serialize)]
struct WireRequest<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<WireSystem<'a>>,
    messages: Vec<WireMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<WireToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<WireThinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    service_tier: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WireSystem<'a> {
    Joined(String),
    Blocks(Vec<WireBlock<'a>>),
}

#[derive(Serialize)]
struct WireTool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
struct WireToolChoice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Serialize)]
struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<WireFormat>,
}

#[derive(Serialize)]
struct WireFormat {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Value,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// The body of `/v1/messages` for this request.
///
/// # Errors
/// A [`BodyError`] for what the model cannot be asked: a turn of the assistant at the end, audio, a
/// document by URL, tool calls and results that stand alone.
pub fn render(request: &Request, target: &Target<'_>) -> Result<Vec<u8>, BodyError> {
    let abilities = Abilities::of(target);
    if is_prefilled(&request.turns) && !abilities.prefill {
        let message = "this model does not continue a turn of the assistant: the last message must be the user's";
        return Err(BodyError::invalid("messages", message));
    }
    check_pairs(&request.turns)?;
    let plan = Plan::of(request, target, abilities);
    let mut messages = blocks::messages(&request.turns, target.model, plan.thinking.is_some())?;
    if messages.is_empty() {
        return Err(BodyError::invalid("messages", "expected at least one message of the user that is not empty"));
    }
    trim_prefill(&mut messages);
    let (mut tools, tool_choice) = tools(request)?;
    let mut system = system(request);
    limit_breakpoints(&mut tools, &mut system, &mut messages);
    let may_sample = abilities.sampling && plan.thinking.is_none();
    let temperature = request.sampling.temperature.filter(|_| may_sample);
    let wire = WireRequest {
        model: target.upstream_model,
        max_tokens: target.output_limit,
        system,
        messages,
        tools,
        tool_choice,
        thinking: plan.thinking,
        output_config: output_config(request, plan),
        stop_sequences: request.stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty()).collect(),
        temperature: temperature.map(|temperature| temperature.clamp(0.0, 1.0)),
        // One or the other, never both.
        top_p: request.sampling.top_p.filter(|_| may_sample && temperature.is_none()),
        top_k: request.sampling.top_k.filter(|_| may_sample),
        stream: request.stream,
        service_tier: "standard_only",
        metadata: target.end_user.map(|user_id| Metadata { user_id }),
    };
    serde_json::to_vec(&wire).map_err(|_| BodyError::invalid("messages", "the request cannot be written as JSON"))
}

/// One text, as the API would join it; blocks where a breakpoint stands between them.
fn system(request: &Request) -> Option<WireSystem<'_>> {
    let mut blocks: Vec<WireBlock<'_>> = Vec::new();
    for part in &request.system {
        if let Part::Text { text, cache } = part
            && !text.trim().is_empty()
        {
            blocks.push(WireBlock::Text { text, cache_control: cache_control(*cache) });
        }
    }
    if request.format == Format::JsonObject {
        blocks.push(WireBlock::Text { text: JSON_INSTRUCTION, cache_control: None });
    }
    if blocks.is_empty() {
        return None;
    }
    let has_breakpoint = blocks.iter_mut().any(|block| block.breakpoint().is_some_and(|cache| cache.is_some()));
    if has_breakpoint {
        return Some(WireSystem::Blocks(blocks));
    }
    let texts: Vec<&str> = blocks
        .iter()
        .filter_map(|block| match block {
            WireBlock::Text { text, .. } => Some(*text),
            _ => None,
        })
        .collect();
    Some(WireSystem::Joined(texts.join("\n\n")))
}

fn tools(request: &Request) -> Result<(Vec<WireTool<'_>>, Option<WireToolChoice<'_>>), BodyError> {
    if request.tools.is_empty() {
        let remembered = remembered_tools(request);
        let none = WireToolChoice { kind: "none", name: None, disable_parallel_tool_use: None };
        let choice = (!remembered.is_empty()).then_some(none);
        return Ok((remembered, choice));
    }
    let allowed = match &request.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) => Some(names),
        _ => None,
    };
    let is_allowed = |tool: &&Tool| allowed.is_none_or(|names| names.contains(&tool.name));
    let tools: Vec<WireTool<'_>> = request.tools.iter().filter(is_allowed).map(wire_tool).collect();
    if tools.is_empty() {
        return Err(BodyError::invalid("tool_choice", "none of the allowed tools is among the tools"));
    }
    let (kind, name) = match &request.tool_choice {
        None if request.parallel_tools != Some(false) => return Ok((tools, None)),
        None | Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name.as_str())),
    };
    let one_at_a_time = request.parallel_tools == Some(false) && kind != "none";
    Ok((tools, Some(WireToolChoice { kind, name, disable_parallel_tool_use: one_at_a_time.then_some(true) })))
}

fn wire_tool(tool: &Tool) -> WireTool<'_> {
    let strict = tool.strict == Some(true);
    WireTool {
        name: &tool.name,
        description: tool.description.as_deref().filter(|description| !description.is_empty()),
        input_schema: schema::of_tool(tool.parameters.as_ref(), strict),
        strict: strict.then_some(true),
        cache_control: cache_control(tool.cache),
    }
}

/// A history of tool calls is refused without tools, so those it names are told, and none may be called.
fn remembered_tools(request: &Request) -> Vec<WireTool<'_>> {
    let names: BTreeSet<&str> = request
        .turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .filter_map(|part| match part {
            Part::ToolCall { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let tool = |name| WireTool {
        name,
        description: None,
        input_schema: schema::of_tool(None, false),
        strict: None,
        cache_control: None,
    };
    names.into_iter().map(tool).collect()
}

fn output_config(request: &Request, plan: Plan) -> Option<OutputConfig> {
    let format = match &request.format {
        Format::JsonSchema { schema, .. } => {
            Some(WireFormat { kind: "json_schema", schema: schema::of_answer(schema) })
        }
        Format::Text | Format::JsonObject => None,
    };
    (format.is_some() || plan.effort.is_some()).then_some(OutputConfig { effort: plan.effort, format })
}

/// A turn to be continued may not end in white space.
fn trim_prefill(messages: &mut [WireMessage<'_>]) {
    if let Some(WireMessage { role: "assistant", content }) = messages.last_mut()
        && let Some(WireBlock::Text { text, .. }) = content.last_mut()
    {
        *text = text.trim_end();
    }
}

/// Keeps the last breakpoints: each covers all that stands before it.
fn limit_breakpoints(
    tools: &mut [WireTool<'_>],
    system: &mut Option<WireSystem<'_>>,
    messages: &mut [WireMessage<'_>],
) {
    let mut breakpoints: Vec<&mut Option<CacheControl>> =
        tools.iter_mut().map(|tool| &mut tool.cache_control).collect();
    if let Some(WireSystem::Blocks(blocks)) = system {
        breakpoints.extend(blocks.iter_mut().filter_map(WireBlock::breakpoint));
    }
    let mut pending: Vec<&mut WireBlock<'_>> =
        messages.iter_mut().flat_map(|message| &mut message.content).rev().collect();
    while let Some(block) = pending.pop() {
        match block {
            WireBlock::ToolResult { content, cache_control, .. } => {
                breakpoints.extend(content.iter_mut().filter_map(WireBlock::breakpoint));
                breakpoints.push(cache_control);
            }
            block => breakpoints.extend(block.breakpoint()),
        }
    }
    let mut set: Vec<_> = breakpoints.into_iter().filter(|cache| cache.is_some()).collect();
    let surplus = set.len().saturating_sub(BREAKPOINTS_MAX);
    for cache in set.iter_mut().take(surplus) {
        **cache = None;
    }
}

#[cfg(test)]
mod tests;
