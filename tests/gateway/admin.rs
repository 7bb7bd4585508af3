//! The admin API: every route of the public face, what it answers and what it refuses.
//!
//! `workspaces` is about workspaces, keys, credits and the ledger, `prices` about the price book, `providers` about
//! switching accounts; here is what all routes share.

mod prices;
mod providers;
mod workspaces;

use serde_json::{Value, json};

use crate::harness::{ADMIN_TOKEN, Haven, Reply};

/// Every route with a method that it has; `WS` stands for a workspace, `KEY` for a key of it.
const ROUTES: [(&str, &str); 15] = [
    ("GET", "/workspaces"),
    ("POST", "/workspaces"),
    ("GET", "/workspaces/WS"),
    ("PATCH", "/workspaces/WS"),
    ("POST", "/workspaces/WS/credits"),
    ("GET", "/workspaces/WS/keys"),
    ("POST", "/workspaces/WS/keys"),
    ("DELETE", "/workspaces/WS/keys/KEY"),
    ("GET", "/workspaces/WS/ledger"),
    ("GET", "/prices"),
    ("POST", "/prices"),
    ("GET", "/providers"),
    ("POST", "/providers/sim/accounts/0/enable"),
    ("POST", "/providers/sim/accounts/0/disable"),
    ("GET", "/audit"),
];

/// A refusal must be this code and name this field.
#[track_caller]
fn assert_refused(reply: &Reply, expected: (u16, &str), param: &str, what: &str) {
    assert_eq!((reply.refusal(), &reply.body["error"]["param"]), (expected, &json!(param)), "{what}: {}", reply.text);
}

#[actix_web::test]
async fn no_route_answers_without_the_token() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let before = haven.ledger(&workspace).await;
    for (method, path) in ROUTES {
        let path = path.replace("WS", &workspace.id).replace("KEY", &workspace.key_id);
        let send = |token: Option<&str>| {
            let method = method.parse().unwrap();
            let request = haven.client.request(method, format!("{}/admin/v1{path}", haven.admin_base));
            let request = request.json(&json!({}));
            Reply::to(match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            })
        };
        assert_eq!(send(None).await.refusal(), (401, "missing_api_key"), "{method} {path}");
        for wrong in ["", "wrong", &ADMIN_TOKEN[1..], &format!("{ADMIN_TOKEN}x"), &workspace.key] {
            assert_eq!(send(Some(wrong)).await.status, 401, "{method} {path} with {wrong:?}");
        }
        assert_eq!(haven.post(ADMIN_TOKEN, &format!("/admin/v1{path}"), &json!({})).await.status, 404, "not public");
    }
    assert_eq!(haven.ledger(&workspace).await, before);
    let keys = haven.admin_get(&format!("/workspaces/{}/keys", workspace.id)).await;
    assert_eq!(keys["data"][0]["revoked_at"], Value::Null);
    haven.finish().await;
}

#[actix_web::test]
async fn a_body_with_a_wrong_field_names_it() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let ws = format!("/workspaces/{}", workspace.id);
    let (credits, keys) = (format!("{ws}/credits"), format!("{ws}/keys"));
    let credit = |amount: Value| json!({ "amount_usd": amount, "reason": "r", "idempotency_key": "k" });
    let cases = [
        ("POST", "/workspaces", json!({ "owner_email": "a@example.com" }), "name"),
        ("POST", "/workspaces", json!({ "name": " ", "owner_email": "a@example.com" }), "name"),
        ("POST", "/workspaces", json!({ "name": "a", "owner_email": "nobody" }), "owner_email"),
        ("POST", "/workspaces", json!({ "name": "a", "owner_email": "a@example.com", "colour": 1 }), "colour"),
        ("PATCH", &ws, json!({ "colour": "blue" }), "colour"),
        ("PATCH", &ws, json!({ "features": { "smell": true } }), "features.smell"),
        ("PATCH", &ws, json!({ "requests_per_minute": 4_000_000_000_u32 }), "requests_per_minute"),
        ("POST", &credits, credit("0".into()), "amount_usd"),
        ("POST", &credits, json!({ "amount_usd": "1", "reason": "", "idempotency_key": "k" }), "reason"),
        ("POST", &credits, json!({ "amount_usd": "1", "reason": "r", "idempotency_key": "" }), "idempotency_key"),
        ("POST", &credits, json!({ "amount_usd": "1", "reason": "r" }), "idempotency_key"),
        ("POST", &keys, json!({ "name": "" }), "name"),
        ("POST", &keys, json!({ "name": "k", "expires_at": "tomorrow" }), "expires_at"),
        ("POST", &keys, json!({ "name": "k", "spend_limit_usd": "0" }), "spend_limit_usd"),
        ("POST", &keys, json!({ "name": "k", "models": ["gpt-none"] }), "models"),
        ("PATCH", &ws, json!({ "requests_per_minute": 0 }), "requests_per_minute"),
        ("PATCH", &ws, json!({ "concurrent_streams": -1 }), "concurrent_streams"),
        ("PATCH", &ws, json!({ "suspended": "yes" }), "suspended"),
        ("POST", &credits, credit(1.5.into()), "amount_usd"),
        ("POST", &credits, credit("1.0000000001".into()), "amount_usd"),
        ("POST", &credits, credit("a lot".into()), "amount_usd"),
        ("POST", &keys, json!({ "name": "k", "ip_allow": ["everywhere"] }), "ip_allow[0]"),
        ("POST", &keys, json!({ "name": "k", "models": "gpt-sim" }), "models"),
    ];
    for (method, path, body, param) in &cases {
        let reply = haven.admin(method, path, body).await;
        assert_refused(&reply, (400, "invalid_request"), param, &format!("{method} {path} {body}"));
    }
    let request = haven.client.post(format!("{}/admin/v1/workspaces", haven.admin_base)).bearer_auth(ADMIN_TOKEN);
    assert_eq!(Reply::to(request.body("{")).await.refusal(), (400, "invalid_json"));
    for (query, param) in [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("after=x", "after")] {
        for path in ["/workspaces", &format!("{ws}/ledger"), "/audit"] {
            let reply = haven.admin("GET", &format!("{path}?{query}"), &Value::Null).await;
            assert_refused(&reply, (400, "invalid_request"), param, &format!("{path}?{query}"));
        }
    }
    assert_eq!(haven.balance(&workspace).await.balance, 1_000_000_000);
    haven.finish().await;
}

#[actix_web::test]
async fn a_body_beyond_the_bound_is_refused_in_the_envelope_and_after_the_token() {
    let haven = Haven::start().await;
    let body = json!({ "name": "x".repeat(300 * 1024), "owner_email": "a@example.com" });
    assert_eq!(haven.admin("POST", "/workspaces", &body).await.refusal(), (413, "body_too_large"));
    let url = format!("{}/admin/v1/workspaces", haven.admin_base);
    let stranger = reqwest::Client::builder().no_proxy().build().unwrap().post(url).json(&body).send().await.unwrap();
    assert_eq!(stranger.status().as_u16(), 401, "who has no token learns nothing of bounds");
    haven.finish().await;
}

#[actix_web::test]
async fn what_is_not_there_is_not_found() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let other = haven.workspace("0").await;
    let nobody = "ws_00000000000000000000000000";
    for (method, path) in [
        ("GET", format!("/workspaces/{nobody}")),
        ("GET", "/workspaces/nonsense".to_owned()),
        ("PATCH", format!("/workspaces/{nobody}")),
        ("POST", format!("/workspaces/{nobody}/credits")),
        ("POST", format!("/workspaces/{nobody}/keys")),
        ("GET", format!("/workspaces/{nobody}/ledger")),
        ("DELETE", format!("/workspaces/{}/keys/key_00000000000000000000000000", workspace.id)),
        ("DELETE", format!("/workspaces/{}/keys/nonsense", workspace.id)),
        ("DELETE", format!("/workspaces/{}/keys/{}", other.id, workspace.key_id)),
        ("POST", "/providers/nobody/accounts/0/disable".to_owned()),
        ("POST", "/providers/sim/accounts/1/disable".to_owned()),
        ("POST", "/providers/sim/accounts/x/disable".to_owned()),
        ("GET", "/nothing".to_owned()),
    ] {
        let body = if method == "GET" { Value::Null } else { json!({}) };
        let reply = haven.admin(method, &path, &body).await;
        assert_eq!(reply.refusal(), (404, "not_found"), "{method} {path}");
    }
    haven.get(&workspace.key, "/v1/balance").await.ok();
    haven.finish().await;
}

#[actix_web::test]
async fn every_change_leaves_a_row_of_who_did_what_and_why() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let (ws, key) = (workspace.id.as_str(), workspace.key_id.as_str());
    haven.change(ws, &json!({ "suspended": true, "reason": "they did not answer" })).await;
    haven.credit(ws, "-0.50", "back").await;
    haven.credit(ws, "-0.50", "back").await;
    haven.admin_ok("DELETE", &format!("/workspaces/{ws}/keys/{key}"), &Value::Null).await;
    haven.admin_ok("POST", "/providers/sim/accounts/0/disable", &Value::Null).await;
    haven.admin_ok("POST", "/providers/sim/accounts/0/enable", &Value::Null).await;
    let prices = json!({ "models": [{ "id": "gpt-sim", "ratio": 11 }], "reason": "cheaper" });
    haven.admin_ok("POST", "/prices", &prices).await;
    haven.admin("POST", &format!("/workspaces/{ws}/keys"), &json!({ "name": "" })).await;
    let mut rows = haven.admin_get("/audit").await["data"].as_array().unwrap().clone();
    // The order of the list is not promised, the order of times is.
    rows.sort_by_key(|row| row["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap());
    let done: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["action"].as_str().unwrap(), row["target"].as_str().unwrap())).collect();
    let expected = [
        ("workspace.create", ws),
        ("credit.add", ws),
        ("key.create", key),
        ("workspace.change", ws),
        ("credit.refund", ws),
        ("key.revoke", key),
        ("provider.disable", "sim/0"),
        ("provider.enable", "sim/0"),
        ("price.publish", "prices"),
    ];
    assert_eq!(done, expected, "one row for each change, none for what changed nothing");
    assert!(rows.iter().all(|row| row["actor"] == "admin"));
    let of = |action: &str| rows.iter().find(|row| row["action"] == action).unwrap();
    let change = of("workspace.change");
    assert_eq!((&change["reason"], &change["before"]["suspended"]), (&json!("they did not answer"), &json!(false)));
    assert_eq!(change["after"]["suspended"], true);
    assert_eq!(of("price.publish")["reason"], "cheaper");
    assert_eq!(of("credit.add")["after"]["amount_usd"], "1.00");
    haven.finish().await;
}

#[actix_web::test]
async fn lists_are_read_page_by_page_without_a_gap() {
    let haven = Haven::start().await;
    let first = haven.workspace("1.00").await;
    for _ in 0..4 {
        haven.workspace("0").await;
    }
    for _ in 0..5 {
        haven.chat(&first.key, &crate::harness::ask("gpt-sim", "Hello")).await.ok();
    }
    haven.ledger(&first).await;
    for path in ["/workspaces".to_owned(), format!("/workspaces/{}/ledger", first.id), "/audit".to_owned()] {
        let whole = haven.admin_get(&format!("{path}?limit=1000")).await;
        let whole = whole["data"].as_array().unwrap();
        assert!(whole.len() >= 5, "{path}");
        let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
        loop {
            let page = haven.admin_get(&format!("{path}?{query}")).await;
            assert_eq!(page["object"], "list");
            let data = page["data"].as_array().unwrap();
            assert!((1..=2).contains(&data.len()), "{path}: {page}");
            seen.extend(data.iter().cloned());
            assert_eq!(page["has_more"].as_bool().unwrap(), !page["next_after"].is_null(), "{path}: {page}");
            match &page["next_after"] {
                Value::Null => break,
                Value::String(after) => query = format!("limit=2&after={after}"),
                after => query = format!("limit=2&after={after}"),
            }
        }
        assert_eq!(seen, *whole, "{path}");
    }
    haven.finish().await;
}
