//! Payments by card as operators see them, and refunds to the card.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::domain::account::CreditError;
use lmhaven_actors::domain::ids::RefundId;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::payment::{RefundRefused, RefundStarted, RefundState};
use serde::Deserialize;
use serde_json::json;

use super::{WorkerData, answer, audit_row, invalid, list_of, parse, workspace};
use crate::error::{ApiError, Code};
use crate::payments::PaymentError;
use crate::times;

/// `GET /admin/v1/workspaces/{id}/payments`: all payments, the oldest first, each with its refunds.
pub(super) async fn list(worker: WorkerData, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let id = workspace(&worker, &id)?.id();
        let data = worker.gateway.core.office(|office| {
            let payments = office.payments.of_workspace(id);
            let view = |payment: &&lmhaven_actors::domain::payment::Payment| {
                let refunds: Vec<_> = office.payments.refunds_of(&payment.paid.intent).collect();
                let refunds: Vec<_> = refunds
                    .into_iter()
                    .map(|(id, refund)| json!({ "id": id, "amount_usd": refund.started.amount, "state": name(&refund.state) }))
                    .collect();
                json!({
                    "id": payment.paid.intent, "at": times::rfc3339(payment.paid.at), "receipt": payment.paid.receipt,
                    "amount_usd": payment.paid.amount, "returned_usd": payment.returned, "refunds": refunds,
                })
            };
            payments.iter().map(view).collect()
        });
        Ok(list_of(data, false, None))
    })
    .await
}

const fn name(state: &RefundState) -> &'static str {
    match state {
        RefundState::Pending => "pending",
        RefundState::Confirmed(_) => "confirmed",
        RefundState::Failed(_) => "failed",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    amount_usd: NanoUsd,
    reason: String,
    idempotency_key: String,
}

/// `POST /admin/v1/workspaces/{id}/payments/{payment}/refunds`: the same key twice refunds once.
pub(super) async fn refund(
    worker: WorkerData,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: Bytes,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let (id, payment) = path.into_inner();
        let handle = workspace(&worker, &id)?;
        let Body { amount_usd, reason, idempotency_key } = parse(&body)?;
        if reason.trim().is_empty() || reason.len() > 500 {
            return Err(invalid("reason", "a reason has 1 to 500 characters"));
        }
        if idempotency_key.is_empty() || idempotency_key.len() > 255 {
            return Err(invalid("idempotency_key", "an idempotency key has 1 to 255 characters"));
        }
        let after = json!({ "payment": payment, "amount_usd": amount_usd, "idempotency_key": idempotency_key });
        let audit = audit_row(&worker, "payment.refund", handle.id(), Some(&reason), None, Some(after));
        let started = RefundStarted {
            refund: refund_id(&id, &idempotency_key),
            intent: payment.into(),
            workspace: handle.id(),
            amount: amount_usd,
            reason: reason.into(),
            at: worker.gateway.core.clock.now().wall,
        };
        let view = worker.gateway.payments.refund(started, audit).await.map_err(refused)?;
        Ok((StatusCode::CREATED, json!({ "id": view.refund, "amount_usd": amount_usd, "state": name(&view.state) })))
    })
    .await
}

/// The same key in the same workspace is the same refund.
fn refund_id(workspace: &str, idempotency_key: &str) -> RefundId {
    let digest = blake3::hash(format!("{workspace}\n{idempotency_key}").as_bytes());
    let mut bits = [0_u8; 16];
    for (to, from) in bits.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    RefundId::from_bits(u128::from_be_bytes(bits))
}

fn refused(error: PaymentError) -> ApiError {
    let text = error.to_string();
    match error {
        PaymentError::Refund(RefundRefused::Unknown) | PaymentError::NoWorkspace => ApiError::new(Code::NotFound, text),
        PaymentError::Refund(RefundRefused::Conflict) => {
            ApiError::new(Code::IdempotencyConflict, text).at("idempotency_key")
        }
        PaymentError::Refund(RefundRefused::InsufficientBalance | RefundRefused::BeyondPayment) => {
            ApiError::new(Code::RefundTooLarge, text).at("amount_usd")
        }
        PaymentError::Refund(RefundRefused::BadAmount) => invalid("amount_usd", text),
        PaymentError::Account(CreditError::InsufficientBalance) => {
            ApiError::new(Code::RefundTooLarge, text).at("amount_usd")
        }
        PaymentError::Account(CreditError::BadAmount) => invalid("amount_usd", text),
        PaymentError::Account(CreditError::Conflict) => ApiError::new(Code::Internal, text),
        PaymentError::Stripe(_) => ApiError::new(Code::UpstreamUnavailable, text),
        PaymentError::Store(error) => error.into(),
        PaymentError::NotConfigured
        | PaymentError::BadAmount { .. }
        | PaymentError::NoMethod
        | PaymentError::BadThreshold { .. } => ApiError::new(Code::InvalidRequest, text),
    }
}
