//! An Anthropic client against every provider; against Claude, what it reads is what Claude wrote.

use std::collections::BTreeMap;

use lmhaven_simulator::{Rule, Wire};
use serde_json::{Value, json};

use super::{ONE_OF_EACH, PNG, city, sent};
use crate::harness::{Event, Haven, Reply, ask};

fn tools() -> Value {
    let tool = |name: &str| json!({ "name": name, "description": "of a city", "input_schema": city() });
    json!([tool("get_weather"), tool("get_time")])
}

fn asked(model: &str, text: &str, more: &Value) -> Value {
    let mut body = ask(model, text);
    body["max_tokens"] = 2_000.into();
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// A streamed answer put together as the SDK does it: its content and why it ended.
fn assembled(events: &[Event]) -> (Vec<Value>, String) {
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).filter(|name| *name != "ping").collect();
    assert_eq!((names[0], names[names.len() - 1]), ("message_start", "message_stop"), "{names:?}");
    let (mut blocks, mut json, mut reason) = (BTreeMap::new(), BTreeMap::new(), String::new());
    for event in events {
        let data = event.json();
        assert_eq!(data["type"], event.name, "{event:?}");
        let index = data["index"].as_u64().unwrap_or_default();
        match event.name.as_str() {
            "content_block_start" => {
                assert_eq!(index, blocks.len() as u64, "indices without gaps");
                blocks.insert(index, data["content_block"].clone());
            }
            "content_block_delta" => {
                let (block, delta) = (blocks.get_mut(&index).unwrap(), &data["delta"]);
                for field in ["text", "thinking", "signature"] {
                    if let Some(piece) = delta[field].as_str() {
                        let before = block[field].as_str().unwrap_or_default().to_owned();
                        block[field] = (before + piece).into();
                    }
                }
                json.entry(index)
                    .or_insert_with(String::new)
                    .push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            "message_delta" => reason.push_str(data["delta"]["stop_reason"].as_str().unwrap()),
            _ => {}
        }
    }
    for (index, input) in json.into_iter().filter(|(_, input)| !input.is_empty()) {
        blocks.get_mut(&index).unwrap()["input"] = serde_json::from_str(&input).unwrap();
    }
    (blocks.into_values().collect(), reason)
}

fn uses(content: &[Value]) -> Vec<&Value> {
    content.iter().filter(|block| block["type"] == "tool_use").collect()
}

/// Sends the content back with a result for each call; the answer mentions the last.
async fn finish(haven: &Haven, key: &str, asked: &Value, content: &[Value]) -> Reply {
    let results: Vec<Value> = uses(content)
        .iter()
        .enumerate()
        .map(
            |(at, call)| json!({ "type": "tool_result", "tool_use_id": call["id"], "content": format!("result {at}") }),
        )
        .collect();
    let mut body = asked.clone();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": content }));
    messages.push(json!({ "role": "user", "content": results }));
    haven.messages(key, &body).await
}

fn text_of(reply: &Reply) -> String {
    let blocks = reply.body["content"].as_array().unwrap_or_else(|| panic!("{}", reply.text));
    blocks.iter().filter_map(|block| block["text"].as_str()).collect()
}

#[actix_web::test]
async fn what_claude_wrote_reaches_an_anthropic_client_as_it_is() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    let more = json!({ "tools": tools(), "thinking": { "type": "enabled", "budget_tokens": 1_024 } });
    let body = asked("claude-haiku-4-5", "The weather, redacted and in parallel", &more);
    let through = haven.messages(&workspace.key, &body).await.ok();
    let call = haven.control.last_call().unwrap();
    for field in ["messages", "tools", "thinking", "max_tokens"] {
        assert_eq!(call.body[field], body[field], "{field} went upstream as it came");
    }
    let direct = |body: &Value| {
        let upstream = haven.server.gateway.config.providers[0].base_url.to_string();
        let request = haven.client.post(format!("{upstream}/v1/messages")).header("x-api-key", "direct");
        request.header("anthropic-version", "2023-06-01").json(body)
    };
    let written = Reply::to(direct(&call.body)).await.ok();
    let raw = |reply: &Reply| {
        let text = reply.text.split_once("\"content\":").unwrap().1.to_owned();
        text.split_once(",\"stop_reason\"").unwrap().0.to_owned()
    };
    assert_eq!(raw(&through), raw(&written), "byte for byte");
    let kinds: Vec<&str> =
        through.body["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert!(kinds.starts_with(&["thinking", "redacted_thinking"]) && kinds.ends_with(&["tool_use", "tool_use"]));
    assert_eq!(through.body["model"], "claude-haiku-4-5", "the name that was asked for, not the dated one");
    let mut stream = haven.messages_stream(&workspace.key, &body).await;
    let streamed = stream.rest().await;
    let written = crate::harness::Sse::of(direct(&haven.control.last_call().unwrap().body).send().await.unwrap());
    let written = written.await.rest().await;
    let blocks = |events: Vec<Event>| -> Vec<Event> {
        events.into_iter().filter(|event| event.name.starts_with("content_block")).collect()
    };
    assert_eq!(blocks(streamed.clone()), blocks(written), "byte for byte");
    assert_eq!(json!(assembled(&streamed).0), through.body["content"], "streamed and plain are one answer");
    haven.finish().await;
}

#[actix_web::test]
async fn tools_are_called_and_their_results_come_back_from_every_provider() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    for model in ONE_OF_EACH {
        let body = asked(model, "What is the weather in Paris?", &json!({ "tools": tools() }));
        let reply = haven.messages(&workspace.key, &body).await.ok();
        assert_eq!((&reply.body["stop_reason"], &reply.body["model"]), (&json!("tool_use"), &json!(model)));
        let content = reply.body["content"].as_array().unwrap();
        let [call] = uses(content)[..] else { panic!("{model}: {}", reply.text) };
        assert_eq!(call["name"], "get_weather");
        assert!(call["input"]["city"].is_string(), "{model}: {call}");
        let answer = finish(&haven, &workspace.key, &body, content).await.ok();
        assert!(text_of(&answer).contains("The tool says: result 0"), "{model}: {}", answer.text);
        assert_eq!(answer.body["stop_reason"], "end_turn");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn parallel_calls_are_streamed_one_after_another_from_every_provider() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    haven.control.script(Rule { wire: Wire { split: Some(1), ..Wire::default() }, ..Rule::new() });
    for model in ONE_OF_EACH {
        let body = asked(model, "Weather and time in parallel, please", &json!({ "tools": tools() }));
        let (content, reason) = assembled(&haven.messages_stream(&workspace.key, &body).await.rest().await);
        let [first, second] = uses(&content)[..] else { panic!("{model}: {content:?}") };
        assert_eq!((&first["name"], &second["name"]), (&json!("get_weather"), &json!("get_time")), "{model}");
        assert!(first["input"]["city"].is_string() && second["input"]["city"].is_string(), "{model}: {content:?}");
        assert!(first["id"] != second["id"] && reason == "tool_use", "{model}: {content:?}");
        let answer = finish(&haven, &workspace.key, &body, &content).await.ok();
        assert!(text_of(&answer).contains("The tool says: result"), "{model}: {}", answer.text);
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_thought_and_its_signature_make_the_round_trip_and_a_forged_one_does_not() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    let more = json!({ "tools": tools(), "thinking": { "type": "enabled", "budget_tokens": 1_024 } });
    for model in ["claude-haiku-4-5", "gemini-3-1-pro", "gemini-3-flash"] {
        let body = asked(model, "What is the weather in Paris?", &more);
        for streamed in [false, true] {
            let content = if streamed {
                assembled(&haven.messages_stream(&workspace.key, &body).await.rest().await).0
            } else {
                haven.messages(&workspace.key, &body).await.ok().body["content"].as_array().unwrap().clone()
            };
            let thought = &content[0];
            assert_eq!(thought["type"], "thinking", "{model}: {content:?}");
            assert!(thought["signature"].as_str().is_some_and(|it| !it.is_empty()), "{model}: {thought}");
            let answer = finish(&haven, &workspace.key, &body, &content).await.ok();
            assert!(text_of(&answer).contains("result 0"), "{model}: {}", answer.text);
            if model.starts_with("gemini") {
                assert!(sent(&haven).contains("thoughtSignature"), "{}", sent(&haven));
            } else {
                assert!(sent(&haven).contains(thought["signature"].as_str().unwrap()));
                let mut forged = content.clone();
                forged[0]["thinking"] = "something that it never thought".into();
                let refused = finish(&haven, &workspace.key, &body, &forged).await;
                assert_eq!(refused.refusal(), (400, "invalid_request"), "the provider checks what it gets");
            }
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn structured_output_follows_its_schema_from_every_provider() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    for model in ONE_OF_EACH {
        let more = json!({ "output_config": { "format": { "type": "json_schema", "schema": city() } } });
        let reply = haven.messages(&workspace.key, &asked(model, "A city?", &more)).await.ok();
        let object: Value = serde_json::from_str(&text_of(&reply)).unwrap();
        assert!(object["city"].is_string(), "{model}: {object}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn an_image_reaches_every_provider_in_its_own_form() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    for (model, place) in [
        ("claude-haiku-4-5", "/messages/0/content/0/source/data"),
        ("gemini-3-flash", "/contents/0/parts/0/inlineData/data"),
        ("gpt-sim", "/messages/0/content/0/image_url/url"),
    ] {
        let source = json!({ "type": "base64", "media_type": "image/png", "data": PNG });
        let content = json!([{ "type": "image", "source": source }, { "type": "text", "text": "What is this?" }]);
        let body = json!({ "model": model, "max_tokens": 64, "messages": [{ "role": "user", "content": content }] });
        haven.messages(&workspace.key, &body).await.ok();
        let call = haven.control.last_call().unwrap();
        let sent = call.body.pointer(place).and_then(Value::as_str);
        assert!(sent.is_some_and(|data| data.ends_with(PNG)), "{model}: {}", call.body);
    }
    haven.finish().await;
}
