//! `/app/models`: the price list inside the dashboard.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::Visit;
use crate::dashboard::page::{self, Shell, Tab};
use crate::dashboard::public::{ModelView, catalogue};
use crate::relay::Worker;

#[derive(Template)]
#[template(path = "app/models.html")]
struct Models {
    shell: Shell,
    models: Vec<ModelView>,
}

/// The page.
pub(super) fn models(worker: &Worker, visit: &Visit) -> HttpResponse {
    let page = Models { shell: visit.shell(Tab::Models), models: catalogue(worker) };
    page::private(StatusCode::OK, &page)
}
