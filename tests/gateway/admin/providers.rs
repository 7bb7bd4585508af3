//! Provider accounts, switched off and on by an operator.

use serde_json::{Value, json};

use crate::harness::{Haven, ask};

#[actix_web::test]
async fn every_provider_is_shown_with_its_accounts() {
    let haven = Haven::start_with(&[("PROVIDERS__SIM__API_KEYS", "upstream-one,upstream-two")]).await;
    let shown = haven.admin("GET", "/providers", &Value::Null).await.ok();
    assert!(!shown.text.contains("upstream-"), "keys of providers are nobody's business: {}", shown.text);
    let providers: Vec<(&str, &str, usize)> = shown.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|provider| {
            let accounts = provider["accounts"].as_array().unwrap();
            assert!(accounts.iter().all(|account| account["state"] == "healthy" && account["in_flight"] == 0));
            (provider["id"].as_str().unwrap(), provider["kind"].as_str().unwrap(), accounts.len())
        })
        .collect();
    assert_eq!(providers[..3], [("anthropic", "anthropic", 1), ("gemini", "gemini", 1), ("sim", "openai", 2)]);
    let media = ["ark", "novelai", "pixai", "elevenlabs"].map(|kind| (kind, kind, 1));
    assert_eq!(providers[3..], media);
    haven.finish().await;
}

#[actix_web::test]
async fn without_an_account_a_model_is_unavailable_and_its_caller_pays_nothing() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let mut body = ask("gpt-sim", "Hello");
    let disabled = haven.admin_ok("POST", "/providers/sim/accounts/0/disable", &Value::Null).await;
    assert_eq!(disabled["accounts"][0]["state"], "disabled");
    for streamed in [false, true] {
        body["stream"] = streamed.into();
        let chat = haven.chat(&workspace.key, &body).await;
        assert_eq!(chat.refusal(), (503, "upstream_unavailable"));
        assert_eq!(chat.header("x-should-retry"), "false");
        assert_eq!(haven.messages(&workspace.key, &body).await.refusal(), (503, "upstream_unavailable"));
    }
    haven.chat(&workspace.key, &ask("claude-haiku-4-5", "The others go on")).await.ok();
    assert_eq!(haven.control.stats().calls, 1);
    let enabled = haven.admin_ok("POST", "/providers/sim/accounts/0/enable", &Value::Null).await;
    assert_eq!(enabled["accounts"][0]["state"], "healthy");
    body["stream"] = false.into();
    haven.chat(&workspace.key, &body).await.ok();
    assert_eq!(haven.entries(&workspace, "settle").await.len(), 2);
    haven.finish().await;
}

#[actix_web::test]
async fn one_account_of_two_serves_alone_while_the_other_is_off() {
    let haven = Haven::start_with(&[("PROVIDERS__SIM__API_KEYS", "upstream-one,upstream-two")]).await;
    let workspace = haven.workspace("1.00").await;
    for (off, serving) in [(0, "upstream-two"), (1, "upstream-one")] {
        haven.control.reset();
        haven.admin_ok("POST", &format!("/providers/sim/accounts/{off}/disable"), &Value::Null).await;
        for _ in 0..4 {
            haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.ok();
        }
        assert_eq!(json!(haven.control.stats().by_key), json!({ serving: 4 }));
        haven.admin_ok("POST", &format!("/providers/sim/accounts/{off}/enable"), &Value::Null).await;
    }
    haven.finish().await;
}
