//! `ElevenLabs` as its client sees it.

use crate::{
    Ending, Protocol, Rule, Simulator,
    tests::client::{PATIENCE, Response, open, post, receive, simulator, with},
};
use serde_json::{Value, json};
use std::io::{Cursor, ErrorKind};
use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    formats::{FormatOptions, TrackType, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};
use tokio::time::timeout;

const KEY: &[(&str, &str)] = &[("xi-api-key", "el-1")];
const VOICE: &str = "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM";
const TEXT: &str = "The quick brown fox jumps over the lazy dog.";

fn body(more: Value) -> Value {
    with(json!({"text": TEXT, "model_id": "eleven_v3"}), more)
}

async fn speak(simulator: &Simulator, rest: &str, more: Value) -> Response {
    post(simulator, &format!("{VOICE}{rest}"), KEY, &body(more)).await
}

/// Under the rule `{"elevenlabs": …}`.
async fn under(simulator: &Simulator, change: Value, rest: &str) -> Response {
    simulator.control().reset();
    simulator.control().script(serde_json::from_value::<Rule>(json!({ "elevenlabs": change })).unwrap());
    speak(simulator, rest, json!({})).await
}

/// The microseconds that a decoder finds.
fn decoded_micros(bytes: Vec<u8>) -> u64 {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    let probe = symphonia::default::get_probe();
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut reader = probe.probe(&Hint::new(), source, format, metadata).unwrap();
    let parameters = reader.default_track(TrackType::Audio).unwrap().codec_params.clone().unwrap();
    let parameters = parameters.audio().unwrap();
    let options = AudioDecoderOptions::default();
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &options).unwrap();
    let mut samples = 0;
    while let Ok(Some(packet)) = reader.next_packet() {
        samples += decoder.decode(&packet).unwrap().frames();
    }
    u64::try_from(samples).unwrap() * 1_000_000 / u64::from(parameters.sample_rate.unwrap())
}

#[actix_web::test]
async fn speech_is_as_long_as_its_charge_says() {
    let simulator = simulator().await;
    let formats = [
        ("", "audio/mpeg", b"ID3\x04"),
        ("?output_format=mp3_22050_32", "audio/mpeg", b"ID3\x04"),
        ("?output_format=wav_24000", "audio/wav", b"RIFF"),
    ];
    for (query, content_type, magic) in formats {
        let response = speak(&simulator, query, json!({})).await;
        assert_eq!((response.status, response.header("content-type")), (200, Some(content_type)));
        assert_eq!(response.header("character-cost"), Some("44"));
        assert!(response.header("request-id").is_some());
        assert_eq!(response.header("current-concurrent-requests"), Some("1"));
        assert_eq!(response.header("maximum-concurrent-requests"), Some("10"));
        assert!(response.bytes().starts_with(magic));
        let charge = simulator.control().charges().pop().unwrap();
        assert_eq!((charge.units, charge.nano_usd), (44, 3_520_000));
        let micros = charge.audio_micros.unwrap();
        assert!((2_900_000..4_000_000).contains(&micros), "{micros}");
        assert!(micros.abs_diff(decoded_micros(response.bytes())) <= 1);
    }
    let opus = speak(&simulator, "?output_format=opus_48000_64", json!({})).await;
    assert_eq!((opus.header("content-type"), &opus.bytes()[..4]), (Some("audio/ogg"), b"OggS".as_slice()));
    let pcm = speak(&simulator, "?output_format=pcm_24000", json!({})).await;
    let micros = simulator.control().charges().pop().unwrap().audio_micros.unwrap();
    assert!(micros.abs_diff(u64::try_from(pcm.bytes().len()).unwrap() * 1_000_000 / 48_000) <= 1);
    // Tags cost and take no time.
    speak(&simulator, "", json!({"text": format!("[whispers]{TEXT}")})).await;
    let tagged = simulator.control().charges().pop().unwrap();
    assert_eq!(tagged.units, 54);
    assert!(tagged.audio_micros.unwrap() < 4_000_000);
    simulator.stop().await;
}

#[actix_web::test]
async fn streams_come_in_chunks() {
    let simulator = simulator().await;
    let whole = speak(&simulator, "", json!({})).await;
    let streamed = under(&simulator, json!({"chunk_bytes": 1000}), "/stream").await;
    assert!(streamed.is_whole && streamed.chunks.len() > 20 && streamed.header("character-cost") == Some("44"));
    assert_eq!(streamed.bytes(), whole.bytes());
    let wav = under(&simulator, json!({}), "/stream?output_format=wav_24000").await.bytes();
    assert_eq!((&wav[4..8], &wav[40..44]), ([0xff; 4].as_slice(), [0xff; 4].as_slice()));
    let wav = under(&simulator, json!({"wav_sizes": "zero"}), "?output_format=wav_24000").await.bytes();
    assert_eq!(wav[4..8], [0; 4]);
    // Gaps between the chunks.
    simulator.control().reset();
    let slow = json!({"gap_ms": 1, "elevenlabs": {"chunk_bytes": 20_000}});
    simulator.control().script(serde_json::from_value::<Rule>(slow).unwrap());
    let slow = speak(&simulator, "/stream", json!({})).await;
    assert_eq!(slow.bytes(), whole.bytes());
    assert!(simulator.control().last_call().unwrap().streamed);
    simulator.stop().await;
}

#[actix_web::test]
async fn a_stream_that_breaks_is_charged_in_full() {
    let simulator = simulator().await;
    for (kind, error, is_whole) in
        [("reset", Some(ErrorKind::ConnectionReset), false), ("close", None, false), ("cut", None, true)]
    {
        simulator.control().reset();
        let rule = json!({"fault": {"kind": kind, "after": 3}});
        simulator.control().script(serde_json::from_value::<Rule>(rule).unwrap());
        let path = format!("{VOICE}/stream");
        let mut stream = open(simulator.address(), &path, KEY, &body(json!({})).to_string()).await;
        let broken = receive(&mut stream).await;
        assert_eq!((broken.chunks.len(), broken.is_whole, broken.error), (3, is_whole, error), "{kind}");
        assert_eq!(simulator.control().charges()[0].units, 44);
        assert_eq!(simulator.control().last_call().unwrap().ending, Some(Ending::Cut));
    }
    simulator.stop().await;
}

#[actix_web::test]
async fn requests_are_checked() {
    let simulator = simulator().await;
    for (more, status, code) in [
        (json!({"voice_settings": {"stability": 0.3}}), 400, "invalid_ttd_stability"),
        (json!({"text": "x".repeat(5001)}), 400, "max_character_limit_exceeded"),
        (json!({"model_id": "eleven_v9"}), 400, "model_not_found"),
    ] {
        let refused = speak(&simulator, "", more).await;
        let detail = &refused.json()["detail"];
        assert_eq!((refused.status, &detail["code"], &detail["status"]), (status, &json!(code), &json!(code)));
    }
    for stability in [0.0, 0.5, 1.0] {
        let settings = json!({"voice_settings": {"stability": stability}});
        assert_eq!(speak(&simulator, "", settings).await.status, 200);
    }
    let older = json!({"model_id": "eleven_multilingual_v2", "voice_settings": {"stability": 0.3}});
    assert_eq!(speak(&simulator, "", older).await.status, 200);
    let missing = speak(&simulator, "", json!({"text": null})).await;
    assert_eq!((missing.status, &missing.json()["detail"][0]["loc"]), (422, &json!(["body", "text"])));
    let named = post(&simulator, "/v1/text-to-speech/alloy", KEY, &body(json!({}))).await;
    assert_eq!((named.status, &named.json()["detail"]["code"]), (404, &json!("voice_not_found")));
    let format = speak(&simulator, "?output_format=aac_44100_128", json!({})).await;
    assert_eq!(format.json()["detail"]["code"], "invalid_output_format");
    let no_key = post(&simulator, VOICE, &[], &body(json!({}))).await;
    assert_eq!((no_key.status, &no_key.json()["detail"]["code"]), (401, &json!("missing_api_key")));
    assert_eq!(simulator.control().charges().len(), 4);
    simulator.stop().await;
}

#[actix_web::test]
async fn errors_come_by_their_codes() {
    let simulator = simulator().await;
    for (status, code, kind) in [
        (401, "quota_exceeded", "quota_error"),
        (400, "voice_not_found", "not_found_error"),
        (429, "too_many_concurrent_requests", "rate_limit_error"),
        (429, "system_busy", "rate_limit_error"),
    ] {
        simulator.control().reset();
        let rule = json!({"status": {"code": status, "error_code": code}});
        simulator.control().script(serde_json::from_value::<Rule>(rule).unwrap());
        let refused = speak(&simulator, "/stream", json!({})).await;
        let detail = &refused.json()["detail"];
        assert_eq!((refused.status, &detail["code"], &detail["type"]), (status, &json!(code), &json!(kind)));
    }
    simulator.control().reset();
    simulator.control().set_balance(Protocol::ElevenLabs, "el-1", 43);
    let broke = speak(&simulator, "", json!({})).await;
    assert_eq!((broke.status, &broke.json()["detail"]["code"]), (401, &json!("quota_exceeded")));
    assert!(simulator.control().charges().is_empty());
    simulator.stop().await;
}

#[actix_web::test]
async fn a_key_has_so_many_calls_at_a_time() {
    let simulator = simulator().await;
    let control = simulator.control();
    let rule = json!({"elevenlabs": {"concurrency": 1, "chunk_bytes": 100}, "fault": {"kind": "stall", "after": 1}, "times": 1});
    control.script(serde_json::from_value::<Rule>(rule).unwrap());
    control.script(serde_json::from_value::<Rule>(json!({"elevenlabs": {"concurrency": 1}})).unwrap());
    let stalled = open(simulator.address(), &format!("{VOICE}/stream"), KEY, &body(json!({})).to_string()).await;
    timeout(PATIENCE, control.wait_until(|stats| stats.events == 1)).await.unwrap();
    let refused = speak(&simulator, "", json!({})).await;
    assert_eq!((refused.status, control.charges().len()), (429, 1));
    let other = post(&simulator, VOICE, &[("xi-api-key", "el-2")], &body(json!({}))).await;
    assert_eq!(other.status, 200);
    drop(stalled);
    timeout(PATIENCE, control.wait_until(|stats| stats.hang_ups == 1)).await.unwrap();
    assert_eq!(speak(&simulator, "", json!({})).await.status, 200);
    simulator.stop().await;
}

#[actix_web::test]
async fn answers_lie_about_what_they_are() {
    let simulator = simulator().await;
    let wrong_type = under(&simulator, json!({"content_type": "application/json"}), "").await;
    assert_eq!(wrong_type.header("content-type"), Some("application/json"));
    assert!(wrong_type.bytes().starts_with(b"ID3"));
    let wrong_bytes = under(&simulator, json!({"format": "mp3_44100_128"}), "?output_format=opus_48000_64").await;
    assert_eq!(wrong_bytes.header("content-type"), Some("audio/ogg"));
    assert!(wrong_bytes.bytes().starts_with(b"ID3"));
    let bare = under(&simulator, json!({"no_id3": true, "omit_headers": true, "audio_ms": 1000}), "").await;
    assert!(bare.bytes().starts_with(&[0xff, 0xfb]) && bare.header("character-cost").is_none());
    let micros = simulator.control().charges()[0].audio_micros.unwrap();
    assert!((1_000_000..1_030_000).contains(&micros), "{micros}");
    assert!(decoded_micros(bare.bytes()).abs_diff(micros) <= 1);
    let with_info = under(&simulator, json!({"info_frame": true, "audio_ms": 1000}), "").await;
    assert!(decoded_micros(with_info.bytes()).abs_diff(micros) <= 1);
    simulator.control().reset();
    simulator.control().script(serde_json::from_value::<Rule>(json!({"media": {"units": 403}})).unwrap());
    assert_eq!(speak(&simulator, "", json!({})).await.header("character-cost"), Some("403"));
    assert_eq!(simulator.control().charges()[0].units, 403);
    simulator.stop().await;
}
