//! Tools and the choice among them, of OpenAI's current and legacy fields and of Anthropic's.

use serde_json::Value;

use super::Body;
use super::object::List;
use super::settings::{object, text};
use super::summary::ttl;
use super::wire::{CacheControl, ChoiceFields, FunctionTool, NamedChoice, TOOLS_MAX, ToolFields};
use crate::adapters::fault::BodyError;
use crate::adapters::openai::raw::{RawText, Text};
use crate::chat::{Tool, ToolChoice};

impl Body<'_> {
    pub(super) fn chat_tools(&self) -> Result<Vec<Tool>, BodyError> {
        let mut tools = Vec::with_capacity(self.tools.len());
        for (index, tool) in self.tools.iter().enumerate() {
            tools.push(chat_tool(tool, &format!("tools[{index}]"))?);
        }
        if self.uses_legacy_functions() {
            let functions = self.field::<List<FunctionTool<'_>, TOOLS_MAX>>("functions")?.unwrap_or_default();
            for (index, function) in functions.0.iter().enumerate() {
                tools.push(chat_function(function, None, &format!("functions[{index}]"))?);
            }
        }
        Ok(tools)
    }

    /// How tools may be called, and whether several at once.
    pub(super) fn tool_choice(&self) -> Result<(Option<ToolChoice>, Option<bool>), BodyError> {
        let mut parallel = self.field::<bool>("parallel_tool_calls")?;
        if self.uses_legacy_functions() {
            // The legacy answer has room for one call.
            parallel = Some(false);
        }
        let name = if self.uses_legacy_functions() { "function_call" } else { "tool_choice" };
        let choice = match self.raw(name) {
            None => None,
            Some(raw) if raw.starts_with('"') => Some(match self.field::<Text<'_>>(name)?.as_ref().map(Text::as_str) {
                Some("none") => ToolChoice::None,
                Some("auto") => ToolChoice::Auto,
                Some("required" | "any") => ToolChoice::Required,
                _ => return Err(BodyError::invalid(name, "expected none, auto, required or an object")),
            }),
            Some(_) => {
                let fields = self.field::<ChoiceFields<'_>>(name)?.unwrap_or_default();
                if fields.disable_parallel_tool_use == Some(true) {
                    parallel = Some(false);
                }
                Some(chosen(&fields, name)?)
            }
        };
        Ok((choice, parallel))
    }
}

fn chosen(fields: &ChoiceFields<'_>, path: &str) -> Result<ToolChoice, BodyError> {
    let named = |name: Option<&Text<'_>>| {
        let name = name.map(|name| name.as_str().to_owned());
        name.ok_or_else(|| BodyError::invalid(format!("{path}.name"), "the tool's name is required"))
    };
    let inner = |choice: &Option<NamedChoice<'_>>| named(choice.as_ref().and_then(|choice| choice.name.as_ref()));
    match fields.kind.as_ref().map(Text::as_str) {
        Some("auto") => Ok(ToolChoice::Auto),
        Some("none") => Ok(ToolChoice::None),
        Some("any" | "required") => Ok(ToolChoice::Required),
        // The legacy `function_call` has a name and no type.
        Some("tool") | None => named(fields.name.as_ref()).map(ToolChoice::Named),
        Some("function") => inner(&fields.function).map(ToolChoice::Named),
        Some("custom") => inner(&fields.custom).map(ToolChoice::Named),
        Some("allowed_tools") => {
            let allowed = fields.allowed_tools.as_ref();
            let tools = allowed.and_then(|allowed| allowed.tools.as_ref()).map_or(&[][..], |tools| &tools.0);
            let name = |tool: &ChoiceFields<'_>| match &tool.name {
                Some(name) => named(Some(name)),
                None => inner(if tool.custom.is_some() { &tool.custom } else { &tool.function }),
            };
            let names = tools.iter().map(name).collect::<Result<_, _>>()?;
            let mode = allowed.and_then(|allowed| allowed.mode.as_ref()).map(Text::as_str);
            Ok(ToolChoice::Allowed { required: mode == Some("required"), names })
        }
        Some(_) => Err(BodyError::invalid(format!("{path}.type"), "unknown kind of tool choice")),
    }
}

fn chat_tool(tool: &ToolFields<'_>, path: &str) -> Result<Tool, BodyError> {
    if let Some(function) = &tool.function {
        return chat_function(function, tool.cache_control.as_ref(), &format!("{path}.function"));
    }
    if tool.custom.is_some() {
        return Err(BodyError::unsupported(format!("{path}.custom"), "this model takes function tools only"));
    }
    let parameters = tool.input_schema.map(|raw| object(raw, || format!("{path}.input_schema"))).transpose()?;
    built(tool.name, tool.description, parameters, tool.strict, tool.cache_control.as_ref(), path)
}

fn chat_function(function: &FunctionTool<'_>, outer: Option<&CacheControl<'_>>, path: &str) -> Result<Tool, BodyError> {
    let parameters = function.parameters.map(|raw| object(raw, || format!("{path}.parameters"))).transpose()?;
    let cache = outer.or(function.cache_control.as_ref());
    built(function.name, function.description, parameters, function.strict, cache, path)
}

fn built(
    name: Option<RawText<'_>>,
    description: Option<RawText<'_>>,
    parameters: Option<Value>,
    strict: Option<bool>,
    cache: Option<&CacheControl<'_>>,
    path: &str,
) -> Result<Tool, BodyError> {
    let name_path = || format!("{path}.name");
    let name = match name.map(|name| text(name, name_path)).transpose()? {
        Some(name) if !name.is_empty() => name,
        _ => return Err(BodyError::invalid(name_path(), "a name is required")),
    };
    Ok(Tool {
        name,
        description: description.map(|it| text(it, || format!("{path}.description"))).transpose()?,
        parameters: parameters.filter(|schema| schema.as_object().is_some_and(|schema| !schema.is_empty())),
        strict,
        cache: cache.map(ttl),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{CacheTtl, Request};
    use serde_json::json;

    fn request(extra: &str) -> Result<Request, BodyError> {
        let json = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{extra}}}"#);
        Body::read(json.as_bytes()).unwrap().to_chat()
    }

    #[test]
    fn tools_of_every_dialect_are_the_same_tool() {
        let tool = Tool {
            name: "f".to_owned(),
            description: Some("d".to_owned()),
            parameters: Some(json!({"type": "object"})),
            strict: None,
            cache: None,
        };
        for extra in [
            r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}]"#,
            r#""tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}]"#,
            r#""functions":[{"name":"f","description":"d","parameters":{"type":"object"}}]"#,
        ] {
            assert_eq!(request(extra).unwrap().tools, std::slice::from_ref(&tool), "{extra}");
        }
        let extra =
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{}},"cache_control":{"ttl":"1h"}}]"#;
        let tools = request(extra).unwrap().tools;
        assert_eq!((tools[0].parameters.clone(), tools[0].cache), (None, Some(CacheTtl::OneHour)));
    }

    #[test]
    fn bad_tools_are_named() {
        for (extra, param) in [
            (r#""tools":[{"type":"function","function":{"parameters":{}}}]"#, "tools[0].function.name"),
            (
                r#""tools":[{"type":"function","function":{"name":"f","parameters":[]}}]"#,
                "tools[0].function.parameters",
            ),
            (r#""tools":[{"type":"custom","custom":{"name":"f"}}]"#, "tools[0].custom"),
            (r#""functions":[{"name":""}]"#, "functions[0].name"),
        ] {
            assert_eq!(request(extra).unwrap_err().param.as_deref(), Some(param));
        }
    }

    #[test]
    fn every_way_to_choose_a_tool() {
        let named = || ToolChoice::Named("f".to_owned());
        for (extra, expected) in [
            (r#""tool_choice":"none""#, ToolChoice::None),
            (r#""tool_choice":"auto""#, ToolChoice::Auto),
            (r#""tool_choice":"required""#, ToolChoice::Required),
            (r#""tool_choice":{"type":"function","function":{"name":"f"}}"#, named()),
            (r#""tool_choice":{"type":"tool","name":"f"}"#, named()),
            (r#""tool_choice":{"type":"any"}"#, ToolChoice::Required),
            (r#""functions":[{"name":"f"}],"function_call":{"name":"f"}"#, named()),
            (
                r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}"#,
                ToolChoice::Allowed { required: true, names: vec!["f".to_owned()] },
            ),
        ] {
            assert_eq!(request(extra).unwrap().tool_choice, Some(expected), "{extra}");
        }
        assert_eq!(request(r#""tool_choice":"maybe""#).unwrap_err().param.as_deref(), Some("tool_choice"));
    }

    #[test]
    fn one_call_at_a_time_is_asked_for_in_three_ways() {
        for extra in [
            r#""parallel_tool_calls":false"#,
            r#""tool_choice":{"type":"auto","disable_parallel_tool_use":true}"#,
            r#""functions":[{"name":"f"}]"#,
        ] {
            assert_eq!(request(extra).unwrap().parallel_tools, Some(false), "{extra}");
        }
        assert_eq!(request(r#""stop":null"#).unwrap().parallel_tools, None);
    }
}
