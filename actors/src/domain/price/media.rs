//! List prices of images and of speech, and the most that a request for them can cost.
//!
//! An image costs what its tier costs; a tier without a price is an error, and no other tier stands in for
//! it. Speech is sold by the minute while its provider bills characters, so the characters are the floor:
//! five thousand characters of tags may sound for a second and cost us all the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ChargeLine, InvalidPrice, ListPrice, ListTotal, PriceError, PriceRow};
use crate::domain::image_tier::ImageTier;
use crate::domain::money::NanoUsd;
use crate::domain::usage::{Bucket, Usage};

const MICROSECONDS_PER_MINUTE: i128 = 60_000_000;
const CHARACTERS_PER_PRICE: i128 = 1_000;

/// What one character sounds for at most, on average over a text: 100 characters a minute. English is read at
/// about 1,000 a minute and Chinese at 300; digits and signs that are spelt out reach 150.
const AUDIO_MICROSECONDS_PER_CHARACTER: u64 = 600_000;
/// Silence around the text, and what the codec pads: it weighs most where the text is short.
const AUDIO_MICROSECONDS_AROUND: u64 = 5_000_000;

/// The longest that a text of so many characters is taken to sound, in microseconds: what is held for.
///
/// No provider promises a pace, so this is generous and not proven. Speech beyond it is charged like any
/// overrun of a hold: from what is available, and never below zero.
pub const fn audio_bound_microseconds(characters: u64) -> u64 {
    characters.saturating_mul(AUDIO_MICROSECONDS_PER_CHARACTER).saturating_add(AUDIO_MICROSECONDS_AROUND)
}

/// List prices of an image model: per image, by resolution tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<ImageTier, NanoUsd>", into = "BTreeMap<ImageTier, NanoUsd>")]
pub struct ImagePrice(BTreeMap<ImageTier, NanoUsd>);

impl TryFrom<BTreeMap<ImageTier, NanoUsd>> for ImagePrice {
    type Error = InvalidPrice;

    fn try_from(tiers: BTreeMap<ImageTier, NanoUsd>) -> Result<Self, InvalidPrice> {
        if tiers.is_empty() {
            return Err(InvalidPrice::NoTiers);
        }
        if tiers.values().any(|price| price.is_negative()) {
            return Err(InvalidPrice::Negative);
        }
        Ok(Self(tiers))
    }
}

impl From<ImagePrice> for BTreeMap<ImageTier, NanoUsd> {
    fn from(price: ImagePrice) -> Self {
        price.0
    }
}

impl ImagePrice {
    /// The list price of one image of a tier; `None` where the tier is not sold.
    pub fn of(&self, tier: ImageTier) -> Option<NanoUsd> {
        self.0.get(&tier).copied()
    }

    /// The tiers that are sold, the smallest first.
    pub fn tiers(&self) -> impl Iterator<Item = (ImageTier, NanoUsd)> + '_ {
        self.0.iter().map(|(tier, price)| (*tier, *price))
    }

    pub(super) fn total(&self, usage: &Usage) -> Result<ListTotal, PriceError> {
        let line = |(bucket, quantity)| {
            let tier = ImageTier::ALL.into_iter().find(|tier| tier.bucket() == bucket);
            let tier = tier.ok_or(PriceError::OtherModality(bucket))?;
            Ok((quantity, self.of(tier).ok_or(PriceError::NoTier(tier))?))
        };
        ListTotal::sum(usage.iter().map(line), 1)
    }
}

/// List prices of a voice model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "VoicePriceFields", into = "VoicePriceFields")]
pub struct VoicePrice {
    /// Per minute of audio delivered.
    pub per_minute: NanoUsd,
    /// Per thousand characters of input: the least that is charged.
    pub per_1k_characters: NanoUsd,
}

/// [`VoicePrice`] before it is checked.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VoicePriceFields {
    per_minute: NanoUsd,
    per_1k_characters: NanoUsd,
}

impl TryFrom<VoicePriceFields> for VoicePrice {
    type Error = InvalidPrice;

    fn try_from(VoicePriceFields { per_minute, per_1k_characters }: VoicePriceFields) -> Result<Self, InvalidPrice> {
        if per_minute.is_negative() || per_1k_characters.is_negative() {
            return Err(InvalidPrice::Negative);
        }
        Ok(Self { per_minute, per_1k_characters })
    }
}

impl From<VoicePrice> for VoicePriceFields {
    fn from(VoicePrice { per_minute, per_1k_characters }: VoicePrice) -> Self {
        Self { per_minute, per_1k_characters }
    }
}

impl VoicePrice {
    /// The line of a bucket, which counts where it is the dearer one.
    pub(super) fn explain(&self, bucket: Bucket, usage: &Usage) -> ChargeLine {
        let nano = |bucket, price: NanoUsd, factor: i128| {
            i128::from(usage.get(bucket)).saturating_mul(i128::from(price.nano())).saturating_mul(factor)
        };
        let minutes = nano(Bucket::AudioMicroseconds, self.per_minute, 1);
        let characters =
            nano(Bucket::Characters, self.per_1k_characters, MICROSECONDS_PER_MINUTE / CHARACTERS_PER_PRICE);
        let quantity = usage.get(bucket);
        if bucket == Bucket::AudioMicroseconds {
            ChargeLine { bucket, quantity, list: self.per_minute, per: 60_000_000, counts: minutes >= characters }
        } else {
            ChargeLine { bucket, quantity, list: self.per_1k_characters, per: 1_000, counts: characters > minutes }
        }
    }

    /// The dearer of the minutes and the characters, over the common unit of both.
    pub(super) fn total(&self, usage: &Usage) -> Result<ListTotal, PriceError> {
        let priced = [Bucket::AudioMicroseconds, Bucket::Characters];
        if let Some((bucket, _)) = usage.iter().find(|(bucket, _)| !priced.contains(bucket)) {
            return Err(PriceError::OtherModality(bucket));
        }
        let line = |bucket, price: NanoUsd, factor: i128| {
            let cost = i128::from(usage.get(bucket)).checked_mul(i128::from(price.nano()));
            cost.and_then(|cost| cost.checked_mul(factor)).ok_or(PriceError::Overflow)
        };
        let minutes = line(Bucket::AudioMicroseconds, self.per_minute, 1)?;
        let factor = MICROSECONDS_PER_MINUTE / CHARACTERS_PER_PRICE;
        let characters = line(Bucket::Characters, self.per_1k_characters, factor)?;
        Ok(ListTotal { nano_units: minutes.max(characters), units: MICROSECONDS_PER_MINUTE })
    }
}

impl PriceRow {
    /// The most that `count` images of any of `tiers` cost: what is held before they are asked for.
    ///
    /// # Errors
    /// [`PriceError::NoTier`] where one of the tiers has no price, whatever the others cost: what may be
    /// delivered must be sold. As [`PriceRow::charge`] otherwise; no tiers at all cost nothing.
    pub fn image_hold(&self, tiers: &[ImageTier], count: u32) -> Result<NanoUsd, PriceError> {
        tiers.iter().try_fold(NanoUsd::ZERO, |most, tier| {
            let usage = Usage::default().with(tier.bucket(), count.into());
            self.charge(&usage).map(|charge| charge.max(most))
        })
    }

    /// The most that the speech of so many characters costs: the characters, or the audio at its slowest
    /// ([`audio_bound_microseconds`]), whichever is dearer.
    ///
    /// # Errors
    /// As [`PriceRow::charge`].
    pub fn speech_hold(&self, characters: u64) -> Result<NanoUsd, PriceError> {
        let usage = Usage::default()
            .with(Bucket::Characters, characters)
            .with(Bucket::AudioMicroseconds, audio_bound_microseconds(characters));
        self.charge(&usage)
    }

    /// The list price of one image of a tier, where the row prices images.
    pub fn image_tier(&self, tier: ImageTier) -> Option<NanoUsd> {
        match &self.list {
            ListPrice::Image(price) => price.of(tier),
            ListPrice::Text(_) | ListPrice::Voice(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::price::divide_rounding_up;
    use proptest::prelude::*;

    fn usd(text: &str) -> NanoUsd {
        text.parse().unwrap()
    }

    fn images(ratio: &str, tiers: &[(ImageTier, &str)]) -> PriceRow {
        let tiers: BTreeMap<_, _> = tiers.iter().map(|(tier, price)| (*tier, usd(price))).collect();
        PriceRow { ratio: ratio.parse().unwrap(), list: ListPrice::Image(tiers.try_into().unwrap()) }
    }

    fn speech(ratio: &str, per_minute: &str, per_1k_characters: &str) -> PriceRow {
        let price = VoicePrice { per_minute: usd(per_minute), per_1k_characters: usd(per_1k_characters) };
        PriceRow { ratio: ratio.parse().unwrap(), list: ListPrice::Voice(price) }
    }

    fn spoken(microseconds: u64, characters: u64) -> Usage {
        Usage::default().with(Bucket::AudioMicroseconds, microseconds).with(Bucket::Characters, characters)
    }

    #[test]
    fn images_cost_what_their_tiers_cost_rounded_up_once() {
        let row = images("38", &[(ImageTier::K1, "0.134"), (ImageTier::K2, "0.134"), (ImageTier::K4, "0.24")]);
        let usage = Usage::default().with(Bucket::Image2K, 3).with(Bucket::Image4K, 1);
        // (3 × 0.134 + 0.24) ÷ 38 = 0.0168947368421…
        assert_eq!(row.charge(&usage), Ok(NanoUsd::from_nano(16_894_737)));
        assert_eq!(row.list_cost(&usage), Ok(usd("0.642")));
        assert_eq!(row.charge(&Usage::default()), Ok(NanoUsd::ZERO), "nothing delivered is free");
    }

    #[test]
    fn a_tier_without_a_price_refuses_and_no_other_stands_in() {
        let row = images("40", &[(ImageTier::K2, "0.035"), (ImageTier::K3, "0.035")]);
        let small = Usage::default().with(Bucket::Image1K, 1).with(Bucket::Image2K, 1);
        assert_eq!(row.charge(&small), Err(PriceError::NoTier(ImageTier::K1)));
        assert_eq!(row.image_hold(&[ImageTier::K2, ImageTier::K4], 1), Err(PriceError::NoTier(ImageTier::K4)));
        assert_eq!(row.image_tier(ImageTier::K4), None);
        assert_eq!(row.image_hold(&[ImageTier::K2], 2), Ok(NanoUsd::from_nano(1_750_000)));
    }

    #[test]
    fn the_dearest_tier_that_may_come_is_held() {
        let row = images("38", &[(ImageTier::K2, "0.134"), (ImageTier::K4, "0.24")]);
        // 4 × 0.24 ÷ 38 = 0.0252631578947…
        let held = row.image_hold(&[ImageTier::K4, ImageTier::K2], 4);
        assert_eq!(held, Ok(NanoUsd::from_nano(25_263_158)));
    }

    #[test]
    fn the_dearer_of_minutes_and_characters_is_charged() {
        let row = speech("22", "0.08", "0.08");
        // 90 s × 0.08 ÷ 60 ÷ 22 = 0.00545454…
        assert_eq!(row.charge(&spoken(90_000_000, 1_000)), Ok(NanoUsd::from_nano(5_454_546)));
        // 5000 characters of tags: 5 × 0.08 ÷ 22 = 0.0181818…
        assert_eq!(row.charge(&spoken(1_000_000, 5_000)), Ok(NanoUsd::from_nano(18_181_819)));
        assert_eq!(row.charge(&spoken(60_000_000, 1_000)), row.charge(&spoken(60_000_000, 0)), "they are equal here");
        assert_eq!(row.charge(&spoken(1, 0)), Ok(NanoUsd::from_nano(1)), "a microsecond is not free");
        let tokens = spoken(1, 1).with(Bucket::Output, 1);
        assert_eq!(row.charge(&tokens), Err(PriceError::OtherModality(Bucket::Output)));
    }

    #[test]
    fn speech_is_held_at_its_slowest_or_by_its_characters() {
        // 1000 characters: 600 s and 5 s around, 605 × 0.08 ÷ 60 ÷ 22 = 0.03666…
        assert_eq!(speech("22", "0.08", "0.08").speech_hold(1_000), Ok(NanoUsd::from_nano(36_666_667)));
        // Characters that cost more than ten minutes of audio.
        assert_eq!(speech("22", "0.08", "2").speech_hold(1_000), Ok(NanoUsd::from_nano(90_909_091)));
        assert_eq!(speech("1", "1", "1").speech_hold(u64::MAX), Err(PriceError::Overflow));
    }

    #[test]
    fn rows_are_written_flat_and_what_cannot_be_is_refused() {
        let row = images("38", &[(ImageTier::K1Half, "0.042")]);
        assert_eq!(serde_json::to_string(&row.list).unwrap(), r#"{"image":{"1.5K":"0.042"}}"#);
        let voice = speech("22", "0.08", "0.10");
        let text = r#"{"voice":{"per_minute":"0.08","per_1k_characters":"0.10"}}"#;
        assert_eq!(serde_json::to_string(&voice.list).unwrap(), text);
        for (list, expected) in [(text, &voice.list), (r#"{"image":{"1.5K":"0.042"}}"#, &row.list)] {
            assert_eq!(&serde_json::from_str::<ListPrice>(list).unwrap(), expected);
        }
        for bad in [
            r#"{"image":{}}"#,
            r#"{"image":{"1K":"-0.01"}}"#,
            r#"{"image":{"1k":"0.01"}}"#,
            r#"{"voice":{"per_minute":"0.08"}}"#,
            r#"{"voice":{"per_minute":"0.08","per_1k_characters":"-1"}}"#,
            r#"{"voice":{"per_minute":"0.08","per_1k_characters":"1","per_hour":"1"}}"#,
        ] {
            assert!(serde_json::from_str::<ListPrice>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        /// ⌈a ÷ b⌉ by another way than the code's: as the quotient, and one more where something is left.
        #[test]
        fn speech_is_charged_exactly(
            microseconds in 0_u64..10_000_000_000, characters in 0_u64..50_000,
            per_minute in 0_i64..10_000_000_000, per_1k in 0_i64..10_000_000_000, ratio in 1_u32..100_000,
        ) {
            let price = VoicePrice {
                per_minute: NanoUsd::from_nano(per_minute),
                per_1k_characters: NanoUsd::from_nano(per_1k),
            };
            let row = PriceRow { ratio: super::super::Ratio::from_thousandths(ratio).unwrap(), list: ListPrice::Voice(price) };
            let ceil = |numerator: i128, denominator: i128| {
                numerator / denominator + i128::from(numerator % denominator != 0)
            };
            let by_minute = ceil(i128::from(microseconds) * i128::from(per_minute) * 1000, 60_000_000 * i128::from(ratio));
            let by_characters = ceil(i128::from(characters) * i128::from(per_1k), i128::from(ratio));
            let charge = row.charge(&spoken(microseconds, characters)).unwrap();
            prop_assert_eq!(i128::from(charge.nano()), by_minute.max(by_characters));
        }

        #[test]
        fn a_hold_covers_every_mixture_of_its_tiers(counts in proptest::array::uniform3(0_u32..10)) {
            let tiers = [ImageTier::K1, ImageTier::K2, ImageTier::K4];
            let row = images("37.5", &[(tiers[0], "0.0333333"), (tiers[1], "0.134"), (tiers[2], "0.24")]);
            let delivered = tiers.iter().zip(counts).fold(Usage::default(), |usage, (tier, count)| {
                usage.with(tier.bucket(), count.into())
            });
            let held = row.image_hold(&tiers, counts.iter().sum()).unwrap();
            prop_assert!(row.charge(&delivered).unwrap() <= held);
        }
    }

    #[test]
    fn a_formula_adds_up_to_its_charge() {
        let list = VoicePrice { per_minute: usd("0.08"), per_1k_characters: usd("0.08") };
        let row = PriceRow { ratio: "22".parse().unwrap(), list: ListPrice::Voice(list) };
        let speech = |microseconds, characters| {
            Usage::default().with(Bucket::AudioMicroseconds, microseconds).with(Bucket::Characters, characters)
        };
        let pictures = images("40", &[(ImageTier::K2, "0.035"), (ImageTier::K4, "0.24")]);
        let drawn = Usage::default().with(Bucket::Image2K, 2).with(Bucket::Image4K, 1);
        for (row, usage) in [(&row, speech(90_000_000, 100)), (&row, speech(1_000_000, 5_000)), (&pictures, drawn)] {
            let lines = row.explain(&usage).unwrap();
            // A common multiple of every unit keeps the sum whole.
            let unit = 60_000_000_i128;
            let line = |line: &ChargeLine| {
                i128::from(line.quantity) * i128::from(line.list.nano()) * (unit / i128::from(line.per))
            };
            let total: i128 = lines.iter().filter(|line| line.counts).map(line).sum();
            let charge = divide_rounding_up(total * 1000, unit * i128::from(row.ratio.thousandths()));
            assert_eq!(charge, row.charge(&usage).ok(), "{usage:?}: {lines:?}");
        }
        let lines = row.explain(&speech(90_000_000, 100)).unwrap();
        assert_eq!(lines.iter().map(|line| line.counts).collect::<Vec<_>>(), [true, false], "the minutes are dearer");
        assert!(pictures.explain(&speech(1, 1)).is_err());
    }
}
