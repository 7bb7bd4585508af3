//! `/operator/mail`: the queue of mails, and sending one again.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use lmhaven_actors::domain::ids::MailId;
use lmhaven_actors::domain::mail::{Delivery, DeliveryState, ENDED_KEPT, MailFailure};
use lmhaven_actors::domain::time::UnixMillis;

use super::shell::{Sent, Shell, Tab, Trouble, refused};
use crate::dashboard::format;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::extract::operator::Operator;
use crate::operations;
use crate::relay::Gateway;
use crate::routes::WorkerData;

const PAGE: usize = 50;
/// Mails that are looked at for one page: more than are kept of those that ended.
const LOOKED_AT: usize = 4 * ENDED_KEPT;

/// What a mail is listed under: the value in the address, and the words.
const STATES: [(&str, &str); 5] =
    [("", "All"), ("due", "Due"), ("failed", "Failed, tried again"), ("given-up", "Given up"), ("sent", "Sent")];

#[derive(Template)]
#[template(path = "operator/mail.html")]
struct MailPage {
    shell: Shell,
    sent: Sent,
    states: Vec<(&'static str, &'static str, bool)>,
    rows: Vec<MailRow>,
    waiting: usize,
    older: Option<String>,
}

struct MailRow {
    id: String,
    at: String,
    to: String,
    kind: &'static str,
    state: &'static str,
    tone: &'static str,
    when: String,
    failed: u32,
    failure: String,
    /// It can be sent again; its button's words.
    again: Option<&'static str>,
}

/// `GET /operator/mail?state&before`.
pub async fn mail(worker: WorkerData, operator: Operator, request: HttpRequest) -> HttpResponse {
    let fields = Fields::of_query(&request);
    let shell = Shell::of(&worker.gateway, &operator, Tab::Mail, &fields);
    show(&worker.gateway, shell, StatusCode::OK, &fields, Sent::default())
}

fn show(gateway: &Gateway, shell: Shell, status: StatusCode, fields: &Fields, sent: Sent) -> HttpResponse {
    let now = gateway.core.clock.now().wall;
    let wanted = fields.get("state").unwrap_or_default();
    let before = fields.get("before").and_then(|text| text.parse::<MailId>().ok());
    let (all, waiting) = gateway.core.office(|office| (office.outbox.list(before, LOOKED_AT), office.outbox.waiting()));
    let mut rows: Vec<MailRow> = all
        .iter()
        .filter(|delivery| wanted.is_empty() || state(delivery).0 == wanted)
        .take(PAGE + 1)
        .map(|delivery| row(delivery, now))
        .collect();
    let has_more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let known = STATES.iter().find(|(value, _)| *value == wanted).map_or("", |(value, _)| value);
    let older = rows.last().filter(|_| has_more);
    let older = older.map(|last| format!("/operator/mail?state={known}&before={}", last.id));
    let states = STATES.iter().map(|(value, words)| (*value, *words, *value == known)).collect();
    page::private(status, &MailPage { shell, sent, states, rows, waiting, older })
}

/// The value of [`STATES`] that it is listed under, its word and its tone.
const fn state(delivery: &Delivery) -> (&'static str, &'static str, &'static str) {
    match delivery.state {
        DeliveryState::Waiting { .. } if delivery.failed > 0 => ("failed", "failed, tried again", "warn"),
        DeliveryState::Waiting { .. } => ("due", "due", "accent"),
        DeliveryState::Sent { .. } => ("sent", "sent", "ok"),
        DeliveryState::GivenUp { .. } => ("given-up", "given up", "danger"),
    }
}

fn row(delivery: &Delivery, now: UnixMillis) -> MailRow {
    let (_, state, tone) = state(delivery);
    let link_over = delivery.mail.content.link().is_some_and(|(_, expires_at)| now >= expires_at);
    let (when, again) = match delivery.state {
        DeliveryState::Waiting { due_at } => (format!("from {}", format::second(due_at)), "Try now"),
        DeliveryState::Sent { at } | DeliveryState::GivenUp { at } => (format::second(at), "Send again"),
    };
    MailRow {
        id: delivery.mail.id.to_string(),
        at: format::second(delivery.mail.at),
        to: delivery.mail.to.clone(),
        kind: delivery.mail.content.kind(),
        state,
        tone,
        when,
        failed: delivery.failed,
        failure: delivery.last_failure.map(failure).unwrap_or_default(),
        again: (!link_over).then_some(again),
    }
}

fn failure(failure: MailFailure) -> String {
    match failure {
        MailFailure::Unreachable => "the server was not reached".to_owned(),
        MailFailure::Deferred { code } => format!("the server said {code}: not now"),
        MailFailure::Refused { code } => format!("the server said {code}: no"),
        MailFailure::Unusable => "it cannot be written".to_owned(),
        MailFailure::Folder => "the folder did not take it".to_owned(),
    }
}

/// `POST /operator/mail/{id}/resend`.
pub async fn resend(worker: WorkerData, operator: Operator, id: web::Path<String>, body: web::Bytes) -> HttpResponse {
    let (gateway, fields) = (&worker.gateway, Fields::of_form(&body));
    let Ok(mail) = id.parse::<MailId>() else { return Trouble::Missing.respond() };
    let reason = fields.get("reason").unwrap_or_default();
    let sent = operations::mail::resend(gateway, operator.email.as_str(), mail, reason).await;
    let (status, error) = match sent.map_err(refused) {
        Ok(()) => return page::see_other("/operator/mail?done=resent"),
        Err(Ok(refused)) => refused,
        Err(Err(trouble)) => return trouble.respond(),
    };
    let shell = Shell::of(gateway, &operator, Tab::Mail, &Fields::default());
    show(gateway, shell, status, &Fields::default(), Sent::refused(mail.to_string(), error, fields))
}
