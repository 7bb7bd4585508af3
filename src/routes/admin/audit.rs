//! Who did what, when.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::shapes::AuditLine;
use super::{WorkerData, answer, invalid, list_of, page_size, query};
use crate::routes::openapi::errors::{BadRequest, WithToken};
use crate::routes::openapi::shapes::List;
use crate::times;

/// `GET /admin/v1/audit?after&limit`; `after` is the number of rows to pass over.
#[utoipa::path(
    get, path = "/admin/v1/audit", tag = "workspaces", operation_id = "list_audit", summary = "Who did what, when",
    params(("after" = Option<u64>, Query, description = "Rows to pass over"), ("limit" = Option<u32>, Query, description = "1 to 1000", minimum = 1, maximum = 1000)),
    responses((status = 200, description = "A page of them", body = List<AuditLine>), WithToken, BadRequest),
    security(("admin_token" = [])),
)]
pub(super) async fn list(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    let request_ref = request.clone();
    answer(&worker, &request, |worker| async move {
        let limit = page_size(&request_ref)?;
        let after = match query(&request_ref, "after") {
            None => 0,
            Some(text) => text.parse::<usize>().map_err(|_| invalid("after", "expected a number"))?,
        };
        let mut rows = worker.gateway.core.audit(after, limit + 1);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_after = has_more.then(|| json!(after + limit));
        let data = rows
            .into_iter()
            .map(|row| {
                json!({
                    "at": times::rfc3339(row.at),
                    "actor": row.actor,
                    "action": row.action,
                    "target": row.target,
                    "reason": row.reason,
                    "before": row.before,
                    "after": row.after,
                })
            })
            .collect();
        Ok(list_of(data, has_more, next_after))
    })
    .await
}
