//! The dashboard's handlers: who visits, which page, and what a page that cannot be shown looks like.
//!
//! The routing table names them. They know a visitor only as what the session's extractor gives.

use std::rc::Rc;

use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use lmhaven_actors::workspace::WorkspaceHandle;

use super::guard::{self, Checked};
use super::{May, Trouble, Visit};
use super::{billing as billing_page, keys as keys_page, limits as limits_page, models as models_page};
use super::{overview as overview_page, playground as playground_page, requests as requests_page};
use super::{settings as settings_page, usage as usage_page};
use crate::dashboard::page::Shell;
use crate::dashboard::query::Fields;
use crate::relay::Worker;

type WorkerData = web::Data<Rc<Worker>>;

/// Somebody who is signed in, as their session's extractor makes them. Whoever is not is answered by the extractor.
pub trait Visitor: FromRequest + 'static {
    /// What stands around pages, what the person may do, and the workspace they look at.
    fn into_parts(self) -> (Shell, May, WorkspaceHandle);
}

/// Answers a GET.
async fn show<V: Visitor>(
    worker: WorkerData,
    visitor: V,
    request: HttpRequest,
    page: impl AsyncFnOnce(&Rc<Worker>, Visit, &Fields) -> Result<HttpResponse, Trouble>,
) -> HttpResponse {
    worker.gateway.opened().await;
    let (shell, may, workspace) = visitor.into_parts();
    let fields = Fields::of_query(&request);
    let answer = match Visit::new(shell, may, workspace).await {
        Ok(visit) => page(worker.get_ref(), visit, &fields).await,
        Err(trouble) => Err(trouble),
    };
    answer.unwrap_or_else(Trouble::respond)
}

/// Answers a POST whose body passes the guard.
async fn obey<V: Visitor>(
    worker: WorkerData,
    visitor: V,
    request: HttpRequest,
    payload: web::Payload,
    act: impl AsyncFnOnce(&Rc<Worker>, Visit, Checked, HttpRequest) -> Result<HttpResponse, Trouble>,
) -> HttpResponse {
    worker.gateway.opened().await;
    let (shell, may, workspace) = visitor.into_parts();
    let origin = &worker.gateway.config.server.public_url;
    let checked = guard::check(request.headers(), origin, &shell.csrf, payload).await;
    let answer = match (checked, Visit::new(shell, may, workspace).await) {
        (Ok(checked), Ok(visit)) => act(worker.get_ref(), visit, checked, request).await,
        (Err(trouble), _) | (_, Err(trouble)) => Err(trouble),
    };
    answer.unwrap_or_else(Trouble::respond)
}

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident = |$worker:ident, $visit:pat_param, $fields:pat_param| $page:expr;)*) => {$(
        $(#[$doc])*
        pub async fn $name<V: Visitor>(worker: WorkerData, visitor: V, request: HttpRequest) -> HttpResponse {
            show(worker, visitor, request, async |$worker, $visit, $fields| $page).await
        }
    )*};
}

pages! {
    /// `GET /app`.
    overview = |worker, visit, _| overview_page::overview(worker, visit).await;
    /// `GET /app/keys`.
    keys = |worker, mut visit, fields| Ok(keys_page::keys(worker, &mut visit, fields));
    /// `GET /app/usage`.
    usage = |worker, visit, fields| Ok(usage_page::usage(worker, &visit, fields));
    /// `GET /app/usage.csv`.
    usage_csv = |worker, visit, fields| Ok(usage_page::usage_csv(worker, &visit, fields));
    /// `GET /app/requests`.
    requests = |worker, visit, fields| requests_page::requests(worker, visit, fields).await;
    /// `GET /app/requests.csv`.
    requests_csv = |worker, visit, fields| requests_page::requests_csv(worker, visit, fields).await;
    /// `GET /app/billing`.
    billing = |worker, visit, fields| Ok(billing_page::billing(worker, &visit, fields));
    /// `GET /app/billing.csv`.
    billing_csv = |worker, visit, _| Ok(billing_page::billing_csv(worker, &visit));
    /// `GET /app/limits`.
    limits = |worker, visit, _| Ok(limits_page::limits(worker, &visit));
    /// `GET /app/models`.
    models = |worker, visit, _| Ok(models_page::models(worker, &visit));
    /// `GET /app/playground`.
    playground = |worker, visit, _| Ok(playground_page::playground(worker, &visit));
    /// `GET /app/playground/cost?id=req_…`.
    playground_cost = |worker, visit, fields| playground_page::cost(worker, visit, fields.get("id")).await;
    /// `GET /app/settings`.
    settings = |_worker, visit, _| Ok(settings_page::settings(&visit));
}

/// `GET /app/billing/receipts/{number}`.
pub async fn receipt<V: Visitor>(
    worker: WorkerData,
    visitor: V,
    request: HttpRequest,
    number: web::Path<String>,
) -> HttpResponse {
    show(worker, visitor, request, async |worker, visit, _| billing_page::receipt(worker, visit, &number).await).await
}

/// `POST /app/keys`.
pub async fn create_key<V: Visitor>(
    worker: WorkerData,
    visitor: V,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    obey(worker, visitor, request, payload, async |worker, visit, checked, _| {
        keys_page::create(worker, visit, &checked.fields).await
    })
    .await
}

/// `POST /app/keys/{id}/revoke`.
pub async fn revoke_key<V: Visitor>(
    worker: WorkerData,
    visitor: V,
    request: HttpRequest,
    payload: web::Payload,
    key: web::Path<String>,
) -> HttpResponse {
    obey(worker, visitor, request, payload, async |worker, visit, _, _| keys_page::revoke(worker, visit, &key).await)
        .await
}

/// `POST /app/playground/{modality}`.
pub async fn ask_playground<V: Visitor>(
    worker: WorkerData,
    visitor: V,
    request: HttpRequest,
    payload: web::Payload,
    modality: web::Path<String>,
) -> HttpResponse {
    obey(worker, visitor, request, payload, async |worker, visit, checked, request| {
        playground_page::ask(worker, visit, request, &modality, &checked.bytes).await
    })
    .await
}
