//! A workspace's actor that panics: replaced from the ledger, with its running requests, its settings and its money.
//!
//! The message that panics is this test's own: handlers are open to other crates, so the gateway needs none that it
//! would rather not have.

use std::cell::Cell;

use actix::{Context, Handler, Message};
use futures_util::future::join_all;
use lmhaven_actors::workspace::{AskError, WorkspaceActor};
use lmhaven_simulator::{AnswerChange, Fault, Rule};
use serde_json::{Value, json};

use crate::harness::{Haven, Reply, Sse, Workspace, ask, charge_of, nano, usd, within};

const SAID: &str = "01234567890123456789012345678901234567890123456789";
/// `gpt-sim` at ratio 10, in nano-dollars per token.
const INPUT: i128 = 100;
const OUTPUT: i128 = 200;

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

impl Handler<Panic> for WorkspaceActor {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("a test told this actor to");
    }
}

/// Ends a workspace's actor. It is gone when this returns.
pub(crate) async fn end_actor(haven: &Haven, workspace: &Workspace) {
    let handle = haven.server.gateway.core.directory.find(workspace.id.parse().unwrap()).unwrap();
    assert_eq!(within("the end of the actor", handle.ask(Panic)).await, Err(AskError::Gone));
}

fn falls_silent() -> Rule {
    let answer = AnswerChange { text: Some(SAID.repeat(2)), pieces: Some(10), ..AnswerChange::default() };
    Rule { answer, fault: Some(Fault::Stall { after: 6, ms: None }), ..Rule::new().marker("silent") }
}

async fn hear_said(stream: &mut Sse) {
    let mut text = String::new();
    while text.len() < SAID.len() {
        let event = stream.next_content().await.expect("more of the stream").json();
        text.push_str(event["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
    }
    assert_eq!(text, SAID);
}

/// What each request that was charged paid.
async fn charges(haven: &Haven, workspace: &Workspace) -> Vec<(String, i128)> {
    haven.settled_balance(workspace).await;
    let settles = haven.entries(workspace, "settle").await;
    settles.iter().map(|entry| (entry["request_id"].as_str().unwrap().to_owned(), charge_of(entry))).collect()
}

fn streams_left(reply: &Reply) -> &str {
    reply.header("x-ratelimit-remaining-streams")
}

/// The cost that a stream told before its end.
fn cost_of(events: &[crate::harness::Event]) -> i128 {
    nano(
        events.iter().find_map(|event| event.json()["usage"]["cost_usd"].as_str().map(str::to_owned)).unwrap().as_str(),
    )
}

#[actix_web::test]
async fn running_requests_settle_once_with_the_actor_that_follows() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(falls_silent());
    haven.control.script(Rule::new().marker("wait").fault(Fault::HangBeforeHeaders { ms: None }));
    let mut stream = haven.chat_stream(&workspace.key, &ask("gpt-sim", "silent")).await;
    hear_said(&mut stream).await;
    let body = ask("gpt-sim", "wait");
    let plain = haven.chat(&workspace.key, &body);
    let rest = async {
        within("both calls", haven.control.wait_until(|stats| stats.open == 2)).await;
        let before = haven.balance(&workspace).await;
        end_actor(&haven, &workspace).await;
        assert_eq!(haven.balance(&workspace).await, before, "the holds are those of before");
        end_actor(&haven, &workspace).await;
        haven.control.end_stalls();
    };
    let (plain, ()) = tokio::join!(plain, rest);
    let plain = plain.ok();
    let events = stream.rest().await;
    assert_eq!(events.last().unwrap().data, "[DONE]");
    assert!(!stream.is_broken());
    let mut told = [
        (plain.header("x-request-id").to_owned(), plain.cost()),
        (stream.headers["x-request-id"].to_str().unwrap().to_owned(), cost_of(&events)),
    ];
    let mut charged = charges(&haven, &workspace).await;
    told.sort();
    charged.sort();
    assert_eq!(charged, told);
    let next = haven.chat(&workspace.key, &ask("gpt-sim", "next")).await.ok();
    assert_eq!(streams_left(&next), "100");
    haven.finish().await;
}

#[actix_web::test]
async fn a_caller_who_leaves_while_no_actor_runs_is_charged_and_frees_his_slot() {
    let haven = Haven::start_with(&[("PROVIDERS__SIM__IDLE_TIMEOUT", "600s")]).await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(falls_silent());
    let mut stream = haven.chat_stream(&workspace.key, &ask("gpt-sim", "silent")).await;
    hear_said(&mut stream).await;
    end_actor(&haven, &workspace).await;
    drop(stream);
    within("the provider's call to be cancelled", haven.control.wait_until(|stats| stats.hang_ups == 1)).await;
    let charged: Vec<i128> = charges(&haven, &workspace).await.into_iter().map(|(_, charge)| charge).collect();
    assert_eq!(charged, [2 * INPUT + SAID.len().div_ceil(4) as i128 * OUTPUT]);
    assert_eq!(streams_left(&haven.get(&workspace.key, "/v1/balance").await.ok()), "100");
    haven.finish().await;
}

#[actix_web::test]
async fn a_body_that_is_dropped_while_no_actor_runs_is_charged_and_frees_its_slot() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    // One who talks without a pause: the connection breaks while it is written to, and the body goes with it.
    haven.control.script(Rule { gap_ms: 1, ..Rule::new().text(&"word ".repeat(20_000)) });
    let mut body = ask("gpt-sim", "talk");
    body["max_tokens"] = 16_384.into();
    for _ in 0..5 {
        let mut stream = haven.chat_stream(&workspace.key, &body).await;
        while stream.next().await.unwrap().json()["choices"][0]["delta"]["content"].as_str().is_none_or(str::is_empty) {
        }
        end_actor(&haven, &workspace).await;
        drop(stream);
        within("the provider's call to be cancelled", haven.control.wait_until(|stats| stats.open == 0)).await;
    }
    assert_eq!(charges(&haven, &workspace).await.len(), 5);
    assert_eq!(streams_left(&haven.get(&workspace.key, "/v1/balance").await.ok()), "100");
    haven.finish().await;
}

#[actix_web::test]
async fn a_workspace_is_the_same_afterwards() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    haven.change(&workspace.id, &json!({ "requests_per_minute": 77, "features": { "voice": false } })).await;
    let limited = haven.key(&workspace.id, &json!({ "name": "limited", "spend_limit_usd": "0.50" })).await;
    let revoked = haven.key(&workspace.id, &json!({ "name": "revoked" })).await;
    let path = format!("/workspaces/{}/keys/{}", workspace.id, revoked["id"].as_str().unwrap());
    haven.admin("DELETE", &path, &Value::Null).await.ok();
    haven.chat(limited["secret"].as_str().unwrap(), &ask("gpt-sim", "spend")).await.ok();
    haven.ledger(&workspace).await;
    let path = format!("/workspaces/{}", workspace.id);
    let before = haven.admin_get(&path).await;
    end_actor(&haven, &workspace).await;
    assert_eq!(haven.admin_get(&path).await, before);
    let again = haven.credit(&workspace.id, "1.00", "first").await;
    assert_eq!(again["seq"], 1, "a credit made before is known");
    let refused = haven.chat(revoked["secret"].as_str().unwrap(), &ask("gpt-sim", "Hello")).await;
    assert_eq!(refused.refusal(), (401, "revoked_api_key"));
    haven.finish().await;
}

#[actix_web::test]
async fn actors_that_panic_under_load_lose_no_money_and_disturb_no_other_workspace() {
    const CALLERS: usize = 12;
    const ROUNDS: usize = 15;
    let unlimited = [("LIMITS__REQUESTS_PER_MINUTE", "100000"), ("LIMITS__CONCURRENT_STREAMS", "1000")];
    let haven = Haven::start_with(&unlimited).await;
    let (struck, spared) = (haven.workspace("1.00").await, haven.workspace("1.00").await);
    let ended = Cell::new(0);
    let callers = join_all((0..CALLERS).map(|caller| {
        let haven = &haven;
        let workspace = if caller % 3 == 0 { &spared } else { &struck };
        async move {
            let mut answers = Vec::new();
            for round in 0..ROUNDS {
                answers.push(call(haven, workspace, caller + round).await);
            }
            (caller, answers)
        }
    }));
    let panics = async {
        loop {
            let calls = haven.control.stats().calls;
            end_actor(&haven, &struck).await;
            ended.set(ended.get() + 1);
            haven.control.wait_until(|stats| stats.calls > calls + 5).await;
        }
    };
    let answers = within("all callers", async {
        tokio::select! {
            answers = callers => answers,
            () = panics => unreachable!("it goes on"),
        }
    })
    .await;
    assert!(ended.get() > 5, "{} actors ended", ended.get());
    let mut told = [Vec::new(), Vec::new()];
    for (caller, answers) in answers {
        for answer in answers {
            match answer {
                Ok(paid) => told[usize::from(caller % 3 == 0)].push(paid),
                Err((status, code)) => {
                    assert_eq!((status, code.as_str()), (500, "internal"), "a clean end");
                    assert_ne!(caller % 3, 0, "a workspace whose actor runs was disturbed");
                }
            }
        }
    }
    for (workspace, mut told) in [&struck, &spared].into_iter().zip(told) {
        assert!(told.len() > ROUNDS, "{} answers", told.len());
        let mut charged = charges(&haven, workspace).await;
        charged.sort();
        told.sort();
        assert_eq!(charged, told, "each answer paid once, nothing else paid");
        assert_eq!(usd(haven.balance(workspace).await.available), usd(nano("1.00") - sum(&told)));
    }
    haven.chat(&struck.key, &ask("gpt-sim", "next")).await.ok();
    haven.finish().await;
}

fn sum(paid: &[(String, i128)]) -> i128 {
    paid.iter().map(|(_, cost)| cost).sum()
}

/// One request, plain or streamed: its id and what it told to cost, or the error that it ended with.
async fn call(haven: &Haven, workspace: &Workspace, number: usize) -> Result<(String, i128), (u16, String)> {
    let mut body = ask("gpt-sim", &format!("Question {number}"));
    if number.is_multiple_of(2) {
        let reply = haven.chat(&workspace.key, &body).await;
        if reply.status != 200 {
            return Err((reply.status, reply.code().to_owned()));
        }
        return Ok((reply.header("x-request-id").to_owned(), reply.cost()));
    }
    body["stream"] = true.into();
    body["stream_options"] = json!({ "include_usage": true });
    let request = haven.request(&workspace.key, "POST", "/v1/chat/completions").json(&body);
    let response = within("a stream", request.send()).await.unwrap();
    if response.status() != 200 {
        let (status, body) = (response.status().as_u16(), response.json::<Value>().await.unwrap());
        return Err((status, body["error"]["code"].as_str().unwrap().to_owned()));
    }
    let mut stream = Sse::of(response).await;
    let events = stream.rest().await;
    assert!(!stream.is_broken() && events.last().unwrap().data == "[DONE]", "{events:?}");
    Ok((stream.headers["x-request-id"].to_str().unwrap().to_owned(), cost_of(&events)))
}
