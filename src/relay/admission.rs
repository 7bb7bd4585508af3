//! What every paid request goes through before a provider is asked: read, priced, held.
//!
//! `chat`, `image` and `speech` call these in their own order; what they ask for and what it can cost is theirs.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, web};
use lmhaven_actors::adapters::json_depth;
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::account::{Admission, Standing};
use lmhaven_actors::domain::ids::RequestId;
use lmhaven_actors::domain::price::PriceRow;
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::keyring::KeyEntry;
use lmhaven_actors::system::fresh;
use lmhaven_actors::workspace::Lease;

use crate::config::{Modality, Model};
use crate::error::{ApiError, Code};
use crate::extract::body::{self, Body};
use crate::extract::caller;
use crate::relay::chat::Failed;
use crate::relay::{Gateway, Running, Worker};
use crate::telemetry::{self, Route, Timing};

/// What a handler of a media route is given.
pub struct Asked<'a> {
    /// The request's id.
    pub id: RequestId,
    /// This thread's worker.
    pub worker: &'a Rc<Worker>,
    /// The key that asks.
    pub key: &'a Arc<KeyEntry>,
    /// Its head.
    pub request: &'a HttpRequest,
}

/// Serves a media route from its head to its answer. Errors are told as OpenAI's SDKs read them.
pub async fn serve<T>(
    route: Route,
    worker: Rc<Worker>,
    request: HttpRequest,
    payload: web::Payload,
    admit: impl AsyncFnOnce(Asked<'_>, web::Payload) -> Result<T, Failed>,
    deliver: impl AsyncFnOnce(T) -> Result<HttpResponse, Failed>,
) -> HttpResponse {
    let id = fresh::request_id(worker.gateway.core.clock.now().wall);
    let key = match caller::enter(&worker.gateway, &request).await {
        Ok(key) => key,
        Err(error) => {
            telemetry::request_refused(route, None, &error);
            return error.respond(Dialect::Openai, id);
        }
    };
    serve_for(route, worker, request, payload, (key, id), admit, deliver).await
}

/// As [`serve`], for a key that is known to be good and a request that has its id.
pub async fn serve_for<T>(
    route: Route,
    worker: Rc<Worker>,
    request: HttpRequest,
    payload: web::Payload,
    (key, id): (Arc<KeyEntry>, RequestId),
    admit: impl AsyncFnOnce(Asked<'_>, web::Payload) -> Result<T, Failed>,
    deliver: impl AsyncFnOnce(T) -> Result<HttpResponse, Failed>,
) -> HttpResponse {
    let asked = Asked { id, worker: &worker, key: &key, request: &request };
    let delivered = match admit(asked, payload).await {
        Ok(admitted) => deliver(admitted).await,
        Err(failed) => {
            telemetry::request_refused(route, failed.model.as_deref(), &failed.error);
            Err(failed)
        }
    };
    match delivered {
        Ok(response) => response,
        Err(failed) => failed.respond(&key, Dialect::Openai, id).await,
    }
}

/// Reads a JSON body within its bounds.
///
/// # Errors
/// As [`body::read`], and 400 where it nests too deeply.
pub async fn read(gateway: &Gateway, request: &HttpRequest, payload: web::Payload) -> Result<(Body, Timing), ApiError> {
    let started = Instant::now();
    let body = body::read(gateway, request.headers(), payload).await?;
    let timing = Timing::body_read(started);
    let depth_max = usize::try_from(gateway.edge.limits.json_depth_max).unwrap_or(usize::MAX);
    json_depth::check(&body.bytes, depth_max)?;
    Ok((body, timing))
}

/// The model with this id, of the modality that the route serves.
///
/// # Errors
/// 404 where there is none, 400 where it makes something else.
pub fn find_model(gateway: &Gateway, id: &str, wanted: Modality) -> Result<Arc<Model>, ApiError> {
    let Some(model) = gateway.catalogue.find(id) else {
        return Err(ApiError::new(Code::ModelNotFound, "there is no such model; GET /v1/models lists them").at("model"));
    };
    if model.modality == wanted {
        return Ok(model.clone());
    }
    let makes = |modality| match modality {
        Modality::Text => "chat completions",
        Modality::Image => "images",
        Modality::Voice => "speech",
    };
    let message = format!("this model makes {}, not {}", makes(model.modality), makes(wanted));
    Err(ApiError::new(Code::InvalidRequest, message).at("model"))
}

/// What the model costs now, and the version of the price book that says so.
///
/// # Errors
/// 500 where the book in force has no row for it: an operator's mistake, never a free request.
pub fn price(gateway: &Gateway, model: &Model, now: UnixMillis) -> Result<(PriceRow, u32), ApiError> {
    let book = gateway.core.prices.in_force(now);
    let priced = book.as_deref().and_then(|book| Some((book.rows.get(&*model.id)?.clone(), book.version)));
    priced.ok_or_else(|| {
        tracing::error!(model = %model.id, "the price book in force has no price for this model");
        ApiError::new(Code::Internal, "this model has no price right now")
    })
}

/// A charge or hold that cannot be computed is our mistake.
pub fn unpriced(error: &impl std::fmt::Display, model: &Model) -> ApiError {
    tracing::error!(%error, model = %model.id, "a request could not be priced");
    ApiError::new(Code::Internal, "this request could not be priced")
}

/// A request that holds its money.
pub struct Leased {
    /// The hold.
    pub lease: Lease,
    /// What the workspace has after it.
    pub standing: Standing,
    /// Counts it among the running ones.
    pub running: Running,
}

/// Asks the workspace for admission.
///
/// # Errors
/// Why not, with what the workspace has where it answered.
pub async fn admit(gateway: &Arc<Gateway>, key: &KeyEntry, admission: Admission) -> Result<Leased, Failed> {
    // Counted before it holds anything, so that draining waits for it; then looked whether it came too late for that.
    let running = gateway.count_running();
    if gateway.is_draining() {
        return Err(ApiError::draining().into());
    }
    let (lease, standing) = Lease::admit(&key.workspace, admission).await.map_err(ApiError::from)?;
    let lease = lease.map_err(|refused| {
        let error = ApiError::not_admitted(refused, &gateway.config.server.public_url);
        Failed { standing: Some(standing), ..error.into() }
    })?;
    Ok(Leased { lease, standing, running })
}
