//! The top level of a messages request.

use super::{blocks, invalid, messages, prompt, schema, thinking};
use crate::{
    dialect::{Ask, Choice, Refusal, Request, Tool},
    json::{given, list, text, unknown_key},
};
use serde_json::{Value, json};

const BODY_BYTES_MAX: usize = 32 << 20;

const KNOWN: &[&str] = &[
    "model",
    "max_tokens",
    "messages",
    "system",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "thinking",
    "output_config",
    "tools",
    "tool_choice",
    "metadata",
    "cache_control",
    "service_tier",
    "inference_geo",
    "container",
    "diagnostics",
];

/// Fields that exist only behind a beta header, with the name of the beta.
const BETA: &[(&str, &str)] = &[
    ("speed", "fast-mode"),
    ("mcp_servers", "mcp-client"),
    ("context_management", "context-management"),
    ("output_format", "structured-outputs"),
];

/// What sets the models apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Family {
    Opus,
    Sonnet,
    Haiku,
}

impl Family {
    fn of(model: &str) -> Option<Self> {
        match model {
            "claude-opus-4-7" => Some(Self::Opus),
            "claude-sonnet-4-6" => Some(Self::Sonnet),
            "claude-haiku-4-5" | "claude-haiku-4-5-20251001" => Some(Self::Haiku),
            _ => None,
        }
    }

    fn output_tokens_max(self) -> i64 {
        if self == Self::Opus { 128_000 } else { 64_000 }
    }

    /// Shorter prefixes are not cached, and nothing says so.
    pub(super) fn cached_tokens_min(self) -> u64 {
        match self {
            Self::Opus => 2048,
            Self::Sonnet => 1024,
            Self::Haiku => 4096,
        }
    }

    pub(super) fn takes_prefill(self) -> bool {
        self == Self::Haiku
    }
}

pub(super) fn read(request: &Request<'_>) -> Result<Ask, Refusal> {
    let body = request.body;
    let is_strict = check_version(request)?;
    if !body.is_object() {
        return Err(invalid("", "Input should be a valid dictionary"));
    }
    if request.body_bytes > BODY_BYTES_MAX {
        return Err(Refusal::new(413, "request_too_large", "Request exceeds the maximum allowed number of bytes."));
    }
    check_keys(request)?;
    let Some(model) = text(body, "model") else { return Err(invalid("model", "Field required")) };
    let Some(family) = Family::of(model) else {
        return Err(Refusal::new(404, "not_found_error", format!("model: {model}")));
    };
    let tokens_max = if request.counts_only { None } else { Some(max_tokens(body, family)?) };
    let thinks = thinking::read(body, family, tokens_max)?;
    thinking::check_sampling(body, family, thinks.is_some(), is_strict)?;
    let tools = tools(body)?;
    let (choice, parallel) = tool_choice(body, &tools, thinks.is_some())?;
    let schema = schema::read(body)?;
    blocks::check_system(body)?;
    let conversation =
        messages::read(body, &messages::Rules { model, family, seed: request.seed, thinks: thinks.is_some() })?;
    let stops = stop_sequences(body)?;
    check_small_fields(body)?;
    let cache = prompt::cache(request, model, family)?;
    Ok(Ask {
        model: model.to_owned(),
        stream: given(body, "stream").and_then(Value::as_bool).unwrap_or(false),
        last_text: conversation.last_text,
        tool_result: conversation.tool_result,
        tools,
        choice,
        parallel,
        call_prefix: "toolu_",
        schema,
        tokens_max: tokens_max.and_then(|tokens| u64::try_from(tokens).ok()),
        stops,
        thinking: thinks.unwrap_or_default(),
        input_tokens: prompt::tokens(body),
        cache,
        ..Ask::default()
    })
}

/// The version header; `true` for the one of October 2026, which is stricter.
fn check_version(request: &Request<'_>) -> Result<bool, Refusal> {
    match request.header("anthropic-version") {
        None => Err(invalid("anthropic-version", "header is required")),
        Some("2023-01-01" | "2023-06-01") => Ok(false),
        Some("2026-10-21") => Ok(true),
        Some(other) => Err(invalid("anthropic-version", format!("\"{other}\" is not a valid version"))),
    }
}

fn check_keys(request: &Request<'_>) -> Result<(), Refusal> {
    let betas = request.header("anthropic-beta").unwrap_or_default();
    let mut known = KNOWN.to_vec();
    known.extend(BETA.iter().filter(|(_, beta)| betas.contains(beta)).map(|(key, _)| *key));
    match unknown_key(request.body, &known) {
        Some(key) => Err(invalid(key, "Extra inputs are not permitted")),
        None if request.counts_only && request.body.get("max_tokens").is_some() => {
            Err(invalid("max_tokens", "Extra inputs are not permitted"))
        }
        None => Ok(()),
    }
}

fn max_tokens(body: &Value, family: Family) -> Result<i64, Refusal> {
    let Some(value) = body.get("max_tokens") else { return Err(invalid("max_tokens", "Field required")) };
    let Some(tokens) = value.as_i64() else { return Err(invalid("max_tokens", "Input should be a valid integer")) };
    let most = family.output_tokens_max();
    if tokens < 0 {
        return Err(invalid("max_tokens", "Input should be greater than or equal to 0"));
    }
    if tokens > most {
        let message = format!("{tokens} > {most}, which is the maximum allowed number of output tokens for this model");
        return Err(invalid("max_tokens", message));
    }
    Ok(tokens)
}

fn tools(body: &Value) -> Result<Vec<Tool>, Refusal> {
    let mut tools: Vec<Tool> = Vec::new();
    for (at, tool) in list(body, "tools").iter().enumerate() {
        let path = format!("tools.{at}");
        let kind = text(tool, "type").unwrap_or("custom");
        if kind != "custom" {
            // A server tool: known by its date, never called here.
            if kind.rsplit('_').next().is_some_and(|date| date.len() == 8) {
                continue;
            }
            return Err(invalid(
                &path,
                format!("Input tag '{kind}' found using 'type' does not match any of the expected tags"),
            ));
        }
        let known = [
            "type",
            "name",
            "description",
            "input_schema",
            "strict",
            "cache_control",
            "input_examples",
            "eager_input_streaming",
            "defer_loading",
            "allowed_callers",
        ];
        if let Some(key) = unknown_key(tool, &known) {
            return Err(invalid(&format!("{path}.custom.{key}"), "Extra inputs are not permitted"));
        }
        let Some(name) = text(tool, "name") else {
            return Err(invalid(&format!("{path}.custom.name"), "Field required"));
        };
        let is_fit = (1..=128).contains(&name.len()) && blocks::is_identifier(name);
        if !is_fit {
            return Err(invalid(
                &format!("{path}.custom.name"),
                "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
            ));
        }
        if tools.iter().any(|other| other.name == name) {
            return Err(invalid("tools", "Tool names must be unique."));
        }
        let Some(schema) = given(tool, "input_schema") else {
            return Err(invalid(&format!("{path}.custom.input_schema"), "Field required"));
        };
        if text(schema, "type") != Some("object") {
            return Err(invalid(&format!("{path}.custom.input_schema.type"), "Input should be 'object'"));
        }
        if ["anyOf", "oneOf", "allOf"].iter().any(|key| schema.get(*key).is_some()) {
            let message = "input_schema does not support oneOf, allOf, or anyOf at the top level";
            return Err(invalid(&format!("{path}.custom.input_schema"), message));
        }
        if tool.get("strict") == Some(&json!(true)) {
            schema::check(schema, &format!("{path}.custom"))?;
        }
        tools.push(Tool { name: name.to_owned(), schema: schema.clone() });
    }
    Ok(tools)
}

fn tool_choice(body: &Value, tools: &[Tool], thinks: bool) -> Result<(Choice, bool), Refusal> {
    let Some(choice) = given(body, "tool_choice") else { return Ok((Choice::Auto, true)) };
    if let Some(key) = unknown_key(choice, &["type", "name", "disable_parallel_tool_use"]) {
        return Err(invalid(&format!("tool_choice.{key}"), "Extra inputs are not permitted"));
    }
    let parallel = choice.get("disable_parallel_tool_use") != Some(&json!(true));
    let kind = text(choice, "type").unwrap_or_default();
    if list(body, "tools").is_empty() && kind != "none" {
        return Err(invalid("tool_choice", "tool_choice may only be specified while providing tools."));
    }
    let choice = match kind {
        "auto" => Choice::Auto,
        "none" => Choice::Never,
        "any" => Choice::Any,
        "tool" => match text(choice, "name") {
            Some(name) if tools.iter().any(|tool| tool.name == name) => Choice::OneOf(vec![name.to_owned()]),
            Some(name) => return Err(invalid("", format!("Tool '{name}' not found in provided tools"))),
            None => return Err(invalid("tool_choice.tool.name", "Field required")),
        },
        other => {
            let message =
                format!("Input tag '{other}' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'");
            return Err(invalid("tool_choice", message));
        }
    };
    if thinks && matches!(choice, Choice::Any | Choice::OneOf(_)) {
        return Err(invalid("", "Thinking may not be enabled when tool_choice forces tool use."));
    }
    Ok((choice, parallel))
}

fn stop_sequences(body: &Value) -> Result<Vec<String>, Refusal> {
    let mut stops = Vec::new();
    for (at, stop) in list(body, "stop_sequences").iter().enumerate() {
        let Some(stop) = stop.as_str() else {
            return Err(invalid(&format!("stop_sequences.{at}"), "Input should be a valid string"));
        };
        if stop.trim().is_empty() {
            return Err(invalid("stop_sequences", "each stop sequence must contain non-whitespace"));
        }
        stops.push(stop.to_owned());
    }
    Ok(stops)
}

fn check_small_fields(body: &Value) -> Result<(), Refusal> {
    if given(body, "stream").is_some_and(|stream| !stream.is_boolean()) {
        return Err(invalid("stream", "Input should be a valid boolean"));
    }
    if let Some(metadata) = given(body, "metadata")
        && let Some(key) = unknown_key(metadata, &["user_id"])
    {
        return Err(invalid(&format!("metadata.{key}"), "Extra inputs are not permitted"));
    }
    if given(body, "service_tier").is_some_and(|tier| !["auto", "standard_only"].map(Some).contains(&tier.as_str())) {
        return Err(invalid("service_tier", "Input should be 'auto' or 'standard_only'"));
    }
    Ok(())
}
