//! `/app/settings`: what the workspace is and who may change it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::{May, Visit};
use crate::dashboard::format;
use crate::dashboard::page::{self, Shell, Tab};

#[derive(Template)]
#[template(path = "app/settings.html")]
struct Settings {
    shell: Shell,
    may: May,
    id: String,
    name: String,
    owner_email: String,
    email_verified: bool,
    created: String,
}

/// The page.
pub(super) fn settings(visit: &Visit) -> HttpResponse {
    let page = Settings {
        shell: visit.shell(Tab::Settings),
        may: visit.may,
        id: visit.view.id.to_string(),
        name: visit.view.profile.name.clone(),
        owner_email: visit.view.profile.owner_email.clone(),
        email_verified: visit.view.settings.email_verified,
        created: format::day(visit.view.profile.created_at),
    };
    page::private(StatusCode::OK, &page)
}
