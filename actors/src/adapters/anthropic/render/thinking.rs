//! Whether a request thinks, and how hard: the rules of `wire/translation.md` §2 and §5.
//!
//! Thinking is dropped rather than refused where something else of the request forbids it: the answer is
//! then plainer, and the caller's output limit is never raised.

use serde::Serialize;

use super::super::model::Abilities;
use crate::adapters::Target;
use crate::chat::{Dialect, Effort, Part, Request, Role, Signature, Thinking, ToolChoice, Turn};

/// The least that a budget may be.
const BUDGET_MIN: u32 = 1_024;

/// `thinking`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum WireThinking {
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Enabled {
        budget_tokens: u32,
    },
}

/// What goes upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) thinking: Option<WireThinking>,
    pub(super) effort: Option<&'static str>,
}

impl Plan {
    pub(super) fn of(request: &Request, target: &Target<'_>, abilities: Abilities) -> Self {
        let plan = wanted(request, target, abilities);
        if is_forced(request) || is_prefilled(&request.turns) || lacks_thoughts(&request.turns, target.model) {
            return Self { thinking: None, ..plan };
        }
        plan
    }
}

fn wanted(request: &Request, target: &Target<'_>, abilities: Abilities) -> Plan {
    let display = (abilities.hides_thoughts && request.show_thoughts).then_some("summarized");
    let adaptive = |effort: Option<Effort>| Plan {
        thinking: Some(WireThinking::Adaptive { display }),
        effort: effort.map(|effort| effort_word(effort, abilities)),
    };
    match request.thinking {
        Thinking::Unset | Thinking::Off => Plan::default(),
        Thinking::Adaptive(effort) if abilities.adaptive => adaptive(effort),
        Thinking::Adaptive(effort) => budget(budget_for(effort, target.output_limit), target.output_limit),
        Thinking::Budget(tokens) if abilities.budget => budget(tokens.get(), target.output_limit),
        Thinking::Budget(tokens) => adaptive(Some(match tokens.get() {
            0..2_048 => Effort::Low,
            2_048..8_192 => Effort::Medium,
            8_192.. => Effort::High,
        })),
    }
}

fn budget(budget_tokens: u32, output_limit: u32) -> Plan {
    let fits = budget_tokens >= BUDGET_MIN && budget_tokens < output_limit;
    Plan { thinking: fits.then_some(WireThinking::Enabled { budget_tokens }), effort: None }
}

/// The budget for an effort, leaving half of a small limit for the answer.
fn budget_for(effort: Option<Effort>, output_limit: u32) -> u32 {
    let wanted = match effort {
        Some(Effort::Minimal | Effort::Low) => BUDGET_MIN,
        Some(Effort::Medium) => 4_096,
        Some(Effort::High) | None => 16_000,
        Some(Effort::XHigh | Effort::Max) => 32_000,
    };
    wanted.min((output_limit / 2).max(BUDGET_MIN))
}

const fn effort_word(effort: Effort, abilities: Abilities) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::XHigh if abilities.xhigh => "xhigh",
        Effort::High | Effort::XHigh => "high",
        Effort::Max => "max",
    }
}

/// A call that must be made leaves no room for a thought.
fn is_forced(request: &Request) -> bool {
    matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. })
    )
}

/// The answer is to continue a turn of the assistant.
pub(super) fn is_prefilled(turns: &[Turn]) -> bool {
    turns.last().is_some_and(|turn| turn.role == Role::Assistant)
}

/// A round of tool calls is going on, and one of its turns has lost the thought that it began with.
fn lacks_thoughts(turns: &[Turn], model: &str) -> bool {
    let answers_tools = |turn: &&Turn| turn.parts.iter().any(|part| matches!(part, Part::ToolResult { .. }));
    turns
        .rchunks(2)
        .map_while(|pair| match pair {
            [call, answer] if answer.role == Role::User && answers_tools(&answer) => Some(call),
            _ => None,
        })
        .any(|call| !call.parts.first().is_some_and(|part| is_own_thought(part, model)))
}

/// A thought that this model made.
pub(super) fn is_own_thought(part: &Part, model: &str) -> bool {
    let fits = |signature: &Signature| signature.fits(Dialect::Anthropic, model) && !signature.value.is_empty();
    match part {
        Part::Thinking { signature, .. } => signature.as_ref().is_some_and(fits),
        Part::RedactedThinking { data } => fits(data),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::tests::{request, target};
    use super::*;

    fn plan(model: &str, limit: u32, change: impl FnOnce(&mut Request)) -> String {
        let mut request = request();
        change(&mut request);
        let target = Target { output_limit: limit, ..target(model) };
        let plan = Plan::of(&request, &target, Abilities::of(&target));
        let thinking = plan.thinking.map_or("-".to_owned(), |thinking| serde_json::to_string(&thinking).unwrap());
        format!("{thinking} {}", plan.effort.unwrap_or("-"))
    }

    #[test]
    fn effort_and_budget_become_what_each_model_takes() {
        let efforts = [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh, Effort::Max];
        let mut thinking = vec![Thinking::Unset, Thinking::Off, Thinking::Adaptive(None)];
        thinking.extend(efforts.map(|effort| Thinking::Adaptive(Some(effort))));
        thinking.extend([500, 2_000, 4_096, 10_000, 64_000].map(|n| Thinking::Budget(NonZeroU32::new(n).unwrap())));
        let mut table = Vec::new();
        for model in ["claude-opus-4-7", "claude-sonnet-4-6", "claude-haiku-4-5"] {
            for wanted in &thinking {
                let set = |request: &mut Request| request.thinking = *wanted;
                table.push(format!("{model} {wanted:?}: {}", plan(model, 40_000, set)));
            }
        }
        insta::assert_debug_snapshot!(table);
    }

    #[test]
    fn a_small_limit_is_never_raised_for_a_budget() {
        let high = |request: &mut Request| request.thinking = Thinking::Adaptive(Some(Effort::High));
        assert_eq!(plan("claude-haiku-4-5", 1_024, high), "- -");
        assert_eq!(plan("claude-haiku-4-5", 1_025, high), r#"{"type":"enabled","budget_tokens":1024} -"#);
        assert_eq!(plan("claude-haiku-4-5", 8_000, high), r#"{"type":"enabled","budget_tokens":4000} -"#);
    }

    #[test]
    fn a_forced_tool_drops_the_thought_and_keeps_the_effort() {
        for choice in [
            ToolChoice::Required,
            ToolChoice::Named("f".into()),
            ToolChoice::Allowed { required: true, names: vec!["f".into()] },
        ] {
            let forced = |request: &mut Request| {
                request.thinking = Thinking::Adaptive(Some(Effort::High));
                request.tool_choice = Some(choice);
            };
            assert_eq!(plan("claude-opus-4-7", 9_000, forced), "- high");
        }
    }

    #[test]
    fn display_is_asked_for_where_it_is_not_the_default() {
        let shown = |request: &mut Request| {
            request.thinking = Thinking::Adaptive(None);
            request.show_thoughts = true;
        };
        assert_eq!(plan("claude-opus-4-7", 9_000, shown), r#"{"type":"adaptive","display":"summarized"} -"#);
        assert_eq!(plan("claude-sonnet-4-6", 9_000, shown), r#"{"type":"adaptive"} -"#);
    }
}
