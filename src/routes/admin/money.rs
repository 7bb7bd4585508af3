//! Credits and refunds by an operator.

use actix_web::http::StatusCode;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::ledger::json::EntryView;
use serde_json::json;

use super::shapes::{CreditBody, LedgerEntry};
use super::{Sent, WorkerData, answer, parse, workspace};
use crate::operations::{BY_TOKEN, credit};
use crate::routes::openapi::errors::{BadRequest, Conflict, Missing, TooLarge, WithToken};

/// `POST /admin/v1/workspaces/{id}/credits`: answers once the entry is durable; the same key twice answers the same entry.
#[utoipa::path(
    post, path = "/admin/v1/workspaces/{id}/credits", tag = "money", operation_id = "credit", summary = "Credit or refund",
    params(("id" = String, Path, description = "`ws_…`")),
    request_body = CreditBody,
    responses((status = 201, description = "The entry; the same key answers the same one", body = LedgerEntry), WithToken, BadRequest, TooLarge, Missing, Conflict),
    security(("admin_token" = [])),
)]
pub(super) async fn credit(
    worker: WorkerData,
    request: HttpRequest,
    id: web::Path<String>,
    body: Sent,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let handle = workspace(&worker, &id)?;
        let entry = credit::give(&worker.gateway, BY_TOKEN, &handle, parse(body.whole()?)?).await?;
        Ok((StatusCode::CREATED, json!(EntryView::from(&entry))))
    })
    .await
}
