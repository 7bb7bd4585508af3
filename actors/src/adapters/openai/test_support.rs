//! What the tests of this folder share: labels, cuts, and a client that is as strict as the official ones.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};

use crate::adapters::Label;
use crate::adapters::stream::{Closing, Flow, StreamFault, StreamRelay};
use crate::domain::money::NanoUsd;
use crate::domain::usage::{Bucket, Usage};

/// What the caller asked for.
pub(super) fn label(include_usage: bool) -> Label {
    Label {
        id: "01".repeat(13),
        model: "ours".to_owned(),
        created: 1_700_000_000,
        include_usage,
        show_thoughts: true,
        input_estimate: 0,
    }
}

/// What it took and cost.
pub(super) fn closing() -> Closing {
    let mut usage = Usage::default().with(Bucket::Input, 7).with(Bucket::CacheRead, 3).with(Bucket::Output, 5);
    usage.reasoning = 2;
    Closing { usage, cost: NanoUsd::from_nano(1_250) }
}

/// Runs with the wire cut in two at every byte, and in single bytes: the outcome has to be the same.
pub(super) fn at_every_cut<T: PartialEq + std::fmt::Debug>(wire: &str, run: impl Fn(&[&[u8]]) -> T) -> T {
    let whole = run(&[wire.as_bytes()]);
    for cut in 0..=wire.len() {
        let (left, right) = wire.as_bytes().split_at(cut);
        assert_eq!(run(&[left, right]), whole, "cut at {cut}");
    }
    assert_eq!(run(&wire.as_bytes().chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
    whole
}

/// What a relay makes of a stream that the provider closes: the text, or the text before the fault.
pub(super) fn relayed(mut relay: impl StreamRelay, chunks: &[&[u8]]) -> (String, Result<(), StreamFault>) {
    let mut out = BytesMut::new();
    let outcome = run(&mut relay, chunks, &mut out);
    if outcome.is_ok() {
        relay.conclude(&closing(), &mut out);
    }
    (String::from_utf8(out.to_vec()).unwrap(), outcome)
}

fn run(relay: &mut impl StreamRelay, chunks: &[&[u8]], out: &mut BytesMut) -> Result<(), StreamFault> {
    for chunk in chunks {
        if relay.feed(&Bytes::copy_from_slice(chunk), out)? == Flow::Complete {
            return Ok(());
        }
    }
    relay.end_of_input(out).map(|_| ())
}

/// What a client has in hand at the end of a stream.
#[derive(Debug, PartialEq)]
pub(super) struct Received {
    pub(super) message: Value,
    pub(super) finish: String,
    pub(super) usage: Option<Value>,
}

/// Reads a stream as the stream helpers of the official SDKs do, with everything that they raise on.
pub(super) fn received(wire: &str) -> Received {
    let mut message = Value::Object(Map::new());
    let (mut finish, mut usage, mut done, mut first) = (None, None, false, true);
    for event in wire.split_terminator("\n\n") {
        let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("not one data line: {event}"));
        assert!(!data.contains('\n') && !done, "{event}");
        if data == "[DONE]" {
            done = true;
            continue;
        }
        assert_eq!(usage, None, "the usage chunk is the last");
        let chunk: Value = serde_json::from_str(data).unwrap();
        assert_eq!(chunk["object"], "chat.completion.chunk");
        let Some(choice) = chunk["choices"].get(0) else {
            usage = Some(chunk["usage"].clone());
            continue;
        };
        assert_eq!(finish, None, "nothing follows the finish");
        assert_eq!(choice["delta"].get("role").is_some(), first, "the role stands on the first chunk only");
        first = false;
        if let Some(calls) = choice["delta"]["tool_calls"].as_array() {
            let known = message["tool_calls"].as_array().map_or(0, Vec::len);
            for call in calls {
                let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                assert!(index <= known, "tool calls count from 0 without a gap");
                assert_eq!(call.get("id").is_some(), index == known, "the id comes once");
                assert_eq!(call.get("type").is_some(), index == known, "the type comes once");
            }
        }
        merge(&mut message, &choice["delta"]);
        finish = choice["finish_reason"].as_str().map(str::to_owned);
    }
    assert!(done, "the end mark");
    Received { message, finish: finish.expect("a finish reason"), usage }
}

/// The merge of openai-python: strings join, entries of lists merge by their index.
fn merge(into: &mut Value, delta: &Value) {
    let object = into.as_object_mut().unwrap();
    for (key, value) in delta.as_object().unwrap() {
        match (object.get_mut(key), value) {
            (None | Some(Value::Null), _) => drop(object.insert(key.clone(), value.clone())),
            (Some(old), _) if key == "index" || key == "type" => *old = value.clone(),
            (Some(Value::String(old)), Value::String(more)) => old.push_str(more),
            (Some(old @ Value::Object(_)), Value::Object(_)) => merge(old, value),
            (Some(Value::Array(old)), Value::Array(more)) => {
                for entry in more {
                    let index = entry["index"].as_u64().expect("an entry of a list has an index");
                    match old.get_mut(usize::try_from(index).unwrap()) {
                        Some(old) => merge(old, entry),
                        None => old.push(entry.clone()),
                    }
                }
            }
            (old, _) => panic!("{key}: {old:?} and {value:?} do not merge"),
        }
    }
}

/// The message without what only a stream has: indices, and a text that is there but empty.
pub(super) fn comparable(mut message: Value) -> Value {
    for list in ["tool_calls", "thinking_blocks"] {
        for entry in message[list].as_array_mut().into_iter().flatten() {
            entry.as_object_mut().unwrap().remove("index");
        }
    }
    let object = message.as_object_mut().unwrap();
    if object.get("content").is_some_and(|content| content == "") {
        object.insert("content".to_owned(), Value::Null);
    }
    object.retain(|_, value| !value.is_null());
    message
}
