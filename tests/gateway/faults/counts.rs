//! Answers without usage, or with usage that cannot be read: delivered whole, charged by estimate, and marked so.

use lmhaven_simulator::{AnswerChange, Rule};
use serde_json::{Value, json};

use super::{ANTHROPIC, Case, Client, GEMINI, OPENAI, Told, Upstream, estimated, meet, thoughtless, ways};
use crate::harness::{Haven, nano};

const TEXT: &str = "An answer whose tokens nobody has counted.";

fn answer(upstream: Upstream, change: AnswerChange) -> Rule {
    let text = Some(TEXT.to_owned());
    let answer = AnswerChange { text, thinking: thoughtless(upstream), pieces: Some(3), ..change };
    Rule { answer, ..Rule::new() }
}

impl Case {
    /// A good answer to its end, which says what it cost.
    #[track_caller]
    fn is_whole(&self) {
        let what = &self.what;
        assert_eq!(self.text(), TEXT, "{what}");
        let cost = match &self.told {
            Told::Whole(reply) => {
                assert_eq!(reply.status, 200, "{what}: {}", reply.text);
                reply.cost()
            }
            Told::Stream { events, broken, .. } => {
                assert!(!broken && !events.iter().any(crate::harness::Event::is_error), "{what}: {events:?}");
                let last = events.last().unwrap();
                match self.way.client {
                    Client::Openai => assert_eq!(last.data, "[DONE]", "{what}"),
                    Client::Anthropic => assert_eq!(last.name, "message_stop", "{what}"),
                }
                let costs = events.iter().filter_map(|event| Some(nano(event.json()["usage"]["cost_usd"].as_str()?)));
                costs.collect::<Vec<_>>().pop().unwrap_or_else(|| panic!("{what}: no cost in {events:?}"))
            }
        };
        assert_eq!(cost, self.charged, "{what}: what is told is what is charged");
        self.was_asked(&(1..=1));
    }

    #[track_caller]
    fn is_estimated(&self) {
        let (what, usage) = (&self.what, &self.usage);
        let (input, output) = (estimated(&self.prompt), estimated(TEXT));
        assert_eq!(usage["estimated"], true, "{what}: {usage}");
        assert_eq!(self.charged, self.way.upstream.charge(input, output), "{what}: {usage}");
    }
}

#[actix_web::test]
async fn usage_that_is_missing_is_estimated() {
    let haven = Haven::start().await;
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        for way in ways(upstream) {
            let rule = answer(upstream, AnswerChange { omit_usage: true, ..AnswerChange::default() });
            let case = meet(&haven, way, "no usage", rule).await;
            case.is_whole();
            case.is_estimated();
        }
    }
    haven.finish().await;
}

/// Usage in which one count is none, in each provider's words.
fn unreadable(upstream: Upstream) -> Value {
    match upstream.provider {
        "anthropic" => json!({ "input_tokens": "many", "output_tokens": 7 }),
        "gemini" => json!({ "promptTokenCount": "many", "candidatesTokenCount": 7 }),
        _ => json!({ "prompt_tokens": "many", "completion_tokens": 7, "total_tokens": 7 }),
    }
}

#[actix_web::test]
async fn a_count_that_cannot_be_read_does_not_cost_the_caller_the_answer() {
    let haven = Haven::start().await;
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        for way in ways(upstream) {
            let rule =
                answer(upstream, AnswerChange { usage_json: Some(unreadable(upstream)), ..AnswerChange::default() });
            let case = meet(&haven, way, "an unreadable count", rule).await;
            case.is_whole();
            assert_eq!(case.usage["estimated"], true, "{}: {}", case.what, case.usage);
            assert!(case.charged > 0, "{}: {}", case.what, case.usage);
        }
    }
    haven.finish().await;
}
