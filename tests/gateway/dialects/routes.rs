//! Which paths there are, and what each answers to either SDK family.

use serde_json::{Value, json};

use super::ONE_OF_EACH;
use crate::harness::{Haven, Reply, ask};

#[actix_web::test]
async fn the_doubled_path_is_the_same_route() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let key = &workspace.key;
    for model in ONE_OF_EACH {
        let once = haven.post(key, "/v1/messages", &ask(model, "Hello")).await.ok();
        let twice = haven.post(key, "/v1/v1/messages", &ask(model, "Hello")).await.ok();
        assert_eq!(once.body["content"], twice.body["content"], "{model}");
        let once = haven.post(key, "/v1/messages/count_tokens", &ask(model, "Hello")).await.ok();
        let twice = haven.post(key, "/v1/v1/messages/count_tokens", &ask(model, "Hello")).await.ok();
        assert_eq!(once.body, twice.body);
        let once = haven.get(key, &format!("/v1/models/{model}")).await.ok();
        assert_eq!(once.body, haven.get(key, &format!("/v1/v1/models/{model}")).await.ok().body);
    }
    assert_eq!(haven.get(key, "/v1/models").await.body, haven.get(key, "/v1/v1/models").await.ok().body);
    haven.finish().await;
}

#[actix_web::test]
async fn an_anthropic_body_on_the_chat_route_is_answered_in_the_shape_that_its_headers_name() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    for model in ONE_OF_EACH {
        let tool = json!({ "name": "get_weather", "input_schema": { "type": "object", "properties": {} } });
        let body = json!({
            "model": model, "max_tokens": 200, "system": [{ "type": "text", "text": "Be brief." }],
            "stop_sequences": ["never"], "tools": [tool], "tool_choice": { "type": "auto" },
            "messages": [{ "role": "user", "content": [{ "type": "text", "text": "What is the weather?" }] }],
        });
        let request = || haven.request(&workspace.key, "POST", "/v1/chat/completions").json(&body);
        let plain = Reply::to(request()).await.ok().body;
        assert_eq!(plain["object"], "chat.completion", "{model}: {plain}");
        assert_eq!(plain["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "get_weather", "{model}");
        let named = Reply::to(request().header("anthropic-version", "2023-06-01")).await.ok().body;
        assert_eq!(named["type"], "message", "{model}: {named}");
        assert_eq!(named["stop_reason"], "tool_use", "{model}");
        let call = haven.control.last_call().unwrap().body.to_string();
        assert!(call.contains("Be brief."), "{model}: {call}");
    }
    // The header alone does not turn a chat completion into a message.
    let request = haven.request(&workspace.key, "POST", "/v1/chat/completions").json(&ask("gpt-sim", "Hello"));
    let reply = Reply::to(request.header("anthropic-version", "2023-06-01")).await.ok();
    assert_eq!(reply.body["object"], "chat.completion");
    haven.finish().await;
}

#[actix_web::test]
async fn tokens_are_counted_for_every_model_and_free_of_charge() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    for model in ONE_OF_EACH {
        let count = async |text: &str| {
            let reply = haven.post(&workspace.key, "/v1/messages/count_tokens", &ask(model, text)).await.ok();
            assert_eq!(reply.header("lmhaven-model"), model);
            assert_eq!(reply.header("lmhaven-cost-usd"), "");
            reply.body["input_tokens"].as_u64().unwrap()
        };
        let (short, long) = (count("Hello").await, count(&"Hello ".repeat(100)).await);
        assert!(short > 0 && long > short + 50, "{model}: {short}, {long}");
    }
    assert_eq!(haven.balance(&workspace).await.balance, 1_000_000_000);
    assert_eq!(haven.entries(&workspace, "hold").await.len(), 0);
    haven.finish().await;
}

#[actix_web::test]
async fn the_list_of_models_is_one_that_both_sdk_families_read() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let list = haven.get(&workspace.key, "/v1/models").await.ok().body;
    let models = list["data"].as_array().unwrap();
    assert_eq!((&list["object"], &list["has_more"]), (&json!("list"), &json!(false)));
    assert_eq!((&list["first_id"], &list["last_id"]), (&models[0]["id"], &models[models.len() - 1]["id"]));
    assert_eq!(models.len(), 11);
    for model in models {
        let (id, created) = (model["id"].as_str().unwrap(), model["created_at"].as_str().unwrap());
        assert_eq!((&model["object"], &model["type"]), (&json!("model"), &json!("model")), "{model}");
        assert!(model["created"].is_i64() || model["created"].is_u64(), "{model}");
        assert!(created.parse::<jiff::Timestamp>().is_ok() && model["owned_by"].is_string(), "{model}");
        assert!(model["display_name"].is_string() && model["modality"].is_string(), "{model}");
        assert_eq!(*model, haven.get(&workspace.key, &format!("/v1/models/{id}")).await.ok().body);
    }
    let opus = models.iter().find(|model| model["id"] == "claude-opus-4-7").unwrap();
    assert_eq!(opus["ratio"].to_string().trim_matches('"'), "28");
    assert_eq!(
        (&opus["list_price_usd"]["input"], &opus["list_price_usd"]["output"]),
        (&json!("5.00"), &json!("25.00"))
    );
    let unknown = haven.get(&workspace.key, "/v1/models/gpt-none").await;
    assert_eq!(unknown.refusal(), (404, "model_not_found"));
    haven.finish().await;
}

#[actix_web::test]
async fn a_path_without_the_version_says_what_is_missing() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    for (method, path) in [
        ("POST", "/chat/completions"),
        ("POST", "/messages"),
        ("GET", "/models"),
        ("GET", "/models/gpt-sim"),
        ("POST", "/images/generations"),
        ("POST", "/audio/speech"),
    ] {
        let body = if method == "POST" { ask("gpt-sim", "Hello") } else { Value::Null };
        let reply = Reply::to(haven.request(&workspace.key, method, path).json(&body)).await;
        assert_eq!(reply.refusal(), (404, "not_found"), "{path}");
        assert!(reply.body["error"]["message"].as_str().unwrap().contains("add /v1"), "{path}: {}", reply.text);
        let stranger = Reply::to(haven.request("sk-lmh-nobody", method, path)).await;
        assert_eq!(stranger.refusal(), (401, "invalid_api_key"), "{path}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_wrong_method_is_told_the_right_one() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    for (method, path, allowed) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/messages", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/balance", "GET, HEAD"),
    ] {
        let reply = Reply::to(haven.request(&workspace.key, method, path)).await;
        assert_eq!(reply.refusal(), (405, "method_not_allowed"), "{method} {path}");
        assert_eq!(reply.header("allow"), allowed, "{method} {path}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn health_needs_no_key_and_metrics_are_not_public() {
    let haven = Haven::start().await;
    for path in ["/healthz", "/readyz", "/"] {
        Reply::to(haven.client.get(format!("{}{path}", haven.base))).await.ok();
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        Reply::to(haven.client.get(format!("{}{path}", haven.admin_base))).await.ok();
    }
    for path in ["/metrics", "/admin/v1/workspaces"] {
        assert_eq!(Reply::to(haven.client.get(format!("{}{path}", haven.base))).await.status, 404, "{path}");
    }
    haven.finish().await;
}
