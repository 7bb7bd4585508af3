//! Provider accounts: how they are, switched on and off.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::provider::Pool;
use serde_json::{Value, json};

use super::shapes::ProviderView;
use super::{Answer, WorkerData, answer, list_of};
use crate::config::Provider;
use crate::operations::{BY_TOKEN, providers};
use crate::relay::Worker;
use crate::routes::openapi::errors::{Missing, WithToken};
use crate::routes::openapi::shapes::List;
use crate::times;

/// `GET /admin/v1/providers`.
#[utoipa::path(
    get, path = "/admin/v1/providers", tag = "providers", operation_id = "list_providers", summary = "List providers and their accounts",
    responses((status = 200, description = "A page of them", body = List<ProviderView>), WithToken),
    security(("admin_token" = [])),
)]
pub(super) async fn list(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let gateway = &worker.gateway;
        let data = gateway.config.providers.iter().map(|provider| view(&worker, provider)).collect();
        Ok(list_of(data, false, None))
    })
    .await
}

/// `POST /admin/v1/providers/{id}/accounts/{n}/enable`.
#[utoipa::path(
    post, path = "/admin/v1/providers/{id}/accounts/{n}/enable", tag = "providers", operation_id = "enable_account", summary = "Switch an account on",
    params(("id" = String, Path, description = "The provider"), ("n" = u32, Path, description = "The account, from 0")),
    responses((status = 200, description = "The provider", body = ProviderView), WithToken, Missing),
    security(("admin_token" = [])),
)]
pub(super) async fn enable(
    worker: WorkerData,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move { switch(&worker, path.into_inner(), true).await }).await
}

/// `POST /admin/v1/providers/{id}/accounts/{n}/disable`.
#[utoipa::path(
    post, path = "/admin/v1/providers/{id}/accounts/{n}/disable", tag = "providers", operation_id = "disable_account", summary = "Switch an account off",
    params(("id" = String, Path, description = "The provider"), ("n" = u32, Path, description = "The account, from 0")),
    responses((status = 200, description = "The provider", body = ProviderView), WithToken, Missing),
    security(("admin_token" = [])),
)]
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
