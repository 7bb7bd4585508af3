//! OpenAI's usage object and our disjoint buckets, both ways.
//!
//! `prompt_tokens` includes cached, cache-written and audio tokens; `completion_tokens` includes reasoning.

use bytes::BufMut;
use serde::Deserialize;

use super::json;
use crate::domain::money::NanoUsd;
use crate::domain::usage::{Bucket, Usage};

#[derive(Deserialize)]
struct Wire {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Default, Deserialize)]
struct PromptDetails {
    #[serde(rename = "cached_tokens")]
    cached: Option<u64>,
    #[serde(rename = "cache_write_tokens")]
    written: Option<u64>,
    #[serde(rename = "audio_tokens")]
    audio: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

/// The provider's usage object in our buckets; `None` where it counted neither input nor output, and where it cannot
/// be read: the answer is worth more than its counts, and what nobody can read was not reported.
pub(super) fn read(raw: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(raw).ok()?;
    if wire.prompt_tokens.is_none() && wire.completion_tokens.is_none() {
        return None;
    }
    let prompt = wire.prompt_tokens.unwrap_or(0);
    let details = wire.prompt_tokens_details.unwrap_or_default();
    let cached = details.cached.unwrap_or(0);
    let written = details.written.unwrap_or(0);
    let audio = details.audio.unwrap_or(0);
    let input = prompt.saturating_sub(cached).saturating_sub(written).saturating_sub(audio);
    let mut usage = Usage::default()
        .with(Bucket::Input, input)
        .with(Bucket::CacheRead, cached)
        .with(Bucket::CacheWrite5m, written)
        .with(Bucket::AudioInput, audio)
        .with(Bucket::Output, wire.completion_tokens.unwrap_or(0));
    usage.reasoning = wire.completion_tokens_details.and_then(|details| details.reasoning_tokens).unwrap_or(0);
    Some(usage)
}

/// Writes the usage object, with `cost_usd` where there is a cost to tell.
pub(super) fn write(out: &mut impl BufMut, usage: &Usage, cost: Option<NanoUsd>) {
    let (prompt, output) = (usage.prompt(), usage.get(Bucket::Output));
    let written = usage.get(Bucket::CacheWrite5m).saturating_add(usage.get(Bucket::CacheWrite1h));
    for (before, quantity) in [
        ("{\"prompt_tokens\":", prompt),
        (",\"completion_tokens\":", output),
        (",\"total_tokens\":", prompt.saturating_add(output)),
        (",\"prompt_tokens_details\":{\"cached_tokens\":", usage.get(Bucket::CacheRead)),
        (",\"cache_write_tokens\":", written),
        (",\"audio_tokens\":", usage.get(Bucket::AudioInput)),
        ("},\"completion_tokens_details\":{\"reasoning_tokens\":", usage.reasoning),
    ] {
        out.put_slice(before.as_bytes());
        json::number(out, quantity);
    }
    out.put_slice(b",\"audio_tokens\":0}");
    if let Some(cost) = cost {
        out.put_slice(b",\"cost_usd\":");
        json::string(out, &cost.to_string());
    }
    out.put_u8(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_prompt_are_counted_once() {
        let usage = read(
            r#"{"prompt_tokens":100,"completion_tokens":30,"total_tokens":130,
            "prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":10,"audio_tokens":5},
            "completion_tokens_details":{"reasoning_tokens":12,"audio_tokens":0}}"#,
        )
        .unwrap();
        assert_eq!(usage.get(Bucket::Input), 25);
        assert_eq!(usage.prompt(), 100);
        assert_eq!((usage.get(Bucket::Output), usage.reasoning), (30, 12));
    }

    #[test]
    fn missing_counts_are_missing_and_an_explicit_zero_is_zero() {
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"prompt_tokens":null,"prompt_tokens_details":null}"#), None);
        assert_eq!(read(r#"{"prompt_tokens":0,"completion_tokens":0}"#), Some(Usage::default()));
        for unreadable in [r#"{"prompt_tokens":-1}"#, r#"{"prompt_tokens":"many","completion_tokens":7}"#, "[]"] {
            assert_eq!(read(unreadable), None, "a failed conversion is never zero: {unreadable}");
        }
    }

    #[test]
    fn more_cached_than_prompt_leaves_no_input_below_zero() {
        let usage = read(r#"{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":9}}"#).unwrap();
        assert_eq!((usage.get(Bucket::Input), usage.get(Bucket::CacheRead)), (0, 9));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let mut usage = Usage::default().with(Bucket::Input, 7).with(Bucket::CacheRead, 2).with(Bucket::Output, 9);
        usage.reasoning = 4;
        let mut out = Vec::new();
        write(&mut out, &usage, Some(NanoUsd::from_nano(1_500)));
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with(r#","cost_usd":"0.0000015"}"#), "{text}");
        assert_eq!(read(&text), Some(usage));
    }
}
