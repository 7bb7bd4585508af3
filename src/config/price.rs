//! `list_price` of a model: which keys it has depends on the modality.

use std::collections::BTreeMap;

use lmhaven_actors::domain::image_tier::ImageTier;
use lmhaven_actors::domain::price::{ImagePrice, InvalidPrice, ListPrice, LongContext, TextPrice, VoicePrice};
use serde::Deserialize;
use toml::Value;

use super::fields::{Given, Reader, key_of};
use super::models::Modality;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawText {
    input: Option<Value>,
    output: Option<Value>,
    cache_read: Option<Value>,
    cache_write_5m: Option<Value>,
    cache_write_1h: Option<Value>,
    audio_input: Option<Value>,
    long_context_over: Option<Value>,
    long_context_input: Option<Value>,
    long_context_output: Option<Value>,
    long_context_cache_read: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawVoice {
    per_minute: Option<Value>,
    per_1k_characters: Option<Value>,
}

/// Reads `list_price` of the model at `section`; `None` where something in it is wrong.
pub(super) fn read(
    reader: &mut Reader<'_>,
    section: &str,
    modality: Modality,
    value: Option<Value>,
) -> Option<ListPrice> {
    let section = key_of(section, "list_price");
    let Some(value) = value else {
        reader.refuse(section, "is missing");
        return None;
    };
    match modality {
        Modality::Text => read_text(reader, &section, value).map(ListPrice::Text),
        Modality::Image => read_image(reader, &section, value).map(ListPrice::Image),
        Modality::Voice => read_voice(reader, &section, value),
    }
}

fn read_text(reader: &mut Reader<'_>, section: &str, value: Value) -> Option<TextPrice> {
    let before = reader.errors.len();
    let RawText {
        input,
        output,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        audio_input,
        long_context_over,
        long_context_input,
        long_context_output,
        long_context_cache_read,
    } = reader.section(section, value)?;
    let input = reader.required(section, "input", input, Given::price);
    let output = reader.required(section, "output", output, Given::price);
    let mut price = |key, value| reader.optional(section, key, value, Given::price);
    let cache_read = price("cache_read", cache_read);
    let cache_write_5m = price("cache_write_5m", cache_write_5m);
    let cache_write_1h = price("cache_write_1h", cache_write_1h);
    let audio_input = price("audio_input", audio_input);
    let long_input = price("long_context_input", long_context_input);
    let long_output = price("long_context_output", long_context_output);
    let long_cache_read = price("long_context_cache_read", long_context_cache_read);
    let over = reader.optional(section, "long_context_over", long_context_over, Given::whole);
    // An optional price that is wrong must not pass for one that was left out.
    if reader.errors.len() > before {
        return None;
    }
    let long_context = match (over, long_input, long_output) {
        (Some(over), Some(input), Some(output)) => {
            Some(LongContext { over, input, output, cache_read: long_cache_read })
        }
        (None, None, None) if long_cache_read.is_none() => None,
        _ => {
            reader.refuse(section, InvalidPrice::HalfLongContext.to_string());
            return None;
        }
    };
    Some(TextPrice {
        input: input?,
        output: output?,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        audio_input,
        long_context,
    })
}

/// Resolution tiers; which one a size falls into is the adapter's, and a size whose tier has no price is refused.
fn read_image(reader: &mut Reader<'_>, section: &str, value: Value) -> Option<ImagePrice> {
    let Value::Table(tiers) = value else {
        reader.refuse(section, "expected a table");
        return None;
    };
    if tiers.is_empty() {
        reader.refuse(section, "names no resolution tier such as 1K");
        return None;
    }
    let read_tier = |(name, value): (String, Value)| {
        let Some(tier) = ImageTier::by_name(&name) else {
            let tiers = ImageTier::ALL.map(ImageTier::name).join(", ");
            reader.refuse(key_of(section, &name), format!("is no resolution tier; an image is priced by {tiers}"));
            return None;
        };
        let price = reader.required(section, &name, Some(value), Given::price)?;
        Some((tier, price))
    };
    let tiers: Option<BTreeMap<_, _>> = tiers.into_iter().map(read_tier).collect::<Vec<_>>().into_iter().collect();
    ImagePrice::try_from(tiers?).map_err(|error| reader.refuse(section, error.to_string())).ok()
}

fn read_voice(reader: &mut Reader<'_>, section: &str, value: Value) -> Option<ListPrice> {
    let RawVoice { per_minute, per_1k_characters } = reader.section(section, value)?;
    let per_minute = reader.required(section, "per_minute", per_minute, Given::price);
    let per_1k_characters = reader.required(section, "per_1k_characters", per_1k_characters, Given::price);
    let (per_minute, per_1k_characters) = (per_minute?, per_1k_characters?);
    Some(ListPrice::Voice(VoicePrice { per_minute, per_1k_characters }))
}
