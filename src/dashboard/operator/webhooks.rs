//! `/operator/webhooks`: the queue of webhooks to customers, and sending one again.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use lmhaven_actors::domain::ids::EventId;
use lmhaven_actors::domain::webhook::{Delivery, DeliveryState, Endpoint};

use super::shell::{Sent, Shell, Tab, Trouble, refused};
use crate::dashboard::deliveries;
use crate::dashboard::format;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::extract::operator::Operator;
use crate::operations;
use crate::relay::Gateway;
use crate::routes::WorkerData;
use crate::webhooks::address;

const PAGE: usize = 50;

/// What a message is listed under: the value in the address, and the words.
const STATES: [(&str, &str); 5] = [
    ("", "All"),
    ("due", "Due"),
    ("failed", "Failed, tried again"),
    ("given-up", "Given up"),
    ("delivered", "Delivered"),
];

#[derive(Template)]
#[template(path = "operator/webhooks.html")]
struct WebhooksPage {
    shell: Shell,
    sent: Sent,
    states: Vec<(&'static str, &'static str, bool)>,
    rows: Vec<Row>,
    waiting: usize,
    older: Option<String>,
}

struct Row {
    id: String,
    workspace: String,
    at: String,
    what: &'static str,
    /// Where it goes: the host alone, since a path may hold a secret of the receiver's. Empty where there is nowhere.
    host: String,
    state: &'static str,
    tone: &'static str,
    /// When it is tried next; empty where it is not.
    next: String,
    attempts: usize,
    last: String,
    /// It can be sent again; its button's words.
    again: Option<&'static str>,
}

/// `GET /operator/webhooks?state&before`.
pub async fn webhooks(worker: WorkerData, operator: Operator, request: HttpRequest) -> HttpResponse {
    let fields = Fields::of_query(&request);
    let shell = Shell::of(&worker.gateway, &operator, Tab::Webhooks, &fields);
    show(&worker.gateway, shell, StatusCode::OK, &fields, Sent::default())
}

fn show(gateway: &Gateway, shell: Shell, status: StatusCode, fields: &Fields, sent: Sent) -> HttpResponse {
    let wanted = fields.get("state").unwrap_or_default();
    let known = STATES.iter().find(|(value, _)| *value == wanted).map_or("", |(value, _)| value);
    let before = fields.get("before").and_then(|text| text.parse::<EventId>().ok());
    let (rows, older, waiting) = gateway.core.office(|office| {
        let wanted = |delivery: &Delivery| known.is_empty() || state(delivery).0 == known;
        let (found, older) = office.webhooks.list(before, PAGE, wanted);
        let rows = found.iter().map(|delivery| row(delivery, office.webhooks.endpoint(delivery.workspace)));
        (rows.collect(), older, office.webhooks.waiting())
    });
    let older = older.map(|last| format!("/operator/webhooks?state={known}&before={last}"));
    let states = STATES.iter().map(|(value, words)| (*value, *words, *value == known)).collect();
    page::private(status, &WebhooksPage { shell, sent, states, rows, waiting, older })
}

/// The value of [`STATES`] that it is listed under, its word and its tone.
const fn state(delivery: &Delivery) -> (&'static str, &'static str, &'static str) {
    match delivery.state {
        DeliveryState::Waiting { .. } if delivery.failed > 0 => ("failed", "failed, tried again", "warn"),
        DeliveryState::Waiting { .. } => ("due", "due", "accent"),
        DeliveryState::Delivered => ("delivered", "delivered", "ok"),
        DeliveryState::GivenUp => ("given-up", "given up", "danger"),
    }
}

fn row(delivery: &Delivery, endpoint: Option<&Endpoint>) -> Row {
    let (_, state, tone) = state(delivery);
    let (next, again) = match delivery.state {
        DeliveryState::Waiting { due_at } => (format::second(due_at), "Try now"),
        DeliveryState::Delivered | DeliveryState::GivenUp => (String::new(), "Send again"),
    };
    Row {
        id: delivery.id.to_string(),
        workspace: delivery.workspace.to_string(),
        at: format::second(delivery.at),
        what: delivery.content.name(),
        host: endpoint.map(|endpoint| address::host_of(&endpoint.url)).unwrap_or_default(),
        state,
        tone,
        next,
        attempts: delivery.log.len(),
        last: delivery.log.back().map(|attempt| deliveries::attempt(*attempt)).unwrap_or_default(),
        again: endpoint.is_some_and(|endpoint| endpoint.on).then_some(again),
    }
}

/// `POST /operator/webhooks/{id}/resend`.
pub async fn resend(worker: WorkerData, operator: Operator, id: web::Path<String>, body: web::Bytes) -> HttpResponse {
    let (gateway, fields) = (&worker.gateway, Fields::of_form(&body));
    let Ok(event) = id.parse::<EventId>() else { return Trouble::Missing.respond() };
    let reason = fields.get("reason").unwrap_or_default();
    let sent = operations::webhooks::resend(gateway, operator.email.as_str(), event, reason).await;
    let (status, error) = match sent.map_err(refused) {
        Ok(()) => return page::see_other("/operator/webhooks?done=webhook"),
        Err(Ok(refused)) => refused,
        Err(Err(trouble)) => return trouble.respond(),
    };
    let shell = Shell::of(gateway, &operator, Tab::Webhooks, &Fields::default());
    show(gateway, shell, status, &Fields::default(), Sent::refused(event.to_string(), error, fields))
}
