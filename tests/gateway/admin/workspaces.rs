//! Workspaces, their keys, credits and entries, as an operator sees them.

use serde_json::{Value, json};

use crate::harness::{Balance, Haven, ask, nano};

#[actix_web::test]
async fn a_workspace_is_made_shown_and_listed_in_one_shape() {
    let haven = Haven::start().await;
    let body = json!({ "name": "Ada's", "owner_email": "ada@example.com", "email_verified": true });
    let created = haven.admin("POST", "/workspaces", &body).await;
    assert_eq!(created.status, 201);
    let created = created.body;
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("ws_"));
    assert_eq!((&created["name"], &created["owner_email"]), (&body["name"], &body["owner_email"]));
    assert_eq!((&created["email_verified"], &created["suspended"]), (&json!(true), &json!(false)));
    assert_eq!(Balance::of(&created), Balance { balance: 0, reserved: 0, available: 0 });
    assert_eq!(
        (&created["limits"]["requests_per_minute"], &created["limits"]["concurrent_streams"]),
        (&json!(600), &json!(100))
    );
    assert_eq!(created["features"], json!({ "text": true, "image": true, "voice": true }));
    assert_eq!(created["keys"], json!([]));
    assert!(created["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(haven.admin_get(&format!("/workspaces/{id}")).await, created);
    let listed = haven.admin_get("/workspaces").await;
    assert_eq!(listed["data"], json!([created]));
    haven.finish().await;
}

#[actix_web::test]
async fn a_change_leaves_alone_what_it_does_not_name() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let path = format!("/workspaces/{}", workspace.id);
    let before = haven.admin_get(&path).await;
    assert_eq!(haven.change(&workspace.id, &json!({})).await, before);
    haven.change(&workspace.id, &json!({ "requests_per_minute": 7, "features": { "image": false } })).await;
    let after = haven.change(&workspace.id, &json!({ "suspended": true })).await;
    assert_eq!(after["limits"]["requests_per_minute"], 7);
    assert_eq!(after["limits"]["concurrent_streams"], 100);
    assert_eq!(after["features"], json!({ "text": true, "image": false, "voice": true }));
    assert_eq!((&after["suspended"], &after["email_verified"]), (&json!(true), &json!(true)));
    assert_eq!(haven.admin_get(&path).await, after);
    haven.finish().await;
}

#[actix_web::test]
async fn a_key_is_shown_with_what_it_may_and_what_it_did() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let asked = json!({
        "name": "ci", "expires_at": "2099-01-01T00:00:00Z", "spend_limit_usd": "0.50", "models": ["gpt-sim"],
        "ip_allow": ["127.0.0.0/8"],
    });
    let created = haven.admin("POST", &format!("/workspaces/{}/keys", workspace.id), &asked).await;
    assert_eq!(created.status, 201);
    let mut created = created.body;
    let secret = created.as_object_mut().unwrap().remove("secret").unwrap();
    for (field, value) in asked.as_object().unwrap() {
        let same = match field.as_str() {
            "spend_limit_usd" => nano(created[field].as_str().unwrap()) == nano(value.as_str().unwrap()),
            _ => created[field] == *value,
        };
        assert!(same, "{field}: {created}");
    }
    assert!(created["id"].as_str().unwrap().starts_with("key_"));
    assert_eq!((&created["last_used_at"], &created["revoked_at"]), (&Value::Null, &Value::Null));
    let cost = haven.chat(secret.as_str().unwrap(), &ask("gpt-sim", "Hello")).await.ok().cost();
    haven.settled_balance(&workspace).await;
    let listed = haven.admin_get(&format!("/workspaces/{}/keys", workspace.id)).await;
    let shown = listed["data"].as_array().unwrap().iter().find(|key| key["id"] == created["id"]).unwrap();
    assert_eq!(nano(shown["spent_usd"].as_str().unwrap()), cost);
    assert!(shown["last_used_at"].is_string(), "{shown}");
    let whole = haven.admin_get(&format!("/workspaces/{}", workspace.id)).await;
    assert!(whole["keys"].as_array().unwrap().contains(shown));
    haven.finish().await;
}

#[actix_web::test]
async fn the_ledger_tells_each_request_from_its_hold_to_its_charge() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let reply = haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.ok();
    let entries = haven.ledger(&workspace).await;
    let kinds: Vec<&str> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["credit", "hold", "settle"]);
    for (at, entry) in entries.iter().enumerate() {
        assert_eq!(entry["seq"], at + 1);
        assert!(entry["id"].as_str().unwrap().starts_with("ent_"), "{entry}");
        assert!(entry["at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        let postings = entry["postings"].as_array().unwrap();
        let sum: i128 = postings.iter().map(|posting| nano(posting["amount_usd"].as_str().unwrap())).sum();
        assert_eq!(sum, 0, "every entry sums to zero: {entry}");
    }
    for entry in &entries[1..] {
        assert_eq!(entry["request_id"], reply.header("x-request-id"));
        assert_eq!((&entry["key_id"], &entry["model"]), (&json!(workspace.key_id), &json!("gpt-sim")));
        assert_eq!(entry["price_version"], 1);
    }
    let held = nano(entries[1]["amount_usd"].as_str().unwrap());
    assert!(held >= reply.cost());
    assert_eq!(nano(entries[2]["amount_usd"].as_str().unwrap()), reply.cost());
    haven.finish().await;
}
