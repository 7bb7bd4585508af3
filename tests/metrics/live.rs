//! A gateway under load, scraped by a real Prometheus: every expression of dashboard and rules has an answer.

use std::future::Future;
use std::time::{Duration, Instant};

use lmhaven::telemetry::{ATTEMPT_OUTCOMES, COOLDOWN_REASONS, REJECTION_REASONS};

use crate::files::{self, Expression};
use crate::load::{CANARY, Callers, Gateway};
use crate::prometheus::Prometheus;
use crate::promtool::promtool;
use crate::scrape::{self, Sample};

/// Until the slowest expression has an answer: windows need samples, recordings need the recordings before them.
const ANSWERED_WITHIN: Duration = Duration::from_secs(90);
/// Gauges are read every five seconds.
const GAUGES_WITHIN: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// The roster's models of text, each at one provider.
const TEXT_MODELS: usize = 5;
/// And those of images that a provider of text makes.
const IMAGE_MODELS: usize = 1;

/// Has an answer only where something is missing or new.
const QUIET: [&str; 2] = ["absent(lmhaven_build_info)", " unless "];

/// Looks again and again until there is something, or fails after `within` with what the last look said.
async fn until<T, F: Future<Output = Result<T, String>>>(within: Duration, mut look: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(said) => assert!(begun.elapsed() < within, "after {within:?}: {said}"),
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// One process has one recorder, so this is one test: from the first scrape to a loaded gateway and back.
#[actix_web::test]
async fn operators_see_what_callers_do() {
    let gateway = Gateway::start().await;
    let callers = gateway.callers().await;
    closed_sets_start_at_zero(&gateway).await;
    let stalled = callers.stalled().await;
    callers.round().await;
    let text = held_by_one(&gateway).await;
    is_complete_closed_and_clean(&gateway, &text);
    counts_what_callers_did(&scrape::read(&text));
    every_expression_has_an_answer(&gateway, &callers).await;
    drop(stalled);
    gauges_fall_back(&gateway).await;
    gateway.stop().await;
}

async fn closed_sets_start_at_zero(gateway: &Gateway) {
    until(GAUGES_WITHIN, || async {
        let text = gateway.scrape().await;
        let samples = scrape::read(&text);
        let of = |name: &str| -> Vec<f64> {
            samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value).collect()
        };
        let zeros = |name: &str, series: usize| of(name) == vec![0.0; series];
        let started = zeros("lmhaven_rejections_total", REJECTION_REASONS.len())
            && zeros("lmhaven_upstream_attempts_total", 2 * ATTEMPT_OUTCOMES.len())
            && zeros("lmhaven_provider_key_cooldowns_total", 2 * COOLDOWN_REASONS.len())
            && zeros("lmhaven_requests_total", 2 * TEXT_MODELS + IMAGE_MODELS)
            && zeros("lmhaven_charged_usd_total", TEXT_MODELS + IMAGE_MODELS)
            && zeros("lmhaven_streams_open", 2);
        if started { Ok(()) } else { Err(text) }
    })
    .await;
}

/// A scrape after the gauges have seen the stalled stream's hold.
async fn held_by_one(gateway: &Gateway) -> String {
    until(GAUGES_WITHIN, || async {
        let text = gateway.scrape().await;
        let held = scrape::value(&scrape::read(&text), "lmhaven_holds_open", &[]) == 1.0;
        if held { Ok(text) } else { Err(text) }
    })
    .await
}

fn is_complete_closed_and_clean(gateway: &Gateway, text: &str) {
    let models: Vec<_> = gateway.server.gateway.catalogue.models().iter().map(|model| &*model.id).collect();
    let samples = scrape::read(text);
    assert_eq!(scrape::missing(&samples), [""; 0]);
    scrape::check_labels(&samples, &models, &["anthropic", "gemini"]);
    assert!(!text.contains(CANARY) && !text.contains("sk-lmh-"), "{text}");
    promtool(&["check", "metrics"], text);
}

fn counts_what_callers_did(samples: &[Sample]) {
    let value = |name: &str, labels: &[(&str, &str)]| scrape::value(samples, name, labels);
    let requests = |model, provider, code| {
        value(
            "lmhaven_requests_total",
            &[("route", "/v1/chat/completions"), ("model", model), ("provider", provider), ("code", code)],
        )
    };
    assert_eq!(requests("claude-haiku-4-5", "anthropic", "ok"), 1.0);
    assert_eq!(requests("gemini-3-flash", "gemini", "ok"), 1.0);
    assert_eq!(requests("other", "none", "model_not_found"), 1.0);
    assert_eq!(requests("claude-haiku-4-5", "none", "insufficient_balance"), 1.0);
    // FAILING, answered with 500 twice, and BREAKING, which is not asked for again.
    assert_eq!(requests("claude-haiku-4-5", "anthropic", "upstream_error"), 2.0);
    let attempts =
        |provider, outcome| value("lmhaven_upstream_attempts_total", &[("provider", provider), ("outcome", outcome)]);
    assert_eq!([attempts("anthropic", "5xx"), attempts("anthropic", "cut")], [2.0, 1.0]);
    assert_eq!([attempts("gemini", "429"), attempts("gemini", "ok")], [1.0, 1.0]);
    let cooldowns = &[("provider", "gemini"), ("reason", "rate_limited")];
    assert_eq!(value("lmhaven_provider_key_cooldowns_total", cooldowns), 1.0);
    let rejected = |reason| value("lmhaven_rejections_total", &[("reason", reason)]);
    assert_eq!(["bad_key", "balance", "model_off", "invalid", "rpm"].map(rejected), [1.0, 1.0, 1.0, 1.0, 0.0]);
    // Each of the four that were served well, and the first events of the two that stall and break.
    let measured =
        |name: &str| samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum::<f64>();
    assert_eq!(measured("lmhaven_gateway_overhead_seconds_count"), 6.0);
    assert_eq!(measured("gen_ai_server_time_to_first_token_seconds_count"), 4.0);
    assert_eq!(measured("gen_ai_server_time_per_output_token_seconds_count"), 2.0);
    assert!(measured("lmhaven_gateway_overhead_seconds_sum") < measured("gen_ai_server_request_duration_seconds_sum"));
    assert_eq!(value("lmhaven_streams_open", &[("provider", "anthropic")]), 1.0);
    assert_eq!(value("lmhaven_streams_open", &[("provider", "gemini")]), 0.0);
    assert_eq!(value("lmhaven_inflight_requests", &[]), 1.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - value("lmhaven_hold_oldest_timestamp_seconds", &[]);
    assert!((0.0..60.0).contains(&age), "the oldest hold is {age} s old");
    let (charged, balances) = (measured("lmhaven_charged_usd_total"), value("lmhaven_balances_usd", &[]));
    assert!(charged > 0.0 && (50.0 - charged - balances).abs() < 1e-6, "{charged} {balances}");
    assert!(measured("lmhaven_upstream_cost_usd_total") > charged);
}

async fn every_expression_has_an_answer(gateway: &Gateway, callers: &Callers) {
    let load = actix_web::rt::spawn(callers.clone().go_on());
    let mut prometheus = Prometheus::start(gateway.server.admin_address);
    let mut open: Vec<Expression> = files::panel_expressions().into_iter().chain(files::rule_expressions()).collect();
    let begun = Instant::now();
    loop {
        let mut empty = Vec::new();
        for expression in open {
            if !prometheus.answers(&expression.text).await {
                empty.push(expression);
            }
        }
        open = empty;
        assert!(!load.is_finished(), "a caller was not answered as expected");
        if open.iter().all(|expression| QUIET.iter().any(|quiet| expression.text.contains(quiet))) {
            break;
        }
        assert!(begun.elapsed() < ANSWERED_WITHIN, "no answer after {ANSWERED_WITHIN:?}: {open:#?}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    compare_rules(&mut prometheus).await;
    callers.stop();
    load.await.unwrap();
}

/// Prometheus reads the same rules as this test does, all of them without an error.
async fn compare_rules(prometheus: &mut Prometheus) {
    let answer = prometheus.get("/api/v1/rules", &[]).await.unwrap();
    let groups = answer["data"]["groups"].as_array().unwrap();
    let theirs: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    let ours = files::rules();
    assert_eq!(theirs.len(), ours.len());
    for theirs in theirs {
        let ours = ours.iter().find(|ours| theirs["name"] == ours.name.as_str()).unwrap();
        assert_eq!(theirs["health"], "ok", "{theirs}");
        let query = theirs["query"].as_str().unwrap();
        assert_eq!(files::parse(query).to_string(), files::parse(&ours.expr).to_string());
    }
}

async fn gauges_fall_back(gateway: &Gateway) {
    until(GAUGES_WITHIN, || async {
        let text = gateway.scrape().await;
        let samples = scrape::read(&text);
        let idle = ["lmhaven_holds_open", "lmhaven_inflight_requests", "lmhaven_hold_oldest_timestamp_seconds"];
        let idle = idle.iter().all(|name| scrape::value(&samples, name, &[]) == 0.0);
        let open = scrape::value(&samples, "lmhaven_streams_open", &[("provider", "anthropic")]);
        if idle && open == 0.0 { Ok(()) } else { Err(text) }
    })
    .await;
}
