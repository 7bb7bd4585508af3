//! The top-level settings of a body in our own terms: limits, sampling, stop texts, thinking, format.
//!
//! What a provider's model makes of them is its adapter's business.

use std::num::NonZeroU32;

use serde_json::Value;
use serde_json::value::RawValue;

use super::wire::{JsonSchema, OutputConfig, ResponseFormat, ThinkingFields};
use super::{Body, parse};
use crate::adapters::fault::BodyError;
use crate::adapters::openai::raw::{RawText, Text};
use crate::chat::{Effort, Format, Request, Sampling, Thinking};

impl Body<'_> {
    /// The body in our own terms, for a provider of another dialect.
    ///
    /// # Errors
    /// [`BodyError`] names the field.
    pub fn to_chat(&self) -> Result<Request, BodyError> {
        let (thinking, show_thoughts) = self.thinking()?;
        let (system, turns) = self.conversation()?;
        let (tool_choice, parallel_tools) = self.tool_choice()?;
        Ok(Request {
            model: self.model.to_string(),
            system,
            turns,
            tools: self.chat_tools()?,
            tool_choice,
            parallel_tools,
            output_limit: self.output_limit()?,
            stream: self.stream,
            sampling: self.sampling()?,
            stop: self.stop()?,
            thinking,
            show_thoughts,
            format: self.format()?,
            end_user: None,
        })
    }

    fn sampling(&self) -> Result<Sampling, BodyError> {
        let within = |name: &str, least: f64, most: f64| {
            let value = self.field::<f64>(name)?;
            if value.is_some_and(|value| value < least || value > most) {
                return Err(BodyError::invalid(name, format!("expected a number from {least} to {most}")));
            }
            Ok(value)
        };
        Ok(Sampling {
            temperature: within("temperature", 0.0, 2.0)?,
            top_p: within("top_p", 0.0, 1.0)?,
            top_k: self.field("top_k")?,
            seed: self.field("seed")?,
            presence_penalty: within("presence_penalty", -2.0, 2.0)?,
            frequency_penalty: within("frequency_penalty", -2.0, 2.0)?,
        })
    }

    fn stop(&self) -> Result<Vec<String>, BodyError> {
        let mut texts: Vec<String> = Vec::new();
        for name in ["stop", "stop_sequences"] {
            match self.raw(name) {
                None => {}
                Some(raw) if raw.starts_with('"') => texts.push(parse(raw, name)?),
                Some(raw) => texts.extend(parse::<Vec<String>>(raw, name)?),
            }
        }
        texts.retain(|text| !text.trim().is_empty());
        Ok(texts)
    }

    /// Whether and how much to think, and whether the caller wants to read it. Anthropic's and `OpenRouter`'s
    /// own fields say more than an effort, so they win.
    fn thinking(&self) -> Result<(Thinking, bool), BodyError> {
        let config = self.field::<OutputConfig<'_>>("output_config")?;
        let configured = match config.and_then(|config| config.effort) {
            Some(name) => effort(name.as_str(), "output_config.effort")?,
            None => None,
        };
        let simple = match self.field::<Text<'_>>("reasoning_effort")? {
            None => configured.map_or(Thinking::Unset, |effort| Thinking::Adaptive(Some(effort))),
            Some(name) => off_or(effort(name.as_str(), "reasoning_effort")?),
        };
        if let Some(fields) = self.field::<ThinkingFields<'_>>("thinking")? {
            let visible = fields.display.as_ref().is_none_or(|display| display.as_str() != "omitted");
            let thinking = match fields.kind.as_ref().map(Text::as_str) {
                Some("disabled") => Thinking::Off,
                Some("enabled") => match fields.budget_tokens.and_then(NonZeroU32::new) {
                    Some(budget) => Thinking::Budget(budget),
                    None => Thinking::Adaptive(configured),
                },
                Some("adaptive" | "between_tools" | "auto") => match simple {
                    Thinking::Adaptive(effort) => Thinking::Adaptive(effort),
                    Thinking::Unset | Thinking::Off | Thinking::Budget(_) => Thinking::Adaptive(configured),
                },
                _ => return Err(BodyError::invalid("thinking.type", "expected enabled, adaptive or disabled")),
            };
            return Ok((thinking, visible));
        }
        if let Some(fields) = self.field::<ThinkingFields<'_>>("reasoning")? {
            let visible = !fields.exclude.unwrap_or(false);
            let thinking = match (&fields.effort, fields.max_tokens.and_then(NonZeroU32::new), fields.enabled) {
                (_, _, Some(false)) => Thinking::Off,
                (_, Some(budget), _) => Thinking::Budget(budget),
                (Some(name), None, _) => off_or(effort(name.as_str(), "reasoning.effort")?),
                (None, None, Some(true)) => Thinking::Adaptive(None),
                (None, None, None) => simple,
            };
            return Ok((thinking, visible));
        }
        Ok((simple, true))
    }

    fn format(&self) -> Result<Format, BodyError> {
        if let Some(format) = self.field::<ResponseFormat<'_>>("response_format")? {
            return match (format.kind.as_ref().map(Text::as_str), &format.json_schema) {
                (Some("text"), _) => Ok(Format::Text),
                (Some("json_object"), _) => Ok(Format::JsonObject),
                (Some("json_schema"), Some(schema)) => json_schema(schema, "response_format.json_schema"),
                (Some("json_schema"), None) => {
                    Err(BodyError::invalid("response_format.json_schema", "json_schema is required"))
                }
                _ => Err(BodyError::invalid("response_format.type", "expected text, json_object or json_schema")),
            };
        }
        let config = self.field::<OutputConfig<'_>>("output_config")?;
        match config.and_then(|config| config.format) {
            Some(schema) => json_schema(&schema, "output_config.format"),
            None => Ok(Format::Text),
        }
    }
}

fn json_schema(fields: &JsonSchema<'_>, path: &str) -> Result<Format, BodyError> {
    let name = fields.name.map(|name| text(name, || format!("{path}.name"))).transpose()?;
    let schema = match fields.schema {
        Some(schema) => object(schema, || format!("{path}.schema"))?,
        None => Value::Object(serde_json::Map::new()),
    };
    Ok(Format::JsonSchema { name, schema, strict: fields.strict.unwrap_or(false) })
}

fn off_or(effort: Option<Effort>) -> Thinking {
    effort.map_or(Thinking::Off, |effort| Thinking::Adaptive(Some(effort)))
}

/// The effort of this name; none for `none`.
fn effort(name: &str, path: &str) -> Result<Option<Effort>, BodyError> {
    Ok(Some(match name {
        "none" => return Ok(None),
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => return Err(BodyError::invalid(path, "expected none, minimal, low, medium, high, xhigh or max")),
    }))
}

/// The text, unescaped.
pub(super) fn text(raw: RawText<'_>, path: impl Fn() -> String) -> Result<String, BodyError> {
    let half = || BodyError::invalid(path(), "the text holds half a surrogate pair");
    raw.decode().map(std::borrow::Cow::into_owned).ok_or_else(half)
}

/// A value that has to be an object.
pub(super) fn object(raw: &RawValue, path: impl Fn() -> String) -> Result<Value, BodyError> {
    if !raw.get().starts_with('{') {
        return Err(BodyError::invalid(path(), "expected an object"));
    }
    parse(raw.get(), &path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(extra: &str) -> Result<Request, BodyError> {
        let json = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{extra}}}"#);
        Body::read(json.as_bytes()).unwrap().to_chat()
    }

    #[test]
    fn stop_texts_of_either_dialect_lose_the_empty_ones() {
        assert_eq!(request(r#""stop":"x""#).unwrap().stop, ["x"]);
        assert_eq!(request(r#""stop":["a"," ",""],"stop_sequences":["b"]"#).unwrap().stop, ["a", "b"]);
        assert_eq!(request(r#""stop":null"#).unwrap().stop, Vec::<String>::new());
        assert_eq!(request(r#""stop":[1]"#).unwrap_err().param.as_deref(), Some("stop[0]"));
    }

    #[test]
    fn thinking_is_read_in_every_way_that_clients_ask_for_it() {
        let budget = |tokens| Thinking::Budget(NonZeroU32::new(tokens).unwrap());
        for (extra, expected) in [
            (r#""stop":null"#, Thinking::Unset),
            (r#""reasoning_effort":"none""#, Thinking::Off),
            (r#""reasoning_effort":"high""#, Thinking::Adaptive(Some(Effort::High))),
            (r#""thinking":{"type":"enabled","budget_tokens":2048}"#, budget(2048)),
            (r#""thinking":{"type":"disabled"},"reasoning_effort":"low""#, Thinking::Off),
            (r#""thinking":{"type":"adaptive"},"reasoning_effort":"low""#, Thinking::Adaptive(Some(Effort::Low))),
            (
                r#""thinking":{"type":"adaptive"},"output_config":{"effort":"max"}"#,
                Thinking::Adaptive(Some(Effort::Max)),
            ),
            (r#""reasoning":{"effort":"minimal"}"#, Thinking::Adaptive(Some(Effort::Minimal))),
            (r#""reasoning":{"max_tokens":500}"#, budget(500)),
            (r#""reasoning":{"enabled":true}"#, Thinking::Adaptive(None)),
        ] {
            let request = request(extra).unwrap();
            assert_eq!((request.thinking, request.show_thoughts), (expected, true), "{extra}");
        }
        assert!(!request(r#""reasoning":{"effort":"low","exclude":true}"#).unwrap().show_thoughts);
        assert!(!request(r#""thinking":{"type":"adaptive","display":"omitted"}"#).unwrap().show_thoughts);
        assert_eq!(request(r#""reasoning_effort":"much""#).unwrap_err().param.as_deref(), Some("reasoning_effort"));
    }

    #[test]
    fn formats_of_either_dialect() {
        let schema = serde_json::json!({"type": "object"});
        let extra = r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}}"#;
        let expected = Format::JsonSchema { name: Some("n".to_owned()), schema: schema.clone(), strict: true };
        assert_eq!(request(extra).unwrap().format, expected);
        let extra = r#""output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}"#;
        assert_eq!(request(extra).unwrap().format, Format::JsonSchema { name: None, schema, strict: false });
        assert_eq!(request(r#""response_format":{"type":"json_object"}"#).unwrap().format, Format::JsonObject);
        assert!(request(r#""response_format":{"type":"json_schema"}"#).is_err());
        let error = request(r#""response_format":{"type":"json_schema","json_schema":{"schema":[]}}"#).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("response_format.json_schema.schema"));
    }

    #[test]
    fn sampling_is_checked_against_the_documented_ranges() {
        let sampling =
            request(r#""temperature":1,"top_p":0.5,"top_k":3,"seed":-4,"presence_penalty":-2"#).unwrap().sampling;
        assert_eq!((sampling.temperature, sampling.top_k, sampling.seed), (Some(1.0), Some(3), Some(-4)));
        assert_eq!(request(r#""temperature":2.5"#).unwrap_err().param.as_deref(), Some("temperature"));
    }
}
