//! Who did what, when.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::{WorkerData, answer, invalid, list_of, page_size, query};
use crate::times;

/// `GET /admin/v1/audit?after&limit`; `after` is the number of rows to pass over.
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
