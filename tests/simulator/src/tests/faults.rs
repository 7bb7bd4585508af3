//! Every fault, as the client of the connection sees it.

use super::client::{
    ANTHROPIC, GEMINI, OPENAI, PATIENCE, Response, anthropic, gemini, open, openai, receive, simulator, with,
};
use crate::{Ending, Fault, Rule, Simulator, Stats, Usage, words::size};
use serde_json::{Value, json};
use std::io::ErrorKind;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

fn chat(stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hello"}]})
}

fn message() -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 500, "stream": true,
        "messages": [{"role": "user", "content": "hello"}]})
}

fn contents() -> Value {
    json!({"contents": [{"parts": [{"text": "hello"}]}]})
}

const GEMINI_STREAM: &str = "gemini-3-flash-preview:streamGenerateContent?alt=sse";

/// One streamed chat under a rule given as JSON.
async fn under(simulator: &Simulator, rule: Value, stream: bool) -> Response {
    simulator.control().reset();
    simulator.control().script(serde_json::from_value(rule).unwrap());
    openai(simulator, &chat(stream)).await
}

fn fault(kind: &str, more: Value) -> Value {
    json!({"fault": with(json!({"kind": kind}), more)})
}

async fn until(simulator: &Simulator, condition: impl FnMut(&Stats) -> bool) -> Stats {
    timeout(PATIENCE, simulator.control().wait_until(condition)).await.expect("the counters never came to it")
}

/// A request to the simulator's own paths.
async fn desk(simulator: &Simulator, path: &str, body: Value) -> Response {
    super::client::post(simulator, path, &[("content-type", "application/json")], &body).await
}

/// Opens a streamed chat and reads until `count` bytes of it have come.
async fn begin(simulator: &Simulator, count: usize) -> TcpStream {
    let mut stream = open(simulator.address(), "/v1/chat/completions", OPENAI, &chat(true).to_string()).await;
    let mut buffer = vec![0; count];
    timeout(PATIENCE, stream.read_exact(&mut buffer)).await.unwrap().unwrap();
    stream
}

#[actix_web::test]
async fn resets_and_closes() {
    let simulator = simulator().await;
    for (kind, expected) in [("reset_before_headers", Some(ErrorKind::ConnectionReset)), ("close_before_headers", None)]
    {
        let response = under(&simulator, fault(kind, json!({})), true).await;
        assert_eq!((response.status, response.error), (0, expected), "{kind}");
    }
    for stream in [true, false] {
        let reset = under(&simulator, fault("reset", json!({"after": 1})), stream).await;
        assert_eq!((reset.status, reset.chunks.len(), reset.error), (200, 1, Some(ErrorKind::ConnectionReset)));
        let closed = under(&simulator, fault("close", json!({"after": 1})), stream).await;
        assert_eq!((closed.chunks.len(), closed.is_whole, closed.error), (1, false, None));
        let cut = under(&simulator, fault("cut", json!({"after": 1})), stream).await;
        assert_eq!((cut.chunks.len(), cut.is_whole, cut.error), (1, true, None));
        assert_eq!(simulator.control().last_call().unwrap().ending, Some(Ending::Cut));
    }
    assert_eq!(until(&simulator, |stats| stats.open == 0).await.cut, 1);
    simulator.stop().await;
}

#[actix_web::test]
async fn what_was_cut_off_is_not_charged() {
    let simulator = simulator().await;
    let whole = under(&simulator, json!({"answer": {"output_tokens": 100, "pieces": 100}}), true).await;
    assert_eq!(whole.events().len(), 102);
    let charged = simulator.control().last_call().unwrap().usage.unwrap();
    assert_eq!(charged.output, 100);
    let mut rule = fault("cut", json!({"after": 41}));
    rule["answer"] = json!({"output_tokens": 100, "pieces": 100});
    under(&simulator, rule, true).await;
    let call = simulator.control().last_call().unwrap();
    assert_eq!((call.events, call.usage), (41, Some(Usage { output: 40, ..charged })));
    assert_eq!(simulator.control().stats().charged.output, 40);
    simulator.stop().await;
}

#[actix_web::test]
async fn hang_ups_are_noticed_in_silence() {
    let simulator = simulator().await;
    for rule in [
        fault("hang_before_headers", json!({})),
        fault("hang_after_headers", json!({})),
        fault("stall", json!({"after": 1})),
        json!({"gap_ms": 60_000}),
        json!({"delay_ms": 60_000}),
    ] {
        simulator.control().reset();
        simulator.control().script(serde_json::from_value(rule.clone()).unwrap());
        let stream = open(simulator.address(), "/v1/chat/completions", OPENAI, &chat(true).to_string()).await;
        let stats = until(&simulator, |stats| stats.open_streams == 1).await;
        assert_eq!(stats.hang_ups, 0);
        let left = std::time::Instant::now();
        drop(stream);
        let stats = until(&simulator, |stats| stats.hang_ups == 1).await;
        assert_eq!((stats.open, stats.open_streams), (0, 0), "{rule}");
        // At once on an idle machine; the bound leaves room for a busy one.
        assert!(left.elapsed().as_millis() < 500, "{rule}: {:?}", left.elapsed());
        assert_eq!(simulator.control().last_call().unwrap().ending, Some(Ending::HungUp));
    }
    simulator.stop().await;
}

#[actix_web::test]
async fn a_hang_up_in_mid_stream_is_charged_by_what_was_sent() {
    let simulator = simulator().await;
    simulator.control().script(Rule::new().fault(Fault::Stall { after: 2, ms: None }));
    let stream = begin(&simulator, 600).await;
    drop(stream);
    until(&simulator, |stats| stats.hang_ups == 1).await;
    let call = simulator.control().last_call().unwrap();
    assert_eq!((call.events, call.status), (2, Some(200)));
    assert!(call.usage.unwrap().input > 0);
    simulator.stop().await;
}

#[actix_web::test]
async fn waits_that_end_go_on() {
    let simulator = simulator().await;
    for rule in [
        fault("hang_before_headers", json!({"ms": 1})),
        fault("hang_after_headers", json!({"ms": 1})),
        fault("stall", json!({"after": 2, "ms": 1})),
        json!({"gap_ms": 1, "delay_ms": 1}),
    ] {
        let response = under(&simulator, rule, true).await;
        assert!(response.text().ends_with("data: [DONE]\n\n"));
        assert_eq!(simulator.control().last_call().unwrap().ending, Some(Ending::Complete));
    }
    simulator.stop().await;
}

#[actix_web::test]
async fn statuses_come_in_the_words_of_the_provider() {
    let simulator = simulator().await;
    let control = simulator.control();
    control.script(Rule::new().model("claude-haiku-4-5").status(529).retry_after("7").times(1));
    let overloaded = anthropic(&simulator, &message()).await;
    assert!(overloaded.head.contains("retry-after: 7") && overloaded.status == 529);
    assert_eq!(overloaded.json()["error"], json!({"type": "overloaded_error", "message": "Overloaded"}));
    assert_eq!(anthropic(&simulator, &message()).await.status, 200);

    let status = json!({"code": 429, "retry_delay": "0.42s", "quota_id": "GenerateRequestsPerDayPerProject-FreeTier"});
    control.script(serde_json::from_value(json!({"protocol": "gemini", "status": status})).unwrap());
    let exhausted = gemini(&simulator, GEMINI_STREAM, &contents()).await.json();
    assert_eq!(exhausted["error"]["status"], "RESOURCE_EXHAUSTED");
    let details = exhausted["error"]["details"].as_array().unwrap();
    assert!(details[0]["violations"][0]["quotaId"].as_str().unwrap().contains("PerDay"));
    assert_eq!(details[1]["retryDelay"], "0.42s");

    let status =
        json!({"code": 429, "error_type": "insufficient_quota", "error_code": "insufficient_quota", "message": "no"});
    let broke = under(&simulator, json!({"status": status}), false).await;
    assert_eq!(broke.json()["error"]["code"], "insufficient_quota");
    let edge = under(&simulator, json!({"status": {"code": 502, "body": "<html>"}}), false).await;
    assert_eq!((edge.status, edge.text().as_str()), (502, "<html>"));
    assert!(edge.head.contains("content-type: text/html"));
    simulator.stop().await;
}

#[actix_web::test]
async fn errors_come_in_mid_stream() {
    let simulator = simulator().await;
    simulator.control().script(Rule::new().fault(Fault::ErrorEvent { after: 2, error_type: None, message: None }));
    let response = anthropic(&simulator, &message()).await;
    let events = response.events();
    assert_eq!((events.len(), &events[2]["error"]["type"]), (3, &json!("overloaded_error")));
    assert!(response.text().contains("event: error\n") && response.is_whole);
    let bare = gemini(&simulator, GEMINI_STREAM, &contents()).await.text();
    let (_, error) = bare.split_at(bare.find("\r\n{").unwrap());
    assert_eq!(serde_json::from_str::<Value>(error).unwrap()["error"]["code"], 503);
    let events = openai(&simulator, &chat(true)).await.events();
    assert_eq!(events[2]["error"]["type"], "server_error");
    assert_eq!(openai(&simulator, &chat(false)).await.status, 500);
    simulator.stop().await;
}

#[actix_web::test]
async fn bytes_come_as_scripted() {
    let simulator = simulator().await;
    let text = json!({"text": "héllo 漢字 🦀"});
    let plain = under(&simulator, json!({"answer": text}), true).await;
    let split = under(&simulator, json!({"answer": text, "wire": {"split": 1}}), true).await;
    assert!(split.chunks.iter().all(|chunk| chunk.len() == 1));
    assert_eq!(split.events()[1]["choices"], plain.events()[1]["choices"]);
    let joined = under(&simulator, json!({"answer": text, "wire": {"coalesce": true, "crlf": true}}), true).await;
    assert_eq!((joined.chunks.len(), joined.events().len()), (1, plain.events().len()));
    assert!(joined.text().ends_with("data: [DONE]\r\n\r\n"));
    assert_eq!(size(plain.events().len() + 1), simulator.control().last_call().unwrap().events);
    let broken = under(&simulator, fault("malformed", json!({"event": 2})), true).await;
    let lines: Vec<_> =
        broken.text().lines().filter(|line| !line.is_empty()).map(|line| line[6..].to_owned()).collect();
    assert!(serde_json::from_str::<Value>(&lines[0]).is_ok() && serde_json::from_str::<Value>(&lines[1]).is_err());
    assert!(
        serde_json::from_str::<Value>(&under(&simulator, fault("malformed", json!({"event": 1})), false).await.text())
            .is_err()
    );
    let page = under(&simulator, fault("html", json!({})), true).await;
    assert!(page.status == 200 && page.head.contains("text/html"));
    simulator.stop().await;
}

#[actix_web::test]
async fn answers_come_as_scripted() {
    let simulator = simulator().await;
    let control = simulator.control();
    let usage =
        json!({"input": 10, "cache_read": 20, "cache_write_5m": 3, "cache_write_1h": 4, "output": 50, "thinking": 5});
    let calls = json!([{"name": "f", "arguments": {"a": 1}}, {"id": "toolu_x", "name": "g", "arguments": "{broken"}]);
    let answer = json!({"text": "ok", "thinking": "hm", "tool_calls": calls, "usage": usage, "finish": "refusal",
        "stop_details": {"type": "refusal", "category": "cyber"}});
    control.script(serde_json::from_value(json!({"answer": answer})).unwrap());
    let events = anthropic(&simulator, &message()).await.events();
    let kinds: Vec<_> = events.iter().filter_map(|it| it["content_block"]["type"].as_str()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use", "tool_use"]);
    let delta = &events[events.len() - 2];
    assert_eq!(
        (&delta["delta"]["stop_reason"], &delta["delta"]["stop_details"]["category"]),
        (&json!("refusal"), &json!("cyber"))
    );
    assert_eq!(
        (&delta["usage"]["cache_creation_input_tokens"], &delta["usage"]["output_tokens"]),
        (&json!(7), &json!(50))
    );
    let chunks = gemini(&simulator, GEMINI_STREAM, &contents()).await.events();
    let metadata = &chunks.last().unwrap()["usageMetadata"];
    assert_eq!((&metadata["promptTokenCount"], &metadata["candidatesTokenCount"]), (&json!(37), &json!(45)));
    assert_eq!(openai(&simulator, &chat(false)).await.json()["usage"]["prompt_tokens_details"]["cached_tokens"], 20);
    let charged = control.calls().iter().map(|call| call.usage.unwrap().output).collect::<Vec<_>>();
    assert_eq!(charged, [50, 50, 50]);

    control.clear_script();
    control.script(serde_json::from_value(json!({"times": 2, "answer": {"omit_usage": true}})).unwrap());
    assert!(anthropic(&simulator, &message()).await.events()[0]["message"].get("usage").is_none());
    assert!(openai(&simulator, &chat(false)).await.json().get("usage").is_none());
    control.script(serde_json::from_value(json!({"answer": {"block_reason": "SAFETY"}})).unwrap());
    let blocked = gemini(&simulator, GEMINI_STREAM, &contents()).await.events();
    assert_eq!((blocked.len(), blocked[0].get("candidates")), (1, None));
    assert_eq!(blocked[0]["promptFeedback"]["blockReason"], "SAFETY");
    simulator.stop().await;
}

#[actix_web::test]
async fn the_desk_works_over_http() {
    let simulator = simulator().await;
    let rules = json!([{"marker": "M1", "skip": 1, "times": 1, "status": {"code": 500}}, {"headers": {"x-rule": "2"}}]);
    assert_eq!(desk(&simulator, "/__script", rules).await.json(), json!({"added": 2}));
    assert_eq!(desk(&simulator, "/__script", json!({"statuss": 1})).await.status, 400);
    let mut body = chat(false);
    body["user"] = json!("M1");
    let statuses = [(); 3].map(|()| openai(&simulator, &body));
    let mut seen = Vec::new();
    for response in statuses {
        seen.push(response.await.status);
    }
    assert_eq!(seen, [200, 500, 200]);
    assert!(openai(&simulator, &chat(false)).await.head.contains("x-rule: 2"));
    assert_eq!(desk(&simulator, "/__keys", json!(["sk-9"])).await.status, 204);
    assert_eq!(openai(&simulator, &chat(false)).await.status, 401);
    let stats = super::client::get(&simulator, "/__stats").await.json();
    assert_eq!(
        (&stats["calls"], &stats["by_status"]["200"], &stats["by_key"]["sk-1"]),
        (&json!(5), &json!(3), &json!(5))
    );
    assert_eq!(super::client::get(&simulator, "/__calls").await.json()[1]["ending"], "refused");
    assert_eq!(super::client::get(&simulator, "/v1/models").await.json()["object"], "list");
    assert_eq!(desk(&simulator, "/__reset", Value::Null).await.status, 204);
    assert_eq!(simulator.control().stats().calls, 0);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_calls() {
    let simulator = simulator().await;
    let mut stream = open(simulator.address(), "/v1/chat/completions", OPENAI, &chat(true).to_string()).await;
    assert!(receive(&mut stream).await.is_whole);
    for headers in [ANTHROPIC, GEMINI] {
        // A refusal does not end the connection.
        let body = message().to_string();
        super::client::send(&mut stream, "/v1/messages", headers, &body).await;
        assert!(receive(&mut stream).await.is_whole);
    }
    assert_eq!(simulator.control().stats().calls, 3);
    simulator.stop().await;
}

#[actix_web::test]
async fn many_streams_are_held_and_all_hang_ups_noticed() {
    const STREAMS: u64 = 150;
    let simulator = simulator().await;
    simulator.control().script(Rule::new().fault(Fault::Stall { after: 1, ms: None }));
    let mut held = Vec::new();
    for _ in 0..STREAMS {
        held.push(begin(&simulator, 300).await);
    }
    assert_eq!(simulator.control().stats().open_streams_peak, STREAMS);
    drop(held);
    let stats = until(&simulator, |stats| stats.hang_ups == STREAMS).await;
    assert_eq!((stats.open, stats.open_streams), (0, 0));
    simulator.stop().await;
}
