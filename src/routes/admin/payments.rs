//! Payments by card as operators see them, and refunds to the card.

use actix_web::http::StatusCode;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::shapes::{PaymentView, RefundBody, RefundView};
use super::{Sent, WorkerData, answer, list_of, parse, workspace};
use crate::operations::refund::{NewRefund, state_name};
use crate::operations::{BY_TOKEN, refund};
use crate::routes::openapi::errors::{BadRequest, Conflict, Missing, TooLarge, WithToken};
use crate::routes::openapi::shapes::List;
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
                    .map(|(id, refund)| json!({ "id": id, "amount_usd": refund.started.amount, "state": state_name(&refund.state) }))
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

/// `POST /admin/v1/workspaces/{id}/payments/{payment}/refunds`: the same key twice refunds once.
#[utoipa::path(
    post, path = "/admin/v1/workspaces/{id}/payments/{payment}/refunds", tag = "money", operation_id = "refund_payment", summary = "Refund a payment to its card",
    params(("id" = String, Path, description = "`ws_…`"), ("payment" = String, Path, description = "The payment provider's id")),
    request_body = RefundBody,
    responses((status = 201, description = "The refund; the same key answers the same one", body = RefundView), WithToken, BadRequest, TooLarge, Missing, Conflict),
    security(("admin_token" = [])),
)]
pub(super) async fn refund(
    worker: WorkerData,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: Sent,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let (id, payment) = path.into_inner();
        let handle = workspace(&worker, &id)?;
        let new: NewRefund = parse(body.whole()?)?;
        let amount_usd = new.amount_usd;
        let begun = refund::give_back(&worker.gateway, BY_TOKEN, &handle, &payment, new).await?;
        Ok((StatusCode::CREATED, json!({ "id": begun.id, "amount_usd": amount_usd, "state": begun.state })))
    })
    .await
}
