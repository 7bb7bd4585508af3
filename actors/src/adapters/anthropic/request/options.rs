//! Everything of a body that is no message: tools, how to call them, thinking, the shape of the answer.

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::text::Text;
use super::blocks::CacheControl;
use super::object::{invalid, object, required, unsupported};
use crate::chat::{Cache, Effort};

object!(ToolFields {
    "type" kind: Text<'de>,
    "name" name: Text<'de>,
    "description" description: Text<'de>,
    "input_schema" input_schema: &'de RawValue,
    "strict" strict: bool,
    "cache_control" cache: CacheControl,
});

/// A tool that the client runs.
#[derive(Debug)]
pub(crate) struct Tool<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) description: Option<Text<'a>>,
    pub(crate) input_schema: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
    pub(crate) cache: Cache,
}

impl<'de> Deserialize<'de> for Tool<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = ToolFields::deserialize(deserializer)?;
        if !matches!(fields.kind.as_deref(), None | Some("custom")) {
            return Err(unsupported(".type", "tools that the provider defines are not served"));
        }
        Ok(Self {
            name: required(fields.name, ".name")?,
            description: fields.description,
            input_schema: fields.input_schema,
            strict: fields.strict,
            cache: fields.cache.map(|control| control.0),
        })
    }
}

object!(strict ToolChoiceFields {
    "type" kind: Text<'de>,
    "name" name: Text<'de>,
    "disable_parallel_tool_use" disable_parallel: bool,
});

/// How tools may be called.
#[derive(Debug)]
pub(crate) struct ToolChoice {
    pub(crate) choice: crate::chat::ToolChoice,
    pub(crate) disable_parallel: Option<bool>,
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use crate::chat::ToolChoice as Choice;
        let fields = ToolChoiceFields::deserialize(deserializer)?;
        let choice = match &*required(fields.kind, ".type")? {
            "auto" => Choice::Auto,
            "any" => Choice::Required,
            "none" => Choice::None,
            "tool" => Choice::Named(required(fields.name, ".name")?.to_owned_string()),
            _ => return Err(invalid(".type", "expected auto, any, tool or none")),
        };
        Ok(Self { choice, disable_parallel: fields.disable_parallel })
    }
}

object!(strict ThinkingFields {
    "type" kind: Text<'de>,
    "budget_tokens" budget_tokens: u32,
    "display" display: Text<'de>,
});

/// `thinking`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thinking {
    pub(crate) mode: ThinkingMode,
    /// The caller wants to read the thoughts.
    pub(crate) shown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThinkingMode {
    Adaptive,
    Budget(std::num::NonZeroU32),
    Disabled,
}

impl<'de> Deserialize<'de> for Thinking {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = ThinkingFields::deserialize(deserializer)?;
        let mode = match &*required(fields.kind, ".type")? {
            "adaptive" | "between_tools" => ThinkingMode::Adaptive,
            "enabled" => {
                let budget = std::num::NonZeroU32::new(required(fields.budget_tokens, ".budget_tokens")?);
                ThinkingMode::Budget(budget.ok_or_else(|| invalid(".budget_tokens", "expected at least 1"))?)
            }
            "disabled" => ThinkingMode::Disabled,
            _ => return Err(invalid(".type", "expected adaptive, enabled or disabled")),
        };
        let shown = mode != ThinkingMode::Disabled && fields.display.as_deref() != Some("omitted");
        Ok(Self { mode, shown })
    }
}

object!(strict FormatFields { "type" kind: Text<'de>, "schema" schema: &'de RawValue });

/// The schema of `output_config.format`, or of `output_format` as old clients write it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format<'a>(pub(crate) &'a RawValue);

impl<'de> Deserialize<'de> for Format<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = FormatFields::deserialize(deserializer)?;
        if &*required(fields.kind, ".type")? != "json_schema" {
            return Err(invalid(".type", "expected json_schema"));
        }
        Ok(Self(required(fields.schema, ".schema")?))
    }
}

object!(strict OutputConfigFields { "effort" effort: Text<'de>, "format" format: Format<'de> });

/// `output_config`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputConfig<'a> {
    pub(crate) effort: Option<Effort>,
    pub(crate) format: Option<Format<'a>>,
}

impl<'de> Deserialize<'de> for OutputConfig<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = OutputConfigFields::deserialize(deserializer)?;
        let effort = match fields.effort.as_deref() {
            None => None,
            Some("low") => Some(Effort::Low),
            Some("medium") => Some(Effort::Medium),
            Some("high") => Some(Effort::High),
            Some("xhigh") => Some(Effort::XHigh),
            Some("max") => Some(Effort::Max),
            Some(_) => return Err(invalid(".effort", "expected low, medium, high, xhigh or max")),
        };
        Ok(Self { effort, format: fields.format })
    }
}

object!(strict MetadataFields { "user_id" user_id: Text<'de> });
