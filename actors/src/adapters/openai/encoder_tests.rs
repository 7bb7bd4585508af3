//! What leaves the encoder, read as the official clients read it.

use super::*;
use crate::adapters::openai::test_support::{closing, label, received};
use crate::chat::{Dialect, Origin};

fn signature(value: &str) -> Signature {
    let origin = Some(Origin { protocol: Dialect::Anthropic, model: "opus".into() });
    Signature { origin, value: value.into() }
}

fn call(id: &str, signature: Option<Signature>) -> Event {
    Event::ToolCall { id: id.to_owned(), name: "f".to_owned(), signature }
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

fn arguments(text: &str) -> Event {
    Event::ToolArguments(text.to_owned())
}

fn finish(reason: FinishReason) -> Event {
    Event::Finish { reason, stop_sequence: None }
}

fn start() -> Event {
    Event::Start { upstream_id: Some("up".to_owned()) }
}

fn encoded(include_usage: bool, legacy: bool, events: Vec<Event>) -> String {
    let mut encoder = ChunkEncoder::new(&label(include_usage), legacy);
    let mut out = BytesMut::new();
    for event in events {
        encoder.encode(event, &mut out);
    }
    encoder.conclude(&closing(), &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn the_exact_sequence_of_chunks() {
    insta::assert_snapshot!(encoded(
        true,
        false,
        vec![
            start(),
            Event::Thinking("Let me ".to_owned()),
            Event::Thinking("think".to_owned()),
            Event::ThinkingSignature(signature("SIG")),
            Event::BlockEnd,
            Event::RedactedThinking(signature("RED")),
            Event::BlockEnd,
            text("It is \"so\"\n\u{1}"),
            Event::BlockEnd,
            call("a", Some(signature("TOOL"))),
            arguments(""),
            arguments("{\"x\":"),
            arguments("1}"),
            Event::BlockEnd,
            call("b", None),
            Event::BlockEnd,
            finish(FinishReason::ToolCalls),
            Event::Usage(closing().usage),
        ],
    ));
}

#[test]
fn a_client_gets_every_call_with_arguments_that_parse() {
    let events = vec![
        text("x"),
        call("a", None),
        call("b", None),
        arguments("{\"y\":2}"),
        call("c", None),
        finish(FinishReason::ToolCalls),
    ];
    let received = received(&encoded(false, false, events));
    let calls = received.message["tool_calls"].as_array().unwrap();
    let arguments: Vec<_> = calls.iter().map(|call| call["function"]["arguments"].as_str().unwrap()).collect();
    assert_eq!(arguments, ["{}", "{\"y\":2}", "{}"]);
    assert_eq!((received.finish.as_str(), received.usage), ("tool_calls", None));
}

#[test]
fn usage_comes_last_and_only_where_it_was_asked_for() {
    let wire = encoded(true, false, vec![start(), text("x"), finish(FinishReason::Stop)]);
    let usage = received(&wire).usage.unwrap();
    assert_eq!(
        (&usage["cost_usd"], &usage["prompt_tokens"], &usage["total_tokens"]),
        (&"0.00000125".into(), &10.into(), &15.into())
    );
    assert_eq!(wire.matches("\"usage\":null").count(), 3);
    let wire = encoded(false, false, vec![start(), text("x"), finish(FinishReason::Stop)]);
    assert!(!wire.contains("usage") && !wire.contains("cost"));
}

#[test]
fn an_empty_answer_still_has_role_finish_and_end() {
    let received = received(&encoded(false, false, vec![]));
    assert_eq!((received.message["role"].as_str(), received.finish.as_str()), (Some("assistant"), "stop"));
}

#[test]
fn reasons_are_named_as_the_sdk_knows_them() {
    for (reason, name) in [
        (FinishReason::Stop, "stop"),
        (FinishReason::StopSequence, "stop"),
        (FinishReason::Length, "length"),
        (FinishReason::ContentFilter, "content_filter"),
    ] {
        assert_eq!(received(&encoded(false, false, vec![text("x"), finish(reason)])).finish, name);
    }
}

#[test]
fn a_legacy_caller_gets_one_function_call() {
    let events = vec![
        call("a", None),
        arguments("{\"x\":1}"),
        call("b", None),
        arguments("{}"),
        finish(FinishReason::ToolCalls),
    ];
    let received = received(&encoded(false, true, events));
    assert_eq!(received.message["function_call"], serde_json::json!({"name": "f", "arguments": "{\"x\":1}"}));
    assert_eq!(received.finish, "function_call");
}

#[test]
fn money_that_ends_ends_the_stream_as_length() {
    let mut encoder = ChunkEncoder::new(&label(true), false);
    let mut out = BytesMut::new();
    encoder.encode(text("half"), &mut out);
    encoder.cut_short(&closing(), &mut out);
    let received = received(std::str::from_utf8(&out).unwrap());
    assert_eq!((received.finish.as_str(), received.message["content"].as_str()), ("length", Some("half")));
    assert!(received.usage.is_some());
}

#[test]
fn several_thoughts_keep_their_signatures_apart() {
    let thought = |text: &str, value| {
        [Event::Thinking(text.to_owned()), Event::ThinkingSignature(signature(value)), Event::BlockEnd]
    };
    let mut events = Vec::from(thought("one", "S1"));
    events.push(text("x"));
    events.extend(thought("two", "S2"));
    events.push(Event::ThinkingSignature(signature("alone")));
    let blocks = received(&encoded(false, false, events)).message["thinking_blocks"].clone();
    let blocks: Vec<_> =
        blocks.as_array().unwrap().iter().map(|it| (it["thinking"].clone(), it["signature"].clone())).collect();
    let tagged = |value: &str| serde_json::Value::from(format!("lmh1:anthropic:4:opus:{value}"));
    assert_eq!(blocks, [("one".into(), tagged("S1")), ("two".into(), tagged("S2")), ("".into(), tagged("alone"))]);
}

#[test]
fn an_error_event_is_one_line_of_data() {
    let mut out = BytesMut::new();
    error_event("{\"error\":{}}", &mut out);
    assert_eq!(&out[..], b"data: {\"error\":{}}\n\n");
    assert_eq!(KEEP_ALIVE, b": ping\n");
}
