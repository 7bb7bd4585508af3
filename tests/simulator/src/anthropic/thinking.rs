//! Thinking, effort and sampling: what each model takes.

use super::{invalid, request::Family};
use crate::{
    dialect::{Refusal, Thinking},
    json::{given, text, unknown_key},
};
use serde_json::Value;

/// How the model is to think; nothing where it is not to.
pub(super) fn read(body: &Value, family: Family, tokens_max: Option<i64>) -> Result<Option<Thinking>, Refusal> {
    check_effort(body, family)?;
    let Some(thinking) = given(body, "thinking") else { return Ok(None) };
    if let Some(key) = unknown_key(thinking, &["type", "budget_tokens", "display"]) {
        return Err(invalid(&format!("thinking.{key}"), "Extra inputs are not permitted"));
    }
    let kind = text(thinking, "type").unwrap_or_default();
    match (kind, family) {
        ("enabled" | "disabled", Family::Opus) => {
            let message = format!(
                "\"thinking.type.{kind}\" is not supported for this model. Use \"thinking.type.adaptive\" and \
                 \"output_config.effort\" to control thinking behavior."
            );
            return Err(invalid("", message));
        }
        ("adaptive" | "between_tools", Family::Haiku) => {
            return Err(invalid("", format!("{kind} thinking is not supported on this model")));
        }
        ("enabled", _) => check_budget(thinking, tokens_max)?,
        ("disabled", _) => return Ok(None),
        ("adaptive" | "between_tools", _) => {}
        (other, _) => {
            let message = format!(
                "Input tag '{other}' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', \
                 'enabled', 'between_tools'"
            );
            return Err(invalid("thinking", message));
        }
    }
    if kind != "enabled" && thinking.get("budget_tokens").is_some() {
        return Err(invalid(&format!("thinking.{kind}.budget_tokens"), "Extra inputs are not permitted"));
    }
    match text(thinking, "display") {
        None | Some("summarized") => Ok(Some(Thinking::Shown)),
        Some("omitted") => Ok(Some(Thinking::Hidden)),
        Some(_) => Err(invalid(&format!("thinking.{kind}.display"), "Input should be 'summarized' or 'omitted'")),
    }
}

fn check_budget(thinking: &Value, tokens_max: Option<i64>) -> Result<(), Refusal> {
    let path = "thinking.enabled.budget_tokens";
    let Some(value) = thinking.get("budget_tokens") else { return Err(invalid(path, "Field required")) };
    let Some(budget) = value.as_i64() else { return Err(invalid(path, "Input should be a valid integer")) };
    if budget < 1024 {
        return Err(invalid(path, "Input should be greater than or equal to 1024"));
    }
    if tokens_max.is_some_and(|most| budget >= most) {
        return Err(invalid("", "`max_tokens` must be greater than `thinking.budget_tokens`."));
    }
    Ok(())
}

fn check_effort(body: &Value, family: Family) -> Result<(), Refusal> {
    let Some(config) = given(body, "output_config") else { return Ok(()) };
    if let Some(key) = unknown_key(config, &["effort", "format"]) {
        return Err(invalid(&format!("output_config.{key}"), "Extra inputs are not permitted"));
    }
    let Some(effort) = given(config, "effort") else { return Ok(()) };
    match (effort.as_str().unwrap_or_default(), family) {
        (_, Family::Haiku) => Err(invalid("", "This model does not support the effort parameter.")),
        ("low" | "medium" | "high" | "max", _) | ("xhigh", Family::Opus) => Ok(()),
        ("xhigh", _) => Err(invalid("", "This model does not support effort level 'xhigh'.")),
        _ => Err(invalid("output_config.effort", "Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")),
    }
}

pub(super) fn check_sampling(body: &Value, family: Family, thinks: bool, is_strict: bool) -> Result<(), Refusal> {
    let number = |key: &str| match given(body, key) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) => Ok(Some(number)),
            None => Err(invalid(key, "Input should be a valid number")),
        },
    };
    let (temperature, top_p, top_k) = (number("temperature")?, number("top_p")?, number("top_k")?);
    if is_strict {
        for (name, value) in [("temperature", temperature), ("top_p", top_p), ("top_k", top_k)] {
            if value.is_some() {
                return Err(invalid(name, "sampling parameters were removed in version 2026-10-21"));
            }
        }
    }
    for (name, value) in [("temperature", temperature), ("top_p", top_p)] {
        if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            return Err(invalid(name, "range: 0..1"));
        }
    }
    let (is_warm, is_narrow) = (temperature.is_some_and(|it| it < 1.0), top_p.is_some_and(|it| it < 0.95));
    if family == Family::Opus {
        let wrong = [("temperature", is_warm), ("top_p", is_narrow), ("top_k", top_k.is_some())];
        if let Some((name, _)) = wrong.iter().find(|(_, is_wrong)| *is_wrong) {
            return Err(invalid("", format!("`{name}` is deprecated for this model.")));
        }
    } else if temperature.is_some() && top_p.is_some() {
        let message = "`temperature` and `top_p` cannot both be specified for this model. Please use only one.";
        return Err(invalid("", message));
    }
    if thinks && is_warm {
        return Err(invalid("", "`temperature` may only be set to 1 when thinking is enabled."));
    }
    if thinks && is_narrow {
        let message = "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.";
        return Err(invalid("", message));
    }
    if thinks && top_k.is_some() {
        return Err(invalid("", "`top_k` must be unset when thinking is enabled."));
    }
    Ok(())
}
