//! Images from Gemini: Nano Banana Pro.
//!
//! The same endpoint as for chat, but whole answers only, with the image inside, and refusals that come as a
//! success. `n` images are that many calls: more than one candidate is refused. Facts: `wire/media.md` §5.
//!
//! | what | file |
//! |---|---|
//! | ratios and tiers, the plan of a request | `size` |
//! | the call and its answer | this one, `answer` |
//! | errors | `fault` |

mod answer;
mod fault;
mod size;

use bytes::Bytes;
use serde::Serialize;

use crate::media::{Auth, Call, Canvas, Delivery, ImageJob, MediaFault, News, Setting, Step};

pub use size::plan;

/// Base64 of the largest image, and drafts before it.
const ANSWER_BYTES_MAX: usize = 96 * 1024 * 1024;

/// A generation that runs.
#[derive(Clone, Copy, Debug)]
pub struct Machine;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    contents: [Content<'a>; 1],
    generation_config: Config,
}

#[derive(Serialize)]
struct Content<'a> {
    role: &'static str,
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
struct Part<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    response_modalities: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    image_config: Option<ImageConfig>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageConfig {
    aspect_ratio: &'static str,
    /// With a capital K, or it is refused.
    image_size: &'static str,
}

impl Machine {
    /// A generation and its first step.
    pub fn begin(job: &ImageJob, setting: &Setting<'_>) -> (Self, Step<Delivery>) {
        let image_config = match job.canvas {
            Canvas::Ratio(aspect_ratio) => Some(ImageConfig { aspect_ratio, image_size: job.tier.name() }),
            // The model then chooses the ratio, in its smallest size.
            Canvas::Default | Canvas::Pixels(_) => None,
        };
        let body = Body {
            contents: [Content { role: "user", parts: [Part { text: &job.prompt }] }],
            generation_config: Config { response_modalities: ["IMAGE"], image_config },
        };
        // Strings: writing them to memory does not fail.
        let body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
        let path = super::endpoint(setting.upstream_model, false);
        (Self, Step::Call(Call::generate(path, Auth::XGoogApiKey, "application/json", body, ANSWER_BYTES_MAX)))
    }

    /// What follows from what came of the last step.
    pub fn next(&mut self, news: News) -> Step<Delivery> {
        match news {
            News::Answer(answer) if !answer.is_success() => {
                Step::Failed(fault::of_answer(answer.status, &answer.body, answer.retry_after_millis))
            }
            News::Answer(answer) => match answer::image(answer.body) {
                Ok(image) => Step::Done(Delivery { images: vec![image], missing: None }),
                Err(fault) => Step::Failed(fault),
            },
            News::Lost(lost) => Step::Failed(MediaFault::lost(lost)),
            News::Waited => Step::Failed(MediaFault::Malformed { what: "an answer" }),
        }
    }
}

#[cfg(test)]
mod tests;
