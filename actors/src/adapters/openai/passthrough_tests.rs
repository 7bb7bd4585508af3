//! Streams that are passed on: what is changed, what is held back, and what is not let through.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::adapters::openai::test_support::{at_every_cut, closing, label, received, relayed};
use crate::adapters::openai::{ChunkDecoder, ChunkEncoder};
use crate::adapters::translated::Translated;
use crate::domain::usage::Bucket;

const TOOLS: &str = include_str!("fixtures/stream_tools.sse");
const TEXT: &str = include_str!("fixtures/stream_text.sse");

fn relay(include_usage: bool, upstream_model: &str) -> ChunkRelay {
    ChunkRelay::new(label(include_usage), upstream_model)
}

fn passed(wire: &str, include_usage: bool, upstream_model: &str) -> String {
    let (out, outcome) = at_every_cut(wire, |chunks| relayed(relay(include_usage, upstream_model), chunks));
    outcome.unwrap();
    out
}

#[test]
fn bytes_pass_as_they_came_but_for_model_and_cost() {
    let expected = TOOLS
        .replace("\"theirs\"", "\"ours\"")
        .replace("\"reasoning_tokens\":8}}}", "\"reasoning_tokens\":8},\"cost_usd\":\"0.00000125\"}}");
    assert_eq!(passed(TOOLS, true, "theirs"), expected);
    let expected = expected.replace("\"ours\"", "\"theirs\"");
    assert_eq!(passed(TOOLS, true, "ours"), expected, "the provider calls it as we do");
}

#[test]
fn a_usage_chunk_that_was_not_asked_for_is_dropped() {
    let out = passed(TOOLS, false, "ours");
    let expected: Vec<_> = TOOLS.split_inclusive("\n\n").filter(|event| !event.contains("total_tokens")).collect();
    assert_eq!(out, expected.concat());
}

#[test]
fn comments_ids_pings_and_line_ends_do_not_pass() {
    let out = passed(TEXT, true, "theirs");
    insta::assert_snapshot!(out);
}

#[test]
fn the_end_is_held_back_until_the_cost_is_known() {
    let mut relay = relay(true, "ours");
    let mut out = BytesMut::new();
    assert_eq!(relay.feed(&Bytes::from_static(TOOLS.as_bytes()), &mut out), Ok(Flow::Complete));
    let text = String::from_utf8(out.split().to_vec()).unwrap();
    assert!(
        text.contains("\"finish_reason\":\"tool_calls\"") && !text.contains("total_tokens") && !text.contains("DONE")
    );
    let meter = relay.meter();
    assert_eq!((meter.events, meter.finished), (11, true));
    let thoughts_text_and_calls =
        "First think.".len() + "Let me look: \"é\"\n".len() + "weather{\"city\":\"Rome\"}now".len();
    assert_eq!(meter.delivered_bytes, u64::try_from(thoughts_text_and_calls).unwrap());
    let usage = meter.reported.unwrap();
    assert_eq!([Bucket::Input, Bucket::CacheRead, Bucket::Output].map(|it| usage.get(it)), [24, 16, 25]);
    relay.conclude(&closing(), &mut out);
    assert!(out.ends_with(b"\"cost_usd\":\"0.00000125\"}}\n\ndata: [DONE]\n\n"));
}

#[test]
fn events_that_arrive_together_leave_together() {
    let (left, right) = TOOLS.split_at(TOOLS.len() / 2);
    let mut relay = relay(true, "ours");
    let mut out = BytesMut::new();
    relay.feed(&Bytes::copy_from_slice(left.as_bytes()), &mut out).unwrap();
    let whole_events = left.rfind("\n\n").unwrap() + 2;
    assert_eq!(out, left.as_bytes()[..whole_events]);
    relay.feed(&Bytes::copy_from_slice(right.as_bytes()), &mut out).unwrap();
}

#[test]
fn a_provider_without_usage_gets_ours_written() {
    let wire = "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":3,\"model\":\"theirs\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n\
        data: [DONE]\n\n";
    let out = passed(wire, true, "theirs");
    let usage = received(&out).usage.unwrap();
    assert_eq!((&usage["prompt_tokens"], &usage["cost_usd"]), (&10.into(), &"0.00000125".into()));
    assert!(out.contains(
        "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":3,\"model\":\"ours\",\"choices\":[],"
    ));
}

#[test]
fn usage_on_the_finish_chunk_is_held_and_delivered_once() {
    let last = "data: {\"usage\":{},\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\"model\":\"theirs\"}\n\n";
    let last = last.replace("{}", "{ \"prompt_tokens\" : 1 }");
    let wire = format!("{last}data: [DONE]\n\n");
    let with_cost = last.replace(" }", " ,\"cost_usd\":\"0.00000125\"}").replace("theirs", "ours");
    assert_eq!(passed(&wire, true, "theirs"), format!("{with_cost}data: [DONE]\n\n"));
    assert_eq!(passed(&wire, false, "theirs"), wire.replace("theirs", "ours"));
}

#[test]
fn a_running_count_passes_and_only_the_last_has_a_cost() {
    let chunk = |text: &str, finish: &str, output: u32| {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{finish}}}],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":{output}}}}}\n\n"
        )
    };
    let wire = format!(
        "{}{}{}data: [DONE]\n\n",
        chunk("a", "null", 1),
        chunk("b", "\"stop\"", 2),
        chunk("", "null", 2).replace("{\"delta\":{\"content\":\"\"},\"finish_reason\":null}", "")
    );
    let out = passed(&wire, true, "ours");
    assert_eq!(out.matches("cost_usd").count(), 1);
    assert!(out.ends_with("\"completion_tokens\":2,\"cost_usd\":\"0.00000125\"}}\n\ndata: [DONE]\n\n"));
    assert!(out.contains("\"content\":\"a\"") && out.contains("\"content\":\"b\""));
}

#[test]
fn the_end_without_a_mark_is_whole_with_finish_and_usage_only() {
    let (events, _) = TOOLS.split_at(TOOLS.find("data: [DONE]").unwrap());
    assert_eq!(passed(events, true, "ours"), passed(TOOLS, true, "ours"));
    let (events, _) = TOOLS.split_at(TOOLS.find("data: {\"id\":\"chatcmpl-up1\",\"object\":\"chat.completion.chunk\",\"created\":1700000001,\"model\":\"theirs\",\"choices\":[],").unwrap());
    let (out, outcome) = at_every_cut(events, |chunks| relayed(relay(true, "ours"), chunks));
    assert!(matches!(outcome, Err(StreamFault::Malformed(_))));
    assert_eq!(out, events, "what came is delivered before the error event");
}

#[test]
fn every_truncation_is_a_fault_and_never_a_clean_end() {
    let usage_at = TOOLS.find("\"choices\":[],").unwrap();
    for cut in 0..usage_at {
        let (_, outcome) = relayed(relay(false, "ours"), &[TOOLS[..].as_bytes().get(..cut).unwrap()]);
        assert!(outcome.is_err(), "cut at {cut}");
    }
}

#[test]
fn errors_in_the_stream_are_not_passed_on_as_chunks() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    for error in [
        "data: {\"error\":{\"message\":\"our org-123456789\"}}\n\n",
        "data: {\"type\":\"error\",\"message\":\"m\"}\n\n",
        "data: <html>\n\n",
    ] {
        let (out, outcome) = at_every_cut(&format!("{text}{error}"), |chunks| relayed(relay(true, "ours"), chunks));
        assert!(outcome.is_err());
        assert_eq!(out, text);
    }
}

#[test]
fn a_missing_finish_is_written() {
    let wire = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n";
    assert_eq!(
        received(
            &passed(wire, false, "ours")
                .replace("{\"choices\":[{\"delta\"", "{\"object\":\"chat.completion.chunk\",\"choices\":[{\"delta\"")
        )
        .finish,
        "stop"
    );
    let called = wire.replace(
        "\"content\":\"x\"",
        "\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]",
    );
    assert!(passed(&called, false, "ours").contains("\"finish_reason\":\"tool_calls\""));
}

#[test]
fn money_that_ends_ends_the_stream_as_length() {
    let first_events = TOOLS.split_inclusive("\n\n").take(4).collect::<String>();
    let mut relay = relay(true, "theirs");
    let mut out = BytesMut::new();
    relay.feed(&Bytes::copy_from_slice(first_events.as_bytes()), &mut out).unwrap();
    relay.cut_short(&closing(), &mut out);
    let received = received(std::str::from_utf8(&out).unwrap());
    assert_eq!(received.finish, "length");
    assert_eq!(received.usage.unwrap()["cost_usd"], "0.00000125");
    let mut nothing = ChunkRelay::new(label(false), "theirs");
    let mut out = BytesMut::new();
    nothing.cut_short(&closing(), &mut out);
    assert_eq!(crate::adapters::openai::test_support::received(std::str::from_utf8(&out).unwrap()).finish, "length");
}

proptest! {
    #[test]
    fn any_stream_is_relayed_or_a_fault_and_both_relays_agree(
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut: prop::sample::Index,
    ) {
        let mut wire = TOOLS.as_bytes().to_vec();
        for (at, byte) in edits {
            *at.get_mut(&mut wire) = byte;
        }
        let (left, right) = wire.split_at(cut.index(wire.len()));
        let mut translated = Translated::new(ChunkDecoder::new("ours", "R"), ChunkEncoder::new(&label(true), false));
        let mut passed = relay(true, "theirs");
        let mut out = BytesMut::new();
        let mut whole = true;
        for chunk in [left, right] {
            let chunk = Bytes::copy_from_slice(chunk);
            let passes = passed.feed(&chunk, &mut out).is_ok();
            whole = translated.feed(&chunk, &mut BytesMut::new()).is_ok();
            // The translation is stricter (it has to read what the other passes on), never laxer.
            prop_assert!(passes || !whole);
            if !whole {
                break;
            }
        }
        if whole {
            prop_assert_eq!(passed.meter().reported, translated.meter().reported);
            prop_assert_eq!(passed.meter().finished, translated.meter().finished);
        }
    }
}
