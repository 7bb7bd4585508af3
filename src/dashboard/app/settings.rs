//! `/app/settings`: what the workspace is, who may change it, and from which balance on its owner is warned.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use askama::Template;
use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::mail::MailFact;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::system::ChangeError;

use super::{May, Trouble, Visit};
use crate::dashboard::format;
use crate::dashboard::page::{self, Shell, Tab};
use crate::dashboard::query::Fields;
use crate::relay::Worker;

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
    /// Below which balance the owner is told; empty where never.
    notice_line: String,
    saved: bool,
    refused: bool,
}

/// The highest line: above what anybody holds here by card.
const LINE_MAX: NanoUsd = NanoUsd::from_nano(100_000 * 1_000_000_000);

/// The page.
pub(super) fn settings(worker: &Worker, visit: &Visit, fields: &Fields) -> HttpResponse {
    show(worker, visit, StatusCode::OK, fields.get("saved").is_some())
}

fn show(worker: &Worker, visit: &Visit, status: StatusCode, saved: bool) -> HttpResponse {
    let line = worker.gateway.core.office(|office| office.notices.line(visit.workspace.id()));
    let page = Settings {
        shell: visit.shell(Tab::Settings),
        may: visit.may,
        id: visit.view.id.to_string(),
        name: visit.view.profile.name.clone(),
        owner_email: visit.view.profile.owner_email.clone(),
        email_verified: visit.view.settings.email_verified,
        created: format::day(visit.view.profile.created_at),
        notice_line: line.map(|line| line.to_string()).unwrap_or_default(),
        saved,
        refused: status != StatusCode::OK,
    };
    page::private(status, &page)
}

/// Sets the balance below which the owner is told; an empty field is never.
///
/// # Errors
/// [`Trouble::Forbidden`] for whoever is not in charge of money. What is no amount is said on the page.
pub(super) async fn set_notice_line(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    if !visit.may.money {
        return Err(Trouble::Forbidden);
    }
    let text = fields.get("line").unwrap_or_default().trim().trim_start_matches('$');
    let line_usd = match text {
        "" => None,
        text => match text.parse::<NanoUsd>() {
            Ok(line) if !line.is_negative() && line <= LINE_MAX => Some(line),
            _ => return Ok(show(worker, &visit, StatusCode::BAD_REQUEST, false)),
        },
    };
    let workspace = visit.workspace.id();
    let set = worker.gateway.core.decide(|_, at| {
        let fact = Fact::Mail(MailFact::NoticeLineSet { workspace, at, line_usd });
        Ok::<_, ChangeError>(((), vec![fact]))
    });
    set.await.map_err(|error| {
        tracing::error!(%error, "a notice line could not be set");
        Trouble::Unavailable
    })?;
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/app/settings?saved=1")).finish())
}
