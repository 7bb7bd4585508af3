//! What goes wrong before an answer has begun, or anywhere inside a plain one: the caller gets a status, and pays
//! nothing.

use futures_util::future::join_all;
use lmhaven_simulator::{Fault, Rule};

use super::{ANTHROPIC, Expected, GEMINI, OPENAI, Upstream, Way, heal, meet, ways};
use crate::harness::Haven;

fn fault(fault: Fault) -> Rule {
    Rule::new().fault(fault)
}

/// The way's row: plain answers and streams differ in when an answer has begun.
type Row = (&'static str, Fault, Option<Expected>, Option<Expected>);

/// Connections that end, and answers that are none.
fn endings() -> Vec<Row> {
    // A stream whose first event never came, whatever came before it: it may be that it was not even begun.
    let asked_again = Some(Expected::broken(2));
    let in_its_middle = Some(Expected::broken(1));
    // An answer that cannot be read has been made, and perhaps charged: whether a stream is asked for again before its
    // first event is not promised, but never a third time.
    let unreadable = Some(Expected { calls: 1..=2, should_retry: None, ..Expected::broken(1) });
    vec![
        ("reset before headers", Fault::ResetBeforeHeaders, asked_again.clone(), asked_again.clone()),
        ("close before headers", Fault::CloseBeforeHeaders, asked_again.clone(), asked_again.clone()),
        ("reset after headers", Fault::Reset { after: 0 }, None, asked_again.clone()),
        ("close after headers", Fault::Close { after: 0 }, None, asked_again.clone()),
        ("nothing after headers", Fault::Cut { after: 0 }, in_its_middle.clone(), asked_again),
        ("reset half-way", Fault::Reset { after: 1 }, in_its_middle.clone(), None),
        ("close half-way", Fault::Close { after: 1 }, in_its_middle.clone(), None),
        ("half an answer", Fault::Cut { after: 1 }, in_its_middle.clone(), None),
        ("malformed", Fault::Malformed { event: 1 }, in_its_middle.clone(), unreadable.clone()),
        ("a page of HTML", Fault::Html, in_its_middle, unreadable),
    ]
}

/// Providers that say nothing, or nothing more.
fn silences() -> Vec<Row> {
    let silence = Some(Expected::silence());
    vec![
        ("hang before headers", Fault::HangBeforeHeaders { ms: None }, silence.clone(), silence.clone()),
        ("hang after headers", Fault::HangAfterHeaders { ms: None }, silence.clone(), silence.clone()),
        ("stall before the first event", Fault::Stall { after: 0, ms: None }, silence.clone(), silence.clone()),
        ("stall half-way", Fault::Stall { after: 1, ms: None }, silence, None),
    ]
}

fn rows(table: Vec<Row>, upstream: Upstream) -> impl Iterator<Item = (Way, &'static str, Rule, Expected)> {
    table.into_iter().flat_map(move |(name, broken, plain, streamed)| {
        ways(upstream).into_iter().filter_map(move |way| {
            let expected = if way.streamed { streamed.clone() } else { plain.clone() };
            Some((way, name, fault(broken.clone()), expected?))
        })
    })
}

#[actix_web::test]
async fn an_answer_that_breaks_before_its_first_event_is_a_status() {
    let haven = Haven::start().await;
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        for (way, name, rule, expected) in rows(endings(), upstream) {
            meet(&haven, way, name, rule).await.is_refused(&expected);
        }
        heal(&haven, upstream.provider).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_silent_provider_is_asked_once_and_given_up_in_time() {
    let limits = ["ANTHROPIC", "GEMINI", "SIM"].map(|provider| {
        [format!("PROVIDERS__{provider}__FIRST_BYTE_TIMEOUT"), format!("PROVIDERS__{provider}__ANSWER_TIMEOUT")]
    });
    let settings: Vec<(&str, &str)> = limits.as_flattened().iter().map(|name| (name.as_str(), "2s")).collect();
    let haven = Haven::start_with(&settings).await;
    let cases = [ANTHROPIC, GEMINI, OPENAI].into_iter().flat_map(|upstream| rows(silences(), upstream));
    join_all(cases.map(|(way, name, rule, expected)| {
        let haven = &haven;
        async move { meet(haven, way, name, rule).await.is_refused(&expected) }
    }))
    .await;
    assert_eq!(haven.control.stats().calls, haven.control.stats().hang_ups, "every call was cancelled");
    haven.finish().await;
}

#[actix_web::test]
async fn a_connection_that_breaks_once_is_made_again_and_charged_once() {
    let haven = Haven::start().await;
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        for way in ways(upstream) {
            let mut faults = vec![Fault::ResetBeforeHeaders, Fault::CloseBeforeHeaders];
            if way.streamed {
                faults.extend([Fault::Reset { after: 0 }, Fault::Close { after: 0 }, Fault::Cut { after: 0 }]);
            }
            for broken in faults {
                let case = meet(&haven, way, &format!("{broken:?} once"), fault(broken).times(1)).await;
                case.was_asked(&(2..=2));
                assert!(!case.text().is_empty(), "{}: the second answer", case.what);
                assert!(case.charged > 0, "{}", case.what);
            }
        }
    }
    haven.finish().await;
}

/// An error event before any other is told as the error that it is.
#[actix_web::test]
async fn an_error_as_the_first_event_keeps_its_status() {
    let haven = Haven::start().await;
    let told = [
        (ANTHROPIC, Expected::overloaded(2)),
        (GEMINI, Expected::new(503, "upstream_unavailable", "api_error", 2)),
        (OPENAI, Expected::broken(2)),
    ];
    for (upstream, expected) in told {
        for way in ways(upstream).into_iter().filter(|way| way.streamed) {
            let broken = Fault::ErrorEvent { after: 0, error_type: None, message: None };
            meet(&haven, way, "an error first", fault(broken)).await.is_refused(&expected);
        }
    }
    haven.finish().await;
}
