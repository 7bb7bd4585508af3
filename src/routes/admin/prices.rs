//! The price book: every version, and a new one from a moment on.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::domain::fact::PricesPublished;
use lmhaven_actors::domain::price::{ListPrice, PriceBook, PriceRow, Ratio};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::shapes::PriceVersion;
use super::{Answer, WorkerData, answer, audit_row, invalid, list_of, parse};
use crate::config::Modality;
use crate::relay::Worker;
use crate::routes::models;
use crate::routes::openapi::errors::{BadRequest, TooLarge, WithToken};
use crate::routes::openapi::shapes::{List, Time};
use crate::times;

#[derive(Deserialize, ToSchema)]
#[schema(as = PublishPrices)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// From when; now where absent or over.
    #[schema(value_type = Option<Time>)]
    effective_at: Option<String>,
    /// The rows that change.
    models: Vec<Row>,
    /// For the audit.
    reason: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = PublishPrice)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// The model.
    id: String,
    /// The list price is divided by this; as it was where absent.
    #[schema(value_type = Option<f64>, minimum = 0.001, maximum = 4_000_000)]
    ratio: Option<Ratio>,
    /// By bucket; as it was where absent.
    #[schema(value_type = Option<Object>)]
    list_price: Option<Value>,
}

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
        let data = core.prices.all().iter().map(|book| view(book, in_force)).collect();
        Ok(list_of(data, false, None))
    })
    .await
}

/// `POST /admin/v1/prices`. Models left out keep their row; a roster model without a price refuses the version.
#[utoipa::path(
    post, path = "/admin/v1/prices", tag = "prices", operation_id = "publish_prices", summary = "Publish a version; models left out keep their row",
    request_body = Body,
    responses((status = 201, description = "The version", body = PriceVersion), WithToken, BadRequest, TooLarge),
    security(("admin_token" = [])),
)]
pub(super) async fn publish(worker: WorkerData, request: HttpRequest, body: Bytes) -> HttpResponse {
    answer(&worker, &request, |worker| async move { publish_inner(&worker, &body).await }).await
}

async fn publish_inner(worker: &Worker, body: &Bytes) -> Answer {
    let Body { effective_at, models, reason } = parse(body)?;
    let core = &worker.gateway.core;
    let at = core.clock.now().wall;
    let effective_at = match effective_at {
        None => at,
        // A version never reaches back: requests paid what was in force at their admission.
        Some(text) => {
            times::parse(&text).ok_or_else(|| invalid("effective_at", "expected a time as RFC 3339"))?.max(at)
        }
    };
    let newest = core.prices.newest();
    let mut rows = newest.as_ref().map(|book| book.rows.clone()).unwrap_or_default();
    for (place, row) in models.into_iter().enumerate() {
        let at = |field: &str| format!("models[{place}].{field}");
        let model = worker.gateway.catalogue.find(&row.id);
        let model = model.ok_or_else(|| invalid(&at("id"), "there is no such model"))?;
        let known = rows.get(&row.id);
        let ratio = row.ratio.or(known.map(|known| known.ratio));
        let ratio = ratio.ok_or_else(|| invalid(&at("ratio"), "a ratio is needed"))?;
        let list = match row.list_price {
            Some(value) => list_price(model.modality, value).map_err(|error| invalid(&at("list_price"), error))?,
            None => known
                .map(|known| known.list.clone())
                .ok_or_else(|| invalid(&at("list_price"), "a list price is needed"))?,
        };
        rows.insert(row.id, PriceRow { ratio, list });
    }
    if let Some(missing) = worker.gateway.catalogue.models().iter().find(|model| !rows.contains_key(&*model.id)) {
        return Err(invalid("models", format!("{} would have no price", missing.id)));
    }
    let reason = reason.unwrap_or_default();
    let before = newest.as_ref().map(|book| view(book, None));
    let after: Value = serde_json::from_slice(body).unwrap_or_default();
    let audit = audit_row(worker, "price.publish", "prices", Some(&reason), before, Some(after));
    let published = PricesPublished { version: 0, at, effective_at, rows, reason, seeded_from: None };
    let book = core.publish_prices(published, Some(audit)).await?;
    let in_force = core.prices.in_force(core.clock.now().wall).map(|book| book.version);
    Ok((StatusCode::CREATED, view(&book, in_force)))
}

/// A list price in the shape of the model's modality.
fn list_price(modality: Modality, value: Value) -> Result<ListPrice, String> {
    let list = match modality {
        Modality::Text => serde_json::from_value(value).map(ListPrice::Text),
        Modality::Image => serde_json::from_value(value).map(ListPrice::Image),
        Modality::Voice => serde_json::from_value(value).map(ListPrice::Voice),
    };
    list.map_err(|error| error.to_string())
}

fn view(book: &PriceBook, in_force: Option<u32>) -> Value {
    let models: Vec<Value> = book
        .rows
        .iter()
        .map(|(id, row)| json!({ "id": id, "ratio": row.ratio, "list_price": models::list_price(&row.list) }))
        .collect();
    json!({
        "version": book.version,
        "effective_at": times::rfc3339(book.effective_at),
        "in_force": Some(book.version) == in_force,
        "models": models,
    })
}
