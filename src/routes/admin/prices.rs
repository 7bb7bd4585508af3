//! The price book: every version, and a new one from a moment on.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::shapes::{PriceVersion, PublishPrices};
use super::{Answer, Sent, WorkerData, answer, list_of, parse};
use crate::operations::BY_TOKEN;
use crate::operations::prices::{self, NewPrices};
use crate::relay::Worker;
use crate::routes::openapi::errors::{BadRequest, TooLarge, WithToken};
use crate::routes::openapi::shapes::List;

/// `GET /admin/v1/prices`.
#[utoipa::path(
    get, path = "/admin/v1/prices", tag = "prices", operation_id = "list_prices", summary = "List versions of the price book",
    responses((status = 200, description = "A page of them", body = List<PriceVersion>), WithToken),
    security(("admin_token" = [])),
)]
pub(super) async fn list(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let core = &worker.gateway.core;
        let in_force = core.prices.in_force(core.clock.now().wall).map(|book| book.version);
        let data = core.prices.all().iter().map(|book| prices::view(book, in_force)).collect();
        Ok(list_of(data, false, None))
    })
    .await
}

/// `POST /admin/v1/prices`. Models left out keep their row; a roster model without a price refuses the version.
#[utoipa::path(
    post, path = "/admin/v1/prices", tag = "prices", operation_id = "publish_prices", summary = "Publish a version; models left out keep their row",
    request_body = PublishPrices,
    responses((status = 201, description = "The version", body = PriceVersion), WithToken, BadRequest, TooLarge),
    security(("admin_token" = [])),
)]
pub(super) async fn publish(worker: WorkerData, request: HttpRequest, body: Sent) -> HttpResponse {
    answer(&worker, &request, |worker| async move { publish_inner(&worker, &body).await }).await
}

async fn publish_inner(worker: &Worker, body: &Sent) -> Answer {
    let body = body.whole()?;
    let NewPrices { effective_at, models, reason } = parse(body)?;
    let gateway = &worker.gateway;
    let effective_at = prices::moment(effective_at.as_deref(), gateway.core.clock.now().wall)?;
    let rows = prices::merge(gateway, models)?;
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let book = prices::publish(gateway, BY_TOKEN, rows, effective_at, reason.unwrap_or_default(), asked).await?;
    let in_force = gateway.core.prices.in_force(gateway.core.clock.now().wall).map(|book| book.version);
    Ok((StatusCode::CREATED, prices::view(&book, in_force)))
}
