//! `POST /v1/messages/count_tokens`: free of charge, counts against the request limit.
//!
//! Asked of the provider where it can count; where it cannot (an OpenAI-compatible one), estimated as
//! everywhere else.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use lmhaven_actors::adapters::json_depth;
use lmhaven_actors::adapters::quantity::estimated_tokens;
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::account::Standing;
use lmhaven_actors::domain::refusal::Feature;
use lmhaven_actors::keyring::KeyEntry;
use lmhaven_actors::provider::{Attempt, Call, Outcome, ProviderHandle};
use lmhaven_actors::system::fresh;
use lmhaven_actors::workspace::AdmitFree;
use serde_json::json;
use tokio::time::timeout;

use super::WorkerData;
use super::openapi::bodies::CountBody as CountShape;
use super::openapi::errors::{Asking, Charging, Overload, WithKey};
use super::openapi::shapes::Count;
use crate::config::{Modality, Model};
use crate::error::ApiError;
use crate::extract::{body, caller};
use crate::relay::admission::find_model;
use crate::relay::chat::{Failed, label};
use crate::relay::counting::{self, CountBody};
use crate::relay::dispatch::{malformed, upstream_error};
use crate::relay::{Worker, dialects};

/// A count is small.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// And quick.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Counts the prompt's tokens.
#[utoipa::path(
    post, path = "/v1/messages/count_tokens", tag = "generation", operation_id = "count_tokens",
    summary = "Count a prompt's tokens, free of charge",
    request_body = CountShape,
    responses((status = 200, description = "How many", body = Count), WithKey, Asking, Charging, Overload),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn count_tokens(worker: WorkerData, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let worker = worker.get_ref();
    let id = fresh::request_id(worker.gateway.core.clock.now().wall);
    let key = match caller::enter(&worker.gateway, &request).await {
        Ok(key) => key,
        Err(error) => return error.respond(Dialect::Anthropic, id),
    };
    match count(worker, &key, &request, payload).await {
        Ok((tokens, model, standing)) => {
            let mut response = HttpResponseBuilder::new(StatusCode::OK);
            response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
            label(&mut response, id, Some(&model), Some(&standing), None);
            response.body(json!({ "input_tokens": tokens }).to_string())
        }
        Err(failed) => failed.respond(&key, Dialect::Anthropic, id).await,
    }
}

async fn count(
    worker: &Rc<Worker>,
    key: &KeyEntry,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(u64, Arc<Model>, Standing), Failed> {
    let gateway = &worker.gateway;
    let body = body::read(gateway, request.headers(), payload).await?;
    let depth_max = usize::try_from(gateway.edge.limits.json_depth_max).unwrap_or(usize::MAX);
    json_depth::check(&body.bytes, depth_max).map_err(ApiError::from)?;
    let parsed = CountBody::read(&body.bytes).map_err(ApiError::from)?;
    let summary = parsed.summary();
    let model = find_model(gateway, &summary.model, Modality::Text)?;
    let failed = |error: ApiError| Failed { model: Some(model.clone()), ..error.into() };
    let provider = model.providers.iter().find_map(|id| {
        let provider = worker.providers.get(id)?;
        Some((provider, provider.pool().spec().dialect?))
    });
    let (provider, upstream) =
        provider.ok_or_else(|| failed(ApiError::no_account(lmhaven_actors::provider::NoAccount::Disabled)))?;
    let call =
        parsed.call(upstream, &model, request.headers(), &key.workspace).map_err(|error| failed(error.into()))?;
    let message = AdmitFree { key: key.key, model: model.id.clone(), feature: Feature::Text };
    let (admitted, standing) = key.workspace.ask(message).await.map_err(|error| failed(error.into()))?;
    let failed = |error: ApiError| Failed { standing: Some(standing), ..failed(error) };
    admitted.map_err(|refusal| failed(ApiError::refused(refusal, &gateway.config.server.public_url)))?;
    let tokens = match call {
        Some(call) => ask(provider, upstream, call).await.map_err(failed)?,
        None => estimated_tokens(summary.prompt_bytes),
    };
    Ok((tokens, model.clone(), standing))
}

/// Asks once: the caller's SDK tries again by itself, and nothing is charged.
async fn ask(provider: &ProviderHandle, upstream: Dialect, call: Call) -> Result<u64, ApiError> {
    let seat = provider.seat(Attempt { except: None }).await.map_err(ApiError::no_account)?;
    let timed_out = |_| ApiError::from(lmhaven_actors::provider::ExchangeError::TimedOut);
    let sent = timeout(ANSWER_WITHIN, seat.send(call)).await.map_err(timed_out)?;
    let mut exchange = sent.map_err(|(error, guard)| {
        guard.report(Outcome::Failed("no answer to a count"));
        ApiError::from(error)
    })?;
    let bytes = timeout(ANSWER_WITHIN, exchange.body(ANSWER_BYTES_MAX)).await.map_err(timed_out)??;
    if exchange.status() != 200 {
        let fault = dialects::fault(upstream, exchange.status(), exchange.header("retry-after"), &bytes);
        return Err(upstream_error(&fault, &exchange.guard));
    }
    counting::read_count(upstream, &bytes).map_err(|what| malformed(what.what))
}
