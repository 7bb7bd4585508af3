//! A workspace's entries, in order, as far as they are durable.

use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::ledger::json::EntryView;
use serde_json::json;

use super::shapes::LedgerEntry;
use super::{WorkerData, answer, invalid, list_of, page_size, query, workspace};
use crate::error::{ApiError, Code};
use crate::routes::openapi::errors::{BadRequest, Missing, WithToken};
use crate::routes::openapi::shapes::List;

/// `GET /admin/v1/workspaces/{id}/ledger?after&limit`; `after` is a `seq`.
#[utoipa::path(
    get, path = "/admin/v1/workspaces/{id}/ledger", tag = "money", operation_id = "list_ledger", summary = "List ledger entries in order",
    params(("id" = String, Path, description = "`ws_…`"), ("after" = Option<u64>, Query, description = "A `seq`"), ("limit" = Option<u32>, Query, description = "1 to 1000", minimum = 1, maximum = 1000)),
    responses((status = 200, description = "A page of them", body = List<LedgerEntry>), WithToken, BadRequest, Missing),
    security(("admin_token" = [])),
)]
pub(super) async fn list(worker: WorkerData, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    let request_ref = request.clone();
    answer(&worker, &request, |worker| async move {
        let handle = workspace(&worker, &id)?;
        let limit = page_size(&request_ref)?;
        let after = match query(&request_ref, "after") {
            None => 0,
            Some(text) => text.parse::<u64>().map_err(|_| invalid("after", "expected a seq"))?,
        };
        let (ledger, workspace) = (worker.gateway.core.ledger.clone(), handle.id());
        let unreadable = || ApiError::new(Code::StoreUnavailable, "the store does not answer");
        let read = web::block(move || ledger.entries(workspace, after, limit + 1)).await;
        let mut entries = read.map_err(|_| unreadable())?.map_err(|error| {
            tracing::error!(%error, "the ledger cannot be read");
            unreadable()
        })?;
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let next_after = entries.last().filter(|_| has_more).map(|entry| json!(entry.seq));
        Ok(list_of(entries.iter().map(|entry| json!(EntryView::from(entry))).collect(), has_more, next_after))
    })
    .await
}
