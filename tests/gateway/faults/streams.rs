//! What goes wrong after the first event of a stream: an error event in the caller's dialect, never a clean end, never
//! a second question, and a charge for what was delivered.

use futures_util::future::join_all;
use lmhaven_simulator::{AnswerChange, Fault, Rule, Usage};
use serde_json::Value;

use super::{
    ANTHROPIC, Case, Client, Expected, GEMINI, OPENAI, Told, Upstream, Way, estimated, meet, thoughtless, ways,
};
use crate::harness::Haven;

/// The whole answer: ten pieces of ten bytes.
const PIECES: u64 = 10;
const PIECE: &str = "0123456789";
/// Pieces that come before a fault.
const BEFORE: u64 = 4;
/// What the provider would say that the prompt is, where it says so early.
const PROMPT_TOKENS: u64 = 1_000;

/// What breaks, after how much text, and what the caller is told.
struct Row {
    name: &'static str,
    fault: fn(frames: u64) -> Fault,
    pieces: u64,
    expected: Expected,
}

fn table(upstream: Upstream) -> Vec<Row> {
    let broken = Expected::broken(1);
    let row = |name, fault, pieces, expected: &Expected| Row { name, fault, pieces, expected: expected.clone() };
    let error: fn(u64) -> Fault = |after| Fault::ErrorEvent { after, error_type: None, message: None };
    let told = match upstream.provider {
        "anthropic" => Expected::overloaded(1),
        "gemini" => Expected::new(503, "upstream_unavailable", "api_error", 1),
        _ => broken.clone(),
    };
    vec![
        row("reset", |after| Fault::Reset { after }, BEFORE, &broken),
        row("close", |after| Fault::Close { after }, BEFORE, &broken),
        row("cut", |after| Fault::Cut { after }, BEFORE, &broken),
        row("malformed", |frames| Fault::Malformed { event: frames + 1 }, BEFORE, &broken),
        row("error event", error, BEFORE, &told),
        // All of the text, but not the word that it is all.
        row("reset before the finish", |after| Fault::Reset { after }, PIECES, &broken),
        row("close before the finish", |after| Fault::Close { after }, PIECES, &broken),
        row("cut before the finish", |after| Fault::Cut { after }, PIECES, &broken),
        row("error event before the finish", error, PIECES, &told),
        row("stall", |after| Fault::Stall { after, ms: None }, BEFORE, &Expected::silence()),
        row("stall before the finish", |after| Fault::Stall { after, ms: None }, PIECES, &Expected::silence()),
    ]
}

impl Row {
    fn rule(&self, upstream: Upstream) -> Rule {
        let answer = AnswerChange {
            thinking: thoughtless(upstream),
            text: Some(PIECE.repeat(PIECES.try_into().unwrap())),
            pieces: Some(PIECES.try_into().unwrap()),
            usage: Some(Usage { input: PROMPT_TOKENS, output: 20, ..Usage::default() }),
            ..AnswerChange::default()
        };
        // A pause between events, so that the fault does not share a packet with the first of them.
        Rule { answer, gap_ms: 25, fault: Some((self.fault)(upstream.head + self.pieces)), ..Rule::new() }
    }
}

impl Case {
    /// The stream ended with this error event and nothing that looks like an end.
    #[track_caller]
    fn is_broken_off(&self, expected: &Expected) {
        let what = &self.what;
        let Told::Stream { request, events, broken } = &self.told else { panic!("{what}: no stream") };
        assert!(broken, "{what}: the body ended in order");
        let (last, before) = events.split_last().unwrap_or_else(|| panic!("{what}: nothing came"));
        assert!(last.is_error(), "{what}: the last event is {last:?}");
        let envelope = last.json();
        assert_eq!(envelope["type"], "error", "{what}: {envelope}");
        assert_eq!(envelope["error"]["code"], expected.code, "{what}: {envelope}");
        assert_eq!(envelope["error"]["type"], expected.kind, "{what}: {envelope}");
        assert_eq!(envelope["request_id"], **request, "{what}: {envelope}");
        let name = if self.way.client == Client::Anthropic { "error" } else { "" };
        assert_eq!(last.name, name, "{what}: where the dialect's SDKs look for errors");
        for event in before {
            assert!(!event.is_error(), "{what}: one error is enough: {event:?}");
            assert_ne!(event.data, "[DONE]", "{what}: a clean end");
            assert_ne!(event.name, "message_stop", "{what}: a clean end");
            assert_ne!(event.name, "message_delta", "{what}: a stop reason");
            assert_eq!(event.json()["choices"][0]["finish_reason"], Value::Null, "{what}: a finish reason");
        }
        self.was_asked(&(1..=1));
    }

    /// The delivered part is charged: what was not reported until then is estimated.
    #[track_caller]
    fn is_charged_for_what_was_delivered(&self) {
        let (what, upstream, usage) = (&self.what, self.way.upstream, &self.usage);
        let input = if upstream.counts_early { i128::from(PROMPT_TOKENS) } else { estimated(&self.prompt) };
        let output = estimated(&self.text());
        assert_eq!(usage["input"], i64::try_from(input).unwrap(), "{what}: {usage}");
        assert_eq!(usage["output"], i64::try_from(output).unwrap(), "{what}: {usage}");
        assert_eq!(usage["estimated"], true, "{what}: {usage}");
        assert_eq!(self.charged, upstream.charge(input, output), "{what}: {usage}");
    }
}

/// A stream that broke off as it should. Tells whether its 200 had been sent: a fault that shares a packet with the
/// first event may still be told by its status, with nothing delivered and nothing charged.
#[track_caller]
fn breaks_as_promised(case: &Case, row: &Row) -> bool {
    if matches!(case.told, Told::Whole(_)) {
        let either = Expected { calls: 1..=2, should_retry: None, ..row.expected.clone() };
        case.is_refused(&either);
        return false;
    }
    case.is_broken_off(&row.expected);
    let text = case.text();
    assert_eq!(text, PIECE.repeat(row.pieces.try_into().unwrap()), "{}: what came before is delivered", case.what);
    case.is_charged_for_what_was_delivered();
    true
}

async fn broken_streams_never_end_clean(upstream: Upstream) {
    let idle = format!("PROVIDERS__{}__IDLE_TIMEOUT", upstream.provider.to_uppercase());
    let haven = Haven::start_with(&[(&idle, "3s")]).await;
    let rows = table(upstream);
    let streamed: Vec<Way> = ways(upstream).into_iter().filter(|way| way.streamed).collect();
    let cases = rows.iter().flat_map(|row| streamed.iter().map(move |way| (row, *way)));
    let begun = join_all(cases.map(|(row, way)| {
        let haven = &haven;
        async move { breaks_as_promised(&meet(haven, way, row.name, row.rule(upstream)).await, row) }
    }))
    .await;
    assert!(begun.iter().filter(|begun| **begun).count() * 2 > begun.len(), "most streams begin: {begun:?}");
    haven.finish().await;
}

#[actix_web::test]
async fn broken_streams_of_anthropic_never_end_clean() {
    broken_streams_never_end_clean(ANTHROPIC).await;
}

#[actix_web::test]
async fn broken_streams_of_gemini_never_end_clean() {
    broken_streams_never_end_clean(GEMINI).await;
}

#[actix_web::test]
async fn broken_streams_of_an_openai_provider_never_end_clean() {
    broken_streams_never_end_clean(OPENAI).await;
}
