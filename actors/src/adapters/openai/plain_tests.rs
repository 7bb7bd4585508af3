//! A whole answer, and that it says the same as the stream of the same answer.

use super::*;
use bytes::BytesMut;
use serde_json::Value;

use crate::adapters::Encoder;
use crate::adapters::openai::test_support::{closing, comparable, label, received, relayed};
use crate::adapters::openai::{Body, ChunkDecoder, ChunkEncoder, read_answer};
use crate::adapters::translated::Translated;
use crate::chat::{Dialect, Event, FinishReason, Origin, Signature};

fn rendered(answer: &Answer, legacy: bool) -> Value {
    serde_json::from_slice(&render_answer(answer, &label(true), &closing().usage, legacy)).unwrap()
}

fn answer(parts: Vec<Part>, finish: FinishReason) -> Answer {
    Answer { upstream_id: None, parts, finish, stop_sequence: None, usage: None }
}

fn signature(protocol: Dialect, value: &str) -> Signature {
    Signature { origin: Some(Origin { protocol, model: "m:1".into() }), value: value.into() }
}

fn everything() -> Answer {
    let call = |id: &str, arguments, signature| Part::ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments,
        signature,
        cache: None,
    };
    answer(
        vec![
            Part::Thinking { text: "hm\n".to_owned(), signature: Some(signature(Dialect::Anthropic, "S")) },
            Part::RedactedThinking { data: signature(Dialect::Anthropic, "R") },
            Part::Text { text: "one ".to_owned(), cache: None },
            Part::Text { text: "\"two\"".to_owned(), cache: None },
            call("a", serde_json::json!({"x": [1, "é"]}), Some(signature(Dialect::Gemini, "G"))),
            call("b", serde_json::json!({}), None),
        ],
        FinishReason::ToolCalls,
    )
}

/// The events that a decoder would make of the answer.
fn events(answer: &Answer) -> Vec<Event> {
    let mut events = vec![Event::Start { upstream_id: None }];
    for part in answer.parts.clone() {
        match part {
            Part::Text { text, .. } => events.push(Event::Text(text)),
            Part::Thinking { text, signature } => {
                events.push(Event::Thinking(text));
                events.extend(signature.map(Event::ThinkingSignature));
            }
            Part::RedactedThinking { data } => events.push(Event::RedactedThinking(data)),
            Part::ToolCall { id, name, arguments, signature, .. } => {
                events.push(Event::ToolCall { id, name, signature });
                if arguments != serde_json::json!({}) {
                    let text = arguments.to_string();
                    events.extend([&text[..3], &text[3..]].map(|part| Event::ToolArguments(part.to_owned())));
                }
            }
            Part::Media { .. } | Part::ToolResult { .. } => panic!("not in an answer"),
        }
        events.push(Event::BlockEnd);
    }
    events.push(Event::Finish { reason: answer.finish, stop_sequence: None });
    events
}

#[test]
fn a_whole_answer() {
    insta::assert_json_snapshot!(rendered(&everything(), false));
}

#[test]
fn nothing_but_tools_has_no_content_and_nothing_at_all_has_an_empty_one() {
    let only = answer(everything().parts.split_off(5), FinishReason::ToolCalls);
    let message = rendered(&only, false)["choices"][0]["message"].clone();
    assert_eq!((&message["content"], message.get("thinking_blocks")), (&Value::Null, None));
    let nothing = rendered(&answer(Vec::new(), FinishReason::Stop), false)["choices"][0]["message"].clone();
    assert_eq!((&nothing["content"], nothing.get("tool_calls")), (&"".into(), None));
}

#[test]
fn a_legacy_caller_gets_one_function_call() {
    let choice = rendered(&everything(), true)["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "function_call");
    assert_eq!(choice["message"]["function_call"], serde_json::json!({"name": "f", "arguments": "{\"x\":[1,\"é\"]}"}));
    assert_eq!(choice["message"].get("tool_calls"), None);
}

#[test]
fn streamed_and_plain_form_say_the_same() {
    for legacy in [false, true] {
        let mut encoder = ChunkEncoder::new(&label(true), legacy);
        let mut out = BytesMut::new();
        for event in events(&everything()) {
            encoder.encode(event, &mut out);
        }
        encoder.conclude(&closing(), &mut out);
        let streamed = received(std::str::from_utf8(&out).unwrap());
        same(streamed, &rendered(&everything(), legacy));
    }
}

#[test]
fn both_forms_of_one_upstream_answer_give_the_same_message_and_usage() {
    let wire = include_str!("fixtures/stream_tools.sse");
    let relay = Translated::new(ChunkDecoder::new("ours", "R"), ChunkEncoder::new(&label(true), false));
    let (out, outcome) = relayed(relay, &[wire.as_bytes()]);
    outcome.unwrap();
    let plain = read_answer(include_bytes!("fixtures/answer_tools.json"), "ours", "R").unwrap();
    same(received(&out), &rendered(&plain, false));

    let mut meter = Translated::new(ChunkDecoder::new("ours", "R"), ChunkEncoder::new(&label(true), false));
    crate::adapters::StreamRelay::feed(&mut meter, &bytes::Bytes::from_static(wire.as_bytes()), &mut BytesMut::new())
        .unwrap();
    assert_eq!(crate::adapters::StreamRelay::meter(&meter).reported, plain.usage);
}

/// The stream's message, finish and usage are the plain answer's.
fn same(streamed: crate::adapters::openai::test_support::Received, plain: &Value) {
    let choice = &plain["choices"][0];
    assert_eq!(comparable(streamed.message), comparable(choice["message"].clone()));
    assert_eq!(streamed.finish, choice["finish_reason"]);
    let mut usage = streamed.usage.unwrap();
    usage.as_object_mut().unwrap().remove("cost_usd");
    assert_eq!(usage, plain["usage"]);
}

#[test]
fn an_answer_that_is_sent_back_keeps_its_thoughts_and_signatures() {
    let message = rendered(&everything(), false)["choices"][0]["message"].clone();
    let body = serde_json::json!({"model": "m", "messages": [
        {"role": "user", "content": "x"},
        message,
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
    ]})
    .to_string();
    let turns = Body::read(body.as_bytes()).unwrap().to_chat().unwrap().turns;
    let mut expected = everything().parts;
    expected.splice(2..4, [Part::Text { text: "one \"two\"".to_owned(), cache: None }]);
    assert_eq!(turns[1].parts, expected);
}
