//! What the fields of a request mean.

use super::{contents, fields, invalid, proto, schema};
use crate::{
    chance::digest,
    dialect::{Ask, CacheAsk, Choice, Refusal, Request, Thinking, Tool},
    json::{canonical, given, list, text},
    words::token_count,
};
use serde_json::{Value, json};

const PRO: &str = "gemini-3.1-pro-preview";
const FLASH: &str = "gemini-3-flash-preview";
const OUTPUT_TOKENS_MAX: i64 = 65_536;

pub(super) fn read(request: &Request<'_>) -> Result<Ask, Refusal> {
    let model = request.model.unwrap_or_default();
    if ![PRO, FLASH].contains(&model) {
        let message = format!(
            "models/{model} is not found for API version v1beta, or is not supported for generateContent. Call ListModels \
             to see the list of available models and their supported methods."
        );
        return Err(Refusal::new(404, "NOT_FOUND", message));
    }
    let body =
        if request.counts_only { counted(request.body)? } else { proto::normalise(request.body, fields::REQUEST, "")? };
    let nothing = json!({});
    let config = given(&body, "generationConfig").unwrap_or(&nothing);
    contents::check(list(&body, "contents"), model, request.seed)?;
    let tools = tools(&body)?;
    let (choice, is_validated) = choice(&body, &tools)?;
    check_generation(config)?;
    let thinking = thinking(config, model)?;
    let schema = response_schema(config)?;
    if schema.is_some() && !tools.is_empty() && is_validated {
        return Err(invalid("Structured output and function calling mode VALIDATED cannot be combined."));
    }
    let all = list(&body, "contents");
    let last = all.iter().rev().find(|content| text(content, "role") != Some("model"));
    let system_tokens = given(&body, "systemInstruction").map_or(0, contents::tokens);
    let tool_tokens = list(&body, "tools").iter().map(|tool| token_count(&tool.to_string())).sum::<u64>();
    let tokens: u64 = system_tokens + tool_tokens + all.iter().map(contents::tokens).sum::<u64>();
    Ok(Ask {
        model: model.to_owned(),
        stream: request.streams,
        last_text: last.map(last_text).unwrap_or_default(),
        tool_result: last.and_then(tool_result),
        tools,
        choice,
        parallel: true,
        call_prefix: "",
        schema,
        tokens_max: given(config, "maxOutputTokens").and_then(Value::as_u64),
        stops: list(config, "stopSequences").iter().filter_map(|stop| stop.as_str().map(str::to_owned)).collect(),
        thinking,
        input_tokens: tokens,
        cache: cache(request, &body, model, tokens),
        as_array: request.streams && request.query("alt") != Some("sse"),
        ..Ask::default()
    })
}

/// The request whose tokens are to be counted: contents alone, or a whole request.
fn counted(body: &Value) -> Result<Value, Refusal> {
    let body = proto::normalise(body, fields::COUNT, "")?;
    match (given(&body, "contents"), given(&body, "generateContentRequest")) {
        (Some(_), Some(_)) => Err(invalid("contents and generate_content_request are mutually exclusive")),
        (None, Some(whole)) if text(whole, "model").is_some_and(|model| model.starts_with("models/")) => {
            Ok(whole.clone())
        }
        (None, Some(_)) => Err(invalid("* CountTokensRequest.generate_content_request.model: model is not specified")),
        (_, None) => Ok(body),
    }
}

fn tools(body: &Value) -> Result<Vec<Tool>, Refusal> {
    let mut tools: Vec<Tool> = Vec::new();
    for declaration in list(body, "tools").iter().flat_map(|tool| list(tool, "functionDeclarations")) {
        let name = text(declaration, "name").unwrap_or_default();
        if !is_function_name(name) {
            return Err(invalid(format!(
                "Invalid function name \"{name}\". Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, \
                 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128."
            )));
        }
        if tools.iter().any(|tool| tool.name == name) {
            return Err(invalid(format!("Duplicate function declaration found: {name}")));
        }
        let (own, json_schema) = (given(declaration, "parameters"), given(declaration, "parametersJsonSchema"));
        if own.is_some() && json_schema.is_some() {
            return Err(invalid("parameters and parameters_json_schema are mutually exclusive"));
        }
        if let Some(json_schema) = json_schema {
            schema::check(json_schema, "parameters_json_schema")?;
        }
        let parameters = own.or(json_schema).cloned().unwrap_or_else(|| json!({"type": "object"}));
        schema::check_parameters(&parameters, name)?;
        tools.push(Tool { name: name.to_owned(), schema: parameters });
    }
    Ok(tools)
}

fn is_function_name(name: &str) -> bool {
    let starts = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    starts && name.len() <= 128 && name.bytes().all(is_fit)
}

fn choice(body: &Value, tools: &[Tool]) -> Result<(Choice, bool), Refusal> {
    let config = given(body, "toolConfig").and_then(|config| given(config, "functionCallingConfig"));
    let Some(config) = config else { return Ok((Choice::Auto, false)) };
    let mode = text(config, "mode").unwrap_or("AUTO");
    let names: Vec<String> =
        list(config, "allowedFunctionNames").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if !names.is_empty() && !["ANY", "VALIDATED"].contains(&mode) {
        return Err(invalid("Please set allowed_function_names only when function calling mode is ANY."));
    }
    if let Some(name) = names.iter().find(|name| !tools.iter().any(|tool| tool.name == **name)) {
        return Err(invalid(format!("allowed_function_names contains \"{name}\", which is not declared.")));
    }
    let choice = match mode {
        "NONE" => Choice::Never,
        "ANY" if tools.is_empty() => {
            return Err(invalid("Function calling config is set without function_declarations."));
        }
        "ANY" if names.is_empty() => Choice::Any,
        "ANY" => Choice::OneOf(names),
        _ => Choice::Auto,
    };
    Ok((choice, mode == "VALIDATED"))
}

fn check_generation(config: &Value) -> Result<(), Refusal> {
    let ranged = |name: &str, low: f64, high: f64| match given(config, name).and_then(Value::as_f64) {
        Some(value) if !(low..=high).contains(&value) => Err(invalid(format!(
            "* GenerateContentRequest.generation_config.{name}: must be in the range [{low}, {high}]"
        ))),
        _ => Ok(()),
    };
    ranged("temperature", 0.0, 2.0)?;
    ranged("topP", 0.0, 1.0)?;
    ranged("presencePenalty", -2.0, 2.0)?;
    ranged("frequencyPenalty", -2.0, 2.0)?;
    let integer = |name: &str| given(config, name).and_then(Value::as_i64);
    if integer("maxOutputTokens").is_some_and(|most| !(1..=OUTPUT_TOKENS_MAX).contains(&most)) {
        return Err(invalid(format!("max_output_tokens must be in the range [1, {OUTPUT_TOKENS_MAX}]")));
    }
    if integer("candidateCount").is_some_and(|count| count != 1) {
        return Err(invalid("Multiple candidates is not enabled for this model"));
    }
    if list(config, "stopSequences").len() > 5 {
        return Err(invalid("* GenerateContentRequest.generation_config.stop_sequences: at most 5 stop sequences"));
    }
    Ok(())
}

fn thinking(config: &Value, model: &str) -> Result<Thinking, Refusal> {
    let Some(thinking) = given(config, "thinkingConfig") else { return Ok(Thinking::Hidden) };
    let (level, budget) = (text(thinking, "thinkingLevel"), given(thinking, "thinkingBudget"));
    if level.is_some() && budget.is_some() {
        return Err(invalid("You can only set only one of thinking budget and thinking level."));
    }
    if level.is_some_and(|level| level.eq_ignore_ascii_case("MINIMAL")) && model == PRO {
        return Err(invalid("Thinking level MINIMAL is not supported for this model."));
    }
    match budget.and_then(Value::as_i64) {
        Some(0) => return Err(invalid("Budget 0 is invalid. This model only works in thinking mode.")),
        Some(budget) if !(-1..=32_768).contains(&budget) => {
            return Err(invalid("The thinking budget is invalid. Please choose a value between 128 and 32768."));
        }
        _ => {}
    }
    let is_shown = given(thinking, "includeThoughts").and_then(Value::as_bool).unwrap_or(false);
    Ok(if is_shown { Thinking::Shown } else { Thinking::Hidden })
}

fn response_schema(config: &Value) -> Result<Option<Value>, Refusal> {
    let is_json = text(config, "responseMimeType") == Some("application/json");
    let (own, json_schema) = (given(config, "responseSchema"), given(config, "responseJsonSchema"));
    if own.is_some() && json_schema.is_some() {
        return Err(invalid("response_schema and response_json_schema are mutually exclusive"));
    }
    if (own.is_some() || json_schema.is_some()) && !is_json {
        return Err(invalid("response_schema only works with response_mime_type application/json"));
    }
    if let Some(json_schema) = json_schema {
        schema::check(json_schema, "response_json_schema")?;
    }
    let free = || is_json.then(|| json!({"type": "object", "properties": {"answer": {"type": "string"}}}));
    Ok(own.or(json_schema).cloned().or_else(free))
}

fn last_text(content: &Value) -> String {
    list(content, "parts").iter().filter_map(|part| text(part, "text")).next_back().unwrap_or_default().to_owned()
}

fn tool_result(content: &Value) -> Option<String> {
    let response =
        list(content, "parts").iter().rev().find_map(|part| part.get("functionResponse")?.get("response"))?;
    let plain = text(response, "output").or(text(response, "result")).map(str::to_owned);
    Some(plain.unwrap_or_else(|| response.to_string()))
}

/// Everything but the last content is a prefix that may have been seen before.
fn cache(request: &Request<'_>, body: &Value, model: &str, tokens: u64) -> CacheAsk {
    let Some((last, before)) = list(body, "contents").split_last() else { return CacheAsk::None };
    let rest: Vec<String> =
        ["systemInstruction", "tools"].iter().filter_map(|key| given(body, key)).map(canonical).collect();
    let before: Vec<String> = before.iter().map(canonical).collect();
    let key = request.header("x-goog-api-key").unwrap_or_default();
    let prefix = digest(request.seed, &[model, key, &rest.concat(), &before.concat()]);
    let tokens_min = if model == PRO { 4096 } else { 1024 };
    CacheAsk::Automatic { prefix, tokens: tokens.saturating_sub(contents::tokens(last)), tokens_min }
}
