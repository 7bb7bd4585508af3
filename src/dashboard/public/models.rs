//! `/models`: every price, the one before it, and from when on it holds.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::{ModelView, WorkerData, catalogue};
use crate::dashboard::page;
use crate::routes::fallback;

#[derive(Template)]
#[template(path = "public/models.html")]
struct Models {
    here: &'static str,
    models: Vec<ModelView>,
}

/// The page for browsers. An SDK whose base URL lacks `/v1` asks for the same path, and is told so.
pub async fn models(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    let mut response = if page::is_wanted(&request) {
        page::public(&Models { here: "/models", models: catalogue(&worker) })
    } else {
        fallback::not_found(worker, request).await
    };
    // A proxy keeps the two apart.
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, authorization, x-api-key"));
    response
}
