//! List prices of text models, per million tokens, with the tier that a long prompt chooses.

use serde::{Deserialize, Serialize};

use super::InvalidPrice;
use crate::domain::money::NanoUsd;
use crate::domain::usage::Bucket;

/// What a whole prompt above a size costs instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongContext {
    /// Prompts with more tokens than this pay the prices below.
    pub over: u64,
    /// Per million input tokens.
    pub input: NanoUsd,
    /// Per million output tokens.
    pub output: NanoUsd,
    /// Per million tokens read from the cache; the input price where absent.
    pub cache_read: Option<NanoUsd>,
}

/// List prices of a text model, per million tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TextPriceFields", into = "TextPriceFields")]
pub struct TextPrice {
    /// Input.
    pub input: NanoUsd,
    /// Output, thinking included.
    pub output: NanoUsd,
    /// Read from the provider's cache; the input price where absent.
    pub cache_read: Option<NanoUsd>,
    /// Written to the cache for five minutes; the input price where absent.
    pub cache_write_5m: Option<NanoUsd>,
    /// Written to the cache for an hour; the input price where absent.
    pub cache_write_1h: Option<NanoUsd>,
    /// Audio in the prompt; the input price where absent.
    pub audio_input: Option<NanoUsd>,
    /// What long prompts cost instead.
    pub long_context: Option<LongContext>,
}

/// [`TextPrice`] as the configuration and the admin API write it: flat.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextPriceFields {
    input: NanoUsd,
    output: NanoUsd,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_read: Option<NanoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_write_5m: Option<NanoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_write_1h: Option<NanoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio_input: Option<NanoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    long_context_over: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    long_context_input: Option<NanoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    long_context_output: Option<NanoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    long_context_cache_read: Option<NanoUsd>,
}

impl TryFrom<TextPriceFields> for TextPrice {
    type Error = InvalidPrice;

    fn try_from(fields: TextPriceFields) -> Result<Self, InvalidPrice> {
        let TextPriceFields {
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
        } = fields;
        let long_context = match (long_context_over, long_context_input, long_context_output) {
            (Some(over), Some(input), Some(output)) => {
                Some(LongContext { over, input, output, cache_read: long_context_cache_read })
            }
            (None, None, None) if long_context_cache_read.is_none() => None,
            _ => return Err(InvalidPrice::HalfLongContext),
        };
        let optional = [cache_read, cache_write_5m, cache_write_1h, audio_input, long_context_input];
        let all = optional.into_iter().chain([long_context_output, long_context_cache_read]).flatten();
        if all.chain([input, output]).any(NanoUsd::is_negative) {
            return Err(InvalidPrice::Negative);
        }
        Ok(Self { input, output, cache_read, cache_write_5m, cache_write_1h, audio_input, long_context })
    }
}

impl From<TextPrice> for TextPriceFields {
    fn from(price: TextPrice) -> Self {
        let TextPrice { input, output, cache_read, cache_write_5m, cache_write_1h, audio_input, long_context } = price;
        Self {
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            audio_input,
            long_context_over: long_context.as_ref().map(|long| long.over),
            long_context_input: long_context.as_ref().map(|long| long.input),
            long_context_output: long_context.as_ref().map(|long| long.output),
            long_context_cache_read: long_context.as_ref().and_then(|long| long.cache_read),
        }
    }
}

impl TextPrice {
    /// The list price of one bucket per million tokens, for a prompt of `prompt` tokens; `None` for a bucket
    /// that counts something else.
    pub fn of(&self, bucket: Bucket, prompt: u64) -> Option<NanoUsd> {
        let long = self.long_context.as_ref().filter(|long| prompt > long.over);
        let input = long.map_or(self.input, |long| long.input);
        Some(match bucket {
            Bucket::Input => input,
            Bucket::Output => long.map_or(self.output, |long| long.output),
            Bucket::CacheRead => match long {
                Some(long) => long.cache_read.unwrap_or(input),
                None => self.cache_read.unwrap_or(input),
            },
            Bucket::CacheWrite5m => self.cache_write_5m.unwrap_or(input),
            Bucket::CacheWrite1h => self.cache_write_1h.unwrap_or(input),
            Bucket::AudioInput => self.audio_input.unwrap_or(input),
            Bucket::Image1K
            | Bucket::Image1K5
            | Bucket::Image2K
            | Bucket::Image3K
            | Bucket::Image4K
            | Bucket::AudioMicroseconds
            | Bucket::Characters => return None,
        })
    }
}
