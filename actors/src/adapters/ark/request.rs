//! The call that makes one image.

use bytes::Bytes;
use serde::Serialize;

use crate::media::{Auth, Call, Canvas, ImageJob, Setting};

/// Of `OpenAI`'s fields Ark knows three; a link is answered unless an image is asked for inside.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    prompt: &'a str,
    size: String,
    response_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_format: Option<&'static str>,
    /// On by default upstream, and visible.
    watermark: bool,
}

/// An answer holds links and counts.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn call(job: &ImageJob, setting: &Setting<'_>) -> Call {
    let size = match job.canvas {
        Canvas::Pixels(pixels) => pixels.to_string(),
        Canvas::Default | Canvas::Ratio(_) => job.tier.name().to_owned(),
    };
    let body = Body {
        model: setting.upstream_model,
        prompt: &job.prompt,
        size,
        response_format: "url",
        output_format: job.output_format.map(crate::media::ImageFormat::name),
        watermark: false,
    };
    // Strings and a flag: writing them to memory does not fail.
    let body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
    let path = "/api/v3/images/generations".to_owned();
    Call::generate(path, Auth::Bearer, "application/json", body, ANSWER_BYTES_MAX)
}
