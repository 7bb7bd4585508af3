//! The top level of a chat completion request.

use super::{invalid, messages};
use crate::{
    chance::digest,
    dialect::{Ask, CacheAsk, Choice, Refusal, Request, Thinking, Tool},
    json::{canonical, given, list, text},
    words::token_count,
};
use serde_json::{Value, json};

/// Shorter prefixes are not cached.
const CACHED_TOKENS_MIN: u64 = 1024;

pub(super) fn read(request: &Request<'_>) -> Result<Ask, Refusal> {
    let body = request.body;
    let model = match body.get("model") {
        Some(Value::String(model)) if !model.is_empty() => model.as_str(),
        Some(Value::String(_)) | None => return Err(invalid("model", "you must provide a model parameter")),
        Some(_) => return Err(invalid("model", "Invalid type for 'model': expected a string.")),
    };
    let stream = flag(body, "stream")?;
    let options = given(body, "stream_options");
    if options.is_some() && !stream {
        return Err(invalid(
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    let conversation = messages::read(body)?;
    let tools = tools(body)?;
    let choice = choice(body, &tools)?;
    check_ranges(body)?;
    let effort = given(body, "reasoning_effort").map(|effort| effort.as_str().unwrap_or_default());
    if effort.is_some_and(|effort| !["none", "minimal", "low", "medium", "high", "xhigh", "max"].contains(&effort)) {
        return Err(invalid("reasoning_effort", "Invalid value for 'reasoning_effort'."));
    }
    let tool_tokens = list(body, "tools").iter().map(|tool| token_count(&tool.to_string())).sum::<u64>();
    let tokens = tool_tokens + list(body, "messages").iter().map(messages::tokens).sum::<u64>();
    Ok(Ask {
        model: model.to_owned(),
        stream,
        last_text: conversation.last_text,
        tool_result: conversation.tool_result,
        tools,
        choice,
        parallel: given(body, "parallel_tool_calls") != Some(&json!(false)),
        call_prefix: "call_",
        schema: response_schema(body)?,
        tokens_max: tokens_max(body)?,
        stops: stops(body)?,
        thinking: if effort.is_some_and(|effort| effort != "none") { Thinking::Hidden } else { Thinking::Off },
        input_tokens: tokens,
        cache: cache(request, model, tokens),
        include_usage: options.is_some_and(|options| options.get("include_usage") == Some(&json!(true))),
        ..Ask::default()
    })
}

fn flag(body: &Value, name: &str) -> Result<bool, Refusal> {
    match given(body, name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(invalid(name, format!("Invalid type for '{name}': expected a boolean."))),
    }
}

fn tokens_max(body: &Value) -> Result<Option<u64>, Refusal> {
    for name in ["max_completion_tokens", "max_tokens"] {
        if let Some(value) = given(body, name) {
            let most = value.as_u64().filter(|most| *most > 0);
            let Some(most) = most else {
                return Err(invalid(
                    name,
                    format!("Invalid '{name}': integer below minimum value. Expected a value >= 1."),
                ));
            };
            return Ok(Some(most));
        }
    }
    Ok(None)
}

fn stops(body: &Value) -> Result<Vec<String>, Refusal> {
    let stops: Vec<String> = match given(body, "stop") {
        None => Vec::new(),
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(stops)) => stops.iter().filter_map(|stop| stop.as_str().map(str::to_owned)).collect(),
        Some(_) => return Err(invalid("stop", "Invalid type for 'stop'.")),
    };
    if stops.len() > 4 {
        return Err(invalid("stop", "Invalid 'stop': array too long. Expected an array with maximum length 4."));
    }
    Ok(stops)
}

fn check_ranges(body: &Value) -> Result<(), Refusal> {
    let ranges = [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("presence_penalty", -2.0, 2.0),
        ("frequency_penalty", -2.0, 2.0),
        ("n", 1.0, 128.0),
        ("top_logprobs", 0.0, 20.0),
    ];
    for (name, low, high) in ranges {
        let Some(value) = given(body, name) else { continue };
        if !value.as_f64().is_some_and(|value| (low..=high).contains(&value)) {
            return Err(invalid(name, format!("Invalid '{name}': expected a number between {low} and {high}.")));
        }
    }
    Ok(())
}

fn tools(body: &Value) -> Result<Vec<Tool>, Refusal> {
    let mut tools = Vec::new();
    for (at, tool) in list(body, "tools").iter().enumerate() {
        match text(tool, "type") {
            Some("function") => {}
            Some("custom") => continue,
            _ => return Err(invalid(&format!("tools[{at}].type"), format!("Invalid value for 'tools[{at}].type'."))),
        }
        let path = format!("tools[{at}].function.name");
        let name = tool.get("function").and_then(|function| text(function, "name"));
        let Some(name) = name else { return Err(invalid(&path, format!("Missing required parameter: '{path}'."))) };
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_fit) {
            let message =
                format!("Invalid '{path}': string does not match pattern. Expected '^[a-zA-Z0-9_-]{{1,64}}$'.");
            return Err(invalid(&path, message));
        }
        let parameters = tool.get("function").and_then(|function| given(function, "parameters"));
        if parameters.is_some_and(|schema| text(schema, "type") != Some("object")) {
            let message =
                format!("Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"'.");
            return Err(invalid(&format!("tools[{at}].function.parameters"), message));
        }
        tools.push(Tool {
            name: name.to_owned(),
            schema: parameters.cloned().unwrap_or_else(|| json!({"type": "object"})),
        });
    }
    Ok(tools)
}

fn choice(body: &Value, tools: &[Tool]) -> Result<Choice, Refusal> {
    let Some(choice) = given(body, "tool_choice") else { return Ok(Choice::Auto) };
    if list(body, "tools").is_empty() {
        return Err(invalid(
            "tool_choice",
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
        ));
    }
    let named = |value: &Value| value.get("function").and_then(|function| text(function, "name")).map(str::to_owned);
    match (choice.as_str(), text(choice, "type")) {
        (Some("none"), _) => Ok(Choice::Never),
        (Some("auto"), _) | (None, Some("custom")) => Ok(Choice::Auto),
        (Some("required"), _) => Ok(Choice::Any),
        (None, Some("function")) => match named(choice) {
            Some(name) if tools.iter().any(|tool| tool.name == name) => Ok(Choice::OneOf(vec![name])),
            _ => Err(invalid("tool_choice", "Tool choice 'function' not found in 'tools' parameter.")),
        },
        (None, Some("allowed_tools")) => {
            let allowed = choice.get("allowed_tools").unwrap_or(&Value::Null);
            let names = list(allowed, "tools").iter().filter_map(named).collect();
            Ok(if text(allowed, "mode") == Some("required") { Choice::OneOf(names) } else { Choice::Auto })
        }
        _ => Err(invalid(
            "tool_choice",
            "Invalid value for 'tool_choice'. Supported values are: 'none', 'auto', and 'required'.",
        )),
    }
}

fn response_schema(body: &Value) -> Result<Option<Value>, Refusal> {
    let Some(format) = given(body, "response_format") else { return Ok(None) };
    match text(format, "type") {
        Some("text") => Ok(None),
        Some("json_object") => {
            let says_json =
                list(body, "messages").iter().any(|message| message.to_string().to_lowercase().contains("json"));
            if !says_json {
                let message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
                return Err(invalid("messages", message));
            }
            Ok(Some(json!({"type": "object", "properties": {"answer": {"type": "string"}}})))
        }
        Some("json_schema") => {
            let inner = given(format, "json_schema");
            if inner.and_then(|inner| text(inner, "name")).is_none() {
                return Err(invalid(
                    "response_format.json_schema.name",
                    "Missing required parameter: 'response_format.json_schema.name'.",
                ));
            }
            Ok(Some(
                inner.and_then(|inner| given(inner, "schema")).cloned().unwrap_or_else(|| json!({"type": "object"})),
            ))
        }
        _ => Err(invalid("response_format.type", "Invalid value for 'response_format.type'.")),
    }
}

/// Everything but the last message is a prefix that may have been seen before.
fn cache(request: &Request<'_>, model: &str, tokens: u64) -> CacheAsk {
    let Some((last, before)) = list(request.body, "messages").split_last() else { return CacheAsk::None };
    let tools = given(request.body, "tools").map(canonical).unwrap_or_default();
    let before: Vec<String> = before.iter().map(canonical).collect();
    let key = request.header("authorization").unwrap_or_default();
    let prefix = digest(request.seed, &[model, key, &tools, &before.concat()]);
    CacheAsk::Automatic { prefix, tokens: tokens.saturating_sub(messages::tokens(last)), tokens_min: CACHED_TOKENS_MIN }
}
