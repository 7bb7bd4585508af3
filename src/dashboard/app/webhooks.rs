//! `/app/webhooks`: where a workspace's webhooks go, their secret, and what became of each message. For owners only: a URL
//! may hold a secret of the receiver's.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use askama::Template;
use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::{EndpointId, EventId};
use lmhaven_actors::domain::webhook::{Content, Delivery, DeliveryState, Endpoint, WebhookFact};
use lmhaven_actors::system::{ChangeError, fresh};

use super::{Trouble, Visit};
use crate::dashboard::deliveries;
use crate::dashboard::format;
use crate::dashboard::page::{self, Shell, Tab};
use crate::dashboard::query::Fields;
use crate::relay::Worker;
use crate::webhooks::address::Allowed;
use crate::webhooks::secret_text;

/// Messages that are listed.
const LISTED: usize = 50;
/// Test messages that may wait at once.
const TESTS_WAITING_MAX: usize = 3;

#[derive(Template)]
#[template(path = "app/webhooks.html")]
struct Page {
    shell: Shell,
    /// There is an endpoint.
    set: bool,
    on: bool,
    url: String,
    /// Until when the secret before the newest signs too.
    overlap: String,
    refused: String,
    saved: bool,
    deliveries: Vec<Row>,
}

/// One message.
struct Row {
    id: String,
    at: String,
    what: &'static str,
    state: &'static str,
    tone: &'static str,
    attempts: Vec<String>,
    next: String,
}

#[derive(Template)]
#[template(path = "app/webhook_secret.html")]
struct SecretPage {
    shell: Shell,
    secret: String,
    rotated: bool,
}

impl Row {
    fn of(delivery: &Delivery) -> Self {
        let (state, tone, next) = match delivery.state {
            DeliveryState::Waiting { due_at } => ("waiting", "accent", format::second(due_at)),
            DeliveryState::Delivered => ("delivered", "ok", String::new()),
            DeliveryState::GivenUp => ("given up", "danger", String::new()),
        };
        let attempts = delivery.log.iter().rev().map(|attempt| deliveries::attempt(*attempt));
        Self {
            id: delivery.id.to_string(),
            at: format::second(delivery.at),
            what: delivery.content.name(),
            state,
            tone,
            attempts: attempts.collect(),
            next,
        }
    }
}

/// The page.
///
/// # Errors
/// [`Trouble::Forbidden`] for whoever is no owner.
pub(super) fn webhooks(worker: &Worker, visit: &Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    owners_only(visit)?;
    Ok(show(worker, visit, StatusCode::OK, "", fields.get("saved").is_some()))
}

const fn owners_only(visit: &Visit) -> Result<(), Trouble> {
    if visit.may.settings { Ok(()) } else { Err(Trouble::Forbidden) }
}

fn show(worker: &Worker, visit: &Visit, status: StatusCode, refused: &str, saved: bool) -> HttpResponse {
    let (core, workspace) = (&worker.gateway.core, visit.workspace.id());
    let (endpoint, deliveries) =
        core.office(|office| (office.webhooks.endpoint(workspace).cloned(), office.webhooks.newest(workspace, LISTED)));
    let now = core.clock.now().wall;
    let overlap = endpoint.as_ref().and_then(|endpoint| endpoint.overlap_until).filter(|until| *until > now);
    let page = Page {
        shell: visit.shell(Tab::Settings),
        set: endpoint.is_some(),
        on: endpoint.as_ref().is_some_and(|endpoint| endpoint.on),
        url: endpoint.map(|endpoint| endpoint.url).unwrap_or_default(),
        overlap: overlap.map(format::moment).unwrap_or_default(),
        refused: refused.to_owned(),
        saved,
        deliveries: deliveries.iter().map(Row::of).collect(),
    };
    page::private(status, &page)
}

fn show_secret(worker: &Worker, visit: &Visit, endpoint: EndpointId, number: u32) -> HttpResponse {
    let secret = worker.gateway.accounts.keys.webhook_secret(endpoint, number);
    let page = SecretPage { shell: visit.shell(Tab::Settings), secret: secret_text(&secret), rotated: number > 1 };
    page::private(StatusCode::OK, &page)
}

/// Has something noted; `what` is for the log.
async fn note<T>(
    worker: &Worker,
    what: &'static str,
    decide: impl FnOnce(
        &lmhaven_actors::office::Office,
        lmhaven_actors::domain::time::UnixMillis,
    ) -> (T, Option<WebhookFact>),
) -> Result<T, Trouble> {
    let noted = worker.gateway.core.decide(|office, at| {
        let (answer, fact) = decide(office, at);
        Ok::<_, ChangeError>((answer, fact.map(Fact::Webhook).into_iter().collect()))
    });
    noted.await.map_err(|error| {
        tracing::error!(%error, what, "a change of webhooks could not be noted");
        Trouble::Unavailable
    })
}

fn back() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, "/app/webhooks?saved=1")).finish()
}

/// Sets where webhooks go. The first time, the secret is shown; a moved endpoint keeps its own.
///
/// # Errors
/// [`Trouble`]; what is wrong with the URL is said on the page.
pub(super) async fn set(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    owners_only(&visit)?;
    let allowed = Allowed { loopback: worker.gateway.config.webhooks.allow_loopback };
    let text = fields.get("url").unwrap_or_default().trim();
    let url = match allowed.url(text) {
        Ok(url) => url.to_string(),
        Err(error) => return Ok(show(worker, &visit, StatusCode::BAD_REQUEST, &error.to_string(), false)),
    };
    let workspace = visit.workspace.id();
    let made = note(worker, "set", |office, at| {
        if office.webhooks.endpoint(workspace).is_some() {
            return (None, Some(WebhookFact::EndpointMoved { workspace, url, at }));
        }
        let endpoint = fresh::endpoint_id(at);
        (Some(endpoint), Some(WebhookFact::EndpointSet { endpoint, workspace, url, at }))
    });
    Ok(match made.await? {
        Some(endpoint) => show_secret(worker, &visit, endpoint, 1),
        None => back(),
    })
}

/// Sends no more webhooks.
///
/// # Errors
/// [`Trouble`].
pub(super) async fn remove(worker: &Worker, visit: Visit) -> Result<HttpResponse, Trouble> {
    owners_only(&visit)?;
    let workspace = visit.workspace.id();
    note(worker, "remove", |_, at| ((), Some(WebhookFact::EndpointRemoved { workspace, at }))).await?;
    Ok(back())
}

/// Makes a new secret, and shows it once.
///
/// # Errors
/// [`Trouble`].
pub(super) async fn rotate(worker: &Worker, visit: Visit) -> Result<HttpResponse, Trouble> {
    owners_only(&visit)?;
    let workspace = visit.workspace.id();
    let made = note(worker, "rotate", |office, at| match office.webhooks.endpoint(workspace) {
        Some(Endpoint { id, secret, .. }) => {
            (Some((*id, secret.saturating_add(1))), Some(WebhookFact::SecretRotated { workspace, at }))
        }
        None => (None, None),
    });
    let (endpoint, number) = made.await?.ok_or(Trouble::Missing)?;
    Ok(show_secret(worker, &visit, endpoint, number))
}

/// Sends a message that tells nothing.
///
/// # Errors
/// [`Trouble`].
pub(super) async fn test(worker: &Worker, visit: Visit) -> Result<HttpResponse, Trouble> {
    owners_only(&visit)?;
    let workspace = visit.workspace.id();
    let sent = note(worker, "test", |office, at| {
        let waits = |delivery: &Delivery| {
            delivery.content == Content::Test && matches!(delivery.state, DeliveryState::Waiting { .. })
        };
        let waiting = office.webhooks.newest(workspace, LISTED).iter().filter(|delivery| waits(delivery)).count();
        let on = office.webhooks.endpoint(workspace).is_some_and(|endpoint| endpoint.on);
        if on && waiting < TESTS_WAITING_MAX {
            (true, Some(WebhookFact::Tested { event: fresh::event_id(at), workspace, at }))
        } else {
            (false, None)
        }
    });
    if sent.await? {
        return Ok(back());
    }
    let refused = "Webhooks are off, or test messages are waiting already.";
    Ok(show(worker, &visit, StatusCode::CONFLICT, refused, false))
}

/// Sends a message again, under the same id.
///
/// # Errors
/// [`Trouble::Missing`] for one that is not this workspace's.
pub(super) async fn resend(worker: &Worker, visit: Visit, event: &str) -> Result<HttpResponse, Trouble> {
    owners_only(&visit)?;
    let event: EventId = event.parse().map_err(|_| Trouble::Missing)?;
    let workspace = visit.workspace.id();
    let known = |delivery: &Delivery| delivery.workspace == workspace;
    if !worker.gateway.core.office(|office| office.webhooks.get(event).is_some_and(known)) {
        return Err(Trouble::Missing);
    }
    let resent = note(worker, "resend", |office, at| {
        let resent = office.webhooks.resend(workspace, event, at);
        (resent.as_ref().map(|_| ()).map_err(|error| *error), resent.ok())
    });
    Ok(match resent.await? {
        Ok(()) => back(),
        Err(_) => show(worker, &visit, StatusCode::CONFLICT, "Webhooks are off: switch them on first.", false),
    })
}
