//! The calls: create a task, ask after it.

use bytes::Bytes;
use serde::Serialize;

use crate::domain::image_tier::ImageTier;
use crate::media::{Auth, Call, Canvas, ImageJob, Place, Setting};

/// A task with four links is a few kilobytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Models without a mode: the SDXL ones. Which mode runs decides what a task costs, so it is sent otherwise.
const WITHOUT_MODE: [&str; 2] = ["1861558740588989558", "1954632828118619567"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    model_version_id: &'a str,
    prompt: &'a str,
    aspect_ratio: &'static str,
    size: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    batch_size: u32,
    /// Rewrites the prompt otherwise.
    prompt_helper: &'static str,
}

/// Creates a task.
pub(super) fn create(job: &ImageJob, setting: &Setting<'_>) -> Call {
    let body = Body {
        model_version_id: setting.upstream_model,
        prompt: &job.prompt,
        aspect_ratio: match job.canvas {
            Canvas::Ratio(ratio) => ratio,
            Canvas::Default | Canvas::Pixels(_) => "1:1",
        },
        size: if job.tier > ImageTier::K1 { "1.5k" } else { "1k" },
        mode: (!WITHOUT_MODE.contains(&setting.upstream_model)).then_some("standard"),
        batch_size: job.count,
        prompt_helper: "disable",
    };
    // Strings and a number: writing them to memory does not fail.
    let body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
    Call::generate("/v2/image/create".to_owned(), Auth::Bearer, "application/json", body, ANSWER_BYTES_MAX)
}

/// Asks after a task: v2 creates, v1 tells.
pub(super) fn poll(task: &str) -> Call {
    let place = Place::Provider { path: format!("/v1/task/{task}"), auth: Auth::Bearer };
    Call::read(place, "application/json", ANSWER_BYTES_MAX)
}

/// Where a file is that has no link.
pub(super) fn media_path(media: &str) -> String {
    format!("/v1/media/{media}/image")
}
