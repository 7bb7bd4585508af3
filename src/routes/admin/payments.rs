//! Payments by card as operators see them, and refunds to the card.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::domain::ids::RefundId;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::payment::{RefundRefused, RefundStarted, RefundState};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::shapes::{PaymentView, RefundView};
use super::{WorkerData, answer, audit_row, invalid, list_of, parse, workspace};
use crate::error::{ApiError, Code};
use crate::payments::PaymentError;
use crate::routes::openapi::errors::{BadRequest, Conflict, Missing, TooLarge, WithToken};
use crate::routes::openapi::shapes::{List, Usd};
use crate::times;

/// `GET /admin/v1/workspaces/{id}/payments`: all payments, the oldest first, each with its refunds.
#[utoipa::path(
    get, path = "/admin/v1/workspaces/{id}/payments", tag = "money", operation_id = "list_payments", summary = "List payments by card",
    params(("id" = String, Path, description = "`ws_…`")),
    responses((status = 200, description = "A page of them", body = List<PaymentView>), WithToken, Missing),
    security(("admin_token" = [])),
)]
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

#[derive(Deserialize, ToSchema)]
#[schema(as = RefundBody)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Decimal; above zero.
    #[schema(value_type = Usd)]
    amount_usd: NanoUsd,
    /// For the audit.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// The same key in the same workspace does it once.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: String,
}

/// `POST /admin/v1/workspaces/{id}/payments/{payment}/refunds`: the same key twice refunds once.
#[utoipa::path(
    post, path = "/admin/v1/workspaces/{id}/payments/{payment}/refunds", tag = "money", operation_id = "refund_payment", summary = "Refund a payment to its card",
    params(("id" = String, Path, description = "`ws_…`"), ("payment" = String, Path, description = "The payment provider's id")),
    request_body = Body,
    responses((status = 201, description = "The refund; the same key answers the same one", body = RefundView), WithToken, BadRequest, TooLarge, Missing, Conflict),
    security(("admin_token" = [])),
)]
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
        PaymentError::Stripe(_) => ApiError::new(Code::UpstreamUnavailable, text),
        PaymentError::Store(error) => error.into(),
        PaymentError::NotConfigured
        | PaymentError::BadAmount { .. }
        | PaymentError::NoMethod
        | PaymentError::BadThreshold { .. } => ApiError::new(Code::InvalidRequest, text),
    }
}
