//! What each kind of key may do on every route of `/v1`, and how a management key stays within itself.

use serde_json::{Value, json};

use super::{id, secret, shown};
use crate::harness::{Haven, Reply, ask, nano};

const KINDS: [&str; 3] = ["inference", "read_only", "management"];

async fn key_of(haven: &Haven, workspace: &str, kind: &str) -> Value {
    haven.key(workspace, &json!({ "name": kind, "kind": kind })).await
}

async fn call(haven: &Haven, key: &str, method: &str, path: &str, body: &Value) -> Reply {
    let request = haven.request(key, method, path);
    Reply::to(if body.is_null() { request } else { request.json(body) }).await
}

#[actix_web::test]
async fn every_route_is_for_the_kinds_that_it_names() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("5.00").await;
    let chat = ask("gpt-sim", "Hello");
    let image = json!({ "model": "seedream-5", "prompt": "a lighthouse" });
    let speech = json!({ "model": "elevenlabs-v3", "input": "Good evening.", "voice": "alloy" });
    let named = json!({ "name": "made" });
    // Method, path, body, the status for an inference, a read-only and a management key.
    let routes = [
        ("POST", "/v1/chat/completions", &chat, [200, 403, 403]),
        ("POST", "/v1/messages", &chat, [200, 403, 403]),
        ("POST", "/v1/v1/messages", &chat, [200, 403, 403]),
        ("POST", "/v1/messages/count_tokens", &chat, [200, 403, 403]),
        ("POST", "/v1/v1/messages/count_tokens", &chat, [200, 403, 403]),
        ("POST", "/v1/images/generations", &image, [200, 403, 403]),
        ("POST", "/v1/audio/speech", &speech, [200, 403, 403]),
        ("GET", "/v1/models", &Value::Null, [200, 200, 200]),
        ("GET", "/v1/models/gpt-sim", &Value::Null, [200, 200, 200]),
        ("GET", "/v1/v1/models", &Value::Null, [200, 200, 200]),
        ("GET", "/v1/balance", &Value::Null, [200, 200, 200]),
        ("GET", "/v1/usage", &Value::Null, [200, 200, 200]),
        ("GET", "/v1/keys/self", &Value::Null, [200, 200, 200]),
        ("GET", "/v1/keys", &Value::Null, [403, 403, 200]),
        ("POST", "/v1/keys", &named, [403, 403, 201]),
        ("POST", "/v1/keys/TARGET/rotate", &Value::Null, [403, 403, 201]),
        ("DELETE", "/v1/keys/TARGET", &Value::Null, [403, 403, 200]),
        ("GET", "/v1/keys/TARGET", &Value::Null, [405, 405, 405]),
        ("GET", "/v1/nonsense", &Value::Null, [404, 404, 404]),
    ];
    for (kind, place) in KINDS.into_iter().zip(0..) {
        let key = key_of(&haven, &workspace.id, kind).await;
        for (method, path, body, statuses) in routes {
            let target = haven.key(&workspace.id, &json!({ "name": "target" })).await;
            let path = path.replace("TARGET", id(&target));
            let reply = call(&haven, secret(&key), method, &path, body).await;
            assert_eq!(reply.status, statuses[place], "{kind}: {method} {path}: {}", reply.text);
            assert!(!reply.header("lmhaven-balance-usd").is_empty(), "{kind}: {method} {path}");
            if reply.status == 403 {
                assert_eq!(reply.code(), "key_scope", "{kind}: {method} {path}");
            }
        }
        if kind != "inference" {
            let listed = shown(&haven, &workspace.id, id(&key)).await;
            assert_eq!(listed["spent_usd"], "0.00", "{kind}");
            assert!(listed["last_used_at"].is_string(), "{kind}");
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn body_and_model_are_looked_at_before_the_kind_and_the_kind_before_money_and_other_keys() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("0").await;
    let reader = key_of(&haven, &workspace.id, "read_only").await;
    let manager = key_of(&haven, &workspace.id, "management").await;
    for key in [&reader, &manager] {
        let post = async |path: &str, body: &Value| call(&haven, secret(key), "POST", path, body).await;
        assert_eq!(post("/v1/chat/completions", &json!({ "model": 5 })).await.status, 400);
        assert_eq!(post("/v1/messages", &ask("gpt-5", "Hello")).await.refusal(), (404, "model_not_found"));
        assert_eq!(post("/v1/messages", &ask("gpt-sim", "Hello")).await.refusal(), (403, "key_scope"), "before 402");
        let bad = post("/v1/keys", &json!({ "name": "" })).await;
        assert_eq!((bad.refusal(), &bad.body["error"]["param"]), ((400, "invalid_request"), &json!("name")));
    }
    let unknown = "/v1/keys/key_00000000000000000000000001";
    assert_eq!(call(&haven, secret(&reader), "DELETE", unknown, &Value::Null).await.refusal(), (403, "key_scope"));
    assert_eq!(call(&haven, secret(&manager), "DELETE", unknown, &Value::Null).await.refusal(), (404, "not_found"));
    haven.finish().await;
}

#[actix_web::test]
async fn an_unverified_or_suspended_workspace_makes_no_keys_but_may_revoke_them() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let manager = key_of(&haven, &workspace.id, "management").await;
    let manager = secret(&manager);
    let rotate = format!("/v1/keys/{}/rotate", workspace.key_id);
    for (change, code) in [
        (json!({ "email_verified": false }), "email_not_verified"),
        (json!({ "suspended": true }), "workspace_suspended"),
    ] {
        haven.change(&workspace.id, &change).await;
        for key in [manager, &workspace.key] {
            let made = call(&haven, key, "POST", "/v1/keys", &json!({ "name": "x" })).await;
            assert_eq!(made.refusal(), (403, code));
            assert_eq!(call(&haven, key, "POST", &rotate, &Value::Null).await.refusal(), (403, code));
        }
        let asked = call(&haven, manager, "POST", "/v1/messages", &ask("gpt-sim", "Hello")).await;
        assert_eq!(asked.refusal(), (403, code));
        haven.get(manager, "/v1/keys/self").await.ok();
    }
    call(&haven, manager, "DELETE", &format!("/v1/keys/{}", workspace.key_id), &Value::Null).await.ok();
    assert_eq!(haven.get(&workspace.key, "/v1/balance").await.refusal(), (401, "revoked_api_key"));
    haven.finish().await;
}

#[actix_web::test]
async fn a_management_key_makes_rotates_and_revokes_keys() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let manager = key_of(&haven, &workspace.id, "management").await;
    let key = secret(&manager);
    let body =
        json!({ "name": "made", "spend_limit_usd": "0.50", "spend_limit_reset": "weekly", "models": ["gpt-sim"] });
    let made = call(&haven, key, "POST", "/v1/keys", &body).await.ok();
    assert_eq!(made.status, 201);
    assert_eq!((&made.body["made_by"], &made.body["kind"]), (&manager["id"], &json!("inference")));
    let made = made.body;
    haven.chat(secret(&made), &ask("gpt-sim", "Hello")).await.ok();
    let new = call(&haven, key, "POST", &format!("/v1/keys/{}/rotate", id(&made)), &json!({ "overlap": "0" }))
        .await
        .ok()
        .body;
    assert_eq!((&new["rotated_from"], &new["made_by"]), (&made["id"], &manager["id"]));
    assert_eq!(haven.get(secret(&made), "/v1/balance").await.refusal(), (401, "revoked_api_key"));
    haven.chat(secret(&new), &ask("gpt-sim", "Hello")).await.ok();
    let list = haven.get(key, "/v1/keys").await.ok();
    assert_eq!(list.body["data"].as_array().unwrap().len(), 4, "{}", list.text);
    assert!(!list.text.contains("\"secret\"") && !list.text.contains("digest"), "{}", list.text);
    let revoked = call(&haven, key, "DELETE", &format!("/v1/keys/{}", id(&new)), &Value::Null).await.ok().body;
    assert!(revoked["revoked_at"].is_string());
    assert_eq!(haven.get(secret(&new), "/v1/balance").await.refusal(), (401, "revoked_api_key"));
    let own = haven.get(key, "/v1/keys/self").await.ok().body;
    assert_eq!((&own["id"], &own["workspace_id"]), (&manager["id"], &json!(workspace.id)));
    call(&haven, key, "DELETE", &format!("/v1/keys/{}", id(&manager)), &Value::Null).await.ok();
    assert_eq!(haven.get(key, "/v1/keys").await.refusal(), (401, "revoked_api_key"), "it may end itself");
    let audit = haven.admin_get("/audit").await.to_string();
    for action in ["key.create", "key.rotate", "key.revoke"] {
        assert!(audit.contains(action));
    }
    assert!(audit.contains(&format!("\"actor\":{}", manager["id"])), "{audit}");
    haven.finish().await;
}

#[actix_web::test]
async fn a_management_key_gives_nothing_away_that_it_has_not() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let bounds = json!({
        "name": "narrow", "kind": "management", "models": ["gpt-sim", "gemini-3-flash"], "ip_allow": ["127.0.0.0/8"],
        "expires_at": "2099-01-01T00:00:00Z", "spend_limit_usd": "0.00005",
    });
    let narrow = haven.key(&workspace.id, &bounds).await;
    let key = secret(&narrow);
    for (body, param) in [
        (json!({ "name": "x", "kind": "management" }), "kind"),
        (json!({ "name": "x", "models": ["claude-opus-4-7"] }), "models"),
        (json!({ "name": "x", "ip_allow": ["0.0.0.0/0"] }), "ip_allow"),
        (json!({ "name": "x", "expires_at": "2099-01-01T00:00:01Z" }), "expires_at"),
    ] {
        let refused = call(&haven, key, "POST", "/v1/keys", &body).await;
        assert_eq!((refused.refusal(), &refused.body["error"]["param"]), ((403, "key_scope"), &json!(param)));
    }
    // A key of people, which may do more, and any management key.
    let wide = key_of(&haven, &workspace.id, "management").await;
    for target in [&workspace.key_id, id(&narrow), id(&wide)] {
        let path = format!("/v1/keys/{target}/rotate");
        assert_eq!(call(&haven, key, "POST", &path, &Value::Null).await.refusal(), (403, "key_scope"), "{target}");
    }
    let other = format!("/v1/keys/{}", id(&wide));
    assert_eq!(call(&haven, key, "DELETE", &other, &Value::Null).await.refusal(), (403, "key_scope"));
    // What it makes is as narrow, and spends from one cap, however many there are.
    let body = ask("gpt-sim", "Spend it");
    let (mut spent, mut refused) = (0, 0);
    for number in 0..3 {
        let made = call(&haven, key, "POST", "/v1/keys", &json!({ "name": format!("child {number}") })).await.ok().body;
        for field in ["models", "ip_allow", "expires_at"] {
            assert_eq!(made[field], narrow[field], "{field}");
        }
        while refused <= number {
            let reply = haven.chat(secret(&made), &body).await;
            if reply.status == 200 {
                spent += reply.cost();
            } else {
                assert_eq!(reply.refusal(), (402, "key_spend_limit"));
                refused += 1;
            }
        }
    }
    assert!(spent > 0 && spent <= nano("0.00005"), "{spent}");
    assert_eq!(nano(shown(&haven, &workspace.id, id(&narrow)).await["spend_limit_used_usd"].as_str().unwrap()), spent);
    haven.finish().await;
}

#[actix_web::test]
async fn keys_of_another_workspace_are_not_there() {
    let haven = Haven::start().await;
    let (mine, other) = (haven.workspace("1.00").await, haven.workspace("1.00").await);
    let manager = key_of(&haven, &mine.id, "management").await;
    let key = secret(&manager);
    for target in [other.key_id.as_str(), "key_00000000000000000000000001", "nonsense"] {
        let path = format!("/v1/keys/{target}");
        assert_eq!(call(&haven, key, "DELETE", &path, &Value::Null).await.refusal(), (404, "not_found"), "{target}");
        let rotate = call(&haven, key, "POST", &format!("{path}/rotate"), &Value::Null).await;
        assert_eq!(rotate.refusal(), (404, "not_found"), "{target}");
    }
    assert!(!haven.get(key, "/v1/keys").await.ok().text.contains(&other.key_id));
    haven.get(&other.key, "/v1/balance").await.ok();
    haven.finish().await;
}

#[actix_web::test]
async fn making_keys_takes_requests_from_the_bucket_and_revoking_takes_none() {
    let haven = Haven::start_with(&[("LIMITS__REQUESTS_PER_MINUTE", "3")]).await;
    let workspace = haven.workspace("1.00").await;
    let manager = key_of(&haven, &workspace.id, "management").await;
    let key = secret(&manager);
    let refused = call(&haven, key, "POST", "/v1/keys", &json!({ "name": "x", "kind": "management" })).await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining-requests")), (403, "3"), "a refusal takes none");
    let mut made = Vec::new();
    for left in ["2", "1", "0"] {
        let reply = call(&haven, key, "POST", "/v1/keys", &json!({ "name": "x" })).await.ok();
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), left);
        made.push(reply.body);
    }
    let refused = call(&haven, key, "POST", "/v1/keys", &json!({ "name": "x" })).await;
    assert_eq!(refused.refusal(), (429, "rate_limit_exceeded"));
    for one in &made {
        call(&haven, key, "DELETE", &format!("/v1/keys/{}", id(one)), &Value::Null).await.ok();
    }
    haven.finish().await;
}
