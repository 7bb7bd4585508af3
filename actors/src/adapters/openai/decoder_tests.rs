//! Streams of providers as they are and as they should be, cut at every byte.

use super::*;
use crate::adapters::fault::UpstreamFault;
use crate::adapters::openai::test_support::at_every_cut;
use crate::domain::usage::{Bucket, Usage};

fn decode(chunks: &[&[u8]]) -> (Vec<Event>, Result<Flow, StreamFault>) {
    let mut decoder = ChunkDecoder::new("ours", "R");
    let mut events = Vec::new();
    for chunk in chunks {
        match decoder.feed(&Bytes::copy_from_slice(chunk), &mut |event| events.push(event)) {
            Ok(Flow::More) => {}
            done => return (events, done),
        }
    }
    let end = decoder.end_of_input(&mut |event| events.push(event));
    (events, end)
}

fn stream(deltas: &[&str], finish: &str) -> String {
    let chunk = |delta: &&str| {
        format!(
            "data: {{\"id\":\"x\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}

"
        )
    };
    deltas.iter().map(chunk).collect::<String>()
        + &format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{finish}\"}}]}}\n\ndata: [DONE]\n\n")
}

fn events(wire: &str) -> Vec<Event> {
    let (events, end) = at_every_cut(wire, decode);
    assert_eq!(end, Ok(Flow::Complete), "{wire}");
    events
}

/// Ids, names and joined arguments of the calls.
fn calls(deltas: &[&str]) -> Vec<(String, String, String)> {
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for event in events(&stream(deltas, "tool_calls")) {
        match event {
            Event::ToolCall { id, name, .. } => calls.push((id, name, String::new())),
            Event::ToolArguments(fragment) => calls.last_mut().unwrap().2.push_str(&fragment),
            _ => {}
        }
    }
    calls
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), arguments.to_owned())
}

#[test]
fn a_stream_with_reasoning_text_and_parallel_tools() {
    insta::assert_debug_snapshot!(events(include_str!("fixtures/stream_tools.sse")));
}

#[test]
fn a_stream_with_crlf_comments_and_multibyte_text() {
    insta::assert_debug_snapshot!(events(include_str!("fixtures/stream_text.sse")));
}

#[test]
fn ids_and_names_that_are_repeated_do_not_begin_calls() {
    let deltas = [
        r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\""}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":":1}"}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":"","function":{"name":"g","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":null,"function":{"name":null,"arguments":"{}"}}]}"#,
    ];
    assert_eq!(calls(&deltas), [call("a", "f", "{\"x\":1}"), call("call_R_1", "g", "{}")]);
}

#[test]
fn calls_that_share_an_index_are_told_apart_by_their_ids() {
    let deltas = [
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\":"}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"2}"}}]}"#,
    ];
    assert_eq!(calls(&deltas), [call("a", "f", "{\"x\":1}"), call("b", "f", "{\"x\":2}")]);
}

#[test]
fn calls_without_an_index_come_one_after_the_other() {
    let deltas = [
        r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
        r#"{"tool_calls":[{"function":{"arguments":"}"}}]}"#,
        r#"{"tool_calls":[{"id":"b","function":{"name":"g","arguments":{"y":2}}}]}"#,
        r#"{"tool_calls":[{"function":{"name":"h","arguments":"{}"}}]}"#,
    ];
    assert_eq!(calls(&deltas), [call("a", "f", "{}"), call("b", "g", "{\"y\":2}"), call("call_R_2", "h", "{}")]);
}

#[test]
fn the_same_id_twice_is_made_unique_and_a_late_name_is_waited_for() {
    let deltas = [
        r#"{"tool_calls":[{"index":4,"id":"same","function":{"arguments":"{}"}}]}"#,
        r#"{"tool_calls":[{"index":4,"function":{"name":"f"}},{"index":9,"id":"same","function":{"name":"g"}}]}"#,
    ];
    assert_eq!(calls(&deltas), [call("same", "f", "{}"), call("call_R_1", "g", "")]);
}

#[test]
fn interleaved_calls_are_a_fault_and_not_mixed_up() {
    let wire = stream(
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}"#,
        ],
        "tool_calls",
    );
    assert!(matches!(at_every_cut(&wire, decode).1, Err(StreamFault::Malformed(_))));
}

#[test]
fn a_signature_is_tagged_with_our_model() {
    let delta = r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"},"extra_content":{"google":{"thought_signature":"S"}}}]}"#;
    let found = events(&stream(&[delta], "stop")).into_iter().find_map(|event| match event {
        Event::ToolCall { signature, .. } => signature,
        _ => None,
    });
    let origin = Some(Origin { protocol: Dialect::Openai, model: "ours".into() });
    assert_eq!(found, Some(Signature { origin, value: "S".into() }));
}

#[test]
fn finish_reasons_mean_what_happened() {
    let reason = |deltas: &[&str], finish: &str| {
        let reason = |event| match event {
            Event::Finish { reason, .. } => Some(reason),
            _ => None,
        };
        events(&stream(deltas, finish)).into_iter().find_map(reason)
    };
    let text = [r#"{"content":"x"}"#];
    let call = [r#"{"tool_calls":[{"id":"a","function":{"name":"f"}}]}"#];
    assert_eq!(reason(&text, "stop"), Some(FinishReason::Stop));
    assert_eq!(reason(&text, "length"), Some(FinishReason::Length));
    assert_eq!(reason(&text, "content_filter"), Some(FinishReason::ContentFilter));
    assert_eq!(reason(&text, "eos"), Some(FinishReason::Stop));
    assert_eq!(reason(&call, "stop"), Some(FinishReason::ToolCalls));
    assert_eq!(reason(&call, "length"), Some(FinishReason::Length));
    assert_eq!(reason(&[r#"{"refusal":"no"}"#], "stop"), Some(FinishReason::ContentFilter));
    assert_eq!(
        reason(&[r#"{"function_call":{"name":"f","arguments":"{}"}}"#], "function_call"),
        Some(FinishReason::ToolCalls)
    );
}

#[test]
fn only_a_whole_answer_ends_well() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}";
    let end = |wire: &str| at_every_cut(wire, decode).1;
    assert_eq!(end(&format!("{text}{finish}{usage}\n\n")), Ok(Flow::Complete));
    assert_eq!(end(&format!("{text}{finish}{usage}")), Ok(Flow::Complete), "without the last blank line");
    assert_eq!(end(&format!("{text}data: [DONE]")), Ok(Flow::Complete));
    for cut_off in [
        text.to_owned(),
        format!("{text}{finish}"),
        format!("{text}{usage}\n\n"),
        "data: [DONE]\n\n".to_owned(),
        String::new(),
    ] {
        assert!(matches!(end(&cut_off), Err(StreamFault::Malformed(_))), "{cut_off}");
    }
    assert!(end(&format!("{text}data: {{\"choices\":[{{\"del")).is_err(), "half an event");
}

#[test]
fn an_error_in_the_stream_is_a_fault_after_what_came_before() {
    let wire = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"error\":{\"message\":\"m\",\"code\":503}}\n\n";
    let (events, end) = at_every_cut(wire, decode);
    assert_eq!(events.last(), Some(&Event::Text("x".to_owned())));
    assert_eq!(end, Err(StreamFault::Upstream(UpstreamFault::Failed { status: Some(503) })));
    let bare = at_every_cut("{\"error\":{\"message\":\"m\",\n\"code\":\"rate_limit_exceeded\"}}", decode).1;
    assert_eq!(bare, Err(StreamFault::Upstream(UpstreamFault::RateLimited { retry_after_millis: None })));
}

#[test]
fn usage_on_every_chunk_is_passed_on_to_be_merged() {
    let wire = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\n\
        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\n\
        data: [DONE]\n\n";
    let counted = |event: Event| match event {
        Event::Usage(usage) => Some(usage),
        _ => None,
    };
    let merged = events(wire).into_iter().filter_map(counted).fold(Usage::default(), |sum, it| sum.merged_max(&it));
    assert_eq!((merged.get(Bucket::Input), merged.get(Bucket::Output)), (9, 4));
}
