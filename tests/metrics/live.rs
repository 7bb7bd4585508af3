//! A gateway under load, scraped by a real Prometheus: every expression of dashboard and rules has an answer.

use std::future::Future;
use std::time::{Duration, Instant};

use lmhaven::telemetry::{ATTEMPT_OUTCOMES, COOLDOWN_REASONS, REJECTION_REASONS};
use lmhaven_actors::domain::image_tier::ImageTier;
use lmhaven_actors::domain::usage::Bucket;

use crate::files::{self, Expression};
use crate::load::{CANARY, Callers, Gateway, SPOKEN};
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
/// Those of images: of a provider that makes text too, and of one of their own.
const IMAGE_MODELS: usize = 2;
/// Those of speech.
const VOICE_MODELS: usize = 1;
const PROVIDERS: [&str; 4] = ["anthropic", "gemini", "ark", "elevenlabs"];

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
    counts_what_was_made(&scrape::read(&text));
    callers.leave().await;
    counts_who_left(&gateway).await;
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
        let models = TEXT_MODELS + IMAGE_MODELS + VOICE_MODELS;
        let providers = PROVIDERS.len();
        let started = zeros("lmhaven_rejections_total", REJECTION_REASONS.len())
            && zeros("lmhaven_upstream_attempts_total", providers * ATTEMPT_OUTCOMES.len())
            && zeros("lmhaven_provider_key_cooldowns_total", providers * COOLDOWN_REASONS.len())
            && zeros("lmhaven_requests_total", TEXT_MODELS + models)
            && zeros("lmhaven_charged_usd_total", models)
            && zeros("lmhaven_upstream_cost_usd_total", models)
            && zeros("lmhaven_tokens_total", TEXT_MODELS * Bucket::TOKENS.len())
            && zeros("lmhaven_images_total", IMAGE_MODELS * ImageTier::ALL.len())
            && zeros("lmhaven_audio_seconds_total", VOICE_MODELS)
            && zeros("lmhaven_characters_total", VOICE_MODELS)
            && zeros("lmhaven_streams_open", providers);
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
    scrape::check_labels(&samples, &models, &PROVIDERS);
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
    assert_eq!(["bad_key", "balance", "model_off", "invalid", "rpm"].map(rejected), [1.0, 3.0, 1.0, 1.0, 0.0]);
    // Each of the four texts that were served well, and the first events of the two that stall and break; the images,
    // and the speech.
    let measured =
        |name: &str| samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum::<f64>();
    assert_eq!(measured("lmhaven_gateway_overhead_seconds_count"), 8.0);
    assert_eq!(measured("gen_ai_server_time_to_first_token_seconds_count"), 5.0);
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

/// Requests, attempts, durations, quantities and money of images and speech.
fn counts_what_was_made(samples: &[Sample]) {
    let value = |name: &str, labels: &[(&str, &str)]| scrape::value(samples, name, labels);
    let places = [
        ("/v1/images/generations", "image_generation", "seedream-5", "ark"),
        ("/v1/audio/speech", "speech", "elevenlabs-v3", "elevenlabs"),
    ];
    for (route, operation, model, provider) in places {
        let requests = |provider, code| {
            let labels = [("route", route), ("model", model), ("provider", provider), ("code", code)];
            value("lmhaven_requests_total", &labels)
        };
        assert_eq!(requests(provider, "ok"), 1.0);
        assert_eq!([requests("none", "insufficient_balance"), requests(provider, "upstream_error")], [1.0, 1.0]);
        let durations = samples.iter().filter(|sample| {
            sample.name == "gen_ai_server_request_duration_seconds_count"
                && sample.labels["gen_ai_operation_name"] == operation
        });
        assert_eq!(durations.map(|sample| sample.value).sum::<f64>(), 2.0, "what was served and what failed");
        assert_eq!(value("lmhaven_gateway_overhead_seconds_count", &[("route", route)]), 1.0);
        let sold = [("model", model), ("provider", provider)];
        let charged = value("lmhaven_charged_usd_total", &sold);
        assert!(charged > 0.0 && value("lmhaven_upstream_cost_usd_total", &sold) > charged, "{model}: {charged}");
        assert_eq!(value("lmhaven_streams_open", &[("provider", provider)]), 0.0);
        let attempts =
            |outcome| value("lmhaven_upstream_attempts_total", &[("provider", provider), ("outcome", outcome)]);
        let images = if provider == "ark" { 2.0 } else { 1.0 };
        assert_eq!([attempts("ok"), attempts("5xx")], [images, 2.0], "{provider}");
    }
    let images = |tier| value("lmhaven_images_total", &[("model", "seedream-5"), ("provider", "ark"), ("tier", tier)]);
    assert_eq!(ImageTier::ALL.map(|tier| images(tier.name())), [0.0, 0.0, 2.0, 0.0, 0.0]);
    let sold = [("model", "elevenlabs-v3"), ("provider", "elevenlabs")];
    assert_eq!(value("lmhaven_characters_total", &sold), f64::from(u32::try_from(SPOKEN.chars().count()).unwrap()));
    let seconds = value("lmhaven_audio_seconds_total", &sold);
    assert!((0.5..30.0).contains(&seconds), "{seconds} s of a sentence");
}

/// A caller who leaves is a request that ended, and what is charged for it counts.
async fn counts_who_left(gateway: &Gateway) {
    until(GAUGES_WITHIN, || async {
        let text = gateway.scrape().await;
        let samples = scrape::read(&text);
        let left = |route, model, provider| {
            let labels = [("route", route), ("model", model), ("provider", provider), ("code", "request_timeout")];
            samples.iter().any(|sample| {
                let fits = |(name, value): &(&str, &str)| sample.labels.get(*name).is_some_and(|known| known == value);
                sample.name == "lmhaven_requests_total" && labels.iter().all(fits) && sample.value == 1.0
            })
        };
        let counted = left("/v1/images/generations", "seedream-5", "ark")
            && left("/v1/audio/speech", "elevenlabs-v3", "elevenlabs");
        if !counted {
            return Err(text);
        }
        let sold = [("model", "elevenlabs-v3"), ("provider", "elevenlabs")];
        let spoken = f64::from(u32::try_from(SPOKEN.chars().count() + "LONG".len()).unwrap());
        assert_eq!(scrape::value(&samples, "lmhaven_characters_total", &sold), spoken);
        Ok(())
    })
    .await;
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
