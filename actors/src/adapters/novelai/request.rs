//! The call that makes a handful of images.
//!
//! The body is the one that the site's own clients send. V4 reads the prompt from `v4_prompt` alone. Quality
//! tags and negative tags, which those clients append, are left out: what is drawn is what was asked for.

use bytes::Bytes;
use serde_json::json;

use crate::media::{Auth, Call, Canvas, ImageJob, Setting};

const PATH: &str = "/ai/generate-image";
/// Files of a few megabytes each, at most eight.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Twenty Anlas for a megapixel, on which our price stands.
const STEPS: u32 = 28;

pub(super) fn call(job: &ImageJob, setting: &Setting<'_>) -> Call {
    let (width, height) = match job.canvas {
        Canvas::Pixels(pixels) => (pixels.width, pixels.height),
        Canvas::Default | Canvas::Ratio(_) => (1024, 1024),
    };
    let prompt = &*job.prompt;
    let body = json!({
        "action": "generate",
        "input": prompt,
        "model": setting.upstream_model,
        "parameters": {
            "params_version": 3,
            "width": width,
            "height": height,
            "scale": 5,
            "sampler": "k_euler_ancestral",
            "steps": STEPS,
            // Image i of the batch uses seed + i, within 32 bits.
            "seed": setting.seed.min(u32::MAX - job.count),
            "n_samples": job.count,
            "noise_schedule": "karras",
            "cfg_rescale": 0,
            "negative_prompt": "",
            "ucPreset": 4,
            "qualityToggle": false,
            "image_format": "png",
            "v4_prompt": {
                "caption": {"base_caption": prompt, "char_captions": []},
                "use_coords": false,
                "use_order": true,
            },
            "v4_negative_prompt": {
                "caption": {"base_caption": "", "char_captions": []},
                "legacy_uc": false,
            },
            "characterPrompts": [],
            "legacy": false,
            "prefer_brownian": true,
        },
    });
    Call::generate(PATH.to_owned(), Auth::Bearer, "*/*", Bytes::from(body.to_string()), ANSWER_BYTES_MAX)
}
