//! What the shipped media models cost, to the nano-dollar, against figures that were worked out apart from
//! the code: with exact fractions, as ⌈list price × quantity ÷ ratio × 10⁹⌉.

use lmhaven_actors::domain::image_tier::ImageTier;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::price::{ListPrice, PriceError, PriceRow};
use lmhaven_actors::domain::usage::{Bucket, Usage};

use super::*;

/// Model, tier, one image, seven images.
const IMAGES: [(&str, ImageTier, i64, i64); 9] = [
    ("seedream-5", ImageTier::K2, 875_000, 6_125_000),
    ("seedream-5", ImageTier::K3, 875_000, 6_125_000),
    ("novelai-v4", ImageTier::K1, 622_223, 4_355_556),
    ("novelai-v4", ImageTier::K1Half, 933_334, 6_533_334),
    ("pixai-v4", ImageTier::K1, 1_783_334, 12_483_334),
    ("pixai-v4", ImageTier::K1Half, 1_783_334, 12_483_334),
    ("nano-banana-pro", ImageTier::K1, 3_526_316, 24_684_211),
    ("nano-banana-pro", ImageTier::K2, 3_526_316, 24_684_211),
    ("nano-banana-pro", ImageTier::K4, 6_315_790, 44_210_527),
];
/// Microseconds, characters, charge.
const SPEECH: [(u64, u64, i64); 5] = [
    (60_000_000, 1_000, 3_636_364),
    (61_250_001, 940, 3_712_122),
    (1_000_000, 5_000, 18_181_819),
    (1, 1, 3_637),
    (2_999_999_999, 5_000, 181_818_182),
];
/// Characters, hold.
const SPEECH_HOLDS: [(u64, i64); 3] = [(1, 339_394), (1_000, 36_666_667), (5_000, 182_121_213)];

fn row(model: &str) -> PriceRow {
    let config = Config::parse(None, &FixedEnvironment::default()).unwrap();
    config.models.iter().find(|known| &*known.id == model).unwrap().price.clone()
}

#[test]
fn every_tier_of_every_image_model_costs_what_was_worked_out() {
    let mut priced = 0;
    for (model, tier, one, seven) in IMAGES {
        let row = row(model);
        let of = |count| row.charge(&Usage::default().with(tier.bucket(), count)).map(NanoUsd::nano);
        assert_eq!((of(1), of(7)), (Ok(one), Ok(seven)), "{model} {tier}");
        assert_eq!(row.image_hold(&[tier], 7).map(NanoUsd::nano), Ok(seven), "{model} {tier}");
        priced += 1;
    }
    let config = Config::parse(None, &FixedEnvironment::default()).unwrap();
    let rows = config.models.iter().filter_map(|model| match &model.price.list {
        ListPrice::Image(price) => Some((model, price)),
        ListPrice::Text(_) | ListPrice::Voice(_) => None,
    });
    let mut tiers = 0;
    for (model, price) in rows {
        tiers += price.tiers().count();
        for tier in ImageTier::ALL.into_iter().filter(|tier| price.of(*tier).is_none()) {
            let charge = model.price.charge(&Usage::default().with(tier.bucket(), 1));
            assert_eq!(charge, Err(PriceError::NoTier(tier)), "{}", model.id);
        }
    }
    assert_eq!(tiers, priced, "a tier is shipped that was not worked out");
}

#[test]
fn speech_costs_and_holds_what_was_worked_out() {
    let row = row("elevenlabs-v3");
    for (microseconds, characters, charge) in SPEECH {
        let used = Usage::default().with(Bucket::AudioMicroseconds, microseconds).with(Bucket::Characters, characters);
        assert_eq!(row.charge(&used).map(NanoUsd::nano), Ok(charge), "{used:?}");
    }
    for (characters, hold) in SPEECH_HOLDS {
        assert_eq!(row.speech_hold(characters).map(NanoUsd::nano), Ok(hold), "{characters} characters");
    }
}
