//! Our own request as a body for a Gemini upstream.
//!
//! The rules are those of `wire/translation.md` §2, §3 and §6. What Gemini has no field for is left out
//! where the answer stays right without it, and refused by name where it would not.

mod config;
mod flatten;
mod schema;
mod tools;
mod turns;

use serde::Serialize;

use self::config::{SAFETY, Safety, WireConfig};
use self::tools::{WireToolConfig, WireTools};
use self::turns::WireContent;
use super::resource;
use crate::adapters::Target;
use crate::adapters::fault::BodyError;
use crate::chat::Request;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireRequest<'a> {
    /// Only inside a request to count tokens; elsewhere the path says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<WireContent<'a>>,
    contents: Vec<WireContent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[WireTools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<WireToolConfig<'a>>,
    #[serde(skip_serializing_if = "<[Safety]>::is_empty")]
    safety_settings: &'static [Safety],
    #[serde(skip_serializing_if = "Option::is_none")]
    generation_config: Option<WireConfig<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireCount<'a> {
    generate_content_request: WireRequest<'a>,
}

/// The body of `:generateContent` and of `:streamGenerateContent` for this request.
///
/// # Errors
/// A [`BodyError`] for what the model cannot be asked: no turn of the user, tool calls and results that
/// stand alone, an address whose media type cannot be told, more than five stop texts.
pub fn render(request: &Request, target: &Target<'_>) -> Result<Vec<u8>, BodyError> {
    let wire = WireRequest {
        safety_settings: &SAFETY,
        generation_config: Some(config::generation_config(request, target)?),
        ..prompt(request, target)?
    };
    written(&wire)
}

/// The body of `:countTokens` for this request: what of it makes up the prompt.
///
/// # Errors
/// Those of [`render`] that concern the prompt.
pub fn render_count(request: &Request, target: &Target<'_>) -> Result<Vec<u8>, BodyError> {
    let model = Some(resource(target.upstream_model));
    written(&WireCount { generate_content_request: WireRequest { model, ..prompt(request, target)? } })
}

fn prompt<'a>(request: &'a Request, target: &Target<'_>) -> Result<WireRequest<'a>, BodyError> {
    let (tools, tool_config) = tools::tools(request)?;
    Ok(WireRequest {
        model: None,
        system_instruction: turns::system(&request.system),
        contents: turns::contents(&request.turns, target.model)?,
        tools: tools.map(|tools| [tools]),
        tool_config,
        safety_settings: &[],
        generation_config: None,
    })
}

fn written(wire: &impl Serialize) -> Result<Vec<u8>, BodyError> {
    serde_json::to_vec(wire).map_err(|_| BodyError::invalid("messages", "the request cannot be written as JSON"))
}

#[cfg(test)]
mod tests;
