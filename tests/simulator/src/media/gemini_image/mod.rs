//! Gemini's pictures: `models/gemini-3-pro-image:generateContent` under `/v1` and `/v1beta`.
//!
//! The words, keys and errors are those of `crate::gemini`; what differs is what a picture needs. `request` checks it,
//! `response` draws it. Refusals come with status 200 and are not charged.

mod request;
mod response;

use super::provider::{Incoming, Provider, Route};
use crate::{
    dialect::{Dialect, Protocol, Refusal, Request},
    gemini::Gemini,
    script::Status,
};
use serde_json::Value;

/// Today's name, and names that stood for it before.
const MODELS: &[&str] = &["gemini-3-pro-image", "gemini-3-pro-image-preview", "nano-banana-pro-preview"];

/// Whether a model makes pictures; all others are text.
pub(crate) fn makes(model: &str) -> bool {
    MODELS.contains(&model)
}

struct GeminiImage;

/// Makes a picture.
pub(super) static GENERATE: Route =
    Route { provider: &GeminiImage, generates: true, needs_key: true, answer: response::generate };

impl Provider for GeminiImage {
    fn protocol(&self) -> Protocol {
        Protocol::Gemini
    }

    fn key(&self, request: &Request<'_>) -> Option<String> {
        Gemini.key(request)
    }

    fn model(&self, incoming: &Incoming<'_>) -> Option<String> {
        incoming.request.model.map(str::to_owned)
    }

    fn bad_key(&self, key: Option<&str>) -> Refusal {
        Gemini.bad_key(key)
    }

    fn bad_json(&self, error: &str) -> Refusal {
        Gemini.bad_json(error)
    }

    fn error(&self, refusal: &Refusal, request_id: &str) -> Value {
        Gemini.error(refusal, request_id)
    }

    fn scripted(&self, status: &Status) -> Refusal {
        Gemini.scripted(status)
    }

    fn headers(&self, request_id: &str) -> Vec<(&'static str, String)> {
        Gemini.headers(request_id)
    }
}
