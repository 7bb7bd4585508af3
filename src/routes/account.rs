//! What a key may ask of its own workspace: the balance and the usage.

use std::rc::Rc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::account::Standing;
use lmhaven_actors::domain::ids::WorkspaceId;
use lmhaven_actors::domain::limits::Limits;
use lmhaven_actors::keyring::KeyEntry;
use lmhaven_actors::reports::GroupBy;
use lmhaven_actors::system::fresh;
use lmhaven_actors::workspace::{KeyUse, UseKey, Used};
use serde_json::{Value, json};

use super::WorkerData;
use super::openapi::errors::{BadRequest, WithKey};
use super::openapi::shapes::{Balance, List, UsageRow};
use crate::error::{ApiError, Code};
use crate::extract::caller;
use crate::relay::Worker;
use crate::relay::chat::{Failed, label};
use crate::times;

/// The parts of an answer to a key that its handler may need.
pub(super) struct Caller {
    /// Whose key it is.
    pub(super) workspace: WorkspaceId,
    /// What the workspace has.
    pub(super) standing: Standing,
    limits: Limits,
    tier: String,
}

/// Answers a GET with a key of any kind: authenticates, asks the handler, adds the headers. GETs take no request from the bucket.
pub(super) async fn answer(
    worker: &Rc<Worker>,
    request: &HttpRequest,
    handler: impl FnOnce(&Worker) -> Result<Value, ApiError>,
) -> HttpResponse {
    answer_to(worker, request, |worker, _| handler(worker)).await
}

async fn answer_to(
    worker: &Rc<Worker>,
    request: &HttpRequest,
    handler: impl FnOnce(&Worker, &Caller) -> Result<Value, ApiError>,
) -> HttpResponse {
    answer_key(worker, request, async |worker, key| {
        let Used { standing, limits, tier, .. } =
            key.workspace.ask(UseKey { key: key.key, what: KeyUse::Read }).await.map_err(ApiError::from)?;
        let caller = Caller { workspace: key.workspace.id(), standing, limits, tier };
        let failed = |error: ApiError| Failed { standing: Some(standing), ..error.into() };
        Ok((StatusCode::OK, handler(worker, &caller).map_err(failed)?, standing))
    })
    .await
}

/// Answers a key with JSON, whatever it asked: authenticates, asks the handler, adds the headers.
pub(super) async fn answer_key(
    worker: &Rc<Worker>,
    request: &HttpRequest,
    handler: impl AsyncFnOnce(&Rc<Worker>, &KeyEntry) -> Result<(StatusCode, Value, Standing), Failed>,
) -> HttpResponse {
    let id = fresh::request_id(worker.gateway.core.clock.now().wall);
    let key = match caller::enter(&worker.gateway, request).await {
        Ok(key) => key,
        Err(error) => return error.respond(Dialect::Openai, id),
    };
    match handler(worker, &key).await {
        Ok((status, value, standing)) => {
            let mut response = HttpResponseBuilder::new(status);
            response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
            label(&mut response, id, None, Some(&standing), None);
            response.body(value.to_string())
        }
        Err(failed) => failed.respond(&key, Dialect::Openai, id).await,
    }
}

/// `GET /v1/balance`.
#[utoipa::path(
    get, path = "/v1/balance", tag = "account", operation_id = "balance", summary = "The balance and the limits",
    responses((status = 200, description = "The key's own workspace", body = Balance), WithKey),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn balance(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    answer_to(worker.get_ref(), &request, |_, caller| {
        Ok(json!({
            "workspace_id": caller.workspace,
            "balance_usd": caller.standing.balance(),
            "reserved_usd": caller.standing.held,
            "available_usd": caller.standing.available,
            "limits": limits_view(caller.limits, &caller.tier),
        }))
    })
    .await
}

/// The limits of a workspace as every answer shows them.
pub fn limits_view(limits: Limits, tier: &str) -> Value {
    json!({
        "requests_per_minute": limits.requests_per_minute,
        "concurrent_streams": limits.concurrent_streams,
        "tier": tier,
    })
}

/// `GET /v1/usage?from&to&group_by=day,model,key`: what was charged, from the first to the last day inclusive.
#[utoipa::path(
    get, path = "/v1/usage", tag = "account", operation_id = "usage", summary = "What was charged",
    params(
        ("from" = Option<String>, Query, description = "The first day, such as 2026-11-23; 30 days ago where absent"),
        ("to" = Option<String>, Query, description = "The last day, inclusive; today where absent"),
        ("group_by" = Option<String>, Query, description = "A list of `day`, `model` and `key`; `day,model` where absent"),
    ),
    responses((status = 200, description = "One row per group", body = List<UsageRow>), WithKey, BadRequest),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn usage(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    let query = request.query_string().to_owned();
    answer_to(worker.get_ref(), &request, |worker, caller| {
        let query = UsageQuery::parse(&query, worker.gateway.core.clock.now().wall.day())?;
        let rows = worker.gateway.core.reports.usage(caller.workspace, query.from, query.to, query.grouping);
        let data: Vec<Value> = rows
            .into_iter()
            .map(|row| {
                let mut object = serde_json::Map::new();
                if let Some(day) = row.day {
                    object.insert("day".to_owned(), times::day(day).into());
                }
                if let Some(model) = row.model {
                    object.insert("model".to_owned(), model.to_string().into());
                }
                if let Some(key) = row.key {
                    object.insert("key_id".to_owned(), key.to_string().into());
                }
                object.insert("requests".to_owned(), row.requests.into());
                object.insert("usage".to_owned(), json!(row.usage));
                object.insert("cost_usd".to_owned(), json!(row.cost));
                Value::Object(object)
            })
            .collect();
        Ok(json!({ "object": "list", "data": data, "has_more": false, "next_after": null }))
    })
    .await
}

struct UsageQuery {
    from: i32,
    to: i32,
    grouping: GroupBy,
}

impl UsageQuery {
    fn parse(query: &str, today: i32) -> Result<Self, ApiError> {
        let mut parsed = Self {
            from: today.saturating_sub(30),
            to: today,
            grouping: GroupBy { day: true, model: true, key: false },
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.replace("%2C", ",").replace("%2c", ",").replace("%3A", ":").replace("%3a", ":");
            let bad = |what: &str| ApiError::new(Code::InvalidRequest, what).at(name);
            match name {
                "from" => {
                    parsed.from = times::parse_day(&value).ok_or_else(|| bad("expected a date such as 2026-11-23"))?;
                }
                "to" => {
                    parsed.to = times::parse_day(&value).ok_or_else(|| bad("expected a date such as 2026-11-23"))?;
                }
                "group_by" => {
                    parsed.grouping = GroupBy { day: false, model: false, key: false };
                    for part in value.split(',') {
                        match part {
                            "day" => parsed.grouping.day = true,
                            "model" => parsed.grouping.model = true,
                            "key" => parsed.grouping.key = true,
                            _ => return Err(bad("expected a list of day, model and key")),
                        }
                    }
                }
                _ => {}
            }
        }
        if parsed.from > parsed.to {
            return Err(ApiError::new(Code::InvalidRequest, "from is after to").at("from"));
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_names_what_is_wrong_with_it() {
        let parse = |query: &str| UsageQuery::parse(query, 100);
        let good =
            parse("from=1970-01-02&to=1970-01-05T00:00:00Z&group_by=model%2Ckey").unwrap_or_else(|_| panic!("good"));
        assert_eq!((good.from, good.to, good.grouping.day, good.grouping.key), (1, 4, false, true));
        for (query, param) in [("from=yesterday", "from"), ("group_by=week", "group_by"), ("from=2030-01-01", "from")] {
            assert_eq!(parse(query).err().and_then(|error| error.param).as_deref(), Some(param), "{query}");
        }
    }
}
