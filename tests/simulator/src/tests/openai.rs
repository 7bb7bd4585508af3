//! Chat completions.

use super::client::{openai, post, simulator, with};
use crate::words::size;
use serde_json::{Value, json};

fn request(text: &str) -> Value {
    json!({"model": "sim-large", "messages": [{"role": "user", "content": text}]})
}

fn tool() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])
}

#[actix_web::test]
async fn plain_and_streamed_say_the_same() {
    let simulator = simulator().await;
    let plain = openai(&simulator, &request("hello")).await.json();
    let text = plain["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert_eq!(plain["choices"][0]["finish_reason"], "stop");
    assert!(plain["usage"]["completion_tokens"].as_u64().unwrap() > 5);

    let body = with(request("hello"), json!({"stream": true, "stream_options": {"include_usage": true}}));
    let streamed = openai(&simulator, &body).await;
    assert!(streamed.head.contains("content-type: text/event-stream"));
    assert!(streamed.text().ends_with("data: [DONE]\n\n"));
    let events = streamed.events();
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events[0]["usage"], Value::Null);
    let said: String = events.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, text);
    let last = events.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &plain["usage"]));
    let call = simulator.control().last_call().unwrap();
    assert_eq!(call.usage.unwrap().output, plain["usage"]["completion_tokens"].as_u64().unwrap());
    assert_eq!((call.key.as_deref(), call.events), (Some("sk-1"), size(events.len() + 1)));
    simulator.stop().await;
}

#[actix_web::test]
async fn tools_are_called_and_answered() {
    let simulator = simulator().await;
    let body = with(request("the weather in parallel"), json!({"tools": tool(), "stream": true}));
    let events = openai(&simulator, &body).await.events();
    let deltas: Vec<_> = events.iter().filter_map(|it| it["choices"][0]["delta"]["tool_calls"].get(0)).collect();
    let starts: Vec<_> = deltas.iter().filter(|it| it.get("id").is_some()).collect();
    assert_eq!(starts.iter().map(|it| it["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    let arguments: String =
        deltas.iter().filter(|it| it["index"] == 0).filter_map(|it| it["function"]["arguments"].as_str()).collect();
    assert!(serde_json::from_str::<Value>(&arguments).unwrap()["city"].is_string());

    let message = openai(&simulator, &with(request("weather"), json!({"tools": tool()}))).await.json();
    let message = message["choices"][0]["message"].clone();
    let id = message["tool_calls"][0]["id"].clone();
    let mut history = request("weather");
    history["messages"].as_array_mut().unwrap().push(message);
    assert!(openai(&simulator, &history).await.error_message().contains("tool_call_id"));
    let result = json!({"role": "tool", "tool_call_id": id, "content": "sunny, 21 °C"});
    history["messages"].as_array_mut().unwrap().push(result);
    let answer = openai(&simulator, &history).await.json();
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().contains("sunny, 21 °C"));
    simulator.stop().await;
}

#[actix_web::test]
async fn structure_limits_and_stops_are_kept() {
    let simulator = simulator().await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let format = json!({"type": "json_schema", "json_schema": {"name": "a", "strict": true, "schema": schema}});
    let answer = openai(&simulator, &with(request("hi"), json!({"response_format": format}))).await.json();
    let value: Value = serde_json::from_str(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert!(value["n"].is_i64());
    let short = openai(&simulator, &with(request("hi"), json!({"max_tokens": 3}))).await.json();
    assert_eq!(
        (&short["choices"][0]["finish_reason"], &short["usage"]["completion_tokens"]),
        (&json!("length"), &json!(3))
    );
    simulator.stop().await;
}

#[actix_web::test]
async fn wrong_requests_are_refused() {
    let simulator = simulator().await;
    for (more, what) in [
        (json!({"model": null}), "model"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": [{"role": "robot", "content": "a"}]}), "role"),
        (json!({"messages": [{"role": "tool", "tool_call_id": "a", "content": "a"}]}), "role"),
        (json!({"stream_options": {}}), "stream_options"),
        (json!({"temperature": 3}), "temperature"),
        (json!({"tool_choice": "auto"}), "tool_choice"),
    ] {
        let response = openai(&simulator, &with(request("hi"), more)).await;
        assert_eq!(response.status, 400);
        assert!(response.json()["error"]["param"].as_str().unwrap().contains(what), "{}", response.text());
    }
    assert_eq!(post(&simulator, "/v1/chat/completions", &[], &request("hi")).await.status, 401);
    simulator.control().accept_keys(["sk-2"]);
    let response = openai(&simulator, &request("hi")).await;
    assert_eq!((response.status, &response.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    assert_eq!(simulator.control().stats().refused, 9);
    simulator.stop().await;
}
