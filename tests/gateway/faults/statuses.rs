//! Error statuses: what each becomes, whether the provider is asked again, and that none of them costs anything.

use lmhaven_simulator::{Rule, Status};
use serde_json::json;

use super::{ANTHROPIC, Expected, GEMINI, OPENAI, Upstream, heal, meet, ways};
use crate::harness::Haven;

/// The provider answers with this status.
fn status(code: u16) -> Rule {
    Rule::new().status(code)
}

/// The provider asks to slow down, in its own way of saying for how long.
fn limited(upstream: Upstream, seconds: &str) -> Rule {
    if upstream.provider == "gemini" {
        let status = Status { code: 429, retry_delay: Some(format!("{seconds}s")), ..Status::default() };
        return Rule { status: Some(status), ..Rule::new() };
    }
    status(429).retry_after(seconds)
}

/// Every status with what the caller is told, for a provider with one account.
fn table(upstream: Upstream) -> Vec<(String, Rule, Expected)> {
    let unavailable = Expected::new(503, "upstream_unavailable", "api_error", 1);
    let slow_down = Expected::new(429, "upstream_rate_limited", "rate_limit_error", 1);
    let overloaded = Expected::overloaded(2);
    let gone = Expected::new(503, "upstream_unavailable", "api_error", 2);
    let row = |name: &str, rule: Rule, expected: &Expected| (name.to_owned(), rule, expected.clone());
    vec![
        row("400", status(400), &Expected::new(400, "invalid_request", "invalid_request_error", 1)),
        // What is wrong with our account is our fault, and waiting does not mend it.
        row("401", status(401), &unavailable),
        row("402", status(402), &unavailable),
        row("403", status(403), &unavailable),
        row("404", status(404), &unavailable),
        row("413", status(413), &Expected::new(413, "body_too_large", "request_too_large", 1)),
        // The only account asked for patience: asking it again is no patience.
        row("429", status(429), &slow_down.clone().waiting(1, 1_000, None)),
        row("429 with a wait", limited(upstream, "7"), &slow_down.clone().waiting(7, 7_000, None)),
        row("429 with a header", status(429).retry_after("9"), &slow_down.clone().waiting(9, 9_000, None)),
        row("429 with a short wait", limited(upstream, "0.42"), &slow_down.clone().waiting(1, 420, None)),
        row("429 with a minute", limited(upstream, "60"), &slow_down.clone().waiting(60, 60_000, None)),
        row("429 with an hour", limited(upstream, "3600"), &slow_down.waiting(60, 60_000, Some("false"))),
        row("500", status(500), &Expected::new(500, "upstream_error", "api_error", 2)),
        row("502", status(502), &Expected::broken(2)),
        row("503", status(503), &gone),
        row("503 with a wait", status(503).retry_after("5"), &gone.clone().waiting(5, 5_000, None)),
        row("503 with an hour", status(503).retry_after("3600"), &gone.clone().waiting(60, 60_000, Some("false"))),
        row("504", status(504), &Expected::silence()),
        row("529", status(529), &overloaded),
        row("529 with a wait", status(529).retry_after("5"), &overloaded.clone().waiting(5, 5_000, None)),
    ]
}

async fn every_status_is_told_as_promised(upstream: Upstream) {
    let haven = Haven::start().await;
    for (name, rule, expected) in table(upstream) {
        for way in ways(upstream) {
            meet(&haven, way, &name, rule.clone()).await.is_refused(&expected);
            heal(&haven, upstream.provider).await;
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn every_status_of_anthropic_is_told_as_promised() {
    every_status_is_told_as_promised(ANTHROPIC).await;
}

#[actix_web::test]
async fn every_status_of_gemini_is_told_as_promised() {
    every_status_is_told_as_promised(GEMINI).await;
}

#[actix_web::test]
async fn every_status_of_an_openai_provider_is_told_as_promised() {
    every_status_is_told_as_promised(OPENAI).await;
}

/// One failure is no failure to the caller where the second attempt is good.
#[actix_web::test]
async fn what_fails_once_is_asked_again_and_charged_once() {
    let haven = Haven::start().await;
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        for code in [500, 502, 503, 529] {
            for way in ways(upstream) {
                let case = meet(&haven, way, &format!("{code} once"), status(code).times(1)).await;
                case.was_asked(&(2..=2));
                assert!(!case.text().is_empty(), "{}: the second answer", case.what);
                assert!(case.charged > 0, "{}", case.what);
            }
            heal(&haven, upstream.provider).await;
        }
    }
    haven.finish().await;
}

/// What a proxy before the provider says is no JSON, and of no use to the caller.
#[actix_web::test]
async fn a_page_of_html_with_an_error_status_is_told_by_its_status_and_never_shown() {
    let haven = Haven::start().await;
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        for (code, expected) in [
            (403, Expected::new(503, "upstream_unavailable", "api_error", 1)),
            (502, Expected::broken(2)),
            (503, Expected::new(503, "upstream_unavailable", "api_error", 2)),
        ] {
            let page = json!("<html><body>edge-of-the-provider</body></html>");
            let status = Status { code, body: Some(page), ..Status::default() };
            for way in ways(upstream) {
                let rule = Rule { status: Some(status.clone()), ..Rule::new() };
                let case = meet(&haven, way, &format!("{code} as a page"), rule).await;
                case.is_refused(&expected);
                let super::Told::Whole(reply) = &case.told else { unreachable!("refused") };
                assert!(!reply.text.contains("edge-of-the-provider"), "{}", reply.text);
            }
            heal(&haven, upstream.provider).await;
        }
    }
    haven.finish().await;
}
