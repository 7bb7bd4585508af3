use super::super::response::read_answer;
use super::*;
use crate::adapters::fault::UpstreamFault;
use crate::chat::{Answer, FinishReason, Part};
use crate::domain::usage::{Bucket, Usage};

const STREAM: &str = include_str!("../fixtures/stream.sse");
const ANSWER: &str = include_str!("../fixtures/answer.json");
const BLOCKED: &str = include_str!("../fixtures/blocked.sse");
const ERROR_TAIL: &str = include_str!("../fixtures/error_tail.sse");

type Decoded = (Vec<Event>, Result<Flow, StreamFault>);

fn decode(chunks: &[&[u8]]) -> Decoded {
    let mut decoder = StreamDecoder::new("gemini-3-1-pro", "01SEED");
    let mut events = Vec::new();
    for chunk in chunks {
        if let Err(fault) = decoder.feed(&Bytes::copy_from_slice(chunk), &mut |event| events.push(event)) {
            return (events, Err(fault));
        }
    }
    let end = decoder.end_of_input(&mut |event| events.push(event));
    (events, end)
}

fn decode_all(stream: &str) -> Decoded {
    decode(&[stream.as_bytes()])
}

/// What a caller who joins the events gets.
fn joined(events: Vec<Event>) -> Answer {
    let (mut parts, mut usage): (Vec<Part>, Option<Usage>) = (Vec::new(), None);
    let (mut upstream_id, mut finish) = (None, FinishReason::Stop);
    for event in events {
        match (event, parts.last_mut()) {
            (Event::Start { upstream_id: id }, _) => upstream_id = id,
            (Event::Text(more), Some(Part::Text { text, .. }))
            | (Event::Thinking(more), Some(Part::Thinking { text, .. })) => text.push_str(&more),
            (Event::Text(text), _) => parts.push(Part::Text { text, cache: None }),
            (Event::Thinking(text), _) => parts.push(Part::Thinking { text, signature: None }),
            (Event::ThinkingSignature(value), Some(Part::Thinking { signature, .. })) => *signature = Some(value),
            (Event::ThinkingSignature(value), _) => {
                parts.push(Part::Thinking { text: String::new(), signature: Some(value) });
            }
            (Event::ToolCall { id, name, signature }, _) => {
                parts.push(Part::ToolCall { id, name, arguments: serde_json::json!({}), signature, cache: None });
            }
            (Event::ToolArguments(whole), Some(Part::ToolCall { arguments, .. })) => {
                *arguments = serde_json::from_str(&whole).unwrap();
            }
            (Event::Usage(more), _) => usage = Some(usage.unwrap_or_default().merged_max(&more)),
            (Event::Finish { reason, .. }, _) => finish = reason,
            _ => {}
        }
    }
    Answer { upstream_id, parts, finish, stop_sequence: None, usage }
}

#[test]
fn a_stream_and_a_whole_answer_give_the_same_message_and_the_same_usage() {
    let (events, end) = decode_all(STREAM);
    assert_eq!(end, Ok(Flow::Complete));
    assert_eq!(joined(events), read_answer(ANSWER.as_bytes(), "gemini-3-1-pro", "01SEED").unwrap());
}

#[test]
fn the_events_are_the_same_however_the_bytes_are_cut() {
    for (name, stream) in [("stream", STREAM), ("blocked", BLOCKED), ("error_tail", ERROR_TAIL)] {
        let whole = decode_all(stream);
        insta::assert_debug_snapshot!(name, whole);
        for wire in [stream.to_owned(), stream.replace('\n', "\r\n")] {
            for cut in 0..=wire.len() {
                let (left, right) = wire.as_bytes().split_at(cut);
                assert_eq!(decode(&[left, right]), whole, "{name} cut at {cut}");
            }
            assert_eq!(decode(&wire.as_bytes().chunks(1).collect::<Vec<_>>()), whole, "{name} in single bytes");
        }
    }
}

#[test]
fn a_close_before_the_finish_reason_is_a_truncated_answer() {
    // The two line ends after the last event say nothing: it is whole without them.
    let whole = STREAM.trim_end().len();
    for cut in 0..whole {
        let end = decode(&[&STREAM.as_bytes()[..cut]]).1;
        assert!(matches!(end, Err(StreamFault::Malformed(_))), "cut at {cut}");
    }
    assert_eq!(decode(&[&STREAM.as_bytes()[..whole]]).1, Ok(Flow::Complete));
}

#[test]
fn counts_come_before_the_fault_that_ends_a_stream() {
    let (events, end) = decode_all(
        "data: {\"candidates\":[{\"finishReason\":\"MALFORMED_FUNCTION_CALL\"}],\"usageMetadata\":{\"promptTokenCount\":8}}\n\n",
    );
    assert_eq!(end, Err(UpstreamFault::MalformedFunctionCall.into()));
    assert_eq!(events.last(), Some(&Event::Usage(Usage::default().with(Bucket::Input, 8))));
}

#[test]
fn repeated_counts_are_never_added_and_a_late_cache_count_moves_tokens() {
    let with = |candidate: &str, usage: &str| {
        format!("data: {{\"candidates\":[{{{candidate}}}],\"usageMetadata\":{usage}}}\n\n")
    };
    let text = r#""content":{"parts":[{"text":"a"}]}"#;
    let first = with(text, r#"{"promptTokenCount":100,"candidatesTokenCount":2}"#);
    let last = with(r#""finishReason":"STOP""#, r#"{"promptTokenCount":100,"cachedContentTokenCount":40}"#);
    let usage = joined(decode_all(&format!("{first}{first}{last}")).0).usage.unwrap();
    let expected = [(Bucket::Input, 60), (Bucket::Output, 2), (Bucket::CacheRead, 40)];
    assert_eq!(usage.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn calls_of_any_chunk_decide_and_only_stop_is_overridden() {
    let call = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\"}}]}}]}\n\n";
    let finish = |reason: &str| format!("data: {{\"candidates\":[{{\"finishReason\":\"{reason}\"}}]}}\n\n");
    let reason = |stream: String| joined(decode_all(&stream).0).finish;
    assert_eq!(reason(format!("{call}{}", finish("STOP"))), FinishReason::ToolCalls);
    assert_eq!(reason(format!("{call}{}", finish("MAX_TOKENS"))), FinishReason::Length);
    assert_eq!(reason(finish("STOP")), FinishReason::Stop);
    let late = format!("{}{call}", finish("STOP"));
    assert_eq!(reason(late), FinishReason::ToolCalls, "a finish reason may come with every chunk");
}

#[test]
fn errors_keep_their_meaning_wherever_they_stand() {
    let error = r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#;
    let fault = StreamFault::Upstream(UpstreamFault::Failed { status: Some(503) });
    for stream in [
        format!("data: {error}\n\n"),
        format!("data: {error}"),
        format!("data: [{error}]\n\n"),
        error.to_owned(),
        format!("{error}\r\n"),
        format!("[{error}\n]\n"),
        format!("{STREAM}{error}"),
        // The connection was cut in the next event, or in the middle of a line.
        format!("{error}\r\ndata: {{\"candidates\":[{{\"con"),
        format!("{error}\ndata: {{\"candidates\":[{{\"con\n\n"),
        format!("{error}\n\ndata: "),
    ] {
        assert_eq!(decode_all(&stream).1, Err(fault.clone()), "{stream}");
    }
}

#[test]
fn what_is_no_event_is_malformed() {
    for data in
        ["not json", "[]", "7", r#"{"candidates":{}}"#, r#"{"candidates":[{"content":{"parts":[{"text":7}]}}]}"#]
    {
        let stream = format!("data: {data}\n\n");
        assert!(matches!(decode_all(&stream).1, Err(StreamFault::Malformed(_))), "{data}");
    }
    assert!(matches!(decode_all("<html>\n<body>").1, Err(StreamFault::Malformed(_))));
    assert!(matches!(decode(&[]).1, Err(StreamFault::Malformed(_))), "nothing at all");
}

#[test]
fn parts_and_fields_of_the_future_are_passed_over() {
    let (events, end) = decode_all(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"executableCode\":{\"code\":\"x\"}},{\"text\":\"a\",\"new\":1},\
        {\"thought\":true,\"inlineData\":{}}]},\"finishReason\":\"NEW\",\"grounding\":{}}],\"x\":[]}\n\n",
    );
    assert_eq!(end, Ok(Flow::Complete));
    let finish = Event::Finish { reason: FinishReason::Stop, stop_sequence: None };
    assert_eq!(events, [Event::Start { upstream_id: None }, Event::Text("a".into()), finish]);
}
