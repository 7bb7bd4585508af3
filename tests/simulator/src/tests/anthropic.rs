//! Messages.

use super::client::{ANTHROPIC, anthropic, post, simulator, with};
use serde_json::{Value, json};

fn request(text: &str) -> Value {
    json!({"model": "claude-sonnet-4-6", "max_tokens": 2000, "messages": [{"role": "user", "content": text}]})
}

fn tools() -> Value {
    json!([{"name": "get_weather", "input_schema": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}])
}

/// Puts a stream together again: the content blocks as the plain answer would have them.
fn assemble(events: &[Value]) -> Vec<Value> {
    let mut blocks: Vec<Value> = Vec::new();
    let mut json = String::new();
    for event in events {
        let append = |block: &mut Value, field: &str, delta: &Value| {
            block[field] = json!(format!("{}{}", block[field].as_str().unwrap(), delta[field].as_str().unwrap()));
        };
        match (event["type"].as_str().unwrap(), event["delta"]["type"].as_str()) {
            ("content_block_start", _) => {
                assert_eq!(event["index"], blocks.len());
                blocks.push(event["content_block"].clone());
                json.clear();
            }
            (_, Some("text_delta")) => append(blocks.last_mut().unwrap(), "text", &event["delta"]),
            (_, Some("thinking_delta")) => append(blocks.last_mut().unwrap(), "thinking", &event["delta"]),
            (_, Some("signature_delta")) => append(blocks.last_mut().unwrap(), "signature", &event["delta"]),
            (_, Some("input_json_delta")) => json.push_str(event["delta"]["partial_json"].as_str().unwrap()),
            ("content_block_stop", _) if !json.is_empty() => {
                blocks.last_mut().unwrap()["input"] = serde_json::from_str(&json).unwrap();
            }
            _ => {}
        }
    }
    blocks
}

#[actix_web::test]
async fn plain_and_streamed_say_the_same() {
    let simulator = simulator().await;
    let thinking = json!({"thinking": {"type": "adaptive"}, "tools": tools()});
    let body = with(request("weather in parallel, redacted"), thinking);
    let plain = anthropic(&simulator, &body).await;
    assert!(plain.head.contains("request-id: req_"));
    let plain = plain.json();
    let kinds: Vec<_> = plain["content"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert!(kinds.starts_with(&["thinking", "redacted_thinking"]) && kinds.ends_with(&["tool_use", "tool_use"]));
    assert_eq!(plain["stop_reason"], "tool_use");

    let streamed = anthropic(&simulator, &with(body, json!({"stream": true}))).await;
    let events = streamed.events();
    assert_eq!(json!(assemble(&events)), plain["content"]);
    let order: Vec<_> = events.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert!(order.starts_with(&["message_start", "content_block_start", "ping", "content_block_delta"]));
    assert!(order.ends_with(&["content_block_stop", "message_delta", "message_stop"]));
    assert!(streamed.text().lines().filter(|line| line.starts_with("event: ")).count() == events.len());
    let delta = &events[events.len() - 2];
    assert_eq!(delta["usage"]["output_tokens"], plain["usage"]["output_tokens"]);
    assert_eq!(delta["delta"]["stop_reason"], "tool_use");
    assert!(plain["usage"]["output_tokens_details"]["thinking_tokens"].as_u64().unwrap() > 0);
    simulator.stop().await;
}

#[actix_web::test]
async fn thinking_must_come_back_as_it_was() {
    let simulator = simulator().await;
    let body = with(request("weather"), json!({"thinking": {"type": "adaptive"}, "tools": tools()}));
    let answer = anthropic(&simulator, &body).await.json();
    let content = answer["content"].as_array().unwrap().clone();
    let id = content.last().unwrap()["id"].clone();
    let replay = |content: &[Value]| {
        let mut body = body.clone();
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": content}));
        let result = json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": "hail"}]});
        messages.push(json!({"role": "user", "content": [result]}));
        body
    };
    let reply = anthropic(&simulator, &replay(&content)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.text().contains("hail"));

    let without = anthropic(&simulator, &replay(&content[1..])).await;
    assert!(without.error_message().contains("Expected `thinking`"), "{}", without.text());
    let mut forged = content.clone();
    forged[0]["thinking"] = json!("something else");
    assert!(anthropic(&simulator, &replay(&forged)).await.error_message().contains("Invalid `signature`"));
    let other_model = with(replay(&content), json!({"model": "claude-opus-4-7"}));
    assert!(anthropic(&simulator, &other_model).await.error_message().contains("Invalid `signature`"));
    simulator.stop().await;
}

#[actix_web::test]
async fn a_marked_prefix_is_cached() {
    let simulator = simulator().await;
    let long = "a long and boring preamble. ".repeat(300);
    let system =
        |ttl: &str| json!([{"type": "text", "text": long, "cache_control": {"type": "ephemeral", "ttl": ttl}}]);
    let body = with(request("hello"), json!({"system": system("1h")}));
    let first = anthropic(&simulator, &body).await.json()["usage"].clone();
    let second = anthropic(&simulator, &with(body, json!({"stream": true}))).await.events()[0].clone();
    let second = &second["message"]["usage"];
    assert_eq!(first["cache_creation"]["ephemeral_1h_input_tokens"], 2100);
    assert_eq!((&first["cache_read_input_tokens"], &second["cache_read_input_tokens"]), (&json!(0), &json!(2100)));
    assert_eq!(first["input_tokens"], second["input_tokens"]);
    simulator.stop().await;
}

#[actix_web::test]
async fn structure_limits_and_counting() {
    let simulator = simulator().await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
        "additionalProperties": false});
    let config = json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let answer = anthropic(&simulator, &with(request("hi"), config)).await.json();
    assert!(serde_json::from_str::<Value>(answer["content"][0]["text"].as_str().unwrap()).unwrap()["n"].is_i64());
    let short = anthropic(&simulator, &with(request("hi"), json!({"max_tokens": 4}))).await.json();
    assert_eq!((&short["stop_reason"], &short["usage"]["output_tokens"]), (&json!("max_tokens"), &json!(4)));
    let mut counted = request("hi there");
    counted.as_object_mut().unwrap().remove("max_tokens");
    let count = post(&simulator, "/v1/messages/count_tokens", ANTHROPIC, &counted).await;
    assert_eq!(count.json(), json!({"input_tokens": 5}));
    simulator.stop().await;
}

#[actix_web::test]
async fn wrong_requests_are_refused() {
    let simulator = simulator().await;
    let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a:b", "name": "f", "input": {}}]});
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "b"}]});
    let opening = json!({"role": "user", "content": "hi"});
    let mut opus = json!({"model": "claude-opus-4-7"});
    for (more, what) in [
        (json!({"max_tokens": null}), "max_tokens: Input should be a valid integer"),
        (json!({"n": 2}), "n: Extra inputs are not permitted"),
        (json!({"messages": [{"role": "system", "content": "a"}]}), "Unexpected role"),
        (json!({"messages": [opening, call]}), "tool_use.id: String should match pattern"),
        (json!({"messages": [opening, result]}), "unexpected `tool_use_id`"),
        (json!({"messages": [opening, {"role": "assistant", "content": "a"}]}), "prefill"),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 1000}}), "greater than or equal to 1024"),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}), "`max_tokens` must be greater"),
        (json!({"temperature": 0.5, "top_p": 0.5}), "cannot both be specified"),
        (json!({"tools": [{"name": "f", "input_schema": {"type": "string"}}]}), "Input should be 'object'"),
        (json!({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}), "non-whitespace"),
        (
            json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}),
            "additionalProperties",
        ),
    ] {
        let response = anthropic(&simulator, &with(request("hi"), more)).await;
        assert_eq!((response.status, response.json()["type"].as_str()), (400, Some("error")));
        assert!(response.error_message().contains(what), "{}", response.text());
    }
    for (more, what) in [
        (json!({"temperature": 0.5}), "`temperature` is deprecated"),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}), "thinking.type.enabled"),
    ] {
        opus = with(opus, request("hi"));
        opus["model"] = json!("claude-opus-4-7");
        assert!(anthropic(&simulator, &with(opus.clone(), more)).await.error_message().contains(what));
    }
    let no_key = post(&simulator, "/v1/messages", &ANTHROPIC[1..], &request("hi")).await;
    assert_eq!((no_key.status, &no_key.json()["error"]["type"]), (401, &json!("authentication_error")));
    let no_version = post(&simulator, "/v1/messages", &ANTHROPIC[..1], &request("hi")).await;
    assert!(no_version.error_message().starts_with("anthropic-version"));
    let unknown = anthropic(&simulator, &with(request("hi"), json!({"model": "claude-9"}))).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["type"]), (404, &json!("not_found_error")));
    simulator.stop().await;
}
