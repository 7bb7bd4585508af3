//! What speech costs in every format, against lengths that are worked out here from the bytes that were delivered.

use lmhaven::config::{Config, FixedEnvironment};
use lmhaven_actors::domain::price::ListPrice;
use serde_json::{Value, json};

use super::{price, script, speak};
use crate::harness::{Haven, Workspace, charge_of, usd, within};

/// Microseconds of sound in a whole file, rounded down.
fn microseconds(format: &str, file: &[u8]) -> u64 {
    let over = |count: usize, per_second: u64| count as u64 * 1_000_000 / per_second;
    match format {
        // 24,000 samples of two bytes a second, bare or after a header that ends with the name and size of its data.
        "pcm" => over(file.len(), 48_000),
        "wav" => {
            let header = file.windows(4).position(|name| name == b"data").unwrap() + 8;
            over(file.len() - header, 48_000)
        }
        "mp3" => mp3_microseconds(file),
        "opus" => opus_microseconds(file),
        other => panic!("{other}"),
    }
}

/// Frames of 1,152 samples at 44.1 kHz and 128 kbit/s: 417 bytes, or 418 with padding.
fn mp3_microseconds(file: &[u8]) -> u64 {
    let mut at = 0;
    if file.starts_with(b"ID3") {
        // Ten bytes, and a size of seven bits a byte.
        at = 10 + file[6..10].iter().fold(0, |size, byte| size << 7 | usize::from(*byte));
    }
    let mut frames = 0;
    while at < file.len() {
        assert_eq!((file[at], file[at + 1] & 0xfe, file[at + 2] & 0xfc), (0xff, 0xfa, 0x90), "no frame at {at}");
        at += 417 + usize::from(file[at + 2] >> 1 & 1);
        frames += 1;
    }
    frames * 1_152 * 1_000_000 / 44_100
}

/// The last page's count of samples at 48 kHz, less what the first page says to skip.
fn opus_microseconds(file: &[u8]) -> u64 {
    let number = |at: usize, len: usize| file[at..at + len].iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
    let head = file.windows(8).position(|name| name == b"OpusHead").unwrap();
    let last = file.windows(4).rposition(|name| name == b"OggS").unwrap();
    (number(last + 6, 8) - number(head + 10, 2)) * 1_000_000 / 48_000
}

/// Has something said to its end; answers the file.
async fn say_all(haven: &Haven, workspace: &Workspace, body: &Value) -> Vec<u8> {
    let request = haven.request(&workspace.key, "POST", "/v1/audio/speech").json(body);
    let response = within("an answer", request.send()).await.unwrap();
    assert_eq!(response.status(), 200, "{body}");
    within("the audio", response.bytes()).await.unwrap().to_vec()
}

#[actix_web::test]
async fn minutes_or_characters_whichever_is_dearer_in_every_format() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10").await;
    let mut left = 10_000_000_000;
    let tags = "[whispers][laughs][sighs]".repeat(20);
    for format in ["mp3", "opus", "wav", "pcm"] {
        for (what, input, change) in [
            ("usual", "A sentence of the usual pace, spoken by somebody.", json!({})),
            // Slow: a minute for thirteen letters.
            ("slow", "Very, very so", json!({"audio_ms": 61_234})),
            // Tags cost characters and take no time.
            ("tags", tags.as_str(), json!({})),
            ("a character", "a", json!({"audio_ms": 40})),
            // As other encoders write their files.
            ("bare", "Without a tag before it.", json!({"no_id3": true, "wav_sizes": "zero", "omit_headers": true})),
            ("labelled otherwise", "By its bytes, not by its label.", json!({"content_type": "audio/basic"})),
        ] {
            haven.control.reset();
            script(&haven, json!({ "elevenlabs": change }));
            let file = say_all(&haven, &workspace, &speak(input, format)).await;
            let (spoken, characters) = (microseconds(format, &file), input.chars().count());
            let cost = price(spoken, characters);
            haven.settled_balance(&workspace).await;
            let settle = haven.last_settle(&workspace).await;
            assert_eq!(settle["usage"]["audio_microseconds"], spoken, "{format} {what}");
            assert_eq!(settle["usage"]["characters"], characters, "{format} {what}");
            assert_eq!(charge_of(&settle), cost, "{format} {what}");
            assert_eq!(haven.control.charges().len(), 1, "{format} {what}");
            left -= cost;
            assert_eq!(usd(haven.balance(&workspace).await.balance), usd(left), "{format} {what}");
        }
    }
    haven.finish().await;
}

#[test]
fn the_price_is_the_one_that_is_shipped_and_its_fractions_were_worked_out_by_hand() {
    // 61.234 s: 0.08 × 61.234 ÷ 60 ÷ 22 = 0.00371115…; 500 characters: 0.08 ÷ 2 ÷ 22 = 0.00181818…
    assert_eq!([price(61_234_000, 13), price(0, 500)], [3_711_152, 1_818_182]);
    let shipped = Config::parse(None, &FixedEnvironment::default()).unwrap();
    let voices = shipped.models.iter().filter_map(|model| match &model.price.list {
        ListPrice::Voice(list) => Some([
            model.id.to_string(),
            model.price.ratio.to_string(),
            list.per_minute.to_string(),
            list.per_1k_characters.to_string(),
        ]),
        ListPrice::Text(_) | ListPrice::Image(_) => None,
    });
    assert_eq!(voices.collect::<Vec<_>>(), [["elevenlabs-v3", "22", "0.08", "0.08"]]);
}
