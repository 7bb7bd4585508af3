//! `/app/billing/top-up`: an amount, on to the payment provider's page, and back.
//!
//! Money is credited by the provider's word alone (`payments`); the page of whoever comes back waits for it and says so.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use askama::Template;
use lmhaven_actors::domain::ids::CheckoutId;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::payment::{Checkout, CheckoutState};
use serde_json::json;

use super::{Trouble, Visit};
use crate::dashboard::format;
use crate::dashboard::page::{self, Shell, Tab};
use crate::dashboard::query::Fields;
use crate::payments::{Order, PaymentError};
use crate::relay::Worker;

/// Sends the person on to pay.
///
/// # Errors
/// [`Trouble::Forbidden`] for who may not pay. What is wrong with the amount is said on the billing page.
pub(super) async fn begin(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    if !visit.may.money {
        return Err(Trouble::Forbidden);
    }
    let custom = fields.get("custom").map(str::trim).filter(|text| !text.is_empty());
    let amount = custom.or(fields.get("amount")).unwrap_or_default().trim_start_matches('$');
    let order = Order {
        workspace: visit.workspace.id(),
        person: None,
        email: Some(visit.view.profile.owner_email.clone()),
        // What is no amount is out of bounds, and is told the bounds.
        amount: amount.parse().unwrap_or(NanoUsd::ZERO),
        keep_method: fields.get("keep").is_some(),
        success_path: "/app/billing/paid".to_owned(),
        cancel_path: "/app/billing".to_owned(),
    };
    match worker.gateway.payments.open_checkout(order).await {
        Ok((_, url)) => Ok(HttpResponse::SeeOther().insert_header((LOCATION, url)).finish()),
        Err(error @ (PaymentError::NotConfigured | PaymentError::BadAmount { .. })) => {
            Ok(super::billing::refused(worker, &visit, &error.to_string()))
        }
        Err(error) => {
            tracing::error!(%error, "a checkout could not be opened");
            Err(Trouble::Unavailable)
        }
    }
}

#[derive(Template)]
#[template(path = "app/paid.html")]
struct Paid {
    shell: Shell,
    amount: String,
    state: &'static str,
    /// The card is kept: auto top-up can be switched on.
    kept: bool,
    poll: String,
}

/// What whoever comes back from the provider sees.
///
/// # Errors
/// [`Trouble::Missing`] for a checkout of another workspace, or none.
pub(super) async fn paid(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    let (id, checkout) = find(worker, &visit, fields).await?;
    let page = Paid {
        shell: visit.shell(Tab::Billing),
        amount: format::usd(checkout.opened.amount),
        state: state_of(&checkout),
        kept: checkout.opened.keep_method,
        poll: format!("/app/billing/paid.json?checkout={id}"),
    };
    Ok(page::private(StatusCode::OK, &page))
}

/// Whether the page has something new to say.
///
/// # Errors
/// As [`paid`].
pub(super) async fn paid_json(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    let (_, checkout) = find(worker, &visit, fields).await?;
    let mut response = HttpResponse::Ok().json(json!({ "done": state_of(&checkout) != "open" }));
    page::protect(&mut response, "");
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn find(worker: &Worker, visit: &Visit, fields: &Fields) -> Result<(CheckoutId, Checkout), Trouble> {
    let id: CheckoutId = fields.get("checkout").and_then(|id| id.parse().ok()).ok_or(Trouble::Missing)?;
    let known = || worker.gateway.core.office(|office| office.payments.checkout(id).cloned());
    let ours = |checkout: &Checkout| checkout.opened.workspace == visit.workspace.id();
    let checkout = known().filter(ours).ok_or(Trouble::Missing)?;
    if checkout.state != CheckoutState::Open {
        return Ok((id, checkout));
    }
    // The webhook may be late or lost: whoever waits has the provider asked.
    if let Err(error) = worker.gateway.payments.look_again(id).await {
        tracing::warn!(%error, "a checkout could not be looked at again");
    }
    known().map(|checkout| (id, checkout)).ok_or(Trouble::Missing)
}

const fn state_of(checkout: &Checkout) -> &'static str {
    match checkout.state {
        CheckoutState::Open => "open",
        CheckoutState::Ended => "ended",
        CheckoutState::Paid(_) => "paid",
    }
}
