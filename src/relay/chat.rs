//! A chat request from its body to its answer: quote, admit, then plain or streamed.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use lmhaven_actors::adapters::Label;
use lmhaven_actors::adapters::quantity::estimated_tokens;
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::account::{Admission, Charge, Standing};
use lmhaven_actors::domain::ids::{RequestId, encode_base32};
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::refusal::Feature;
use lmhaven_actors::keyring::KeyEntry;
use lmhaven_actors::system::fresh;
use lmhaven_actors::workspace::{Lease, ReadStanding};

use crate::config::{Modality, Model};
use crate::error::ApiError;
use crate::extract::body::Body;
use crate::extract::caller;
use crate::headers::Labels;
use crate::relay::admission::{self, Leased};
use crate::relay::dialects::{self, Client, Prepared};
use crate::relay::meter::{AWAITED_FREE, prompt_only};
use crate::relay::quote::{ModelBounds, Quote};
use crate::relay::watch::{CallerSocket, NOTICED_WITHIN, Watched};
use crate::relay::{Running, Worker, plain, stream};
use crate::telemetry::{self, Timing};

/// How long a hold may stay open: longer than any stream runs.
const HOLD_EXPIRES_AFTER_MILLIS: i64 = 6 * 3_600_000;

/// A request that was admitted, with all that its delivery needs. It lives in a box: most of a kilobyte, and many hands.
pub struct Admitted {
    /// Its id.
    pub request: RequestId,
    /// This thread's worker.
    pub worker: Rc<Worker>,
    /// The key that asked.
    pub key: Arc<KeyEntry>,
    /// The model.
    pub model: Arc<Model>,
    /// What it costs.
    pub quote: Quote,
    /// What it holds.
    pub lease: Lease,
    /// Its caller, watched.
    pub watched: Watched,
    /// What is sent, and how the answer is read.
    pub prepared: Prepared,
    /// What the answer is labelled with.
    pub label: Label,
    /// Bytes of the prompt's text.
    pub prompt_bytes: u64,
    /// What the workspace has after the admission.
    pub standing: Standing,
    /// When each of its phases began, for metrics.
    pub timing: Timing,
    /// The route, for metrics.
    pub route: Dialect,
    /// Counts it among the running ones.
    pub running: Running,
}

impl Admitted {
    /// What a caller pays who leaves now, before anything was delivered: the prompt of an answer that was awaited for
    /// over a second. Who left within that second may be noticed a look at the sockets later, and is not charged for it.
    pub fn prompt_awaited(&self) -> Option<Charge> {
        let is_free = self.timing.started.elapsed() <= AWAITED_FREE + NOTICED_WITHIN;
        (!is_free).then(|| self.quote.charge(prompt_only(self.prompt_bytes)))
    }
}

/// Serves a chat route in the dialect that the route speaks.
pub async fn serve(route: Dialect, worker: Rc<Worker>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let id = fresh::request_id(worker.gateway.core.clock.now().wall);
    let key = match caller::enter(&worker.gateway, &request).await {
        Ok(key) => key,
        Err(error) => {
            telemetry::request_refused(route, None, &error);
            return error.respond(route, id);
        }
    };
    serve_for(key, route, id, worker, request, payload).await
}

/// As [`serve`], for a key that is known to be good: how the playground asks for whoever is signed in.
pub async fn serve_for(
    key: Arc<KeyEntry>,
    route: Dialect,
    id: RequestId,
    worker: Rc<Worker>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let delivered = match admit(route, id, &worker, key.clone(), &request, payload).await {
        // The body counts against the budget of all bodies until an answer begins.
        Ok((admitted, streamed, _body)) => {
            let reply = admitted.prepared.reply;
            let delivered = if streamed { stream::deliver(admitted).await } else { plain::deliver(admitted).await };
            delivered.map_err(|failed| Failed { reply: Some(reply), ..failed })
        }
        Err(failed) => {
            telemetry::request_refused(route, failed.model.as_deref(), &failed.error);
            Err(failed)
        }
    };
    match delivered {
        Ok(response) => response,
        Err(failed) => failed.respond(&key, route, id).await,
    }
}

/// A request that ended before its answer began.
pub struct Failed {
    /// Why.
    pub error: ApiError,
    /// The model, where it is known.
    pub model: Option<Arc<Model>>,
    /// What the workspace has, where it was asked.
    pub standing: Option<Standing>,
    /// The dialect of the answer, where the body decided it.
    pub reply: Option<Dialect>,
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self { error, model: None, standing: None, reply: None }
    }
}

impl Failed {
    /// The whole answer, with the headers that every reply to a key carries.
    pub async fn respond(self, key: &KeyEntry, route: Dialect, id: RequestId) -> HttpResponse {
        let standing = match self.standing {
            Some(standing) => Some(standing),
            None => key.workspace.ask(ReadStanding).await.ok().map(|(standing, ..)| standing),
        };
        let mut response = self.error.start_response(self.reply.unwrap_or(route));
        label(&mut response, id, self.model.as_deref(), standing.as_ref(), None);
        response.body(self.error.envelope(id))
    }
}

/// The headers that every reply to a key carries, and what it cost where that is known.
pub fn label(
    response: &mut HttpResponseBuilder,
    id: RequestId,
    model: Option<&Model>,
    standing: Option<&Standing>,
    cost: Option<NanoUsd>,
) {
    let mut labels = Labels::of(response);
    labels.request_id(id);
    if let Some(model) = model {
        labels.model(&model.id);
    }
    if let Some(standing) = standing {
        labels.standing(standing);
    }
    if let Some(cost) = cost {
        labels.cost(cost);
    }
}

/// Everything before a provider is asked. Tells whether the answer is to be streamed.
async fn admit(
    route: Dialect,
    id: RequestId,
    worker: &Rc<Worker>,
    key: Arc<KeyEntry>,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(Box<Admitted>, bool, Body), Failed> {
    let gateway = &worker.gateway;
    let (body, timing) = admission::read(gateway, request, payload).await?;
    let now = gateway.core.clock.now().wall;
    let (parsed, reply) = dialects::read(route, request.headers(), &body.bytes).map_err(ApiError::from)?;
    let summary = parsed.summary();
    gateway.edge.check_counts(&summary.input).map_err(ApiError::from)?;
    let failed = |error: ApiError| Failed { reply: Some(reply), ..error.into() };
    let model = admission::find_model(gateway, &summary.model, Modality::Text).map_err(failed)?;
    let failed = |error: ApiError| Failed { model: Some(model.clone()), reply: Some(reply), ..error.into() };
    let upstreams = dialects_of(worker, &model);
    let (row, version) = admission::price(gateway, &model, now).map_err(failed)?;
    let bounds = ModelBounds { context_window: model.context_window, output_tokens_max: model.max_output_tokens };
    let mut quote = Quote::new(&summary, row, version, bounds);
    let client = Client::new(
        (parsed, body.bytes.clone()),
        reply,
        request.headers(),
        &key.workspace,
        &upstreams,
        &gateway.signatures,
    )
    .map_err(|error| failed(error.into()))?;
    let mut prepared =
        client.prepare(&model, quote.output_limit, summary.stream, &upstreams).map_err(|error| failed(error.into()))?;
    let growth = prepared.sent_bytes_max().saturating_sub(body.bytes.len());
    quote.cover_growth(u64::try_from(growth).unwrap_or(u64::MAX));
    let ask = quote.ask().map_err(|error| failed(admission::unpriced(&error, &model)))?;
    let watched = worker.watch.over(request.conn_data::<CallerSocket>(), key.clone());
    let admission = Admission {
        request: id,
        key: key.key,
        model: model.id.clone(),
        feature: Feature::Text,
        price_version: quote.price_version,
        streamed: summary.stream,
        least: ask.least,
        wanted: ask.wanted,
        expires_at: now.plus_millis(HOLD_EXPIRES_AFTER_MILLIS),
    };
    let admitted = admission::admit(gateway, &key, admission).await;
    let Leased { lease, standing, running } =
        admitted.map_err(|refused| Failed { model: Some(model.clone()), reply: Some(reply), ..refused })?;
    let affordable = quote.affordable_output(lease.held());
    if affordable != quote.output_limit {
        prepared =
            client.prepare(&model, affordable, summary.stream, &upstreams).map_err(|error| failed(error.into()))?;
    }
    let admitted = Box::new(Admitted {
        request: id,
        worker: worker.clone(),
        key,
        quote,
        lease,
        watched,
        prepared,
        label: Label {
            id: encode_base32(id.bits()),
            model: model.id.to_string(),
            created: now.0.div_euclid(1000),
            include_usage: summary.include_usage,
            show_thoughts: client.shows_thoughts(),
            input_estimate: estimated_tokens(summary.prompt_bytes),
        },
        model: model.clone(),
        prompt_bytes: summary.prompt_bytes,
        standing,
        timing,
        route,
        running,
    });
    drop(client);
    Ok((admitted, summary.stream, body))
}

/// The dialects of the model's providers that are in use, each once.
fn dialects_of(worker: &Worker, model: &Model) -> Vec<Dialect> {
    let mut dialects = Vec::with_capacity(1);
    let pools = model.providers.iter().filter_map(|id| worker.gateway.pools.get(id));
    for dialect in pools.filter_map(|pool| pool.spec().dialect) {
        if !dialects.contains(&dialect) {
            dialects.push(dialect);
        }
    }
    dialects
}
