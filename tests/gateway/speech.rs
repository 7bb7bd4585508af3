//! Speech over HTTP: every format, exact charges, and what a caller gets of each failure. `charges` has what every format
//! costs.

mod charges;

use lmhaven_simulator::Rule;
use serde_json::{Value, json};

use crate::harness::{Haven, Reply, Workspace, charge_of, charges_of, within};

/// What `elevenlabs-v3` costs, worked out apart from the gateway: the dearer of minutes and characters at $0.08,
/// divided by 22, rounded up once.
fn price(microseconds: u64, characters: usize) -> i128 {
    let minutes = i128::from(microseconds) * 80_000_000;
    let characters = i128::try_from(characters).unwrap() * 80_000_000;
    // Over the common unit of both: a minute is 60,000,000 µs, the price of characters is for 1,000.
    let (minutes, characters) = (minutes * 1_000, characters * 60_000_000);
    let total = minutes.max(characters);
    let unit = 60_000_000 * 1_000 * 22;
    (total + unit - 1) / unit
}

fn speak(input: &str, format: &str) -> Value {
    json!({ "model": "elevenlabs-v3", "voice": "alloy", "input": input, "response_format": format })
}

fn script(haven: &Haven, rule: Value) {
    haven.control.script(serde_json::from_value::<Rule>(rule).unwrap());
}

async fn say(haven: &Haven, workspace: &Workspace, body: &Value) -> Reply {
    haven.post(&workspace.key, "/v1/audio/speech", body).await
}

async fn assert_nothing_charged(haven: &Haven, workspace: &Workspace) {
    assert_eq!(haven.settled_balance(workspace).await.balance, 1_000_000_000);
    assert_eq!(charges_of(&haven.ledger(workspace).await).iter().sum::<i128>(), 0);
}

#[actix_web::test]
async fn every_format_is_spoken_labelled_and_charged_to_the_nano_dollar() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    let input = "One sentence, which is spoken in four formats.";
    for (format, content_type, magic) in [
        ("mp3", "audio/mpeg", &b"ID3"[..]),
        ("opus", "audio/ogg", b"OggS"),
        ("wav", "audio/wav", b"RIFF"),
        ("pcm", "audio/pcm", b""),
    ] {
        let request = haven.request(&workspace.key, "POST", "/v1/audio/speech").json(&speak(input, format));
        let response = within("an answer", request.send()).await.unwrap();
        assert_eq!(response.status(), 200, "{format}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), content_type);
        assert_eq!(header("lmhaven-model"), "elevenlabs-v3");
        assert_eq!(header("x-ratelimit-remaining-streams"), "99", "speech holds a slot");
        let bytes = within("the audio", response.bytes()).await.unwrap();
        assert!(bytes.starts_with(magic) && bytes.len() > 1_000, "{format}: {} bytes", bytes.len());

        let spoken = haven.control.charges().pop().unwrap();
        haven.settled_balance(&workspace).await;
        let settle = haven.last_settle(&workspace).await;
        let measured = settle["usage"]["audio_microseconds"].as_u64().unwrap();
        let really = spoken.audio_micros.unwrap();
        assert!(measured.abs_diff(really) < 100_000, "{format}: measured {measured}, really {really} µs");
        assert_eq!(settle["usage"]["characters"], input.chars().count());
        assert_eq!(charge_of(&settle), price(measured, input.chars().count()), "{format}");
    }
    assert_eq!(haven.control.charges().len(), 4);
    haven.finish().await;
}

#[actix_web::test]
async fn what_cannot_be_spoken_is_refused_before_anybody_is_asked() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    let with = |field: &str, value: Value| {
        let mut body = speak("Hello", "mp3");
        body[field] = value;
        body
    };
    for (body, code, param) in [
        (with("voice", "nobody".into()), "invalid_request", "voice"),
        (with("response_format", "aac".into()), "unsupported_parameter", "response_format"),
        (with("response_format", "gif".into()), "invalid_request", "response_format"),
        (with("speed", 1.5.into()), "unsupported_parameter", "speed"),
        (with("instructions", "whisper".into()), "unsupported_parameter", "instructions"),
        (with("stream_format", "sse".into()), "unsupported_parameter", "stream_format"),
        (with("input", "".into()), "invalid_request", "input"),
        (with("input", "x".repeat(5_001).into()), "invalid_request", "input"),
        (with("model", "gpt-sim".into()), "invalid_request", "model"),
    ] {
        let reply = say(&haven, &workspace, &body).await;
        assert_eq!(reply.refusal(), (400, code), "{body}");
        assert_eq!(reply.body["error"]["param"], param, "{body}");
    }
    let reply = say(&haven, &workspace, &with("model", "no-such-model".into())).await;
    assert_eq!(reply.refusal(), (404, "model_not_found"));
    assert!(haven.control.calls().is_empty());
    assert_nothing_charged(&haven, &workspace).await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_failure_before_the_first_byte_has_a_status_and_costs_nothing() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    for (rule, status, code, calls) in [
        (json!({"status": {"code": 401, "error_code": "quota_exceeded"}}), 503, "upstream_unavailable", 1),
        (json!({"status": {"code": 401, "error_code": "invalid_api_key"}}), 503, "upstream_unavailable", 1),
        (
            json!({"status": {"code": 429, "error_code": "too_many_concurrent_requests"}}),
            429,
            "upstream_rate_limited",
            1,
        ),
        (json!({"status": {"code": 429, "error_code": "concurrent_limit_exceeded"}}), 429, "upstream_rate_limited", 1),
        (json!({"elevenlabs": {"concurrency": 0}}), 429, "upstream_rate_limited", 1),
        (json!({"status": {"code": 400, "error_code": "invalid_ttd_stability"}}), 503, "upstream_unavailable", 1),
        (json!({"status": {"code": 404, "error_code": "voice_not_found"}}), 400, "invalid_request", 1),
        (
            json!({"status": {"code": 403, "error_code": "content_policy_violation"}}),
            400,
            "content_policy_violation",
            1,
        ),
        (json!({"status": {"code": 422}}), 400, "invalid_request", 1),
        (json!({"status": {"code": 500}}), 500, "upstream_error", 2),
        (json!({"status": {"code": 503}}), 503, "upstream_unavailable", 2),
        (json!({"elevenlabs": {"format": "mp3_44100_128"}}), 502, "upstream_error", 1),
        (json!({"fault": {"kind": "reset_before_headers"}}), 502, "upstream_error", 1),
        (json!({"fault": {"kind": "close_before_headers"}}), 502, "upstream_error", 1),
        (json!({"fault": {"kind": "html"}}), 502, "upstream_error", 1),
        // Billed there, and never asked for again.
        (json!({"fault": {"kind": "reset_after_charge"}}), 502, "upstream_error", 1),
        (json!({"fault": {"kind": "cut", "after": 0}}), 502, "upstream_error", 1),
    ] {
        haven.control.reset();
        script(&haven, rule.clone());
        let reply = say(&haven, &workspace, &speak("Hello there", "wav")).await;
        assert_eq!(reply.refusal(), (status, code), "{rule}");
        assert_eq!(haven.control.calls().len(), calls, "{rule}");
        assert!(haven.control.charges().len() <= 1, "{rule}");
        assert_nothing_charged(&haven, &workspace).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn speech_that_breaks_off_never_ends_clean_and_pays_for_the_minutes_alone() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    script(&haven, json!({"fault": {"kind": "reset", "after": 5}, "elevenlabs": {"chunk_bytes": 4_000}}));
    let input = "A long speech. ".repeat(40);
    let request = haven.request(&workspace.key, "POST", "/v1/audio/speech").json(&speak(&input, "pcm"));
    let response = within("an answer", request.send()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(within("the end", response.bytes()).await.is_err(), "a clean end");
    haven.settled_balance(&workspace).await;
    let settle = haven.last_settle(&workspace).await;
    let measured = settle["usage"]["audio_microseconds"].as_u64().unwrap();
    // 24,000 samples of two bytes a second.
    assert!((1..=20_000 * 1_000_000 / 48_000).contains(&measured), "{measured} µs of at most 20,000 bytes");
    assert_eq!(charge_of(&settle), price(measured, 0));
    haven.finish().await;
}

#[actix_web::test]
async fn a_caller_who_leaves_pays_for_the_characters_and_frees_the_slot() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    script(&haven, json!({"elevenlabs": {"chunk_bytes": 2_000}, "gap_ms": 200}));
    let input = "A long speech. ".repeat(40);
    let request = haven.request(&workspace.key, "POST", "/v1/audio/speech").json(&speak(&input, "pcm"));
    let mut response = within("an answer", request.send()).await.unwrap();
    assert!(within("audio", response.chunk()).await.unwrap().is_some());
    drop(response);
    haven.control.wait_until(|stats| stats.open == 0).await;
    haven.settled_balance(&workspace).await;
    let settle = haven.last_settle(&workspace).await;
    assert_eq!(settle["usage"]["characters"], input.chars().count());
    let measured = settle["usage"]["audio_microseconds"].as_u64().unwrap();
    assert_eq!(charge_of(&settle), price(measured, input.chars().count()));
    let reply = haven.get(&workspace.key, "/v1/balance").await.ok();
    assert_eq!(reply.header("x-ratelimit-remaining-streams"), "100");
    haven.finish().await;
}

#[actix_web::test]
async fn a_caller_who_leaves_before_any_audio_pays_only_after_a_second() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    script(&haven, json!({"fault": {"kind": "hang_before_headers"}}));
    let input = "Hello, is anybody there?";
    let leave_after = async |millis| {
        let request = haven.request(&workspace.key, "POST", "/v1/audio/speech").json(&speak(input, "mp3"));
        assert!(request.timeout(std::time::Duration::from_millis(millis)).send().await.is_err());
        haven.control.wait_until(|stats| stats.open == 0).await;
    };
    leave_after(200).await;
    assert_nothing_charged(&haven, &workspace).await;
    leave_after(1_500).await;
    haven.settled_balance(&workspace).await;
    assert_eq!(charge_of(&haven.last_settle(&workspace).await), price(0, input.chars().count()));
    haven.finish().await;
}

#[actix_web::test]
async fn a_workspace_without_the_feature_or_the_money_is_refused() {
    let haven = Haven::start().await;
    let poor = haven.workspace("0.0001").await;
    let reply = say(&haven, &poor, &speak("Hello there, this costs more than you have.", "mp3")).await;
    assert_eq!(reply.refusal(), (402, "insufficient_balance"));
    let mute = haven.workspace("1").await;
    haven.change(&mute.id, &json!({"features": {"voice": false}})).await;
    let reply = say(&haven, &mute, &speak("Hello", "mp3")).await;
    assert_eq!(reply.refusal(), (403, "feature_not_enabled"));
    assert!(haven.control.calls().is_empty());
    haven.finish().await;
}
