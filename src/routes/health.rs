//! Whether the process lives, is ready for traffic, and what it counts.

use actix_web::http::header::AUTHORIZATION;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::system::fresh;
use metrics_exporter_prometheus::PrometheusHandle;
use subtle::ConstantTimeEq;

use super::WorkerData;
use super::openapi::errors::{BadToken, NotReady};
use super::openapi::shapes::Health;
use crate::error::{ApiError, Code};
use crate::telemetry;

/// The process answers.
#[utoipa::path(
    get, path = "/healthz", tag = "service", operation_id = "alive", summary = "The process answers",
    responses((status = 200, description = "It does", body = Health)),
    security(()),
)]
pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ok"}"#)
}

/// The store answers, prices are known, and the process is not draining.
#[utoipa::path(
    get, path = "/readyz", tag = "service", operation_id = "ready", summary = "The gateway takes requests",
    responses((status = 200, description = "It does", body = Health), NotReady),
    security(()),
)]
pub(super) async fn ready(worker: WorkerData) -> HttpResponse {
    let gateway = &worker.gateway;
    let now = gateway.core.clock.now().wall;
    let problem = if gateway.is_draining() {
        Some((Code::Draining, "this gateway is shutting down"))
    } else if !gateway.core.journal.healthy() {
        Some((Code::StoreUnavailable, "the store does not answer"))
    } else if gateway.core.prices.in_force(now).is_none() {
        Some((Code::StoreUnavailable, "no price book is in force"))
    } else {
        None
    };
    match problem {
        None => HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ready"}"#),
        Some((code, message)) => ApiError::new(code, message).respond(Dialect::Openai, fresh::request_id(now)),
    }
}

/// Prometheus text.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "metrics", summary = "What the process counts",
    responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain"), BadToken),
    security((), ("metrics_token" = [])),
)]
pub(super) async fn metrics(
    worker: WorkerData,
    handle: web::Data<PrometheusHandle>,
    request: HttpRequest,
) -> HttpResponse {
    if let Some(token) = &worker.gateway.config.server.metrics_token {
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let given = given.strip_prefix("Bearer ").unwrap_or_default();
        if !bool::from(given.as_bytes().ct_eq(token.expose().as_bytes())) {
            let id = fresh::request_id(worker.gateway.core.clock.now().wall);
            return ApiError::new(Code::InvalidApiKey, "the metrics token is missing or wrong")
                .respond(Dialect::Openai, id);
        }
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(telemetry::render(&handle))
}
