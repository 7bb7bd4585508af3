//! Tools and how they may be used.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::schema;
use crate::adapters::fault::BodyError;
use crate::adapters::gemini::tool_names;
use crate::chat::{Request, ToolChoice};

/// The one element of `tools` that holds every function.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireTools<'a> {
    function_declarations: Vec<WireFunction<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WireFunction<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Value>,
}

/// `toolConfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireToolConfig<'a> {
    function_calling_config: WireMode<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WireMode<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_function_names: Vec<Cow<'a, str>>,
}

/// What goes upstream for the tools of a request. There is no switch for several calls in one turn.
pub(super) fn tools(request: &Request) -> Result<(Option<WireTools<'_>>, Option<WireToolConfig<'_>>), BodyError> {
    if request.tools.is_empty() {
        return Ok((None, None));
    }
    let mut allowance = schema::Allowance::default();
    let mut function_declarations = Vec::with_capacity(request.tools.len());
    for (index, tool) in request.tools.iter().enumerate() {
        let param = || format!("tools[{index}].name");
        function_declarations.push(WireFunction {
            name: sent_name(&tool.name, param)?,
            description: tool.description.as_deref().filter(|description| !description.is_empty()),
            parameters_json_schema: tool
                .parameters
                .as_ref()
                .and_then(|parameters| schema::of_tool(parameters, &mut allowance)),
        });
    }
    let mode = request.tool_choice.as_ref().map(|choice| mode(choice, request)).transpose()?;
    let config = mode.map(|function_calling_config| WireToolConfig { function_calling_config });
    Ok((Some(WireTools { function_declarations }), config))
}

/// The name as Gemini takes it.
pub(super) fn sent_name(name: &str, param: impl FnOnce() -> String) -> Result<Cow<'_, str>, BodyError> {
    tool_names::sent(name).ok_or_else(|| {
        let message = "a tool's name may have up to 127 letters, digits, underscores, hyphens, dots and colons";
        BodyError::invalid(param(), message)
    })
}

fn mode<'a>(choice: &'a ToolChoice, request: &Request) -> Result<WireMode<'a>, BodyError> {
    let named = |mode, names: &'a [String]| {
        let is_known = |name: &&'a String| request.tools.iter().any(|tool| tool.name == **name);
        let known: Vec<_> = names.iter().filter(is_known).filter_map(|name| tool_names::sent(name)).collect();
        if known.is_empty() {
            return Err(BodyError::invalid("tool_choice", "none of the allowed tools is among the tools"));
        }
        Ok(WireMode { mode, allowed_function_names: known })
    };
    match choice {
        ToolChoice::Auto => Ok(WireMode { mode: "AUTO", allowed_function_names: Vec::new() }),
        ToolChoice::None => Ok(WireMode { mode: "NONE", allowed_function_names: Vec::new() }),
        ToolChoice::Required => Ok(WireMode { mode: "ANY", allowed_function_names: Vec::new() }),
        ToolChoice::Named(name) => named("ANY", std::slice::from_ref(name)),
        ToolChoice::Allowed { required: true, names } => named("ANY", names),
        ToolChoice::Allowed { required: false, names } => named("VALIDATED", names),
    }
}
