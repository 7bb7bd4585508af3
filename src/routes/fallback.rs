//! Answers where there is no route, or no such method on it: a page for browsers, the envelope for programs.

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Route, web};
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::ids::RequestId;
use lmhaven_actors::keyring::KeyEntry;
use lmhaven_actors::system::fresh;

use super::WorkerData;
use crate::dashboard::{page, public};
use crate::error::{ApiError, Code};
use crate::extract::caller;
use crate::relay::chat::Failed;

/// Paths that SDKs call when `/v1` is missing from their base URL.
const WITHOUT_PREFIX: [&str; 7] =
    ["/chat/completions", "/completions", "/messages", "/models", "/images", "/audio", "/balance"];

/// 404, after 401 where a key is due.
pub async fn not_found(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    let path = request.path();
    if page::is_wanted(&request) && !path.starts_with("/v1/") {
        return public::missing();
    }
    let without_prefix = WITHOUT_PREFIX.iter().any(|known| path.starts_with(known));
    let id = fresh::request_id(worker.gateway.core.clock.now().wall);
    let dialect = if path.ends_with("/messages") { Dialect::Anthropic } else { Dialect::Openai };
    let key = if without_prefix || path.starts_with("/v1/") {
        match caller::authenticate(&worker.gateway, &request) {
            Ok(key) => Some(key),
            Err(error) => return error.respond(dialect, id),
        }
    } else {
        None
    };
    let message = if without_prefix {
        "there is no such route: add /v1 to the base URL (for the OpenAI SDKs it ends in /v1)"
    } else if ["/v1/images", "/v1/audio", "/v1/receipts", "/v1/responses"].iter().any(|known| path.starts_with(known)) {
        "this gateway does not serve this route yet"
    } else {
        "there is no such route"
    };
    respond(ApiError::new(Code::NotFound, message), key.as_deref(), dialect, id).await
}

/// A reply to a key carries its limits and balance, whatever it says.
async fn respond(error: ApiError, key: Option<&KeyEntry>, dialect: Dialect, id: RequestId) -> HttpResponse {
    match key {
        Some(key) => Failed::from(error).respond(key, dialect, id).await,
        None => error.respond(dialect, id),
    }
}

/// What a resource answers to every other method than those it has.
pub(super) fn not_allowed(allowed: &'static str) -> Route {
    web::to(move |worker, request| method_not_allowed(worker, request, allowed))
}

/// 405, after 401 where a key is due.
async fn method_not_allowed(worker: WorkerData, request: HttpRequest, allowed: &'static str) -> HttpResponse {
    let id = fresh::request_id(worker.gateway.core.clock.now().wall);
    let key = if request.path().starts_with("/v1/") {
        match caller::authenticate(&worker.gateway, &request) {
            Ok(key) => Some(key),
            Err(error) => return error.respond(Dialect::Openai, id),
        }
    } else {
        None
    };
    let error = ApiError::new(Code::MethodNotAllowed, format!("this route takes {allowed}"));
    let mut response = respond(error, key.as_deref(), Dialect::Openai, id).await;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
