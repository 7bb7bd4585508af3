//! Credits and refunds by an operator.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::domain::account::CreditError;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::ledger::json::EntryView;
use lmhaven_actors::workspace::{Credit, CreditFailed};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::shapes::LedgerEntry;
use super::{WorkerData, answer, audit_row, invalid, parse, workspace};
use crate::error::{ApiError, Code};
use crate::routes::openapi::errors::{BadRequest, Conflict, Missing, TooLarge, WithToken};
use crate::routes::openapi::shapes::Usd;

#[derive(Deserialize, ToSchema)]
#[schema(as = CreditBody)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Decimal; above zero for a credit, below for a refund.
    #[schema(value_type = Usd)]
    amount_usd: NanoUsd,
    /// For the audit.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// The same key in the same workspace does it once.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: String,
}

/// `POST /admin/v1/workspaces/{id}/credits`: answers once the entry is durable; the same key twice answers the same entry.
#[utoipa::path(
    post, path = "/admin/v1/workspaces/{id}/credits", tag = "money", operation_id = "credit", summary = "Credit or refund",
    params(("id" = String, Path, description = "`ws_…`")),
    request_body = Body,
    responses((status = 201, description = "The entry; the same key answers the same one", body = LedgerEntry), WithToken, BadRequest, TooLarge, Missing, Conflict),
    security(("admin_token" = [])),
)]
pub(super) async fn credit(
    worker: WorkerData,
    request: HttpRequest,
    id: web::Path<String>,
    body: Bytes,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let handle = workspace(&worker, &id)?;
        let Body { amount_usd, reason, idempotency_key } = parse(&body)?;
        if reason.trim().is_empty() || reason.len() > 500 {
            return Err(invalid("reason", "a reason has 1 to 500 characters"));
        }
        if idempotency_key.is_empty() || idempotency_key.len() > 255 {
            return Err(invalid("idempotency_key", "an idempotency key has 1 to 255 characters"));
        }
        let core = &worker.gateway.core;
        let action = if amount_usd.is_negative() { "credit.refund" } else { "credit.add" };
        let after = json!({ "amount_usd": amount_usd, "idempotency_key": idempotency_key });
        let audit = audit_row(&worker, action, handle.id(), Some(&reason), None, Some(after));
        let message = Credit {
            amount: amount_usd,
            reason: reason.into(),
            idempotency_key: idempotency_key.into(),
            audit: audit.clone(),
        };
        let (entry, ticket, fresh) = handle.ask(message).await?.map_err(refused)?;
        core.journal.durable(ticket).await?;
        if fresh {
            core.note_audit(audit);
            crate::telemetry::credited(amount_usd);
        }
        Ok((StatusCode::CREATED, json!(EntryView::from(&entry))))
    })
    .await
}

fn refused(error: CreditFailed) -> ApiError {
    match error {
        CreditFailed::Refused(refusal) => match refusal {
            CreditError::Conflict => {
                ApiError::new(Code::IdempotencyConflict, refusal.to_string()).at("idempotency_key")
            }
            CreditError::InsufficientBalance => {
                ApiError::new(Code::RefundTooLarge, refusal.to_string()).at("amount_usd")
            }
            CreditError::BadAmount => invalid("amount_usd", refusal.to_string()),
        },
        CreditFailed::Store(refusal) => refusal.into(),
    }
}
