//! `/`: what this is, what it costs in short, and how to begin.

use actix_web::HttpResponse;
use askama::Template;

use super::{ModelView, WorkerData, catalogue};
use crate::dashboard::page;
use crate::dashboard::snippets::{KEY_PLACEHOLDER, Snippet, quick_starts};

#[derive(Template)]
#[template(path = "public/front.html")]
struct Front {
    here: &'static str,
    models: Vec<ModelView>,
    quick_starts: Vec<Snippet>,
}

/// The front page.
pub async fn front(worker: WorkerData) -> HttpResponse {
    let quick_starts = quick_starts(&worker.gateway.config.server.public_url, KEY_PLACEHOLDER);
    page::public(&Front { here: "/", models: catalogue(&worker), quick_starts })
}
