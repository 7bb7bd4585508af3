//! Credits and refunds by an operator.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::domain::account::CreditError;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::ledger::json::EntryView;
use lmhaven_actors::system::CreditRefused;
use serde::Deserialize;
use serde_json::json;

use super::{WorkerData, answer, audit_row, invalid, parse, workspace};
use crate::error::{ApiError, Code};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    amount_usd: NanoUsd,
    reason: String,
    idempotency_key: String,
}

/// `POST /admin/v1/workspaces/{id}/credits`: answers once the entry is durable; the same key twice answers the same entry.
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
        let credited = core.credit(&handle, amount_usd, reason.into(), idempotency_key.into(), audit).await;
        let (entry, fresh) = credited.map_err(refused)?;
        if fresh {
            crate::telemetry::credited(amount_usd);
        }
        Ok((StatusCode::CREATED, json!(EntryView::from(&entry))))
    })
    .await
}

fn refused(error: CreditRefused) -> ApiError {
    match error {
        CreditRefused::Account(refusal) => match refusal {
            CreditError::Conflict => {
                ApiError::new(Code::IdempotencyConflict, refusal.to_string()).at("idempotency_key")
            }
            CreditError::InsufficientBalance => {
                ApiError::new(Code::RefundTooLarge, refusal.to_string()).at("amount_usd")
            }
            CreditError::BadAmount => invalid("amount_usd", refusal.to_string()),
        },
        CreditRefused::Change(error) => error.into(),
    }
}
