//! How the answer is to be made: limits, sampling, thinking, shape, and what Google's filters do.

use serde::Serialize;
use serde_json::Value;

use super::schema;
use crate::adapters::Target;
use crate::adapters::fault::BodyError;
use crate::chat::{Effort, Format, Request, Thinking};

/// The most that any model of this family puts out.
const OUTPUT_LIMIT_MAX: u32 = 65_536;
const STOP_TEXTS_MAX: usize = 5;

/// One filter's threshold.
#[derive(Debug, Serialize)]
pub(super) struct Safety {
    category: &'static str,
    threshold: &'static str,
}

const fn off(category: &'static str) -> Safety {
    Safety { category, threshold: "OFF" }
}

/// Google's adjustable filters are off, so that the same request is answered alike whichever provider
/// serves the model; what Google always blocks stays blocked and comes back as `content_filter`. This is a
/// policy of the operator, never of a caller's request.
pub(super) const SAFETY: [Safety; 4] = [
    off("HARM_CATEGORY_HARASSMENT"),
    off("HARM_CATEGORY_HATE_SPEECH"),
    off("HARM_CATEGORY_SEXUALLY_EXPLICIT"),
    off("HARM_CATEGORY_DANGEROUS_CONTENT"),
];

/// `generationConfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireConfig<'a> {
    max_output_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<WireThinking>,
}

/// `thinkingConfig`. A level and a budget together are refused upstream, so there is only a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct WireThinking {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<Level>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    include_thoughts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Level {
    Minimal,
    Low,
    Medium,
    High,
}

pub(super) fn generation_config<'a>(request: &'a Request, target: &Target<'_>) -> Result<WireConfig<'a>, BodyError> {
    let stop_sequences: Vec<&str> = request.stop.iter().map(String::as_str).filter(|stop| !stop.is_empty()).collect();
    if stop_sequences.len() > STOP_TEXTS_MAX {
        return Err(BodyError::invalid("stop", "expected at most 5 stop texts for this model"));
    }
    let (response_mime_type, response_json_schema) = match &request.format {
        Format::Text => (None, None),
        Format::JsonObject => (Some("application/json"), None),
        Format::JsonSchema { schema, .. } => (Some("application/json"), Some(schema::of_answer(schema))),
    };
    Ok(WireConfig {
        max_output_tokens: target.output_limit.min(OUTPUT_LIMIT_MAX),
        temperature: request.sampling.temperature,
        top_p: request.sampling.top_p,
        top_k: request.sampling.top_k,
        seed: request.sampling.seed.map(seed),
        presence_penalty: request.sampling.presence_penalty,
        frequency_penalty: request.sampling.frequency_penalty,
        stop_sequences,
        response_mime_type,
        response_json_schema,
        thinking_config: thinking(request, target),
    })
}

/// Seeds have 32 bits here: a longer one is folded, the same way every time.
fn seed(seed: i64) -> i32 {
    i32::try_from(seed).unwrap_or_else(|_| {
        let [a, b, c, d, ..] = blake3::hash(&seed.to_be_bytes()).as_bytes().to_owned();
        i32::from_be_bytes([a & 0x7f, b, c, d])
    })
}

fn thinking(request: &Request, target: &Target<'_>) -> Option<WireThinking> {
    let include_thoughts = request.show_thoughts;
    let thinking_level = level(request.thinking, lowest_level(target.model));
    (include_thoughts || thinking_level.is_some()).then_some(WireThinking { thinking_level, include_thoughts })
}

/// No model of this family can stop thinking; flash comes nearest to it.
fn lowest_level(model: &str) -> Level {
    if model.contains("flash") { Level::Minimal } else { Level::Low }
}

fn level(thinking: Thinking, lowest: Level) -> Option<Level> {
    match thinking {
        Thinking::Unset => None,
        Thinking::Off => Some(lowest),
        Thinking::Adaptive(effort) => Some(match effort {
            Some(Effort::Minimal) => lowest,
            Some(Effort::Low) => Level::Low,
            Some(Effort::Medium) => Level::Medium,
            Some(Effort::High | Effort::XHigh | Effort::Max) | None => Level::High,
        }),
        Thinking::Budget(tokens) => Some(match tokens.get() {
            0..2_000 => Level::Low,
            2_000..8_000 => Level::Medium,
            8_000.. => Level::High,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn effort_and_budget_become_what_each_model_takes() {
        use Level::{High, Low, Medium, Minimal};
        let budget = |tokens| Thinking::Budget(NonZeroU32::new(tokens).unwrap());
        let effort = |effort| Thinking::Adaptive(Some(effort));
        for (thinking, pro, flash) in [
            (Thinking::Unset, None, None),
            (Thinking::Off, Some(Low), Some(Minimal)),
            (Thinking::Adaptive(None), Some(High), Some(High)),
            (effort(Effort::Minimal), Some(Low), Some(Minimal)),
            (effort(Effort::Low), Some(Low), Some(Low)),
            (effort(Effort::Medium), Some(Medium), Some(Medium)),
            (effort(Effort::High), Some(High), Some(High)),
            (effort(Effort::XHigh), Some(High), Some(High)),
            (effort(Effort::Max), Some(High), Some(High)),
            (budget(1), Some(Low), Some(Low)),
            (budget(1_999), Some(Low), Some(Low)),
            (budget(2_000), Some(Medium), Some(Medium)),
            (budget(7_999), Some(Medium), Some(Medium)),
            (budget(8_000), Some(High), Some(High)),
        ] {
            assert_eq!(level(thinking, lowest_level("gemini-3-1-pro")), pro, "{thinking:?}");
            assert_eq!(level(thinking, lowest_level("gemini-3-flash")), flash, "{thinking:?}");
        }
    }

    #[test]
    fn a_long_seed_is_folded_and_a_short_one_stays() {
        assert_eq!([seed(7), seed(-7), seed(i64::from(i32::MAX))], [7, -7, i32::MAX]);
        assert_eq!(seed(i64::MAX), seed(i64::MAX));
        assert_ne!(seed(1 << 40), seed(1 << 41));
    }
}
