//! What is accepted, and what it costs in Anlas.

use super::refusal;
use crate::{
    dialect::Refusal,
    json::{given, text},
};
use serde_json::Value;

const MODELS: &[&str] = &[
    "nai-diffusion-4-full",
    "nai-diffusion-4-curated",
    "nai-diffusion-4-curated-preview",
    "nai-diffusion-4-5-full",
    "nai-diffusion-4-5-curated",
    "nai-diffusion-5-full",
    "nai-diffusion-5-curated",
];

const SAMPLERS: &[&str] =
    &["k_euler", "k_euler_ancestral", "k_dpmpp_2m", "k_dpmpp_2m_sde", "k_dpmpp_sde", "k_dpmpp_2s_ancestral", "ddim_v3"];

/// The most pictures of a call by the pixels of each.
const SAMPLES_MAX: &[(u64, u64)] = &[(360_000, 8), (410_000, 6), (1_310_720, 4), (1_572_864, 2), (3_145_728, 1)];

/// A request that was found good.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) model: String,
    pub(super) prompt: String,
    /// Whether the prompt stood where the fourth generation looks for it.
    pub(super) has_prompt: bool,
    pub(super) size: (u32, u32),
    pub(super) steps: u64,
    pub(super) samples: u64,
    pub(super) seed: u64,
    pub(super) sampler: String,
}

impl Order {
    /// The price. "Opus" has the first picture for nothing, up to a megapixel and 28 steps.
    pub(super) fn anlas(&self, has_opus: bool) -> u64 {
        let pixels = u64::from(self.size.0) * u64::from(self.size.1);
        let is_free = has_opus && pixels <= 1_048_576 && self.steps <= 28;
        each(pixels, self.steps) * self.samples.saturating_sub(u64::from(is_free))
    }
}

/// `max(2, ceil(2.951823e-6·pixels + 5.753298e-7·pixels·steps))`, in units of 1e-13.
fn each(pixels: u64, steps: u64) -> u64 {
    let exact = pixels * 29_518_230 + pixels * steps * 5_753_298;
    exact.div_ceil(10_000_000_000_000).max(2)
}

/// Checks a request.
pub(super) fn read(body: &Value) -> Result<Order, Refusal> {
    let wrong = |what: &str| refusal(400, format!("Validation error: {what}"));
    let Some(input) = text(body, "input") else { return Err(wrong("input must be a string")) };
    let model = text(body, "model").unwrap_or_default();
    if !MODELS.contains(&model) {
        return Err(wrong("model must be a valid enum value"));
    }
    if text(body, "action") != Some("generate") {
        return Err(wrong("action must be a valid enum value"));
    }
    let Some(parameters) = given(body, "parameters").filter(|parameters| parameters.is_object()) else {
        return Err(wrong("parameters must be an object"));
    };
    let ranged = |name: &str, usual: u64, low: u64, high: u64| match given(parameters, name) {
        None => Ok(usual),
        Some(value) => value
            .as_u64()
            .filter(|value| (low..=high).contains(value))
            .ok_or_else(|| wrong(&format!("{name} must be an integer from {low} to {high}"))),
    };
    let side = |name: &str| {
        let side = ranged(name, 0, 64, 1920)?;
        if side == 0 || side % 64 != 0 {
            return Err(wrong(&format!("{name} must be a multiple of 64")));
        }
        u32::try_from(side).map_err(|_| wrong(name))
    };
    let size = (side("width")?, side("height")?);
    let pixels = u64::from(size.0) * u64::from(size.1);
    let Some((_, samples_max)) = SAMPLES_MAX.iter().find(|(most, _)| pixels <= *most) else {
        return Err(wrong("the area of the image is too large"));
    };
    let scale = given(parameters, "scale").map_or(Some(5.0), Value::as_f64);
    if scale.is_none_or(|scale| !(0.0..=10.0).contains(&scale)) {
        return Err(wrong("scale must be a number from 0 to 10"));
    }
    let sampler = text(parameters, "sampler").unwrap_or("k_euler_ancestral");
    if !SAMPLERS.contains(&sampler) {
        return Err(wrong("sampler must be a valid enum value"));
    }
    // WebP exists there and not here.
    if text(parameters, "image_format").is_some_and(|format| format != "png") {
        return Err(wrong("image_format must be png"));
    }
    let caption = given(parameters, "v4_prompt").and_then(|prompt| text(given(prompt, "caption")?, "base_caption"));
    Ok(Order {
        model: model.to_owned(),
        prompt: caption.unwrap_or(input).to_owned(),
        has_prompt: caption.is_some_and(|caption| !caption.is_empty()),
        size,
        steps: ranged("steps", 28, 1, 50)?,
        samples: ranged("n_samples", 1, 1, *samples_max)?,
        seed: ranged("seed", 0, 0, u64::from(u32::MAX))?,
        sampler: sampler.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(name: &str, value: Value) -> Result<Order, Refusal> {
        let mut body = json!({"action": "generate", "input": "a cat", "model": "nai-diffusion-4-full",
            "parameters": {"width": 832, "height": 1216, "steps": 28}});
        body["parameters"][name] = value;
        read(&body)
    }

    #[test]
    fn prices_are_those_of_the_formula() {
        // About 20 for the usual sizes, 17 at 23 steps, 30 for the large ones.
        assert_eq!(with("seed", json!(1)).unwrap().anlas(false), 20);
        assert_eq!(with("steps", json!(23)).unwrap().anlas(false), 17);
        assert_eq!(each(1024 * 1536, 28), 30);
        assert_eq!(each(64 * 64, 1), 2);
        assert_eq!(with("n_samples", json!(3)).unwrap().anlas(false), 60);
        assert_eq!(with("n_samples", json!(3)).unwrap().anlas(true), 40);
        assert_eq!(with("steps", json!(29)).unwrap().anlas(true), 20);
    }

    #[test]
    fn limits_hold() {
        for (name, wrong) in [
            ("width", json!(830)),
            ("width", json!(null)),
            ("height", json!(4096)),
            ("steps", json!(51)),
            ("n_samples", json!(5)),
            ("scale", json!(11)),
            ("seed", json!(-1)),
            ("sampler", json!("euler")),
            ("image_format", json!("webp")),
        ] {
            assert_eq!(with(name, wrong.clone()).unwrap_err().status, 400, "{name} {wrong}");
        }
        assert!(!with("v4_prompt", json!(null)).unwrap().has_prompt);
        let caption = json!({"caption": {"base_caption": "a dog", "char_captions": []}});
        assert_eq!(with("v4_prompt", caption).unwrap().prompt, "a dog");
    }
}
