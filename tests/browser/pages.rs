//! Every page as it looks: light and dark, wide and narrow, empty and full.

use serde_json::json;

use crate::browser::{Browser, LOOPBACK};
use lmhaven_actors::domain::people::Role;

use crate::harness::{Haven, ask, until};

#[actix_web::test]
async fn public_pages() {
    let haven = Haven::start_with(LOOPBACK).await;
    let browser = Browser::open().await;
    for (path, name) in [("/", "front"), ("/models", "models"), ("/status", "status"), ("/docs", "docs")] {
        browser.goto(&format!("{}{path}", haven.base)).await;
        browser.look(&format!("public-{name}")).await;
    }
    browser.close().await;
    haven.finish().await;
}

/// Every page of whoever is signed in.
pub(crate) const PAGES: [(&str, &str); 11] = [
    ("/app", "overview"),
    ("/app/keys", "keys"),
    ("/app/usage", "usage"),
    ("/app/requests", "requests"),
    ("/app/billing", "billing"),
    ("/app/limits", "limits"),
    ("/app/models", "models"),
    ("/app/playground", "playground"),
    ("/app/settings", "settings"),
    ("/app/members", "members"),
    ("/app/account", "account"),
];

#[actix_web::test]
async fn empty_pages_say_what_goes_there() {
    let haven = Haven::start_with(LOOPBACK).await;
    let workspace =
        haven.admin_ok("POST", "/workspaces", &json!({ "name": "Empty", "owner_email": "a@example.com" })).await;
    let browser = Browser::open().await;
    let stage = haven.stage(workspace["id"].as_str().unwrap(), Role::Owner).await;
    browser.sign_in(&stage).await;
    for (path, name) in PAGES {
        browser.goto(&format!("{}{path}", stage.base)).await;
        browser.look(&format!("empty-{name}")).await;
    }
    browser.close().await;
    haven.finish().await;
}

#[actix_web::test]
async fn full_pages() {
    let haven = Haven::start_with_more(
        |_| "[limits]\n[[limits.tiers]]\nmin_balance = \"500.00\"\nrequests_per_minute = 3000\nconcurrent_streams = 500\n".to_owned(),
        LOOPBACK,
    )
    .await;
    let workspace = haven.workspace("25.00").await;
    haven.credit(&workspace.id, "12.50", "second").await;
    let long = json!({ "name": "a-rather-long-name-of-a-key-that-somebody-chose-without-any-space-in-it", "models": ["gpt-sim", "claude-opus-4-7"], "spend_limit_usd": "10.00", "spend_limit_reset": "monthly", "expires_at": "2100-01-01T00:00:00Z", "ip_allow": ["127.0.0.0/8"] });
    let long = haven.key(&workspace.id, &long).await;
    for (key, model) in [
        (workspace.key.as_str(), "claude-haiku-4-5"),
        (workspace.key.as_str(), "gemini-3-flash"),
        (long["secret"].as_str().unwrap(), "gpt-sim"),
        (long["secret"].as_str().unwrap(), "claude-opus-4-7"),
    ] {
        haven.chat(key, &ask(model, "Hello there")).await.ok();
    }
    let picture = json!({ "model": "seedream-5", "prompt": "a lighthouse" });
    haven.post(&workspace.key, "/v1/images/generations", &picture).await.ok();
    let manager =
        json!({ "name": "deploy", "kind": "management", "spend_limit_usd": "5.00", "spend_limit_reset": "weekly" });
    haven.key(&workspace.id, &manager).await;
    let reader = haven.key(&workspace.id, &json!({ "name": "grafana", "kind": "read_only" })).await;
    let rotate = format!("/workspaces/{}/keys/{}/rotate", workspace.id, reader["id"].as_str().unwrap());
    haven.admin_ok("POST", &rotate, &json!({ "overlap": "7d" })).await;
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    until("all requests", async || (stage.get("/app/requests.csv").await.text.lines().count() == 6).then_some(()))
        .await;
    let browser = Browser::open().await;
    browser.sign_in(&stage).await;
    for (path, name) in PAGES {
        browser.goto(&format!("{}{path}", stage.base)).await;
        if name == "requests" {
            browser.find("tbody summary").await.click().await.unwrap();
        }
        browser.look(&format!("full-{name}")).await;
    }
    browser.goto(&format!("{}/app/billing/receipts/2", stage.base)).await;
    browser.look("full-receipt").await;
    let viewer = haven.stage(&workspace.id, Role::Viewer).await;
    browser.sign_in(&viewer).await;
    for (path, name) in [("/app/keys", "keys"), ("/app/playground", "playground")] {
        browser.goto(&format!("{}{path}", viewer.base)).await;
        assert_eq!(browser.run("return document.querySelectorAll('main form[method=post]').length").await, 0);
        browser.look(&format!("viewer-{name}")).await;
    }
    browser.close().await;
    haven.finish().await;
}
