//! What every size class of every image model costs, against exact fractions that are worked out here.

use std::collections::BTreeSet;
use std::fmt::Write;

use lmhaven::config::{Config, FixedEnvironment};
use lmhaven_actors::domain::price::{ListPrice, PriceRow};
use serde_json::{Value, json};

use super::{draw, generate};
use crate::harness::{Haven, charge_of, nano, usd};

/// A size, the tier that its images are charged in, and how many are asked for.
struct Class {
    model: &'static str,
    size: &'static str,
    /// Its name in price rows, and where its images are counted.
    tier: (&'static str, &'static str),
    n: u32,
}

const fn sized(model: &'static str, size: &'static str, tier: (&'static str, &'static str), n: u32) -> Class {
    Class { model, size, tier, n }
}

const K1: (&str, &str) = ("1K", "image_1k");
const K1_5: (&str, &str) = ("1.5K", "image_1_5k");
const K2: (&str, &str) = ("2K", "image_2k");
const K3: (&str, &str) = ("3K", "image_3k");
const K4: (&str, &str) = ("4K", "image_4k");

/// Every class of size of every model, more than one image of each tier at least once.
const SIZES: [Class; 31] = [
    // What is too small for Lite is made at its least, and what is too large at its most.
    sized("seedream-5", "auto", K2, 1),
    sized("seedream-5", "512x512", K2, 1),
    sized("seedream-5", "1024x1024", K2, 3),
    sized("seedream-5", "2848x1600", K2, 1),
    sized("seedream-5", "3072x3072", K3, 2),
    sized("seedream-5", "4096x4096", K3, 1),
    sized("seedream-5-pro", "512x512", K1, 1),
    sized("seedream-5-pro", "1024x1024", K1, 3),
    sized("seedream-5-pro", "1440x1440", K1_5, 2),
    sized("seedream-5-pro", "auto", K2, 1),
    sized("seedream-5-pro", "2048x2048", K2, 3),
    sized("seedream-5-pro", "4096x4096", K2, 1),
    sized("novelai-v4", "auto", K1, 1),
    sized("novelai-v4", "1024x1024", K1, 3),
    sized("novelai-v4", "1344x768", K1, 1),
    sized("novelai-v4", "1536x1024", K1_5, 3),
    sized("novelai-v4", "1024x1536", K1_5, 1),
    sized("novelai-v4", "4096x4096", K1_5, 1),
    sized("pixai-v4", "auto", K1, 1),
    sized("pixai-v4", "1024x1024", K1, 5),
    sized("pixai-v4", "1536x1536", K1_5, 1),
    sized("pixai-v4", "1024x1792", K1_5, 4),
    sized("nano-banana-pro", "auto", K1, 1),
    sized("nano-banana-pro", "1024x1024", K1, 3),
    sized("nano-banana-pro", "1920x1080", K1, 1),
    sized("nano-banana-pro", "2048x2048", K2, 3),
    sized("nano-banana-pro", "2752x1536", K2, 1),
    sized("nano-banana-pro", "4096x4096", K4, 2),
    sized("nano-banana-pro", "3072x3072", K4, 1),
    sized("nano-banana-pro", "5504x3072", K4, 1),
    sized("nano-banana-pro", "256x256", K1, 7),
];

/// Tiers and their list prices in dollars.
type Tiers = &'static [(&'static str, &'static str)];

/// Model, ratio, and the list price of each tier in dollars: those of the shipped configuration, and Pro's.
const PRICES: [(&str, i128, Tiers); 5] = [
    ("seedream-5", 40, &[("2K", "0.035"), ("3K", "0.035")]),
    ("seedream-5-pro", 40, &[("1K", "0.045"), ("1.5K", "0.045"), ("2K", "0.09")]),
    ("novelai-v4", 45, &[("1K", "0.028"), ("1.5K", "0.042")]),
    ("pixai-v4", 60, &[("1K", "0.107"), ("1.5K", "0.107")]),
    ("nano-banana-pro", 38, &[("1K", "0.134"), ("2K", "0.134"), ("4K", "0.24")]),
];

/// The larger Seedream, which is not in the roster.
fn with_pro(_simulator: &str) -> String {
    let mut text = String::new();
    let (model, ratio, tiers) = PRICES[1];
    let prices: Vec<String> = tiers.iter().map(|(tier, price)| format!("\"{tier}\" = \"{price}\"")).collect();
    let _ = write!(
        text,
        "\n[[models]]\nid = \"{model}\"\nmodality = \"image\"\nprovider = \"ark\"\nratio = {ratio}\n\
         upstream_model = \"dola-seedream-5-0-pro-260628\"\nlist_price = {{ {} }}\n",
        prices.join(", ")
    );
    text
}

/// ⌈n × list price ÷ ratio × 10⁹⌉ of a decimal fraction of dollars, in whole numbers: the price is `digits` over a
/// power of ten.
fn exact(list_price: &str, n: u32, ratio: i128) -> i128 {
    let (whole, fraction) = list_price.split_once('.').unwrap();
    let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
    let power = 10_i128.pow(u32::try_from(fraction.len()).unwrap());
    let (above, below) = (i128::from(n) * digits * 1_000_000_000, power * ratio);
    above / below + i128::from(above % below != 0)
}

fn price_of(model: &str, tier: &str) -> (&'static str, i128) {
    let (_, ratio, tiers) = PRICES.into_iter().find(|known| known.0 == model).unwrap();
    (tiers.iter().find(|known| known.0 == tier).unwrap().1, ratio)
}

#[actix_web::test]
async fn every_size_of_every_model_is_charged_as_exact_fractions_say() {
    let haven = Haven::start_with_more(with_pro, &[]).await;
    // Providers beside each other; the requests of one model after each other.
    let models = PRICES.map(|(model, ..)| charge_each_size(&haven, model));
    futures_util::future::join_all(models).await;
    haven.finish().await;
}

async fn charge_each_size(haven: &Haven, model: &str) {
    let workspace = haven.workspace("1").await;
    let mut left = nano("1");
    for Class { size, tier: (tier, bucket), n, .. } in SIZES.iter().filter(|sized| sized.model == model) {
        let (list_price, ratio) = price_of(model, tier);
        let cost = exact(list_price, *n, ratio);
        let mut body = draw(model, *n, "b64_json");
        body["size"] = (*size).into();
        let reply = generate(haven, &workspace, &body).await.ok();
        assert_eq!(reply.body["data"].as_array().unwrap().len(), *n as usize, "{model} {size}");
        assert_eq!(reply.cost(), cost, "{model} {size} × {n}");
        let settle = haven.last_settle(&workspace).await;
        assert_eq!(charge_of(&settle), cost, "{model} {size} × {n}");
        let used: Vec<(&str, u64)> = settle["usage"]
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(name, count)| Some((name.as_str(), count.as_u64()?)))
            .filter(|(name, count)| name.starts_with("image") && *count > 0)
            .collect();
        assert_eq!(used, [(*bucket, u64::from(*n))], "{model} {size}: {settle}");
        left -= cost;
        assert_eq!(usd(haven.settled_balance(&workspace).await.balance), usd(left), "{model} {size} × {n}");
    }
}

#[test]
fn the_fractions_are_those_that_were_worked_out_by_hand() {
    // 0.134 ÷ 38 = 0.003526315…, thrice that is 0.010578947…; 0.035 ÷ 40 is whole.
    assert_eq!([exact("0.134", 1, 38), exact("0.134", 3, 38)], [3_526_316, 10_578_948]);
    assert_eq!([exact("0.035", 1, 40), exact("0.24", 1, 38)], [875_000, 6_315_790]);
}

#[actix_web::test]
async fn no_tier_that_is_shipped_is_left_out() {
    let shipped = Config::parse(None, &FixedEnvironment::default()).unwrap();
    let haven = Haven::start().await;
    let rows = |config: &Config| -> Vec<(String, PriceRow)> {
        let images = config.models.iter().filter(|model| matches!(model.price.list, ListPrice::Image(_)));
        let mut rows: Vec<_> = images.map(|model| (model.id.to_string(), model.price.clone())).collect();
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        rows
    };
    let shipped = rows(&shipped);
    assert_eq!(rows(&haven.server.gateway.config), shipped, "what is tested is what is shipped");
    haven.finish().await;
    let mut tiers = BTreeSet::new();
    for (model, row) in &shipped {
        let ListPrice::Image(prices) = &row.list else { continue };
        for (tier, price) in prices.tiers() {
            let (list_price, ratio) = price_of(model, tier.name());
            assert_eq!(nano(&price.to_string()), nano(list_price), "{model} {tier}");
            assert_eq!(row.ratio.to_string(), ratio.to_string(), "{model}");
            tiers.insert((model.as_str(), tier.name()));
        }
    }
    for sized in SIZES.iter().filter(|sized| sized.model != "seedream-5-pro") {
        price_of(sized.model, sized.tier.0);
    }
    let tested = |model: &str, tier: &str, more: bool| {
        SIZES.iter().any(|sized| (sized.model, sized.tier.0) == (model, tier) && (sized.n > 1) == more)
    };
    for (model, tier) in tiers {
        assert!(tested(model, tier, false) && tested(model, tier, true), "{model} {tier}: one and several");
    }
}

#[actix_web::test]
async fn a_tier_without_a_price_is_refused_for_every_model_and_no_other_stands_in_for_it() {
    let haven = Haven::start_with_more(with_pro, &[]).await;
    let workspace = haven.workspace("1").await;
    for (model, ratio, tiers) in PRICES {
        for (missing, _) in tiers {
            let sold: serde_json::Map<String, Value> = tiers
                .iter()
                .filter(|(tier, _)| tier != missing)
                .map(|(tier, price)| ((*tier).to_owned(), Value::from(*price)))
                .collect();
            let row = json!({ "id": model, "ratio": ratio, "list_price": sold });
            haven.admin_ok("POST", "/prices", &json!({ "reason": "one tier less", "models": [row] })).await;
            for sized in SIZES.iter().filter(|sized| (sized.model, sized.tier.0) == (model, *missing)) {
                let mut body = draw(model, 1, "b64_json");
                body["size"] = sized.size.into();
                let reply = generate(&haven, &workspace, &body).await;
                assert_eq!(reply.refusal(), (400, "invalid_request"), "{model} {} without {missing}", sized.size);
                assert_eq!(reply.body["error"]["param"], "size", "{model} {}", sized.size);
            }
            assert_eq!(haven.control.calls().len(), 0, "{model} without {missing}: somebody was asked");
        }
        // What is smaller than the last that is missing is sold as before.
        let (smallest, price) = tiers[0];
        let own = SIZES.iter().find(|sized| (sized.model, sized.tier.0) == (model, smallest)).unwrap();
        let mut body = draw(model, 1, "b64_json");
        body["size"] = own.size.into();
        let reply = generate(&haven, &workspace, &body).await.ok();
        assert_eq!(reply.cost(), exact(price, 1, ratio), "{model} {}", own.size);
        haven.control.reset();
    }
    haven.finish().await;
}
