//! Provider accounts: how they are, switched on and off.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::provider::Pool;
use serde_json::{Value, json};

use super::{Answer, WorkerData, answer, list_of};
use crate::config::Provider;
use crate::operations::{BY_TOKEN, providers};
use crate::relay::Worker;
use crate::times;

/// `GET /admin/v1/providers`.
pub(super) async fn list(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let gateway = &worker.gateway;
        let data = gateway.config.providers.iter().map(|provider| view(&worker, provider)).collect();
        Ok(list_of(data, false, None))
    })
    .await
}

/// `POST /admin/v1/providers/{id}/accounts/{n}/enable`.
pub(super) async fn enable(
    worker: WorkerData,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move { switch(&worker, path.into_inner(), true).await }).await
}

/// `POST /admin/v1/providers/{id}/accounts/{n}/disable`.
pub(super) async fn disable(
    worker: WorkerData,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move { switch(&worker, path.into_inner(), false).await }).await
}

async fn switch(worker: &Worker, (id, n): (String, String), enabled: bool) -> Answer {
    let provider = providers::switch(&worker.gateway, BY_TOKEN, (&id, &n), enabled, None).await?;
    Ok((StatusCode::OK, view(worker, provider)))
}

fn view(worker: &Worker, provider: &Provider) -> Value {
    let now = worker.gateway.core.clock.now().wall;
    let accounts = |pool: &Arc<Pool>| -> Vec<Value> {
        let account = |account: lmhaven_actors::provider::AccountView| {
            let until = account.back_in_millis.map(|millis| now.plus_millis(i64::try_from(millis).unwrap_or(i64::MAX)));
            json!({
                "n": account.n,
                "state": account.state,
                "in_flight": account.in_flight,
                "until": until.map(times::rfc3339),
                "last_error": account.last_error,
            })
        };
        pool.view().into_iter().map(account).collect()
    };
    json!({
        "id": provider.id.as_str(),
        "kind": provider.kind.name(),
        "accounts": worker.gateway.pools.get(&provider.id).map(accounts).unwrap_or_default(),
    })
}
