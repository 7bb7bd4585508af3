//! What is accepted, how large a picture becomes, and what it costs.

use super::refusal;
use crate::{
    dialect::Refusal,
    json::{given, list, text},
};
use serde_json::Value;

/// Tsubaki.2: the only one here with modes and styles.
const TSUBAKI: &str = "1983308862240288769";
const MODELS: &[&str] = &[TSUBAKI, "1861558740588989558", "1954632828118619567"];

const RATIOS: &[(&str, u64, u64)] = &[
    ("1:1", 1, 1),
    ("2:3", 2, 3),
    ("3:2", 3, 2),
    ("3:4", 3, 4),
    ("4:3", 4, 3),
    ("3:5", 3, 5),
    ("5:3", 5, 3),
    ("9:16", 9, 16),
    ("16:9", 16, 9),
    ("1:3", 1, 3),
    ("3:1", 3, 1),
];

/// Credits for a picture.
const MODES: &[(&str, u64)] = &[("lite", 2_200), ("standard", 3_200), ("pro", 6_800), ("ultra", 7_000)];

/// A request that was found good.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) model: String,
    pub(super) prompt: String,
    pub(super) size: (u32, u32),
    pub(super) batch: u64,
    pub(super) mode: String,
    pub(super) seed: u64,
    each: u64,
}

impl Order {
    /// The price of the batch.
    pub(super) fn credits(&self) -> u64 {
        self.each * self.batch
    }
}

/// Checks a request.
pub(super) fn read(body: &Value) -> Result<Order, Refusal> {
    let wrong = |what: &str| refusal(400, format!("Validation failed: {what}"));
    let Some(model) = text(body, "modelVersionId") else { return Err(wrong("modelVersionId must be a string")) };
    if !MODELS.contains(&model) {
        return Err(wrong("modelVersionId is not a known model version"));
    }
    let prompt = text(body, "prompt").filter(|prompt| !prompt.trim().is_empty());
    let Some(prompt) = prompt else { return Err(wrong("prompt must be a string that is not empty")) };
    let named = |name: &str, usual: &'static str| match given(body, name) {
        None => Ok(usual.to_owned()),
        Some(Value::String(value)) => Ok(value.clone()),
        Some(_) => Err(wrong(&format!("{name} must be a string"))),
    };
    let ratio = named("aspectRatio", "1:1")?;
    let Some((_, across, down)) = RATIOS.iter().find(|(name, ..)| *name == ratio) else {
        return Err(wrong("aspectRatio is not one of the allowed values"));
    };
    let side = match named("size", "1k")?.as_str() {
        "1k" => 1024,
        "1.5k" => 1536,
        _ => return Err(wrong("size must be 1k or 1.5k")),
    };
    for name in ["mode", "style"] {
        if model != TSUBAKI && given(body, name).is_some() {
            return Err(wrong(&format!("{name} is not supported by this model")));
        }
    }
    let mode = named("mode", "standard")?;
    let Some((_, each)) = MODES.iter().find(|(name, _)| *name == mode) else {
        return Err(wrong("mode must be lite, standard, pro or ultra"));
    };
    let batch = given(body, "batchSize").map_or(Some(1), Value::as_u64).filter(|batch| [1, 4].contains(batch));
    let Some(batch) = batch else { return Err(wrong("batchSize must be 1 or 4")) };
    if list(body, "loras").len() > 5 {
        return Err(wrong("loras must have at most 5 entries"));
    }
    Ok(Order {
        model: model.to_owned(),
        prompt: prompt.to_owned(),
        size: pixels(side, *across, *down),
        batch,
        mode,
        seed: given(body, "seed").and_then(Value::as_u64).unwrap_or(0),
        each: *each,
    })
}

/// About `side` times `side` pixels in this ratio, both sides multiples of eight.
fn pixels(side: u64, across: u64, down: u64) -> (u32, u32) {
    let root = |part: u64, whole: u64| {
        let exact = (side * side * part / whole.max(1)).isqrt();
        u32::try_from((exact + 4) / 8 * 8).unwrap_or(0)
    };
    (root(across, down), root(down, across))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(name: &str, value: Value) -> Result<Order, Refusal> {
        let mut body = json!({"modelVersionId": TSUBAKI, "prompt": "a cat"});
        body[name] = value;
        read(&body)
    }

    #[test]
    fn sizes_and_prices_follow_the_request() {
        let plain = with("seed", json!(7)).unwrap();
        assert_eq!((plain.size, plain.credits(), plain.batch, plain.seed), ((1024, 1024), 3_200, 1, 7));
        assert_eq!(with("aspectRatio", json!("16:9")).unwrap().size, (1368, 768));
        assert_eq!(with("aspectRatio", json!("1:3")).unwrap().size, (592, 1776));
        assert_eq!(with("size", json!("1.5k")).unwrap().size, (1536, 1536));
        assert_eq!(with("mode", json!("lite")).unwrap().credits(), 2_200);
        assert_eq!(with("batchSize", json!(4)).unwrap().credits(), 12_800);
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        for (name, wrong) in [
            ("modelVersionId", json!("pixai-v4")),
            ("prompt", json!(" ")),
            ("aspectRatio", json!("21:9")),
            ("size", json!("2k")),
            ("mode", json!("best")),
            ("batchSize", json!(2)),
            ("loras", json!([1, 2, 3, 4, 5, 6])),
        ] {
            assert_eq!(with(name, wrong.clone()).unwrap_err().status, 400, "{name} {wrong}");
        }
        let other = json!({"modelVersionId": MODELS[1], "prompt": "a cat", "mode": "lite"});
        assert!(read(&other).unwrap_err().message.contains("not supported by this model"));
    }
}
