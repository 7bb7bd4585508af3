//! An image request from its body to its answer: quote, admit, generate, keep, settle.
//!
//! Generating runs as a task of its own, because a provider that was asked makes the images and bills them whether
//! or not the caller is still there: the task outlives a caller who leaves, and settles. `generate.rs` runs one
//! generation step by step, `reply.rs` writes the answer.

mod base64_body;
mod generate;
mod reply;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::join_all;
use lmhaven_actors::adapters::image::ImageAdapter;
use lmhaven_actors::adapters::openai;
use lmhaven_actors::domain::account::{Admission, Charge};
use lmhaven_actors::domain::ids::RequestId;
use lmhaven_actors::domain::image_tier::ImageTier;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::price::{PriceError, PriceRow};
use lmhaven_actors::domain::refusal::Feature;
use lmhaven_actors::domain::usage::Usage;
use lmhaven_actors::keyring::KeyEntry;
use lmhaven_actors::media::{Image, ImageJob, ImagePlan, ImageRequest};
use lmhaven_actors::provider::NoAccount;
use lmhaven_actors::workspace::Lease;

use crate::config::{Modality, Model};
use crate::edge::BodyBudget;
use crate::error::{ApiError, Code};
use crate::relay::admission::{self, Asked, Leased};
use crate::relay::chat::Failed;
use crate::relay::makers::Makers;
use crate::relay::meter::AWAITED_FREE;
use crate::relay::watch::{CallerSocket, Watched};
use crate::relay::{Running, Worker};
use crate::telemetry::{self, End, Route, Timing};

use generate::{Attempts, BYTES_PER_IMAGE};

/// How long a hold may stay open: longer than any generation may take, its second attempt included.
const HOLD_EXPIRES_AFTER_MILLIS: i64 = 2 * 3_600_000;

/// Serves `POST /v1/images/generations`.
pub async fn serve(worker: Rc<Worker>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    admission::serve(Route::Images, worker, request, payload, admit, deliver).await
}

/// As [`serve`], for a key that is known to be good: how the playground asks for whoever is signed in.
pub async fn serve_for(
    key: Arc<KeyEntry>,
    id: RequestId,
    worker: Rc<Worker>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    admission::serve_for(Route::Images, worker, request, payload, (key, id), admit, deliver).await
}

/// Where the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// Waiting for the answer.
    Here,
    /// Gone, and charged for what is made.
    Left,
    /// Gone so early that it is on us. What was begun runs to its end where an account makes few things at a time: it
    /// is not free before, and whoever is next would be turned away.
    LeftAtOnce,
}

/// A request that was admitted: everything that its generations need.
struct Admitted {
    request: RequestId,
    worker: Rc<Worker>,
    model: Arc<Model>,
    makers: Makers<ImageAdapter>,
    asked: ImageRequest,
    jobs: Vec<ImageJob>,
    row: PriceRow,
    lease: Lease,
    timing: Rc<Timing>,
    /// A charged call left. Until then a caller who leaves costs nobody anything.
    sent: Rc<Cell<bool>>,
    caller: Rc<Cell<Caller>>,
    budget: RefCell<BodyBudget>,
    _running: Running,
}

async fn admit(asking: Asked<'_>, payload: web::Payload) -> Result<(Admitted, Watched), Failed> {
    let Asked { id, worker, key, request } = asking;
    let gateway = &worker.gateway;
    let (body, timing) = admission::read(gateway, request, payload).await?;
    let asked = openai::read_image_request(&body.bytes).map_err(ApiError::from)?;
    drop(body);
    let model = admission::find_model(gateway, &asked.model, Modality::Image)?;
    let failed = |error: ApiError| Failed { model: Some(model.clone()), ..error.into() };
    let Some((makers, adapter)) = makers(worker, &model) else {
        return Err(failed(ApiError::no_account(NoAccount::Disabled)));
    };
    let plan = adapter.plan(&asked, &model.upstream_model).map_err(|error| failed(error.into()))?;
    let now = gateway.core.clock.now().wall;
    let (row, price_version) = admission::price(gateway, &model, now).map_err(failed)?;
    let worst = worst_case(&plan, &row, &model).map_err(failed)?;
    let mut budget = gateway.edge.body_budget();
    budget.take(BYTES_PER_IMAGE.saturating_mul(u64::from(asked.count))).map_err(|used_up| {
        failed(ApiError::new(Code::Overloaded, used_up.to_string()).retry_after(std::time::Duration::from_secs(1)))
    })?;
    let watched = worker.watch.over(request.conn_data::<CallerSocket>(), key.clone());
    let admission = Admission {
        request: id,
        key: key.key,
        model: model.id.clone(),
        feature: Feature::Image,
        price_version,
        streamed: false,
        least: worst,
        wanted: worst,
        expires_at: now.plus_millis(HOLD_EXPIRES_AFTER_MILLIS),
    };
    let leased = admission::admit(gateway, key, admission).await;
    let Leased { lease, running, .. } = leased.map_err(|refused| Failed { model: Some(model.clone()), ..refused })?;
    let admitted = Admitted {
        request: id,
        worker: worker.clone(),
        makers,
        asked,
        jobs: plan.jobs,
        row,
        lease,
        timing: Rc::new(timing),
        sent: Rc::default(),
        caller: Rc::new(Cell::new(Caller::Here)),
        budget: RefCell::new(budget),
        _running: running,
        model,
    };
    Ok((admitted, watched))
}

/// The model's providers that are in use, and the adapter that speaks to all of them. The configuration names none of
/// another kind: what was planned and held for is the same at each.
fn makers(worker: &Worker, model: &Model) -> Option<(Makers<ImageAdapter>, ImageAdapter)> {
    let mut spoken = None;
    let makers = Makers::of(worker, model, |provider| {
        let adapter = ImageAdapter::by_kind(provider.kind.name())?;
        (*spoken.get_or_insert(adapter) == adapter).then_some(adapter)
    })?;
    Some((makers, spoken?))
}

/// What the images cost at most. A tier without a price is not sold, and neither is a request that may come back in one.
fn worst_case(plan: &ImagePlan, row: &PriceRow, model: &Model) -> Result<NanoUsd, ApiError> {
    let (tiers, count) = plan.chargeable();
    row.image_hold(&tiers, count).map_err(|error| match error {
        PriceError::NoTier(tier) => {
            let message = format!("this model is not sold in the size {tier}, in which such an image may come back");
            ApiError::new(Code::InvalidRequest, message).at("size")
        }
        PriceError::OtherModality(_) | PriceError::Overflow => admission::unpriced(&error, model),
    })
}

fn usage_of(images: impl IntoIterator<Item = (ImageTier, u32)>) -> Usage {
    images.into_iter().fold(Usage::default(), |usage, (tier, count)| {
        usage.with(tier.bucket(), usage.get(tier.bucket()).saturating_add(u64::from(count)))
    })
}

/// Runs the generations beside the caller, who may leave.
async fn deliver((admitted, watched): (Admitted, Watched)) -> Result<HttpResponse, Failed> {
    let (sent, timing, caller) = (admitted.sent.clone(), admitted.timing.clone(), admitted.caller.clone());
    let (model, have_lines) = (admitted.model.clone(), admitted.makers.have_lines());
    let mut work = actix_web::rt::spawn(generate_all(admitted));
    let outcome = tokio::select! {
        biased;
        outcome = &mut work => Some(outcome),
        _ = watched.over() => None,
    };
    match outcome {
        Some(Ok(delivered)) => delivered,
        Some(Err(_)) => {
            let error = ApiError::new(Code::Internal, "the gateway failed on this request").no_retry();
            telemetry::request_ended(Route::Images, &model, &timing, End::Failed(&error));
            Err(Failed { model: Some(model), ..error.into() })
        }
        None => {
            let error = hung_up();
            let is_free = !sent.get() || timing.started.elapsed() <= AWAITED_FREE;
            caller.set(if is_free { Caller::LeftAtOnce } else { Caller::Left });
            if is_free && !(sent.get() && have_lines) {
                // Nothing was asked for, or so shortly ago that it is on us: the dropped lease releases.
                work.abort();
                telemetry::request_ended(Route::Images, &model, &timing, End::Failed(&error));
            }
            Err(Failed { model: Some(model), ..error.into() })
        }
    }
}

fn hung_up() -> ApiError {
    ApiError::new(Code::RequestTimeout, "the caller hung up").closing()
}

/// Everything after the admission: generates, keeps, settles, writes.
async fn generate_all(admitted: Admitted) -> Result<HttpResponse, Failed> {
    let attempts = Attempts::new(&admitted);
    let generations = join_all(admitted.jobs.iter().map(|job| attempts.generate(job))).await;
    admitted.timing.heard();
    let (mut made, mut fault) = (Vec::new(), None);
    for (job, outcome) in admitted.jobs.iter().zip(generations) {
        match outcome {
            Ok(delivery) => {
                made.extend(delivery.images.into_iter().map(|image| (job.charged_tier(&image), image)));
            }
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    if made.is_empty() {
        let error = fault.unwrap_or_else(|| ApiError::new(Code::UpstreamBadGateway, "the provider made no image"));
        return Err(fail(admitted, &Usage::default(), error).await);
    }
    if admitted.caller.get() == Caller::LeftAtOnce {
        let usage = usage_of(made.iter().map(|(tier, _)| (*tier, 1)));
        return Err(fail(admitted, &usage, hung_up()).await);
    }
    finish(admitted, made).await
}

/// Ends a request that is not charged. What was made for it, `made`, we owe the provider all the same.
async fn fail(admitted: Admitted, made: &Usage, error: ApiError) -> Failed {
    let Admitted { model, row, lease, timing, .. } = admitted;
    let settled = lease.release().await;
    let list_cost = row.list_cost(made).unwrap_or_default();
    telemetry::charged(&model, &timing, &Usage::default(), NanoUsd::ZERO, list_cost);
    telemetry::request_ended(Route::Images, &model, &timing, End::Failed(&error));
    Failed { model: Some(model), standing: settled.standing, ..error.into() }
}

/// Keeps what was made, charges for it, and answers. An error from here on says that nobody is to ask again by itself:
/// the images were made, and may be billed.
async fn finish(admitted: Admitted, made: Vec<(ImageTier, Image)>) -> Result<HttpResponse, Failed> {
    let usage = usage_of(made.iter().map(|(tier, _)| (*tier, 1)));
    let amount = match admitted.row.charge(&usage) {
        Ok(amount) => amount,
        Err(error) => {
            // The admission refused whatever could come back without a price; no other price stands in for it.
            let error = admission::unpriced(&error, &admitted.model).no_retry();
            return Err(fail(admitted, &usage, error).await);
        }
    };
    let images = made.into_iter().map(|(_, image)| image).collect();
    // Nobody could open what is kept for a caller who left.
    let is_here = admitted.caller.get() == Caller::Here;
    let written = if is_here { reply::write(&admitted, images).await } else { Ok(reply::Written::new()) };
    let written = match written {
        Ok(written) => written,
        Err(error) => return Err(fail(admitted, &usage, error).await),
    };
    let charge = Charge { usage, amount };
    admitted.lease.note(charge);
    if admitted.worker.gateway.core.journal.durable(admitted.lease.ticket()).await.is_err() {
        let error = ApiError::new(Code::StoreUnavailable, "the gateway cannot record requests right now").no_retry();
        return Err(fail(admitted, &usage, error).await);
    }
    let Admitted { request, model, row, lease, timing, budget, .. } = admitted;
    let settled = lease.settle(charge).await;
    let list_cost = row.list_cost(&usage).unwrap_or_default();
    telemetry::charged(&model, &timing, &usage, settled.charged, list_cost);
    telemetry::request_ended(Route::Images, &model, &timing, End::Plain);
    Ok(reply::respond(request, &model, &settled, written, budget.into_inner()))
}
