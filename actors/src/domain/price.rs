//! List prices, the ratio that divides them, and the one function that turns usage into money.
//!
//! List prices are integers of nano-dollars per million tokens (per image, per minute, per thousand
//! characters). A charge sums every bucket in 128 bits, divides by unit and ratio once, and rounds up
//! once per request, so the error is below a nano-dollar. A price that is missing is an error, never zero.
//! The prices of a modality stand in a file of their own: `text.rs`, `media.rs`.

mod media;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::image_tier::ImageTier;
use super::money::{MoneyOverflow, NanoUsd};
use super::time::UnixMillis;
use super::usage::{Bucket, Usage};

pub use media::{ImagePrice, VoicePrice, audio_bound_microseconds};
pub use text::{LongContext, TextPrice};

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

/// Prices that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrice {
    /// One below zero.
    #[error("a list price is not negative")]
    Negative,
    /// Only part of the long-context prices.
    #[error("long_context_over, long_context_input and long_context_output go together")]
    HalfLongContext,
    /// An image row without a tier prices nothing.
    #[error("a row of images names at least one resolution tier such as 1K")]
    NoTiers,
}

/// What a model's list price is counted in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListPrice {
    /// Per million tokens.
    Text(TextPrice),
    /// Per image, by its resolution tier.
    Image(ImagePrice),
    /// Per minute of audio, with the price per thousand characters as the floor.
    Voice(VoicePrice),
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
    /// Something was used that models of the row's modality are not priced by.
    #[error("the model has no price per {}", .0.name())]
    OtherModality(Bucket),
    /// An image of a tier that the row does not price.
    #[error("the model has no price for images of {0}")]
    NoTier(ImageTier),
    /// The charge is beyond the range of money.
    #[error("the charge is out of range")]
    Overflow,
}

impl From<MoneyOverflow> for PriceError {
    fn from(_: MoneyOverflow) -> Self {
        Self::Overflow
    }
}

impl PriceRow {
    /// What the customer pays for `usage`, rounded up once: Σ(quantity × list price) ÷ (unit × ratio), and for
    /// voice the dearer of the minutes and the characters instead of the sum.
    ///
    /// # Errors
    /// [`PriceError::OtherModality`] where the row does not price what was used, [`PriceError::NoTier`] where it
    /// does not price an image's tier, [`PriceError::Overflow`] beyond $9.2 billion.
    pub fn charge(&self, usage: &Usage) -> Result<NanoUsd, PriceError> {
        let thousandths = i128::from(self.ratio.thousandths());
        let ListTotal { nano_units, units } = self.list.total(usage)?;
        nano_units
            .checked_mul(1000)
            .and_then(|total| divide_rounding_up(total, units * thousandths))
            .ok_or(PriceError::Overflow)
    }

    /// What the same usage costs at list price, rounded up once: what we may owe the provider.
    ///
    /// # Errors
    /// As [`PriceRow::charge`].
    pub fn list_cost(&self, usage: &Usage) -> Result<NanoUsd, PriceError> {
        let ListTotal { nano_units, units } = self.list.total(usage)?;
        divide_rounding_up(nano_units, units).ok_or(PriceError::Overflow)
    }
}

/// One line of a charge's formula: so much of something, at its list price per so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeLine {
    /// What was counted.
    pub bucket: Bucket,
    /// How much of it.
    pub quantity: u64,
    /// The list price.
    pub list: NanoUsd,
    /// What the list price is per: tokens, images, microseconds or characters.
    pub per: u64,
    /// It is part of the sum. Of speech only the dearer of the minutes and the characters is.
    pub counts: bool,
}

impl PriceRow {
    /// The lines of the formula by which [`PriceRow::charge`] comes to its amount.
    ///
    /// # Errors
    /// As [`PriceRow::charge`].
    pub fn explain(&self, usage: &Usage) -> Result<Vec<ChargeLine>, PriceError> {
        // What cannot be charged cannot be explained either.
        self.charge(usage)?;
        let line = |bucket, quantity| match &self.list {
            ListPrice::Text(price) => {
                let list = price.of(bucket, usage.prompt()).ok_or(PriceError::OtherModality(bucket))?;
                Ok(ChargeLine { bucket, quantity, list, per: 1_000_000, counts: true })
            }
            ListPrice::Image(price) => {
                let tier = ImageTier::ALL.into_iter().find(|tier| tier.bucket() == bucket);
                let tier = tier.ok_or(PriceError::OtherModality(bucket))?;
                let list = price.of(tier).ok_or(PriceError::NoTier(tier))?;
                Ok(ChargeLine { bucket, quantity, list, per: 1, counts: true })
            }
            ListPrice::Voice(price) => Ok(price.explain(bucket, usage)),
        };
        usage.iter().map(|(bucket, quantity)| line(bucket, quantity)).collect()
    }
}

/// A sum at list price before it is divided: nano-dollars times the unit that the prices are per.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ListTotal {
    nano_units: i128,
    units: i128,
}

impl ListTotal {
    /// The sum of `lines`, each a quantity and its price per `units`.
    fn sum(lines: impl Iterator<Item = Result<(u64, NanoUsd), PriceError>>, units: i128) -> Result<Self, PriceError> {
        let add = |sum: i128, line: Result<(u64, NanoUsd), PriceError>| {
            let (quantity, price) = line?;
            let cost = i128::from(quantity).checked_mul(i128::from(price.nano()));
            cost.and_then(|cost| sum.checked_add(cost)).ok_or(PriceError::Overflow)
        };
        let mut lines = lines;
        Ok(Self { nano_units: lines.try_fold(0, add)?, units })
    }
}

impl ListPrice {
    fn total(&self, usage: &Usage) -> Result<ListTotal, PriceError> {
        match self {
            Self::Text(price) => {
                let prompt = usage.prompt();
                let line = |(bucket, quantity)| {
                    let price = price.of(bucket, prompt).ok_or(PriceError::OtherModality(bucket))?;
                    Ok((quantity, price))
                };
                ListTotal::sum(usage.iter().map(line), TOKENS_PER_PRICE)
            }
            Self::Image(price) => price.total(usage),
            Self::Voice(price) => price.total(usage),
        }
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
        let tiers = BTreeMap::from([(ImageTier::K1, usd("0.04"))]);
        let row = PriceRow { ratio: "40".parse().unwrap(), list: ListPrice::Image(tiers.try_into().unwrap()) };
        let text = Usage::default().with(Bucket::Output, 5);
        assert_eq!(row.charge(&text), Err(PriceError::OtherModality(Bucket::Output)));
        let image = Usage::default().with(Bucket::Image1K, 1);
        assert_eq!(gemini_pro().charge(&image), Err(PriceError::OtherModality(Bucket::Image1K)));
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
