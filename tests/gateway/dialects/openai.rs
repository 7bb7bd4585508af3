//! An OpenAI client against every provider.

use std::collections::BTreeMap;

use lmhaven_simulator::{AnswerChange, Rule, Wire};
use serde_json::{Value, json};

use super::{ONE_OF_EACH, PNG, UNICODE, city, sent};
use crate::harness::{Event, Haven, ask};

fn tools() -> Value {
    let tool = |name: &str| json!({ "type": "function", "function": { "name": name, "parameters": city() } });
    json!([tool("get_weather"), tool("get_time")])
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body["max_tokens"] = 2_000.into();
    body[name] = value;
    body
}

/// A streamed answer put together as an SDK does it: the message, and why it ended.
fn assembled(events: &[Event]) -> (Value, String) {
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(done.data, "[DONE]");
    let (mut content, mut finish) = (String::new(), String::new());
    let mut calls: BTreeMap<u64, (String, String, String)> = BTreeMap::new();
    for chunk in chunks {
        let chunk = chunk.json();
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        let Some(choice) = chunk["choices"].get(0) else { continue };
        content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        finish.push_str(choice["finish_reason"].as_str().unwrap_or_default());
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let own = calls.entry(call["index"].as_u64().unwrap()).or_default();
            own.0.push_str(call["id"].as_str().unwrap_or_default());
            own.1.push_str(call["function"]["name"].as_str().unwrap_or_default());
            own.2.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
        }
    }
    assert!(calls.keys().copied().eq(0..calls.len() as u64), "indices without gaps: {calls:?}");
    let calls: Vec<Value> = calls
        .into_values()
        .map(|(id, name, arguments)| {
            json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
        })
        .collect();
    (json!({ "role": "assistant", "content": content, "tool_calls": calls }), finish)
}

fn check_calls(message: &Value, names: &[&str], model: &str) {
    let calls = message["tool_calls"].as_array().unwrap_or_else(|| panic!("{model}: {message}"));
    let called: Vec<&str> = calls.iter().map(|call| call["function"]["name"].as_str().unwrap()).collect();
    assert_eq!(called, names, "{model}");
    for call in calls {
        let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        assert!(arguments["city"].is_string(), "{model}: {arguments}");
        assert!(!call["id"].as_str().unwrap().is_empty());
    }
    let mut ids: Vec<_> = calls.iter().map(|call| call["id"].as_str().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), names.len(), "{model}: every call has an id of its own");
}

/// Sends the calls back with a result each; the answer mentions the last.
async fn finish(haven: &Haven, key: &str, asked: &Value, message: &Value) {
    let mut body = asked.clone();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(message.clone());
    for (at, call) in message["tool_calls"].as_array().unwrap().iter().enumerate() {
        messages.push(json!({ "role": "tool", "tool_call_id": call["id"], "content": format!("result {at}") }));
    }
    let reply = haven.chat(key, &body).await.ok();
    let text = reply.body["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("The tool says: result"), "{}: {text}", asked["model"]);
    assert!(sent(haven).contains("result 0"));
}

#[actix_web::test]
async fn tools_are_called_and_their_results_come_back_from_every_provider() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    for model in ONE_OF_EACH {
        let body = with(ask(model, "What is the weather in Paris?"), "tools", tools());
        let reply = haven.chat(&workspace.key, &body).await.ok();
        let choice = &reply.body["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{model}");
        assert_eq!(reply.body["model"], model);
        check_calls(&choice["message"], &["get_weather"], model);
        finish(&haven, &workspace.key, &body, &choice["message"]).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn parallel_calls_are_streamed_side_by_side_from_every_provider() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    haven.control.script(Rule { wire: Wire { split: Some(1), ..Wire::default() }, ..Rule::new() });
    for model in ONE_OF_EACH {
        let body = with(ask(model, "Weather and time in parallel, please"), "tools", tools());
        let events = haven.chat_stream(&workspace.key, &body).await.rest().await;
        let (message, reason) = assembled(&events);
        assert_eq!(reason, "tool_calls", "{model}");
        check_calls(&message, &["get_weather", "get_time"], model);
        finish(&haven, &workspace.key, &body, &message).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_tool_can_be_forced_and_forbidden() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    for model in ONE_OF_EACH {
        let forced = json!({ "type": "function", "function": { "name": "get_time" } });
        let body = with(with(ask(model, "Hello"), "tools", tools()), "tool_choice", forced);
        let reply = haven.chat(&workspace.key, &body).await.ok();
        check_calls(&reply.body["choices"][0]["message"], &["get_time"], model);
        let body = with(with(ask(model, "The weather?"), "tools", tools()), "tool_choice", "none".into());
        let reply = haven.chat(&workspace.key, &body).await.ok();
        assert_eq!(reply.body["choices"][0]["finish_reason"], "stop", "{model}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn structured_output_follows_its_schema_from_every_provider() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    for model in ONE_OF_EACH {
        let format =
            json!({ "type": "json_schema", "json_schema": { "name": "city", "strict": true, "schema": city() } });
        let body = with(ask(model, "A city?"), "response_format", format);
        let reply = haven.chat(&workspace.key, &body).await.ok();
        let text = reply.body["choices"][0]["message"]["content"].as_str().unwrap();
        let object: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{model}: {error} in {text}"));
        assert!(object["city"].is_string(), "{model}: {object}");
        let (message, reason) = assembled(&haven.chat_stream(&workspace.key, &body).await.rest().await);
        assert_eq!((message["content"].as_str().unwrap(), reason.as_str()), (text, "stop"), "{model}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn every_letter_arrives_plain_and_streamed_however_it_was_cut() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    for wire in [Wire { split: Some(1), ..Wire::default() }, Wire { coalesce: true, ..Wire::default() }] {
        haven.control.clear_script();
        haven.control.script(Rule { wire, ..Rule::new().text(UNICODE) });
        for model in ONE_OF_EACH {
            let reply = haven.chat(&workspace.key, &ask(model, "Say it")).await.ok();
            assert_eq!(reply.body["choices"][0]["message"]["content"], UNICODE, "{model}");
            let (message, _) = assembled(&haven.chat_stream(&workspace.key, &ask(model, "Say it")).await.rest().await);
            assert_eq!(message["content"], UNICODE, "{model}");
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn thinking_is_asked_for_by_effort_and_shown_beside_the_answer() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    let change = AnswerChange {
        thinking: Some("I wonder.".to_owned()),
        text: Some("So.".to_owned()),
        ..AnswerChange::default()
    };
    haven.control.script(Rule { answer: change, ..Rule::new() });
    for model in ONE_OF_EACH {
        let body = with(ask(model, "Think"), "reasoning_effort", "low".into());
        let reply = haven.chat(&workspace.key, &body).await.ok();
        let message = &reply.body["choices"][0]["message"];
        assert_eq!(
            (&message["content"], &message["reasoning_content"]),
            (&json!("So."), &json!("I wonder.")),
            "{model}"
        );
        let events = haven.chat_stream(&workspace.key, &body).await.rest().await;
        let thought: String = events
            .iter()
            .filter_map(|event| Some(event.json()["choices"][0]["delta"]["reasoning_content"].as_str()?.to_owned()))
            .collect();
        assert_eq!(thought, "I wonder.", "{model}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn an_image_reaches_every_provider_in_its_own_form() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    for (model, place) in [
        ("claude-haiku-4-5", "/messages/0/content/1/source/data"),
        ("gemini-3-flash", "/contents/0/parts/1/inlineData/data"),
        ("gpt-sim", "/messages/0/content/1/image_url/url"),
    ] {
        let image = json!({ "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{PNG}") } });
        let content = json!([{ "type": "text", "text": "What is this?" }, image]);
        let body = json!({ "model": model, "max_tokens": 64, "messages": [{ "role": "user", "content": content }] });
        haven.chat(&workspace.key, &body).await.ok();
        let call = haven.control.last_call().unwrap();
        let sent = call.body.pointer(place).and_then(Value::as_str);
        assert!(sent.is_some_and(|data| data.ends_with(PNG)), "{model}: {}", call.body);
    }
    haven.finish().await;
}
