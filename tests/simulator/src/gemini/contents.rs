//! The conversation: roles, parts, function calls with their signatures, and the responses to them.

use super::invalid;
use crate::{
    chance::is_sealed,
    dialect::Refusal,
    json::{canonical, list, text},
    words::token_count,
};
use serde_json::{Value, json};

/// Sent in place of a lost signature; switches the check off for that part.
pub(super) const SKIP_VALIDATOR: &str = "skip_thought_signature_validator";
/// What an image counts as.
const MEDIA_TOKENS: u64 = 1_120;

const PAYLOADS: &[&str] = &[
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
];

/// What the signature of a function call covers.
pub(super) fn sealed_call<'a>(model: &'a str, name: &'a str, args: &'a str) -> [&'a str; 4] {
    [model, "functionCall", name, args]
}

/// What the signature of a text covers: the model alone, since texts are joined and split on the way.
pub(super) fn sealed_text(model: &str) -> [&str; 2] {
    [model, "text"]
}

pub(super) fn check(contents: &[Value], model: &str, seed: u64) -> Result<(), Refusal> {
    if contents.is_empty() {
        return Err(invalid("* GenerateContentRequest.contents: contents is not specified"));
    }
    let mut position = 0;
    for (at, content) in contents.iter().enumerate() {
        let is_model = match text(content, "role") {
            None | Some("" | "user") => false,
            Some("model") => true,
            Some(_) => return Err(invalid("Please use a valid role: user, model.")),
        };
        if at == 0 && is_model {
            return Err(invalid("Please ensure that the conversation starts with a user turn."));
        }
        let parts = list(content, "parts");
        if parts.is_empty() {
            let message = format!("* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.");
            return Err(invalid(message));
        }
        for (number, part) in parts.iter().enumerate() {
            check_part(part, &format!("contents[{at}].parts[{number}]"), is_model)?;
        }
        position = check_signatures(parts, model, seed, position)?;
    }
    check_turns(contents)
}

fn check_part(part: &Value, path: &str, is_model: bool) -> Result<(), Refusal> {
    let payloads: Vec<&str> = PAYLOADS.iter().copied().filter(|name| part.get(*name).is_some()).collect();
    let &[payload] = payloads.as_slice() else {
        let message = if payloads.is_empty() {
            format!("* GenerateContentRequest.{path}.data: required oneof field 'data' must have one initialized field")
        } else {
            format!(
                "Invalid value at '{path}' (oneof), oneof field 'data' is already set. Cannot set '{}'",
                payloads.join(", ")
            )
        };
        return Err(invalid(message));
    };
    let inner = &part[payload];
    match payload {
        "functionCall" if !is_model => Err(invalid(
            "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
        )),
        "functionResponse" if is_model => Err(invalid("Function response parts are not allowed in a model turn.")),
        "functionCall" | "functionResponse" if text(inner, "name").unwrap_or_default().is_empty() => {
            Err(invalid(format!("* GenerateContentRequest.{path}.{payload}.name: Name cannot be empty.")))
        }
        "functionResponse" if inner.get("response").is_none() => {
            Err(invalid(format!("* GenerateContentRequest.{path}.function_response.response: required field")))
        }
        "inlineData" => check_blob(inner, path),
        "fileData" => match text(inner, "fileUri") {
            Some(uri) if uri.starts_with("https://") || uri.starts_with("gs://") => Ok(()),
            _ => Err(invalid("Unsupported file URI type: only https and gs are supported")),
        },
        _ => Ok(()),
    }
}

fn check_blob(blob: &Value, path: &str) -> Result<(), Refusal> {
    let mime = text(blob, "mimeType").unwrap_or_default();
    let known = ["image/", "audio/", "video/", "text/"].iter().any(|family| mime.starts_with(family));
    if known || ["application/pdf", "application/json"].contains(&mime) {
        return Ok(());
    }
    Err(invalid(format!("Unsupported MIME type: {mime} at {path}")))
}

/// The first call of a turn carries a signature, and whatever carries one carries a right one.
fn check_signatures(parts: &[Value], model: &str, seed: u64, before: usize) -> Result<usize, Refusal> {
    let (mut position, mut is_first) = (before, true);
    for part in parts {
        let signature = text(part, "thoughtSignature");
        if let Some(call) = part.get("functionCall") {
            position += 1;
            let name = text(call, "name").unwrap_or_default();
            let args = canonical(call.get("args").unwrap_or(&json!({})));
            match signature {
                None if is_first => {
                    return Err(invalid(format!(
                        "Function call is missing a thought_signature in functionCall parts. This is required for tools to \
                         work correctly, and missing thought_signature may lead to degraded model performance. Additional \
                         data, function call `default_api:{name}` , position {position}. Please refer to \
                         https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
                    )));
                }
                None | Some(SKIP_VALIDATOR) => {}
                Some(signature) if is_sealed(seed, signature, &sealed_call(model, name, &args)) => {}
                Some(_) => return Err(invalid("Thought signature is not valid")),
            }
            is_first = false;
        } else if let Some(signature) = signature
            && signature != SKIP_VALIDATOR
            && !is_sealed(seed, signature, &sealed_text(model))
        {
            return Err(invalid("Corrupted thought signature."));
        }
    }
    Ok(position)
}

/// A name and, where there is one, an id.
type Named<'a> = (&'a str, Option<&'a str>);

fn names<'a>(content: &'a Value, payload: &'a str) -> Vec<Named<'a>> {
    let named = |part: &'a Value| part.get(payload).map(|it| (text(it, "name").unwrap_or_default(), text(it, "id")));
    list(content, "parts").iter().filter_map(named).collect()
}

/// A turn with calls is followed by one with as many responses, in the same order.
fn check_turns(contents: &[Value]) -> Result<(), Refusal> {
    for (at, content) in contents.iter().enumerate() {
        let calls = names(content, "functionCall");
        let next = contents.get(at + 1).map(|next| names(next, "functionResponse")).unwrap_or_default();
        if !calls.is_empty() && calls.len() != next.len() {
            return Err(invalid(
                "Please ensure that the number of function response parts is equal to the number of function call parts of \
                 the function call turn.",
            ));
        }
        let same = |(call, response): (&Named<'_>, &Named<'_>)| {
            call.0 == response.0 && (call.1.is_none() || response.1.is_none() || call.1 == response.1)
        };
        if !calls.iter().zip(&next).all(same) {
            return Err(invalid("Please ensure that function responses come in the order of their function calls."));
        }
        let before = at.checked_sub(1).and_then(|before| contents.get(before));
        let follows_calls = before.is_some_and(|before| !names(before, "functionCall").is_empty());
        if !names(content, "functionResponse").is_empty() && !follows_calls {
            return Err(invalid(
                "Please ensure that function response turn comes immediately after a function call turn.",
            ));
        }
    }
    Ok(())
}

/// The tokens of one content.
pub(super) fn tokens(content: &Value) -> u64 {
    let part = |part: &Value| -> u64 {
        if part.get("inlineData").or(part.get("fileData")).is_some() {
            return MEDIA_TOKENS;
        }
        let inner = ["functionCall", "functionResponse"].iter().find_map(|name| part.get(*name));
        let media = inner.map_or(0, |inner| list(inner, "parts").len());
        let said = inner.map_or_else(
            || text(part, "text").unwrap_or_default().to_owned(),
            |inner| {
                format!(
                    "{}{}",
                    text(inner, "name").unwrap_or_default(),
                    inner.get("args").or(inner.get("response")).unwrap_or(&Value::Null)
                )
            },
        );
        token_count(&said) + crate::words::size(media) * MEDIA_TOKENS
    };
    list(content, "parts").iter().map(part).sum()
}
