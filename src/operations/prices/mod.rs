//! The price book's next version: rows out of what was given, published from a moment on, or an earlier version again.
//!
//! `import.rs` reads what people paste; what is compared with what is the pages' matter.

pub mod import;

use std::collections::BTreeMap;
use std::sync::Arc;

use lmhaven_actors::domain::fact::PricesPublished;
use lmhaven_actors::domain::price::{ListPrice, PriceBook, PriceRow, Ratio};
use lmhaven_actors::domain::time::UnixMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{REASON_MAX, audit_row, invalid};
use crate::config::Modality;
use crate::error::{ApiError, Code};
use crate::relay::Gateway;
use crate::routes::list_price as list_price_view;
use crate::times;

/// Ratios and list prices change weekly: a book in force for longer than this was forgotten. Eight days, in milliseconds.
pub const STALE_AFTER: i64 = 8 * 24 * 60 * 60_000;

/// A version to be published, as `POST /admin/v1/prices` takes it and as files hold it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPrices {
    /// From when on requests pay it, as RFC 3339; from now on where absent.
    pub effective_at: Option<String>,
    /// Rows that change; models left out keep theirs.
    pub models: Vec<NewRow>,
    /// Why.
    pub reason: Option<String>,
}

/// A model's row; what is left out stays as it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRow {
    /// Which model.
    pub id: String,
    /// The list price is divided by this.
    pub ratio: Option<Ratio>,
    /// Every list price of it.
    pub list_price: Option<Value>,
}

/// The moment that a version is to hold from; now where none is named.
///
/// # Errors
/// It is no time.
pub fn moment(text: Option<&str>, now: UnixMillis) -> Result<UnixMillis, ApiError> {
    match text {
        None => Ok(now),
        Some(text) => times::parse(text).ok_or_else(|| invalid("effective_at", "expected a time as RFC 3339")),
    }
}

/// All rows of the next version: the newest one's, with those that are given in their place.
///
/// # Errors
/// A model is unknown, lacks a price, or one of the roster would have none.
pub fn merge(gateway: &Gateway, models: Vec<NewRow>) -> Result<BTreeMap<String, PriceRow>, ApiError> {
    let mut rows = gateway.core.prices.newest().map(|book| book.rows.clone()).unwrap_or_default();
    for (place, row) in models.into_iter().enumerate() {
        let at = |field: &str| format!("models[{place}].{field}");
        let NewRow { id, ratio, list_price: list } = row;
        let model = gateway.catalogue.find(&id);
        let model = model.ok_or_else(|| invalid(&at("id"), format!("there is no such model: {id}")))?;
        let known = rows.get(&id);
        let ratio = ratio.or(known.map(|known| known.ratio));
        let ratio = ratio.ok_or_else(|| invalid(&at("ratio"), format!("{id}: a ratio is needed")))?;
        let needed = || invalid(&at("list_price"), format!("{id}: a list price is needed"));
        let list = match list {
            Some(value) => list_price(model.modality, value)
                .map_err(|error| invalid(&at("list_price"), format!("{id}: {error}")))?,
            None => known.map(|known| known.list.clone()).ok_or_else(needed)?,
        };
        rows.insert(id, PriceRow { ratio, list });
    }
    whole(gateway, &rows)?;
    Ok(rows)
}

/// Whether every model of the roster has a price.
fn whole(gateway: &Gateway, rows: &BTreeMap<String, PriceRow>) -> Result<(), ApiError> {
    match gateway.catalogue.models().iter().find(|model| !rows.contains_key(&*model.id)) {
        Some(missing) => Err(invalid("models", format!("{} would have no price", missing.id))),
        None => Ok(()),
    }
}

/// Publishes a version of these rows from a moment on; answers it once it is durable. A version never reaches back: requests
/// paid what was in force at their admission.
///
/// # Errors
/// The reason is too long, or the store does not take it.
pub async fn publish(
    gateway: &Gateway,
    actor: &str,
    rows: BTreeMap<String, PriceRow>,
    effective_at: UnixMillis,
    reason: String,
    asked: Value,
) -> Result<Arc<PriceBook>, ApiError> {
    write(gateway, actor, "price.publish", rows, effective_at, reason, asked).await
}

/// Publishes an earlier version's rows again, as a version of their own.
///
/// # Errors
/// There is no such version, or it lacks a model that is there by now.
pub async fn roll_back(
    gateway: &Gateway,
    actor: &str,
    version: u32,
    effective_at: UnixMillis,
    reason: String,
) -> Result<Arc<PriceBook>, ApiError> {
    let book = gateway.core.prices.all().into_iter().find(|book| book.version == version);
    let book = book.ok_or_else(|| ApiError::new(Code::NotFound, "there is no such version"))?;
    whole(gateway, &book.rows)?;
    let asked = json!({ "roll_back_to": version, "effective_at": times::rfc3339(effective_at) });
    write(gateway, actor, "price.roll_back", book.rows.clone(), effective_at, reason, asked).await
}

async fn write(
    gateway: &Gateway,
    actor: &str,
    action: &str,
    rows: BTreeMap<String, PriceRow>,
    effective_at: UnixMillis,
    reason: String,
    asked: Value,
) -> Result<Arc<PriceBook>, ApiError> {
    if reason.len() > REASON_MAX {
        return Err(invalid("reason", format!("a reason has at most {REASON_MAX} characters")));
    }
    let core = &gateway.core;
    let before = core.prices.newest().map(|book| view(&book, None));
    let audit = audit_row(gateway, actor, action, "prices", Some(&reason), (before, Some(asked)));
    let at = core.clock.now().wall;
    let effective_at = effective_at.max(at);
    let published = PricesPublished { version: 0, at, effective_at, rows, reason, seeded_from: None };
    Ok(core.publish_prices(published, Some(audit)).await?)
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

/// A version as the admin API shows it.
pub fn view(book: &PriceBook, in_force: Option<u32>) -> Value {
    let models: Vec<Value> = book
        .rows
        .iter()
        .map(|(id, row)| json!({ "id": id, "ratio": row.ratio, "list_price": list_price_view(&row.list) }))
        .collect();
    json!({
        "version": book.version,
        "effective_at": times::rfc3339(book.effective_at),
        "in_force": Some(book.version) == in_force,
        "models": models,
    })
}

/// For how long the book in force has been so, where that is longer than [`STALE_AFTER`], in milliseconds.
pub fn stale_for(gateway: &Gateway) -> Option<i64> {
    let now = gateway.core.clock.now().wall;
    let since = gateway.core.prices.in_force(now)?.effective_at;
    let age = now.0.saturating_sub(since.0);
    (age > STALE_AFTER).then_some(age)
}
