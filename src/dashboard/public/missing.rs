//! The page where there is none.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use crate::dashboard::page;

#[derive(Template)]
#[template(path = "public/missing.html")]
struct Missing;

/// 404 for people. The same for what is not there and for what is somebody else's.
pub fn missing() -> HttpResponse {
    page::private(StatusCode::NOT_FOUND, &Missing)
}
