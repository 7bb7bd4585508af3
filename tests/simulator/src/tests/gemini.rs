//! `generateContent` and its siblings.

use super::client::{GEMINI, gemini, post, simulator, with};
use serde_json::{Value, json};

const PLAIN: &str = "gemini-3-flash-preview:generateContent";
const STREAM: &str = "gemini-3-flash-preview:streamGenerateContent?alt=sse";

fn request(text: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}]})
}

fn tools() -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    json!([{"functionDeclarations": [
        {"name": "get_weather", "parametersJsonSchema": schema}, {"name": "get_time", "parameters_json_schema": schema}]}])
}

fn parts(events: &[Value]) -> Vec<Value> {
    events.iter().filter_map(|it| it["candidates"][0]["content"]["parts"].as_array()).flatten().cloned().collect()
}

#[actix_web::test]
async fn plain_and_streamed_say_the_same() {
    let simulator = simulator().await;
    let thoughts = json!({"generationConfig": {"thinkingConfig": {"includeThoughts": true, "thinkingLevel": "LOW"}}});
    let body = with(request("hello"), thoughts);
    let plain = gemini(&simulator, PLAIN, &body).await.json();
    let text = |parts: &[Value], thought: bool| -> String {
        parts
            .iter()
            .filter(|it| it["thought"].as_bool().unwrap_or(false) == thought)
            .filter_map(|it| it["text"].as_str())
            .collect()
    };
    let streamed = gemini(&simulator, STREAM, &body).await;
    assert!(streamed.text().contains("}\r\n\r\ndata: {"));
    let events = streamed.events();
    let (whole, pieces) = (parts(std::slice::from_ref(&plain)), parts(&events));
    assert_eq!(text(&whole, false), text(&pieces, false));
    assert_eq!(text(&whole, true), text(&pieces, true));
    let last = events.last().unwrap();
    assert_eq!((&last["candidates"][0]["finishReason"], last["candidates"][0].get("content")), (&json!("STOP"), None));
    assert_eq!(last["usageMetadata"], plain["usageMetadata"]);
    let totals: Vec<_> = events.iter().map(|it| it["usageMetadata"]["totalTokenCount"].as_u64().unwrap()).collect();
    assert!(totals.is_sorted());
    let array = gemini(&simulator, "gemini-3-flash-preview:streamGenerateContent", &body).await;
    assert_eq!(array.json().as_array().unwrap().len(), events.len());
    simulator.stop().await;
}

#[actix_web::test]
async fn function_calls_need_their_signatures() {
    let simulator = simulator().await;
    let body = with(request("weather in parallel"), json!({"tools": tools()}));
    let calls = parts(&gemini(&simulator, STREAM, &body).await.events());
    let calls: Vec<Value> = calls.into_iter().filter(|part| part.get("functionCall").is_some()).collect();
    assert_eq!(calls.len(), 2);
    assert!(calls[0]["thoughtSignature"].is_string() && calls[1].get("thoughtSignature").is_none());
    assert!(calls[0]["functionCall"]["args"]["city"].is_string());
    let response = |name: &str| json!({"functionResponse": {"name": name, "response": {"output": "hail"}}});
    let replay = |calls: &[Value], responses: &[Value]| {
        let mut body = body.clone();
        let contents = body["contents"].as_array_mut().unwrap();
        contents.push(json!({"role": "model", "parts": calls}));
        contents.push(json!({"role": "user", "parts": responses}));
        body
    };
    let both = [response("get_weather"), response("get_time")];
    let answer = gemini(&simulator, PLAIN, &replay(&calls, &both)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("hail"));

    let refused = |calls: Vec<Value>, responses: Vec<Value>| {
        let (body, simulator) = (replay(&calls, &responses), &simulator);
        async move { gemini(simulator, PLAIN, &body).await.error_message() }
    };
    let mut unsigned = calls.clone();
    unsigned[0].as_object_mut().unwrap().remove("thoughtSignature");
    assert!(refused(unsigned.clone(), both.to_vec()).await.contains("missing a thought_signature"));
    unsigned[0]["thoughtSignature"] = json!("AAAA");
    assert!(refused(unsigned.clone(), both.to_vec()).await.contains("not valid"));
    unsigned[0]["thoughtSignature"] = json!("skip_thought_signature_validator");
    assert_eq!(refused(unsigned, both.to_vec()).await, "");
    assert!(refused(calls.clone(), both[..1].to_vec()).await.contains("number of function response parts"));
    assert!(refused(calls, vec![both[1].clone(), both[0].clone()]).await.contains("order"));
    simulator.stop().await;
}

#[actix_web::test]
async fn structure_limits_and_counting() {
    let simulator = simulator().await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let config = json!({"responseMimeType": "application/json", "responseJsonSchema": schema});
    let answer = gemini(&simulator, PLAIN, &with(request("hi"), json!({"generationConfig": config}))).await.json();
    let text = answer["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap().to_owned();
    assert!(serde_json::from_str::<Value>(&text).unwrap()["n"].is_i64());
    // The limit is eaten by thinking.
    let short = gemini(&simulator, PLAIN, &with(request("hi"), json!({"generationConfig": {"maxOutputTokens": 2}})))
        .await
        .json();
    assert_eq!(short["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert!(short["candidates"][0].get("content").is_none());
    assert_eq!(short["usageMetadata"]["thoughtsTokenCount"], 2);
    let count = gemini(&simulator, "gemini-3-flash-preview:countTokens", &request("hi there")).await.json();
    assert_eq!(count["totalTokens"], 2);
    simulator.stop().await;
}

#[actix_web::test]
async fn wrong_requests_are_refused() {
    let simulator = simulator().await;
    let declare =
        |schema: Value| json!({"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema}]}]});
    let think = |config: Value| json!({"generationConfig": {"thinkingConfig": config}});
    for (more, what) in [
        (json!({"max_tokens": 1}), "Unknown name \"max_tokens\""),
        (json!({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}), "valid role"),
        (
            json!({"contents": [{"role": "user", "parts": [{"txt": "a"}]}]}),
            "Unknown name \"txt\" at 'contents[0].parts[0]'",
        ),
        (declare(json!({"type": "object", "properties": {"a": {"const": 1}}})), "keyword \"const\""),
        (think(json!({"thinkingLevel": "EXTREME"})), "thinking_level"),
        (think(json!({"thinkingLevel": "LOW", "thinkingBudget": 512})), "only one of"),
        (
            json!({"toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}}}),
            "mode is ANY",
        ),
    ] {
        let response = gemini(&simulator, PLAIN, &with(request("hi"), more)).await;
        assert_eq!((response.status, &response.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
        assert!(response.error_message().contains(what), "{}", response.text());
    }
    let pro = gemini(
        &simulator,
        "gemini-3.1-pro-preview:generateContent",
        &with(request("a"), think(json!({"thinkingLevel": "MINIMAL"}))),
    )
    .await;
    assert_eq!(pro.status, 400);
    assert_eq!(gemini(&simulator, "gemini-9:generateContent", &request("hi")).await.status, 404);
    let no_key = post(&simulator, "/v1beta/models/gemini-3-flash-preview:generateContent", &[], &request("hi")).await;
    assert_eq!(no_key.status, 403);
    simulator.control().accept_keys(["other"]);
    let wrong = post(&simulator, "/v1beta/models/gemini-3-flash-preview:generateContent", GEMINI, &request("hi")).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["details"][0]["reason"]), (400, &json!("API_KEY_INVALID")));
    simulator.stop().await;
}
