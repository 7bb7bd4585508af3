//! What is refused: with which code, in which order where several apply, and with which headers.

use lmhaven_simulator::{Fault, Rule};
use serde_json::{Value, json};

use crate::harness::{Haven, Reply, ask, within};

/// What every reply to a key carries.
#[track_caller]
fn assert_labelled(reply: &Reply, what: &str) {
    let names = [
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-limit-streams",
        "x-ratelimit-remaining-streams",
    ];
    for name in names {
        assert!(reply.header(name).parse::<u32>().is_ok(), "{name} of {what}: {:?}", reply.headers);
    }
    let [requests, left, streams, slots] = names.map(|name| reply.header(name));
    let reset = reply.header("x-ratelimit-reset-requests");
    assert!(reset.ends_with('s') || reset.ends_with('m'), "{what}: {reset}");
    let policy = format!("\"requests\";q={requests};w=60, \"streams\";q={streams}");
    assert_eq!(reply.header("ratelimit-policy"), policy, "{what}");
    let now = reply.header("ratelimit");
    assert!(now.starts_with(&format!("\"requests\";r={left};t=")), "{what}: {now}");
    assert!(now.ends_with(&format!(", \"streams\";r={slots}")), "{what}: {now}");
    assert_request_id(reply, what);
    crate::harness::nano(reply.header("lmhaven-balance-usd"));
}

#[track_caller]
fn assert_request_id(reply: &Reply, what: &str) {
    let id = reply.header("x-request-id");
    assert!(id.starts_with("req_") && id == reply.header("request-id"), "{what}: {id:?}");
}

#[actix_web::test]
async fn every_kind_of_reply_to_a_key_carries_limits_balance_and_its_request_id() {
    let haven = Haven::start_with(&[("LIMITS__REQUESTS_PER_MINUTE", "5")]).await;
    let (workspace, poor) = (haven.workspace("1.00").await, haven.workspace("0").await);
    let (key, good) = (&workspace.key, ask("gpt-sim", "Hello"));
    let mut streamed = good.clone();
    streamed["stream"] = true.into();
    let mut replies = vec![
        (200, haven.chat(key, &good).await),
        (200, haven.messages(key, &good).await),
        (200, haven.chat(key, &streamed).await),
        (200, haven.post(key, "/v1/messages/count_tokens", &good).await),
        (200, haven.get(key, "/v1/models").await),
        (200, haven.get(key, "/v1/models/gpt-sim").await),
        (200, haven.get(key, "/v1/balance").await),
        (200, haven.get(key, "/v1/usage").await),
        (400, haven.chat(key, &json!([])).await),
        (400, haven.get(key, "/v1/usage?group_by=week").await),
        (402, haven.chat(&poor.key, &good).await),
        (402, haven.messages(&poor.key, &good).await),
        (404, haven.chat(key, &ask("gpt-none", "Hello")).await),
        (404, haven.get(key, "/v1/models/gpt-none").await),
        (404, haven.get(key, "/v1/nothing").await),
        (404, haven.post(key, "/chat/completions", &good).await),
        (405, haven.get(key, "/v1/chat/completions").await),
    ];
    haven.change(&workspace.id, &json!({ "features": { "text": false } })).await;
    replies.push((403, haven.chat(key, &good).await));
    haven.change(&workspace.id, &json!({ "features": { "text": true } })).await;
    haven.chat(key, &good).await.ok();
    replies.push((429, haven.chat(key, &good).await));
    for (at, (status, reply)) in replies.iter().enumerate() {
        assert_eq!(reply.status, *status, "reply {at}: {}", reply.text);
        assert_labelled(reply, &format!("reply {at}, a {status}"));
    }
    let stranger = haven.chat("sk-lmh-nobody", &good).await;
    assert_request_id(&stranger, "a 401");
    assert_eq!(stranger.header("x-ratelimit-limit-requests"), "", "a stranger is told nothing");
    haven.finish().await;
}

#[actix_web::test]
async fn a_workspace_without_the_right_is_told_which_one_it_lacks() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let good = ask("gpt-sim", "Hello");
    let changes = [
        (json!({ "suspended": true }), json!({ "suspended": false }), "workspace_suspended"),
        (json!({ "email_verified": false }), json!({ "email_verified": true }), "email_not_verified"),
        (json!({ "features": { "text": false } }), json!({ "features": { "text": true } }), "feature_not_enabled"),
    ];
    for (change, back, code) in changes {
        haven.change(&workspace.id, &change).await;
        for path in ["/v1/chat/completions", "/v1/messages", "/v1/v1/messages", "/v1/messages/count_tokens"] {
            assert_eq!(haven.post(&workspace.key, path, &good).await.refusal(), (403, code), "{path}");
        }
        haven.get(&workspace.key, "/v1/balance").await.ok();
        haven.change(&workspace.id, &back).await;
        haven.chat(&workspace.key, &good).await.ok();
    }
    let unverified = json!({ "name": "New", "owner_email": "new@example.com" });
    let created = haven.admin_ok("POST", "/workspaces", &unverified).await;
    assert_eq!(created["email_verified"], false);
    let key = haven.key(created["id"].as_str().unwrap(), &json!({ "name": "new" })).await;
    assert_eq!(haven.chat(key["secret"].as_str().unwrap(), &good).await.refusal(), (403, "email_not_verified"));
    haven.finish().await;
}

#[actix_web::test]
async fn where_several_refusals_apply_the_first_of_the_table_is_given() {
    let haven =
        Haven::start_with(&[("LIMITS__EDGE__BODY_BYTES_MAX", "4096"), ("LIMITS__REQUESTS_PER_MINUTE", "1")]).await;
    let workspace = haven.workspace("0.01").await;
    let send = |key: &str, path: &str, media_type: &'static str, body: &Value| {
        let request = haven.request(key, "POST", path).header("content-type", media_type).body(body.to_string());
        Reply::to(request)
    };
    let (key, json_type, chat) = (&workspace.key, "application/json", "/v1/chat/completions");
    let (good, nameless) = (ask("gpt-sim", "Hello"), ask("gpt-none", "Hello"));
    let (long, wrong) = (ask("gpt-none", &"long ".repeat(2_000)), json!({ "model": "gpt-none", "messages": 7 }));
    // From the end of the table to its beginning: each reason is added to those before it.
    haven.chat(key, &good).await.ok();
    assert_eq!(send(key, chat, json_type, &good).await.refusal(), (429, "rate_limit_exceeded"));
    let balance = haven.settled_balance(&workspace).await.balance;
    haven.credit(&workspace.id, &crate::harness::usd(-balance), "all of it").await;
    assert_eq!(send(key, chat, json_type, &good).await.refusal(), (402, "insufficient_balance"));
    haven.change(&workspace.id, &json!({ "suspended": true })).await;
    assert_eq!(send(key, chat, json_type, &good).await.refusal(), (403, "workspace_suspended"));
    assert_eq!(send(key, chat, json_type, &nameless).await.refusal(), (404, "model_not_found"));
    assert_eq!(send(key, chat, json_type, &wrong).await.refusal(), (400, "invalid_request"));
    assert_eq!(send(key, chat, json_type, &long).await.refusal(), (413, "body_too_large"));
    assert_eq!(send(key, chat, "text/plain", &nameless).await.refusal(), (415, "unsupported_media_type"));
    assert_eq!(send(key, "/v1/chat", "text/plain", &long).await.refusal(), (404, "not_found"));
    assert_eq!(send("sk-lmh-nobody", "/v1/chat", "text/plain", &long).await.refusal(), (401, "invalid_api_key"));
    haven.finish().await;
}

#[actix_web::test]
async fn among_waits_the_bucket_comes_before_the_slots_and_the_slots_before_the_money() {
    let haven = Haven::start_with(&[("LIMITS__REQUESTS_PER_MINUTE", "2"), ("LIMITS__CONCURRENT_STREAMS", "1")]).await;
    let workspace = haven.workspace("0.0003").await;
    haven.control.script(Rule::new().fault(Fault::HangBeforeHeaders { ms: None }));
    let mut body = ask("gpt-sim", "endless");
    body["max_tokens"] = 1_024.into();
    body["stream"] = true.into();
    // The first holds the slot and most of the money.
    let mut first = Box::pin(haven.chat(&workspace.key, &body));
    tokio::select! {
        reply = &mut first => panic!("{}", reply.text),
        _ = within("the call", haven.control.wait_until(|stats| stats.open == 1)) => {}
    }
    assert_eq!(haven.chat(&workspace.key, &body).await.refusal(), (429, "too_many_streams"));
    haven.change(&workspace.id, &json!({ "concurrent_streams": 2 })).await;
    assert_eq!(haven.chat(&workspace.key, &body).await.refusal(), (429, "balance_reserved"));
    haven.change(&workspace.id, &json!({ "concurrent_streams": 1 })).await;
    haven.change(&workspace.id, &json!({ "requests_per_minute": 1 })).await;
    haven.post(&workspace.key, "/v1/messages/count_tokens", &ask("gpt-sim", "Take the last")).await.ok();
    assert_eq!(haven.chat(&workspace.key, &body).await.refusal(), (429, "rate_limit_exceeded"));
    drop(first);
    haven.finish().await;
}
