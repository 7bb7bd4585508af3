//! What all media protocols share: the ledger, the faults, the slow bodies; told with Ark.

use super::ark::{ARK, body, generate};
use crate::{
    Ending, Fault, Protocol, Rule, Simulator,
    tests::client::{OPENAI, PATIENCE, get, open, post, receive, simulator},
};
use serde_json::{Value, json};
use std::io::ErrorKind;
use tokio::time::timeout;

fn rule(value: Value) -> Rule {
    serde_json::from_value(value).unwrap()
}

/// A picture over a raw connection, which may break.
async fn broken(simulator: &Simulator, value: Value) -> crate::tests::client::Response {
    simulator.control().reset();
    simulator.control().script(rule(value));
    let body = body(json!({})).to_string();
    receive(&mut open(simulator.address(), "/api/v3/images/generations", ARK, &body).await).await
}

#[actix_web::test]
async fn what_is_refused_or_broken_before_is_not_charged() {
    let simulator = simulator().await;
    for value in [
        json!({"status": {"code": 500}}),
        json!({"status": {"code": 429, "retry_after": "7"}}),
        json!({"fault": {"kind": "reset_before_headers"}}),
        json!({"fault": {"kind": "close_before_headers"}}),
    ] {
        let response = broken(&simulator, value.clone()).await;
        assert_ne!(response.status, 200);
        assert_eq!(response.header("retry-after"), value["status"]["retry_after"].as_str());
        assert!(simulator.control().charges().is_empty(), "{value}");
    }
    simulator.stop().await;
}

#[actix_web::test]
async fn a_rule_finds_its_calls_by_prompt_key_model_and_number() {
    let simulator = simulator().await;
    let control = simulator.control();
    control.script(Rule::new().marker("M1").status(500));
    control.script(rule(json!({"model": "ep-broken", "status": {"code": 429}, "skip": 1, "times": 1})));
    control.script(Rule::new().key("ark-9").status(403));
    assert_eq!(generate(&simulator, json!({"prompt": "a cat M1"})).await.status, 500);
    assert_eq!(generate(&simulator, json!({})).await.status, 200);
    for wanted in [200, 429, 200] {
        assert_eq!(generate(&simulator, json!({"model": "ep-broken"})).await.status, wanted);
    }
    let other = [("authorization", "Bearer ark-9")];
    let refused = post(&simulator, "/api/v3/images/generations", &other, &body(json!({}))).await;
    assert_eq!(refused.status, 403);
    assert_eq!(control.charges().len(), 3);
    simulator.stop().await;
}

#[actix_web::test]
async fn a_lost_reply_is_charged_once() {
    let simulator = simulator().await;
    let lost = broken(&simulator, json!({"times": 1, "fault": {"kind": "reset_after_charge"}})).await;
    assert_eq!((lost.status, lost.error), (0, Some(ErrorKind::ConnectionReset)));
    let charges = simulator.control().charges();
    assert_eq!((charges.len(), charges[0].units), (1, 1));
    let call = simulator.control().last_call().unwrap();
    assert_eq!((call.id, call.ending), (charges[0].call, Some(Ending::Cut)));
    // The next one is answered, and charged again.
    generate(&simulator, json!({})).await;
    let listed = get(&simulator, "/__charges").await.json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[1]["protocol"]), (2, &json!("ark")));
    post(&simulator, "/__reset", &[], &json!({})).await;
    assert!(simulator.control().charges().is_empty());
    simulator.stop().await;
}

#[actix_web::test]
async fn who_leaves_while_it_is_made_has_paid() {
    let simulator = simulator().await;
    for value in [json!({"fault": {"kind": "hang_after_charge"}}), json!({"media": {"generate_ms": 60_000}})] {
        simulator.control().reset();
        simulator.control().script(rule(value));
        let body = body(json!({})).to_string();
        let stream = open(simulator.address(), "/api/v3/images/generations", ARK, &body).await;
        timeout(PATIENCE, simulator.control().wait_for_charge(|charge| charge.images == 1)).await.unwrap();
        assert_eq!(simulator.control().stats().open, 1);
        drop(stream);
        let stats = timeout(PATIENCE, simulator.control().wait_until(|stats| stats.open == 0)).await.unwrap();
        assert_eq!((stats.hang_ups, simulator.control().charges().len()), (1, 1));
    }
    // Before the acceptance there is nothing to pay.
    simulator.control().reset();
    simulator.control().script(Rule::new().fault(Fault::HangBeforeHeaders { ms: None }));
    let stream = open(simulator.address(), "/api/v3/images/generations", ARK, &body(json!({})).to_string()).await;
    timeout(PATIENCE, simulator.control().wait_until(|stats| stats.open == 1)).await.unwrap();
    drop(stream);
    timeout(PATIENCE, simulator.control().wait_until(|stats| stats.hang_ups == 1)).await.unwrap();
    assert!(simulator.control().charges().is_empty());
    simulator.stop().await;
}

#[actix_web::test]
async fn bodies_drip_break_and_lie() {
    let simulator = simulator().await;
    let dripped = broken(&simulator, json!({"wire": {"split": 50}, "gap_ms": 1})).await;
    assert!(dripped.is_whole && dripped.chunks.len() > 4);
    assert!(dripped.chunks.iter().all(|chunk| chunk.len() <= 50));
    assert_eq!(dripped.json()["data"].as_array().unwrap().len(), 1);
    let reset = broken(&simulator, json!({"fault": {"kind": "reset", "after": 1}})).await;
    assert_eq!((reset.status, reset.is_whole, reset.error), (200, false, Some(ErrorKind::ConnectionReset)));
    let cut = broken(&simulator, json!({"fault": {"kind": "cut", "after": 1}})).await;
    assert!(cut.is_whole && serde_json::from_slice::<Value>(&cut.bytes()).is_err());
    let malformed = broken(&simulator, json!({"fault": {"kind": "malformed", "event": 1}})).await;
    assert!(serde_json::from_slice::<Value>(&malformed.bytes()).is_err());
    let html = broken(&simulator, json!({"fault": {"kind": "html"}})).await;
    assert!(html.text().starts_with("<!DOCTYPE html>") && html.head.contains("content-type: text/html"));
    assert_eq!(simulator.control().charges().len(), 1);
    simulator.stop().await;
}

#[actix_web::test]
async fn balances_run_out() {
    let simulator = simulator().await;
    let control = simulator.control();
    let set = json!([{"protocol": "ark", "key": "ark-1", "units": 1}]);
    assert_eq!(post(&simulator, "/__balances", &[("content-type", "application/json")], &set).await.status, 204);
    assert_eq!(generate(&simulator, json!({})).await.status, 200);
    assert_eq!(control.balance(Protocol::Ark, "ark-1"), Some(0));
    let broke = generate(&simulator, json!({})).await;
    assert_eq!((broke.status, &broke.json()["error"]["code"]), (403, &json!("AccountOverdueError")));
    assert_eq!((control.charges().len(), control.balance(Protocol::Ark, "ark-2")), (1, None));
    assert_eq!(get(&simulator, "/__balances").await.json()[0]["units"], 0);
    simulator.stop().await;
}

#[actix_web::test]
async fn text_replies_are_lost_too() {
    let simulator = simulator().await;
    for stream in [true, false] {
        simulator.control().reset();
        simulator.control().script(Rule::new().fault(Fault::ResetAfterCharge));
        let chat = json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hello"}]});
        let lost = post(&simulator, "/v1/chat/completions", OPENAI, &chat).await;
        assert_eq!((lost.status, lost.error), (0, Some(ErrorKind::ConnectionReset)));
        let call = simulator.control().last_call().unwrap();
        assert!(call.usage.unwrap().output > 0 && call.ending == Some(Ending::Cut));
        // Rules of one path leave the others alone.
        simulator.control().reset();
        simulator.control().script(Rule::new().path("/api/v3/").status(500));
        assert_eq!(post(&simulator, "/v1/chat/completions", OPENAI, &chat).await.status, 200);
    }
    simulator.stop().await;
}
