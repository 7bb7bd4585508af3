//! `/operator/payments`: what the payment provider said and is not dealt with: events that wait for what they are about, refunds
//! and attempts that it has not answered. Nothing is done here: each of these ends by itself once the other half arrives.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use lmhaven_actors::domain::payment::{PaymentEvent, Source};

use super::shell::{Shell, Tab};
use crate::dashboard::format;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::extract::operator::Operator;
use crate::routes::WorkerData;

/// Rows of each list.
const LISTED: usize = 200;

#[derive(Template)]
#[template(path = "operator/payments.html")]
struct Payments {
    shell: Shell,
    configured: bool,
    parked_count: usize,
    parked: Vec<ParkedRow>,
    refunds: Vec<RefundRow>,
}

struct ParkedRow {
    what: &'static str,
    about: String,
    amount: String,
    detail: String,
}

struct RefundRow {
    id: String,
    workspace: String,
    intent: String,
    amount: String,
    at: String,
}

/// `GET /operator/payments`.
pub async fn payments(worker: WorkerData, operator: Operator, request: HttpRequest) -> HttpResponse {
    let gateway = &worker.gateway;
    let shell = Shell::of(gateway, &operator, Tab::Payments, &Fields::of_query(&request));
    let (parked_count, parked, refunds) = gateway.core.office(|office| {
        let parked = office.payments.parked();
        let refunds = office.payments.pending_refunds().take(LISTED).map(|refund| RefundRow {
            id: refund.refund.to_string(),
            workspace: refund.workspace.to_string(),
            intent: refund.intent.to_string(),
            amount: format::exact_usd(refund.amount),
            at: format::moment(refund.at),
        });
        (parked.len(), parked.iter().take(LISTED).map(row).collect(), refunds.collect())
    });
    let configured = gateway.payments.configured();
    page::private(StatusCode::OK, &Payments { shell, configured, parked_count, parked, refunds })
}

fn row(event: &PaymentEvent) -> ParkedRow {
    let source = |source: &Source| match source {
        Source::Checkout(id) => id.to_string(),
        Source::Auto(id) => id.to_string(),
    };
    let none = || "–".to_owned();
    let (what, about, amount, detail) = match event {
        PaymentEvent::Paid { source: from, intent, amount, .. } => {
            ("paid", intent.to_string(), format::exact_usd(*amount), source(from))
        }
        PaymentEvent::Failed { source: from, reason, .. } => ("failed", source(from), none(), reason.to_string()),
        PaymentEvent::Refunded { id, intent, amount, good, .. } => {
            let what = if *good { "refunded" } else { "refund failed" };
            (what, intent.to_string(), format::exact_usd(*amount), id.to_string())
        }
        PaymentEvent::DisputeOpened { intent, amount, reason, .. } => {
            ("dispute opened", intent.to_string(), format::exact_usd(*amount), reason.to_string())
        }
        PaymentEvent::DisputeClosed { id, intent, amount, won } => {
            let what = if *won { "dispute won" } else { "dispute lost" };
            (what, intent.to_string(), format::exact_usd(*amount), id.to_string())
        }
    };
    ParkedRow { what, about, amount, detail }
}
