//! Keys: which are taken, what they may do, and that a revoked one is refused in the same instant.

mod caps;
mod kinds;
mod rotation;

use std::sync::atomic::AtomicI64;

use lmhaven_actors::clock::Clock;
use lmhaven_simulator::{Fault, Rule};
use serde_json::{Value, json};

use crate::harness::{Event, Haven, Reply, Sse, ask, nano, until};

fn secret(key: &Value) -> &str {
    key["secret"].as_str().unwrap()
}

/// The id of a key as an API showed it.
fn id(key: &Value) -> &str {
    key["id"].as_str().unwrap()
}

/// A key as operators see it.
async fn shown(haven: &Haven, workspace: &str, key: &str) -> Value {
    let keys = haven.admin_get(&format!("/workspaces/{workspace}/keys")).await;
    keys["data"].as_array().unwrap().iter().find(|shown| shown["id"] == key).expect("the key").clone()
}

/// A clock that stands until it is moved, with its hand: noon of 2026-11-23, a Monday.
fn standing_clock() -> (&'static AtomicI64, Clock) {
    let millis: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(NOON)));
    (millis, Clock::given(millis))
}

/// 2026-11-23T12:00:00Z.
const NOON: i64 = 1_795_435_200_000;
const HOUR: i64 = 3_600_000;

#[actix_web::test]
async fn a_revoked_key_is_refused_from_the_next_request_on_and_the_others_go_on() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let other = haven.key(&workspace.id, &json!({ "name": "other" })).await;
    let body = ask("gpt-sim", "Hello");
    haven.chat(&workspace.key, &body).await.ok();
    let path = format!("/workspaces/{}/keys/{}", workspace.id, workspace.key_id);
    let revoked = haven.admin_ok("DELETE", &path, &Value::Null).await;
    assert!(revoked["revoked_at"].is_string(), "{revoked}");
    for path in ["/v1/chat/completions", "/v1/messages", "/v1/v1/messages", "/v1/messages/count_tokens"] {
        assert_eq!(haven.post(&workspace.key, path, &body).await.refusal(), (401, "revoked_api_key"), "{path}");
    }
    assert_eq!(haven.get(&workspace.key, "/v1/balance").await.refusal(), (401, "revoked_api_key"));
    haven.chat(secret(&other), &body).await.ok();
    haven.finish().await;
}

#[actix_web::test]
async fn the_running_streams_of_a_revoked_key_end_with_an_error_event_and_never_in_order() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(Rule::new().fault(Fault::Stall { after: 5, ms: None }));
    let mut streams = Vec::new();
    for model in ["gpt-sim", "claude-haiku-4-5", "gemini-3-flash"] {
        streams.push(("chat", haven.chat_stream(&workspace.key, &ask(model, "Hello")).await));
        streams.push(("messages", haven.messages_stream(&workspace.key, &ask(model, "Hello")).await));
    }
    let path = format!("/workspaces/{}/keys/{}", workspace.id, workspace.key_id);
    haven.admin_ok("DELETE", &path, &Value::Null).await;
    for (dialect, stream) in &mut streams {
        assert_broken(dialect, stream).await;
    }
    haven.finish().await;
}

async fn assert_broken(dialect: &str, stream: &mut Sse) {
    let events = stream.rest().await;
    let (last, before) = events.split_last().unwrap();
    assert!(stream.is_broken(), "it must not look whole: {events:?}");
    assert!(before.iter().all(|event| !is_final(event)), "{events:?}");
    let error = last.json();
    assert_eq!(error["error"]["code"], "revoked_api_key", "{last:?}");
    assert_eq!(last.name, if dialect == "messages" { "error" } else { "" }, "{last:?}");
    if dialect == "messages" {
        assert_eq!(error["type"], "error");
    }
}

fn is_final(event: &Event) -> bool {
    event.data == "[DONE]" || event.name == "message_stop" || event.is_error()
}

#[actix_web::test]
async fn a_key_expires_when_it_was_told_to() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let path = format!("/workspaces/{}/keys", workspace.id);
    let over = json!({ "name": "late", "expires_at": "2020-01-01T00:00:00Z" });
    let refused = haven.admin("POST", &path, &over).await;
    assert_eq!((refused.refusal(), &refused.body["error"]["param"]), ((400, "invalid_request"), &json!("expires_at")));
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1_500);
    let key = haven.key(&workspace.id, &json!({ "name": "short", "expires_at": soon.to_string() })).await;
    haven.get(secret(&key), "/v1/balance").await.ok();
    let refused = until("the key to expire", || async {
        Some(haven.get(secret(&key), "/v1/balance").await).filter(|reply| reply.status != 200)
    })
    .await;
    assert!(jiff::Timestamp::now() >= soon, "not before its time");
    assert_eq!(refused.refusal(), (401, "expired_api_key"));
    assert_eq!(haven.chat(secret(&key), &ask("gpt-sim", "Hello")).await.refusal(), (401, "expired_api_key"));
    haven.finish().await;
}

#[actix_web::test]
async fn a_key_spends_no_more_than_its_own_limit() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let body = ask("gpt-sim", "Spend it");
    let key = haven.key(&workspace.id, &json!({ "name": "limited", "spend_limit_usd": "0.00005" })).await;
    let (mut spent, mut served) = (0, 0);
    let refused = loop {
        let reply = haven.chat(secret(&key), &body).await;
        if reply.status != 200 {
            break reply;
        }
        spent += reply.cost();
        served += 1;
    };
    assert!(served > 0 && spent <= nano("0.00005"), "{served} for {spent}");
    assert_eq!(refused.refusal(), (402, "key_spend_limit"));
    assert!(refused.text.contains("https://lmhaven.test/app/keys"), "{}", refused.text);
    let shown = haven.admin_get(&format!("/workspaces/{}/keys", workspace.id)).await;
    let shown = shown["data"].as_array().unwrap().iter().find(|one| one["id"] == key["id"]).unwrap().clone();
    assert_eq!(nano(shown["spent_usd"].as_str().unwrap()), spent);
    haven.chat(&workspace.key, &body).await.ok();
    haven.finish().await;
}

#[actix_web::test]
async fn a_key_reaches_only_its_models_and_only_from_its_addresses() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let scoped = haven.key(&workspace.id, &json!({ "name": "scoped", "models": ["gpt-sim"] })).await;
    haven.chat(secret(&scoped), &ask("gpt-sim", "Hello")).await.ok();
    for path in ["/v1/chat/completions", "/v1/messages", "/v1/messages/count_tokens"] {
        let refused = haven.post(secret(&scoped), path, &ask("claude-haiku-4-5", "Hello")).await;
        assert_eq!(refused.refusal(), (403, "key_scope"), "{path}");
    }
    let abroad = haven.key(&workspace.id, &json!({ "name": "abroad", "ip_allow": ["203.0.113.0/24"] })).await;
    assert_eq!(haven.chat(secret(&abroad), &ask("gpt-sim", "Hello")).await.refusal(), (403, "key_scope"));
    let home = haven.key(&workspace.id, &json!({ "name": "home", "ip_allow": ["127.0.0.0/8", "::1"] })).await;
    haven.chat(secret(&home), &ask("gpt-sim", "Hello")).await.ok();
    haven.finish().await;
}

#[actix_web::test]
async fn a_key_is_taken_from_either_header_and_refused_where_they_differ() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let other = haven.key(&workspace.id, &json!({ "name": "other" })).await;
    let send = |bearer: Option<&str>, api_key: Option<&str>| {
        let mut request = haven.client.post(format!("{}/v1/messages", haven.base)).json(&ask("gpt-sim", "Hello"));
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        if let Some(api_key) = api_key {
            request = request.header("x-api-key", api_key);
        }
        Reply::to(request)
    };
    let key = workspace.key.as_str();
    for (bearer, api_key) in [
        (Some(key), None),
        (None, Some(key)),
        (Some(key), Some(key)),
        (Some("dummy"), Some(key)),
        (Some(key), Some("x")),
    ] {
        send(bearer, api_key).await.ok();
    }
    assert_eq!(send(Some(key), Some(secret(&other))).await.refusal(), (401, "invalid_api_key"));
    assert_eq!(send(None, None).await.refusal(), (401, "missing_api_key"));
    assert_eq!(send(Some(""), None).await.refusal(), (401, "missing_api_key"));
    haven.finish().await;
}

#[actix_web::test]
async fn a_key_with_one_wrong_letter_is_not_known() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let key = workspace.key.as_str();
    assert!(key.starts_with("sk-lmh-") && key.is_ascii(), "{key}");
    for at in ["sk-lmh-".len(), key.len() / 2, key.len() - 1] {
        let (before, rest) = key.split_at(at);
        let replaced = if rest.starts_with('x') { 'y' } else { 'x' };
        let wrong = format!("{before}{replaced}{}", &rest[1..]);
        assert_eq!(haven.get(&wrong, "/v1/balance").await.refusal(), (401, "invalid_api_key"), "letter {at}");
    }
    for wrong in [&key[..key.len() - 1], &format!("{key}0"), "sk-lmh-", "sk-ant-api03-something"] {
        assert_eq!(haven.get(wrong, "/v1/balance").await.refusal(), (401, "invalid_api_key"), "{wrong}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_secret_is_shown_once() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    for path in [
        "/workspaces",
        "/audit",
        &format!("/workspaces/{}", workspace.id),
        &format!("/workspaces/{}/keys", workspace.id),
    ] {
        let shown = haven.admin("GET", path, &Value::Null).await.ok();
        assert!(!shown.text.contains(&workspace.key), "{path} shows a secret");
        assert!(!shown.text.contains("\"secret\""), "{path}");
    }
    let keys = haven.admin_get(&format!("/workspaces/{}/keys", workspace.id)).await;
    assert_eq!(keys["data"][0]["last_four"], workspace.key[workspace.key.len() - 4..]);
    haven.finish().await;
}

#[actix_web::test]
async fn a_body_that_could_be_read_in_two_ways_is_not_read() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let bodies = [
        r#"{"model":"gpt-sim","model":"claude-opus-4-7","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#,
        r#"{"model":"gpt-sim","max_tokens":9,"max_tokens":9999,"messages":[{"role":"user","content":"Hi"}]}"#,
        r#"{"model":"gpt-sim","max_tokens":9,"messages":[{"role":"user","content":"Hi","content":"Ho"}]}"#,
        r#"{"model":"gpt-sim","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]"#,
        r#"{"model":"gpt-sim","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]} x"#,
        "",
        "null",
    ];
    for path in ["/v1/chat/completions", "/v1/messages"] {
        for body in bodies {
            let request = haven.request(&workspace.key, "POST", path).header("content-type", "application/json");
            let reply = Reply::to(request.body(body)).await;
            assert_eq!(reply.status, 400, "{path}: {body}: {}", reply.text);
            assert!(["invalid_json", "invalid_request"].contains(&reply.code()), "{path}: {body}: {}", reply.text);
        }
    }
    assert_eq!(haven.control.stats().calls, 0);
    haven.finish().await;
}

#[actix_web::test]
async fn a_model_that_is_unknown_or_makes_something_else_is_not_replaced_by_another() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let unknown = haven.post(&workspace.key, path, &ask("gpt-5", "Hello")).await;
        assert_eq!((unknown.refusal(), &unknown.body["error"]["param"]), ((404, "model_not_found"), &json!("model")));
        let image = haven.post(&workspace.key, path, &ask("nano-banana-pro", "Hello")).await;
        assert_eq!((image.refusal(), &image.body["error"]["param"]), ((400, "invalid_request"), &json!("model")));
    }
    assert_eq!(haven.control.stats().calls, 0);
    haven.finish().await;
}
