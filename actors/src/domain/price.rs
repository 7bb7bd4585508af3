//! List prices, the ratio that divides them, and the one function that turns usage into money.
//!
//! List prices are integers of nano-dollars per million tokens (per image, per minute, per thousand
//! characters). A charge sums every bucket in 128 bits, divides by unit and ratio once, and rounds up
//! once per request, so the error is below a nano-dollar. A price that is missing is an error, never zero.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::money::{MoneyOverflow, NanoUsd};
use super::time::UnixMillis;
use super::usage::{Bucket, Usage};

/// Text prices are per this many tokens.
pub const TOKENS_PER_PRICE: i128 = 1_000_000;

/// The customer pays the list price divided by this. Kept in thousandths, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio(std::num::NonZeroU32);

/// A ratio is not a positive number with at most three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ratio is a number from 0.001 to 4000000 with at most three decimals")]
pub struct ParseRatioError;

impl Ratio {
    /// A ratio given in thousandths; `None` for zero.
    pub const fn from_thousandths(thousandths: u32) -> Option<Self> {
        match std::num::NonZeroU32::new(thousandths) {
            Some(thousandths) => Some(Self(thousandths)),
            None => None,
        }
    }

    /// The ratio in thousandths.
    pub const fn thousandths(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.thousandths() / 1000, self.thousandths() % 1000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{rest:03}").trim_end_matches('0'))
    }
}

impl FromStr for Ratio {
    type Err = ParseRatioError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
            return Err(ParseRatioError);
        }
        format!("{whole}{fraction:0<3}").parse().ok().and_then(Self::from_thousandths).ok_or(ParseRatioError)
    }
}

impl Serialize for Ratio {
    /// A JSON number: `28` or `27.5`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.thousandths().is_multiple_of(1000) {
            serializer.serialize_u32(self.thousandths() / 1000)
        } else {
            serializer.serialize_f64(f64::from(self.thousandths()) / 1000.0)
        }
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Number {
            Whole(u32),
            Fraction(f64),
            Text(String),
        }
        let text = match Number::deserialize(deserializer)? {
            Number::Whole(whole) => whole.to_string(),
            // The shortest decimal that reads back as this float is what was written.
            Number::Fraction(fraction) => fraction.to_string(),
            Number::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

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

/// Prices that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrice {
    /// One below zero.
    #[error("a list price is not negative")]
    Negative,
    /// Only part of the long-context prices.
    #[error("long_context_over, long_context_input and long_context_output go together")]
    HalfLongContext,
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

/// What a model's list price is counted in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListPrice {
    /// Per million tokens.
    Text(TextPrice),
    /// Per image, by the name of its resolution tier.
    Image(BTreeMap<String, NanoUsd>),
    /// Per minute of audio, with the price per thousand characters as the floor.
    Voice {
        /// Per minute of audio delivered.
        per_minute: NanoUsd,
        /// Per thousand characters of input: the least that is charged.
        per_1k_characters: NanoUsd,
    },
}

/// One model's row in a price book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRow {
    /// The list price is divided by this.
    pub ratio: Ratio,
    /// What the provider asks in public.
    pub list: ListPrice,
}

/// A charge cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// The row prices another modality.
    #[error("the model has no price per token")]
    NotText,
    /// The charge is beyond the range of money.
    #[error("the charge is out of range")]
    Overflow,
}

impl From<MoneyOverflow> for PriceError {
    fn from(_: MoneyOverflow) -> Self {
        Self::Overflow
    }
}

impl TextPrice {
    /// The list price of one bucket per million tokens, for a prompt of `prompt` tokens.
    pub fn of(&self, bucket: Bucket, prompt: u64) -> NanoUsd {
        let long = self.long_context.as_ref().filter(|long| prompt > long.over);
        let input = long.map_or(self.input, |long| long.input);
        match bucket {
            Bucket::Input => input,
            Bucket::Output => long.map_or(self.output, |long| long.output),
            Bucket::CacheRead => match long {
                Some(long) => long.cache_read.unwrap_or(input),
                None => self.cache_read.unwrap_or(input),
            },
            Bucket::CacheWrite5m => self.cache_write_5m.unwrap_or(input),
            Bucket::CacheWrite1h => self.cache_write_1h.unwrap_or(input),
            Bucket::AudioInput => self.audio_input.unwrap_or(input),
        }
    }
}

impl PriceRow {
    /// What the customer pays for `usage`: Σ(quantity × list price) ÷ (unit × ratio), rounded up once.
    ///
    /// # Errors
    /// [`PriceError::NotText`] where the row prices images or voice; [`PriceError::Overflow`] beyond $9.2 billion.
    pub fn charge(&self, usage: &Usage) -> Result<NanoUsd, PriceError> {
        let thousandths = i128::from(self.ratio.thousandths());
        self.list_total(usage)?
            .checked_mul(1000)
            .and_then(|total| divide_rounding_up(total, TOKENS_PER_PRICE * thousandths))
            .ok_or(PriceError::Overflow)
    }

    /// What the same usage costs at list price, rounded up once: what we may owe the provider.
    ///
    /// # Errors
    /// As [`PriceRow::charge`].
    pub fn list_cost(&self, usage: &Usage) -> Result<NanoUsd, PriceError> {
        divide_rounding_up(self.list_total(usage)?, TOKENS_PER_PRICE).ok_or(PriceError::Overflow)
    }

    /// Σ(quantity × list price), in nano-dollars per million tokens.
    fn list_total(&self, usage: &Usage) -> Result<i128, PriceError> {
        let ListPrice::Text(price) = &self.list else { return Err(PriceError::NotText) };
        let prompt = usage.prompt();
        usage.iter().try_fold(0_i128, |sum, (bucket, quantity)| {
            i128::from(quantity)
                .checked_mul(i128::from(price.of(bucket, prompt).nano()))
                .and_then(|cost| sum.checked_add(cost))
                .ok_or(PriceError::Overflow)
        })
    }
}

/// ⌈dividend ÷ divisor⌉ as money; both are non-negative here.
fn divide_rounding_up(dividend: i128, divisor: i128) -> Option<NanoUsd> {
    let rounded = dividend.checked_add(divisor.checked_sub(1)?)?.checked_div(divisor)?;
    i64::try_from(rounded).ok().map(NanoUsd::from_nano)
}

/// All prices that were in force from one moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceBook {
    /// Counted from 1.
    pub version: u32,
    /// The moment from which requests pay these prices.
    pub effective_at: UnixMillis,
    /// By model id.
    pub rows: BTreeMap<String, PriceRow>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usd(text: &str) -> NanoUsd {
        text.parse().unwrap()
    }

    fn gemini_pro() -> PriceRow {
        PriceRow {
            ratio: "36".parse().unwrap(),
            list: ListPrice::Text(TextPrice {
                input: usd("2"),
                output: usd("12"),
                cache_read: Some(usd("0.20")),
                cache_write_5m: None,
                cache_write_1h: None,
                audio_input: None,
                long_context: Some(LongContext {
                    over: 200_000,
                    input: usd("4"),
                    output: usd("18"),
                    cache_read: Some(usd("0.40")),
                }),
            }),
        }
    }

    #[test]
    fn the_whole_prompt_chooses_the_tier() {
        let row = gemini_pro();
        let at_the_edge = Usage::default().with(Bucket::Input, 150_000).with(Bucket::CacheRead, 50_000);
        // (150000 × 2 + 50000 × 0.2) ÷ 10⁶ ÷ 36 = 0.0086111…
        assert_eq!(row.charge(&at_the_edge), Ok(NanoUsd::from_nano(8_611_112)));
        let beyond = at_the_edge.with(Bucket::Input, 150_001);
        // (150001 × 4 + 50000 × 0.4) ÷ 10⁶ ÷ 36 = 0.01722233…
        assert_eq!(row.charge(&beyond), Ok(NanoUsd::from_nano(17_222_334)));
    }

    #[test]
    fn one_token_of_the_cheapest_bucket_still_costs_a_nano_dollar() {
        let row = PriceRow { ratio: "4000".parse().unwrap(), ..gemini_pro() };
        assert_eq!(row.charge(&Usage::default().with(Bucket::CacheRead, 1)), Ok(NanoUsd::from_nano(1)));
        assert_eq!(row.charge(&Usage::default()), Ok(NanoUsd::ZERO));
    }

    #[test]
    fn a_row_of_another_modality_is_an_error_not_free() {
        let row = PriceRow { ratio: "40".parse().unwrap(), list: ListPrice::Image(BTreeMap::new()) };
        assert_eq!(row.charge(&Usage::default().with(Bucket::Output, 5)), Err(PriceError::NotText));
    }

    #[test]
    fn ratios_are_exact_in_text_and_json() {
        for text in ["28", "27.5", "0.001", "27.125"] {
            let ratio: Ratio = text.parse().unwrap();
            assert_eq!(ratio.to_string(), text);
            let json = serde_json::to_string(&ratio).unwrap();
            assert_eq!(serde_json::from_str::<Ratio>(&json).unwrap(), ratio, "{json}");
        }
        for text in ["0", "0.0001", "-1", "", "1e3", "5000000"] {
            assert_eq!(text.parse::<Ratio>(), Err(ParseRatioError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn more_tokens_never_cost_less(input in 0_u64..3_000_000, output in 0_u64..200_000, more in 0_u64..1000) {
            let row = gemini_pro();
            let usage = Usage::default().with(Bucket::Input, input).with(Bucket::Output, output);
            let larger = usage.with(Bucket::Input, input + more);
            prop_assert!(row.charge(&usage).unwrap() <= row.charge(&larger).unwrap());
        }
    }
}
