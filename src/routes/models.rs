//! `GET /v1/models`: one superset list that both SDK families read (`wire/openai.md` §6).

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use lmhaven_actors::domain::price::{ListPrice, PriceBook};
use serde_json::{Value, json};

use super::WorkerData;
use super::account::answer;
use super::openapi::errors::{Missing, WithKey};
use super::openapi::shapes::{Model as ModelShape, ModelList};
use crate::config::Model;
use crate::error::{ApiError, Code};
use crate::relay::Worker;

/// When the roster was put together; models have no date of their own.
const CREATED: i64 = 1_795_392_000;
const CREATED_AT: &str = "2026-11-23T00:00:00Z";

/// Every model.
#[utoipa::path(
    get, path = "/v1/models", tag = "models", operation_id = "list_models", summary = "Every model",
    responses((status = 200, description = "For both SDK families", body = ModelList), WithKey),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn list(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    answer(worker.get_ref(), &request, |worker| {
        let book = in_force(worker);
        let models = worker.gateway.catalogue.models();
        let data: Vec<Value> = models.iter().map(|model| view(model, book.as_deref())).collect();
        let id = |model: Option<&Arc<Model>>| model.map(|model| model.id.to_string());
        Ok(json!({
            "object": "list",
            "data": data,
            "has_more": false,
            "first_id": id(models.first()),
            "last_id": id(models.last()),
        }))
    })
    .await
}

/// One model.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "models", operation_id = "show_model", summary = "One model",
    params(("id" = String, Path, description = "The model's id")),
    responses((status = 200, description = "The model", body = ModelShape), WithKey, Missing),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn show(worker: WorkerData, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    let id = id.into_inner();
    answer(worker.get_ref(), &request, move |worker| {
        let model = worker
            .gateway
            .catalogue
            .find(&id)
            .ok_or_else(|| ApiError::new(Code::ModelNotFound, "there is no such model").at("model"))?;
        Ok(view(model, in_force(worker).as_deref()))
    })
    .await
}

/// A list price, flat as the configuration has it.
pub fn list_price(list: &ListPrice) -> Value {
    match list {
        ListPrice::Text(price) => json!(price),
        ListPrice::Image(tiers) => json!(tiers),
        ListPrice::Voice(price) => json!(price),
    }
}

fn in_force(worker: &Worker) -> Option<Arc<PriceBook>> {
    worker.gateway.core.prices.in_force(worker.gateway.core.clock.now().wall)
}

fn view(model: &Model, book: Option<&PriceBook>) -> Value {
    let row = book.and_then(|book| book.rows.get(&*model.id));
    json!({
        "id": &*model.id,
        "object": "model",
        "type": "model",
        "created": CREATED,
        "created_at": CREATED_AT,
        "owned_by": model.providers.first().map_or("lmhaven", |provider| provider.as_str()),
        "display_name": &*model.display_name,
        "modality": model.modality.name(),
        "available": model.available,
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output_tokens,
        "ratio": row.map(|row| row.ratio),
        "list_price_usd": row.map(|row| list_price(&row.list)),
        "price_version": book.map(|book| book.version),
    })
}
