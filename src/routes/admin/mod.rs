//! The admin API of INTERFACE §4, on the admin port: every write has an audit row in the same transaction.

mod audit;
mod body;
mod keys;
mod ledger;
mod money;
pub(in crate::routes) mod openapi;
mod operators;
mod payments;
mod prices;
mod providers;
pub(in crate::routes) mod shapes;
mod workspaces;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::fact::AuditRow;
use lmhaven_actors::system::{ChangeError, fresh};
use lmhaven_actors::workspace::WorkspaceHandle;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

pub(super) use body::parse;

use super::{WorkerData, fallback, get, post};
use crate::error::{ApiError, Code};
use crate::operations::{self, invalid};
use crate::relay::Worker;

/// The routes of the admin API.
pub(super) fn configure(routes: &mut ServiceConfig) {
    let workspaces = web::resource("/admin/v1/workspaces")
        .route(web::get().to(workspaces::list))
        .route(web::post().to(workspaces::create));
    routes.service(workspaces.default_service(fallback::not_allowed("GET, POST")));
    let workspace = web::resource("/admin/v1/workspaces/{id}")
        .route(web::get().to(workspaces::show))
        .route(web::patch().to(workspaces::change));
    routes.service(workspace.default_service(fallback::not_allowed("GET, PATCH")));
    post(routes, "/admin/v1/workspaces/{id}/credits", money::credit);
    get(routes, "/admin/v1/workspaces/{id}/payments", payments::list);
    post(routes, "/admin/v1/workspaces/{id}/payments/{payment}/refunds", payments::refund);
    let keys = web::resource("/admin/v1/workspaces/{id}/keys")
        .route(web::get().to(keys::list))
        .route(web::post().to(keys::create));
    routes.service(keys.default_service(fallback::not_allowed("GET, POST")));
    let key = web::resource("/admin/v1/workspaces/{id}/keys/{key_id}").route(web::delete().to(keys::revoke));
    routes.service(key.default_service(fallback::not_allowed("DELETE")));
    post(routes, "/admin/v1/workspaces/{id}/keys/{key_id}/rotate", keys::rotate);
    get(routes, "/admin/v1/workspaces/{id}/ledger", ledger::list);
    let prices =
        web::resource("/admin/v1/prices").route(web::get().to(prices::list)).route(web::post().to(prices::publish));
    routes.service(prices.default_service(fallback::not_allowed("GET, POST")));
    get(routes, "/admin/v1/providers", providers::list);
    post(routes, "/admin/v1/providers/{id}/accounts/{n}/enable", providers::enable);
    post(routes, "/admin/v1/providers/{id}/accounts/{n}/disable", providers::disable);
    let operators = web::resource("/admin/v1/operators")
        .route(web::get().to(operators::list))
        .route(web::post().to(operators::invite));
    routes.service(operators.default_service(fallback::not_allowed("GET, POST")));
    get(routes, "/admin/v1/audit", audit::list);
    get(routes, "/admin/v1/openapi.json", openapi::show);
}

/// 404 on the admin port, after 401: who has no token learns nothing of its routes.
pub(super) async fn not_found(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    answer(&worker, &request, |_| async { Err(ApiError::new(Code::NotFound, "there is no such route")) }).await
}

/// What a handler answers: a status and JSON.
type Answer = Result<(StatusCode, Value), ApiError>;

/// Checks the token and answers this JSON.
async fn answer_text(worker: &WorkerData, request: &HttpRequest, text: &'static str) -> HttpResponse {
    let refused = answer(worker, request, |_| async { Ok((StatusCode::OK, Value::Null)) }).await;
    if refused.status().is_success() { refused.set_body(BoxBody::new(text)) } else { refused }
}

/// Checks the token, runs the handler, writes what it answered.
async fn answer<F: Future<Output = Answer>>(
    worker: &WorkerData,
    request: &HttpRequest,
    handler: impl FnOnce(Rc<Worker>) -> F,
) -> HttpResponse {
    let id = fresh::request_id(worker.gateway.core.clock.now().wall);
    worker.gateway.opened().await;
    let outcome = match authorise(worker, request) {
        Ok(()) => handler(worker.get_ref().clone()).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok((status, value)) => {
            let mut response = HttpResponse::build(status);
            crate::headers::request_id(&mut response, id);
            response.content_type("application/json").body(value.to_string())
        }
        Err(error) => error.respond(Dialect::Openai, id),
    }
}

fn authorise(worker: &Worker, request: &HttpRequest) -> Result<(), ApiError> {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(given) = given.strip_prefix("Bearer ") else {
        return Err(ApiError::new(Code::MissingApiKey, "send the admin token as \"Authorization: Bearer …\""));
    };
    let right = worker.gateway.config.server.admin_token.as_ref();
    let matches = right.is_some_and(|token| bool::from(token.expose().as_bytes().ct_eq(given.trim().as_bytes())));
    if matches { Ok(()) } else { Err(ApiError::new(Code::InvalidApiKey, "this is not the admin token")) }
}

/// A list in the shape of INTERFACE §5.
fn list_of(data: Vec<Value>, has_more: bool, next_after: Option<Value>) -> (StatusCode, Value) {
    let next_after = next_after.unwrap_or_default();
    (
        StatusCode::OK,
        json!({ "object": "list", "data": Value::Array(data), "has_more": has_more, "next_after": next_after }),
    )
}

/// A request's body, or that it could not be read: told after who asks is known, and in the envelope.
#[derive(Debug)]
struct Sent(Result<Bytes, actix_web::Error>);

impl FromRequest for Sent {
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        let whole = Bytes::from_request(request, payload);
        Box::pin(async move { Ok(Self(whole.await)) })
    }
}

impl Sent {
    /// The bytes.
    ///
    /// # Errors
    /// There are more than are read, or the caller left.
    fn whole(&self) -> Result<&Bytes, ApiError> {
        self.0.as_ref().map_err(|error| match error.as_response_error().status_code() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                ApiError::new(Code::BodyTooLarge, "the body is larger than 256 KiB").closing()
            }
            _ => ApiError::new(Code::InvalidRequest, "the request body broke off").closing(),
        })
    }
}

/// The workspace in the path.
fn workspace(worker: &Worker, id: &str) -> Result<WorkspaceHandle, ApiError> {
    operations::workspace_of(&worker.gateway, id)
}

/// An audit row of a change through this API.
fn audit_row(
    worker: &Worker,
    action: &str,
    target: impl std::fmt::Display,
    reason: Option<&str>,
    before: Option<Value>,
    after: Option<Value>,
) -> AuditRow {
    operations::audit_row(&worker.gateway, operations::BY_TOKEN, action, target, reason, (before, after))
}

/// A query parameter.
fn query<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request
        .query_string()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The size of a page: 100 unless asked otherwise, 1,000 at the most.
fn page_size(request: &HttpRequest) -> Result<usize, ApiError> {
    match query(request, "limit") {
        None => Ok(100),
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|limit| (1..=1000).contains(limit))
            .ok_or_else(|| invalid("limit", "expected a number from 1 to 1000")),
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Ask(error) => error.into(),
            ChangeError::Store(_) | ChangeError::Lost(_) => {
                tracing::error!(%error, "an operator's change could not be stored");
                Self::new(Code::StoreUnavailable, "the store does not take changes right now")
            }
        }
    }
}

impl From<lmhaven_actors::journal::JournalLost> for ApiError {
    fn from(error: lmhaven_actors::journal::JournalLost) -> Self {
        ChangeError::from(error).into()
    }
}

impl From<lmhaven_actors::journal::JournalRefusal> for ApiError {
    fn from(error: lmhaven_actors::journal::JournalRefusal) -> Self {
        ChangeError::from(error).into()
    }
}
