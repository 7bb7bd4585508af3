//! Requests that end otherwise than with a whole answer: what `docs/billing.md` promises for each.

use std::time::Duration;

use lmhaven_simulator::{AnswerChange, Fault, Rule};
use serde_json::Value;

use crate::harness::{Haven, Sse, Workspace, ask, charge_of, charges_of, usd, within};

/// `gpt-sim` at ratio 10, in nano-dollars per token.
const INPUT: i128 = 100;
const OUTPUT: i128 = 200;

fn answer(change: AnswerChange) -> Rule {
    Rule { answer: change, ..Rule::new() }
}

fn tokens(text: &str) -> i128 {
    i128::try_from(text.len().div_ceil(4)).unwrap()
}

/// The text of a streamed chat completion up to its end, or up to so many bytes.
async fn read_text(stream: &mut Sse, bytes_max: usize) -> (String, Option<String>) {
    let (mut text, mut finish) = (String::new(), None);
    while text.len() < bytes_max {
        let Some(event) = stream.next_content().await else { break };
        let choice = event.json()["choices"][0].clone();
        text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        finish = choice["finish_reason"].as_str().map(str::to_owned).or(finish);
    }
    (text, finish)
}

async fn only_charge(haven: &Haven, workspace: &Workspace) -> (i128, Value) {
    haven.settled_balance(workspace).await;
    let settles = haven.entries(workspace, "settle").await;
    let [settle] = &settles[..] else { panic!("one settle, not {settles:?}") };
    (charge_of(settle), settle["usage"].clone())
}

async fn assert_nothing_charged(haven: &Haven, workspace: &Workspace) {
    assert_eq!(haven.settled_balance(workspace).await.balance, 1_000_000_000);
    assert_eq!(charges_of(&haven.ledger(workspace).await).iter().sum::<i128>(), 0);
}

#[actix_web::test]
async fn money_that_ends_during_a_stream_ends_it_as_length_and_is_billed_to_the_last_token() {
    let haven = Haven::start().await;
    let credit = 400_000;
    let workspace = haven.workspace(&usd(credit)).await;
    let story = "A long story. ".repeat(4_000);
    haven.control.script(answer(AnswerChange { text: Some(story.clone()), ..AnswerChange::default() }));
    let mut body = ask("gpt-sim", "Tell me a story");
    body["max_tokens"] = 16_384.into();
    let mut stream = haven.chat_stream(&workspace.key, &body).await;
    let (text, finish) = read_text(&mut stream, usize::MAX).await;
    assert_eq!(finish.as_deref(), Some("length"));
    assert!(!stream.is_broken(), "it ends in order");
    assert!(text.len() > 4 * 1_024 && story.starts_with(&text), "{} bytes", text.len());
    let (charged, usage) = only_charge(&haven, &workspace).await;
    let prompt = tokens("Tell me a story") * INPUT;
    assert_eq!(charged, (prompt + tokens(&text) * OUTPUT).min(credit), "{usage}");
    assert_eq!(usage["estimated"], true);
    assert!(credit - charged < 20_000, "most of the money was used: {charged}");
    haven.finish().await;
}

#[actix_web::test]
async fn money_that_ends_is_max_tokens_to_an_anthropic_client() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("0.0008").await;
    let story = "A long story. ".repeat(4_000);
    haven.control.script(answer(AnswerChange { text: Some(story), ..AnswerChange::default() }));
    let mut body = ask("claude-haiku-4-5", "Tell me a story");
    body["max_tokens"] = 60_000.into();
    let mut stream = haven.messages_stream(&workspace.key, &body).await;
    let events = stream.rest().await;
    assert!(!stream.is_broken());
    let delta = events.iter().rev().find(|event| event.name == "message_delta").unwrap().json();
    assert_eq!(delta["delta"]["stop_reason"], "max_tokens");
    assert_eq!(events.last().unwrap().name, "message_stop");
    let (charged, _) = only_charge(&haven, &workspace).await;
    assert_eq!(crate::harness::nano(delta["usage"]["cost_usd"].as_str().unwrap()), charged);
    haven.finish().await;
}

#[actix_web::test]
async fn an_error_before_anything_was_delivered_costs_nothing() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    for status in [400, 401, 402, 403, 404, 413, 429, 500, 502, 503, 504, 529] {
        for streamed in [false, true] {
            haven.control.clear_script();
            haven.control.script(Rule::new().status(status));
            let mut body = ask("claude-haiku-4-5", "Fail");
            body["stream"] = streamed.into();
            let reply = haven.messages(&workspace.key, &body).await;
            assert!(reply.status >= 400, "{status} became {}: {}", reply.status, reply.text);
            assert!(!reply.headers.contains_key("lmhaven-cost-usd"));
            haven.admin_ok("POST", "/providers/anthropic/accounts/0/enable", &Value::Null).await;
        }
    }
    assert_nothing_charged(&haven, &workspace).await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_stream_that_broke_is_charged_for_what_was_delivered() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let change = AnswerChange { text: Some("0123456789".repeat(10)), pieces: Some(10), ..AnswerChange::default() };
    // The role and five pieces of ten bytes each.
    haven.control.script(Rule { fault: Some(Fault::Reset { after: 6 }), ..answer(change) });
    let mut stream = haven.chat_stream(&workspace.key, &ask("gpt-sim", "Break off")).await;
    let events = stream.rest().await;
    assert!(events.last().unwrap().is_error(), "{events:?}");
    assert!(events.iter().all(|event| event.data != "[DONE]"));
    let text: String = events
        .iter()
        .filter_map(|event| Some(event.json()["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect();
    let (charged, usage) = only_charge(&haven, &workspace).await;
    assert_eq!(charged, tokens("Break off") * INPUT + tokens(&text) * OUTPUT, "{usage}");
    assert_eq!(usage["estimated"], true);
    haven.finish().await;
}

#[actix_web::test]
async fn hanging_up_on_a_stream_costs_what_was_delivered_until_then() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let change = AnswerChange { text: Some("0123456789".repeat(10)), pieces: Some(10), ..AnswerChange::default() };
    haven.control.script(Rule { fault: Some(Fault::Stall { after: 6, ms: None }), ..answer(change) });
    let mut stream = haven.chat_stream(&workspace.key, &ask("gpt-sim", "Go on")).await;
    let (text, _) = read_text(&mut stream, 50).await;
    assert_eq!(text.len(), 50);
    drop(stream);
    within("the provider's call to be cancelled", haven.control.wait_until(|stats| stats.hang_ups == 1)).await;
    let (charged, usage) = only_charge(&haven, &workspace).await;
    assert_eq!(charged, tokens("Go on") * INPUT + tokens(&text) * OUTPUT, "{usage}");
    haven.finish().await;
}

#[actix_web::test]
async fn hanging_up_at_once_on_a_plain_answer_costs_nothing() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(Rule::new().fault(Fault::HangBeforeHeaders { ms: None }));
    let body = ask("gpt-sim", "Never mind");
    tokio::select! {
        reply = haven.chat(&workspace.key, &body) => panic!("{}", reply.text),
        _ = within("the call", haven.control.wait_until(|stats| stats.open == 1)) => {}
    }
    within("the provider's call to be cancelled", haven.control.wait_until(|stats| stats.hang_ups == 1)).await;
    assert_nothing_charged(&haven, &workspace).await;
    haven.finish().await;
}

#[actix_web::test]
async fn hanging_up_later_on_a_plain_answer_costs_the_prompt() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(Rule::new().fault(Fault::HangBeforeHeaders { ms: None }));
    let prompt = "Think about this for a very long time, please.";
    let request = haven.request(&workspace.key, "POST", "/v1/chat/completions").json(&ask("gpt-sim", prompt));
    // A caller whose patience ends after the second that is free, and after what it takes to notice.
    let gave_up = request.timeout(Duration::from_secs(3)).send().await.unwrap_err();
    assert!(gave_up.is_timeout());
    let (charged, usage) = only_charge(&haven, &workspace).await;
    assert_eq!(charged, tokens(prompt) * INPUT, "{usage}");
    assert_eq!(usage["estimated"], true);
    haven.finish().await;
}
