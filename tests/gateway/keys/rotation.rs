//! A new secret in the place of an old one, with a window in which both are taken.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{HOUR, id, secret, shown, standing_clock};
use crate::harness::{Haven, ask, nano};

fn path(workspace: &str, key: &str) -> String {
    format!("/workspaces/{workspace}/keys/{key}/rotate")
}

#[actix_web::test]
async fn both_secrets_are_taken_until_the_window_is_over_and_the_list_links_them() {
    let (hand, clock) = standing_clock();
    let haven = Haven::start_from("", &[], clock).await;
    let workspace = haven.workspace("1.00").await;
    let settings =
        json!({ "name": "prod", "models": ["gpt-sim"], "ip_allow": ["127.0.0.0/8"], "spend_limit_usd": "0.50" });
    let old = haven.key(&workspace.id, &settings).await;
    let new = haven.admin_ok("POST", &path(&workspace.id, id(&old)), &json!({ "overlap": "1h" })).await;
    for field in ["name", "models", "ip_allow", "spend_limit_usd", "kind"] {
        assert_eq!(new[field], old[field], "{field}");
    }
    assert!(secret(&new) != secret(&old) && id(&new) != id(&old));
    assert_eq!((&new["rotated_from"], &new["expires_at"]), (&old["id"], &Value::Null));
    let body = ask("gpt-sim", "Hello");
    haven.chat(secret(&old), &body).await.ok();
    haven.chat(secret(&new), &body).await.ok();
    let listed = shown(&haven, &workspace.id, id(&old)).await;
    assert_eq!((&listed["rotated_to"], &listed["revoked_at"]), (&new["id"], &Value::Null));
    assert_eq!(listed["expires_at"], "2026-11-23T13:00:00Z");
    hand.fetch_add(HOUR - 1, Ordering::Relaxed);
    haven.get(secret(&old), "/v1/balance").await.ok();
    hand.fetch_add(1, Ordering::Relaxed);
    assert_eq!(haven.chat(secret(&old), &body).await.refusal(), (401, "expired_api_key"));
    haven.chat(secret(&new), &body).await.ok();
    let audit = haven.admin_get("/audit").await.to_string();
    assert!(audit.contains("key.rotate") && !audit.contains(secret(&new)), "{audit}");
    haven.finish().await;
}

#[actix_web::test]
async fn without_a_window_the_old_secret_is_revoked_at_once() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let new = haven.admin_ok("POST", &path(&workspace.id, &workspace.key_id), &json!({ "overlap": "0" })).await;
    assert_eq!(haven.get(&workspace.key, "/v1/balance").await.refusal(), (401, "revoked_api_key"));
    haven.get(secret(&new), "/v1/balance").await.ok();
    assert!(shown(&haven, &workspace.id, &workspace.key_id).await["revoked_at"].is_string());
    haven.finish().await;
}

#[actix_web::test]
async fn a_new_secret_brings_no_new_cap() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let old = haven.key(&workspace.id, &json!({ "name": "capped", "spend_limit_usd": "0.00005" })).await;
    let body = ask("gpt-sim", "Spend it");
    let first = haven.chat(secret(&old), &body).await.ok().cost();
    let new = haven.admin_ok("POST", &path(&workspace.id, id(&old)), &json!({})).await;
    assert_eq!(nano(new["spend_limit_used_usd"].as_str().unwrap()), first);
    let mut spent = first;
    let refused = loop {
        let reply = haven.chat(secret(&new), &body).await;
        if reply.status != 200 {
            break reply;
        }
        spent += reply.cost();
    };
    assert_eq!(refused.refusal(), (402, "key_spend_limit"));
    assert!(spent <= nano("0.00005"), "{spent} of both together");
    assert_eq!(haven.chat(secret(&old), &body).await.refusal(), (402, "key_spend_limit"));
    haven.finish().await;
}

#[actix_web::test]
async fn only_a_good_key_of_this_workspace_is_rotated_and_only_once() {
    let haven = Haven::start().await;
    let (workspace, other) = (haven.workspace("1.00").await, haven.workspace("0").await);
    let rotate =
        async |workspace: &str, key: &str, body: Value| haven.admin("POST", &path(workspace, key), &body).await;
    for key in [other.key_id.as_str(), "key_nonsense", "key_00000000000000000000000001"] {
        assert_eq!(rotate(&workspace.id, key, json!({})).await.refusal(), (404, "not_found"), "{key}");
    }
    for (body, param) in [(json!({ "overlap": "2h" }), "overlap"), (json!({ "window": "1h" }), "window")] {
        let refused = rotate(&workspace.id, &workspace.key_id, body).await;
        assert_eq!((refused.refusal(), &refused.body["error"]["param"]), ((400, "invalid_request"), &json!(param)));
    }
    assert_eq!(rotate(&workspace.id, &workspace.key_id, json!({ "overlap": 1 })).await.status, 400);
    let new = rotate(&workspace.id, &workspace.key_id, json!({ "overlap": "7d" })).await.ok().body;
    let again = rotate(&workspace.id, &workspace.key_id, json!({})).await;
    assert_eq!(again.refusal(), (400, "invalid_request"));
    assert!(again.text.contains(id(&new)), "names the one that may be: {}", again.text);
    let revoke = format!("/workspaces/{}/keys/{}", workspace.id, id(&new));
    haven.admin_ok("DELETE", &revoke, &Value::Null).await;
    assert_eq!(rotate(&workspace.id, id(&new), json!({})).await.refusal(), (400, "invalid_request"));
    haven.get(&workspace.key, "/v1/balance").await.ok();
    haven.finish().await;
}
