//! `/app/settings`: what the workspace is, who may change it, and from which balance on its owner is warned.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use askama::Template;
use lmhaven_actors::domain::fact::{AuditRow, Fact, WorkspaceChanged};
use lmhaven_actors::domain::mail::MailFact;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::system::ChangeError;
use serde_json::json;

use super::billed_to::Form as BilledToForm;
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
    /// The form that was refused: `line` or `name`.
    refused: &'static str,
    billed_to: BilledToForm,
}

/// Characters of a workspace's name.
const NAME_LEN_MAX: usize = 100;

/// The highest line: above what anybody holds here by card.
const LINE_MAX: NanoUsd = NanoUsd::from_nano(100_000 * 1_000_000_000);

/// The page.
pub(super) fn settings(worker: &Worker, visit: &Visit, fields: &Fields) -> HttpResponse {
    let page = Settings { saved: fields.get("saved").is_some(), ..as_it_is(worker, visit) };
    page::private(StatusCode::OK, &page)
}

/// The page after whom receipts name was not changed.
pub(super) fn billed_to_refused(worker: &Worker, visit: &Visit, form: BilledToForm) -> HttpResponse {
    let page = Settings { billed_to: form, ..as_it_is(worker, visit) };
    page::private(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

fn as_it_is(worker: &Worker, visit: &Visit) -> Settings {
    let workspace = visit.workspace.id();
    let (line, billed_to) = worker.gateway.core.office(|office| {
        (office.notices.line(workspace), BilledToForm::of(office.billing.billed_to(workspace).map(AsRef::as_ref)))
    });
    Settings {
        shell: visit.shell(Tab::Settings),
        may: visit.may,
        id: visit.view.id.to_string(),
        name: visit.view.profile.name.clone(),
        owner_email: visit.view.profile.owner_email.clone(),
        email_verified: visit.view.settings.email_verified,
        created: format::day(visit.view.profile.created_at),
        notice_line: line.map(|line| line.to_string()).unwrap_or_default(),
        saved: false,
        refused: "",
        billed_to,
    }
}

/// Calls the workspace something else.
///
/// # Errors
/// [`Trouble::Forbidden`] for whoever does not own it. What is no name is said on the page.
pub(super) async fn rename(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    if !visit.may.settings {
        return Err(Trouble::Forbidden);
    }
    let name = fields.get("name").unwrap_or_default().trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_LEN_MAX || name.chars().any(char::is_control) {
        let page = Settings { name, refused: "name", ..as_it_is(worker, &visit) };
        return Ok(page::private(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let core = &worker.gateway.core;
    let (workspace, at) = (visit.workspace.id(), core.clock.now().wall);
    let audit = AuditRow {
        at,
        actor: visit.shell.email.clone(),
        action: "workspace.change".to_owned(),
        target: workspace.to_string(),
        reason: None,
        before: Some(json!({ "name": visit.view.profile.name })),
        after: Some(json!({ "name": name })),
    };
    let change = WorkspaceChanged { name: Some(name), ..WorkspaceChanged::nothing(workspace, at) };
    core.change_workspace(&visit.workspace, change, audit).await.map_err(|error| {
        tracing::error!(%error, "a workspace could not be renamed");
        Trouble::Unavailable
    })?;
    Ok(page::see_other("/app/settings?saved=1"))
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
            _ => {
                let page = Settings { refused: "line", ..as_it_is(worker, &visit) };
                return Ok(page::private(StatusCode::BAD_REQUEST, &page));
            }
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
