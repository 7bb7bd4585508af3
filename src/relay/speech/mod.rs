//! Speech: admitted like a stream, relayed as the bytes come, charged by what was delivered.
//!
//! The caller's 200 waits for the first bytes that are of the format asked for; until then any failure has a status,
//! since SDKs save whatever body comes as audio. After it a failure cuts the connection, never a clean end.
//! `tally.rs` counts what the metrics say of it.

mod tally;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::{Bytes, BytesMut};
use lmhaven_actors::adapters::elevenlabs::{self, SpeechCall};
use lmhaven_actors::adapters::{UpstreamFault, openai};
use lmhaven_actors::domain::account::{Admission, Charge, Standing};
use lmhaven_actors::domain::ids::RequestId;
use lmhaven_actors::domain::price::PriceRow;
use lmhaven_actors::domain::refusal::Feature;
use lmhaven_actors::domain::usage::{Bucket, Usage};
use lmhaven_actors::keyring::KeyEntry;
use lmhaven_actors::media::audio::AudioMeter;
use lmhaven_actors::media::speech::AudioFormat;
use lmhaven_actors::provider::{Attempt, Call, Exchange, ExchangeError, NoAccount, Outcome, ProviderHandle};
use lmhaven_actors::workspace::Lease;
use tokio::time::timeout;

use crate::config::{Modality, Model};
use crate::error::{ApiError, Code};
use crate::relay::admission::{self, Asked, Leased};
use crate::relay::chat::{self, Failed};
use crate::relay::dispatch::{count, malformed, read_fault, upstream_error};
use crate::relay::generator::{Generator, Next, Yielder};
use crate::relay::meter::AWAITED_FREE;
use crate::relay::stream_body::{Ended, StreamBody};
use crate::relay::watch::{CallerSocket, Signal, Watched};
use crate::relay::{Running, Worker};
use crate::telemetry::{self, End, Route, Timing};

use tally::Tally;

/// How long a hold may stay open: longer than any speech takes.
const HOLD_EXPIRES_AFTER_MILLIS: i64 = 3_600_000;
/// Progress is journalled this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Serves `POST /v1/audio/speech`.
pub async fn serve(worker: Rc<Worker>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    admission::serve(Route::Speech, worker, request, payload, admit, deliver).await
}

/// As [`serve`], for a key that is known to be good: how the playground asks for whoever is signed in.
pub async fn serve_for(
    key: Arc<KeyEntry>,
    id: RequestId,
    worker: Rc<Worker>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    admission::serve_for(Route::Speech, worker, request, payload, (key, id), admit, deliver).await
}

/// A request that was admitted.
struct Admitted {
    request: RequestId,
    worker: Rc<Worker>,
    model: Arc<Model>,
    provider: Rc<ProviderHandle>,
    call: SpeechCall,
    format: AudioFormat,
    row: PriceRow,
    lease: Lease,
    standing: Standing,
    watched: Watched,
    timing: Rc<Timing>,
    running: Running,
}

async fn admit(asking: Asked<'_>, payload: web::Payload) -> Result<Admitted, Failed> {
    let Asked { id, worker, key, request } = asking;
    let gateway = &worker.gateway;
    let (body, timing) = admission::read(gateway, request, payload).await?;
    let asked = openai::read_speech(&body.bytes).map_err(ApiError::from)?;
    drop(body);
    let model = admission::find_model(gateway, &asked.model, Modality::Voice)?;
    let failed = |error: ApiError| Failed { model: Some(model.clone()), ..error.into() };
    let (provider, voices) = model
        .providers
        .iter()
        .find_map(|id| {
            let provider = worker.providers.get(id)?;
            let configured = gateway.config.providers.iter().find(|known| known.id == *id)?;
            Some((provider.clone(), configured.voices.clone()?))
        })
        .ok_or_else(|| failed(ApiError::no_account(NoAccount::Disabled)))?;
    // An unknown voice is refused here, before anything is held.
    let call = elevenlabs::render(&asked, &model.upstream_model, &voices).map_err(|error| failed(error.into()))?;
    let now = gateway.core.clock.now().wall;
    let (row, price_version) = admission::price(gateway, &model, now).map_err(failed)?;
    let worst = row.speech_hold(call.characters).map_err(|error| failed(admission::unpriced(&error, &model)))?;
    let watched = worker.watch.over(request.conn_data::<CallerSocket>(), key.clone());
    let admission = Admission {
        request: id,
        key: key.key,
        model: model.id.clone(),
        feature: Feature::Voice,
        price_version,
        streamed: true,
        least: worst,
        wanted: worst,
        expires_at: now.plus_millis(HOLD_EXPIRES_AFTER_MILLIS),
    };
    let leased = admission::admit(gateway, key, admission).await;
    let Leased { lease, standing, running } =
        leased.map_err(|refused| Failed { model: Some(model.clone()), ..refused })?;
    Ok(Admitted {
        request: id,
        worker: worker.clone(),
        provider,
        call,
        format: asked.format,
        row,
        lease,
        standing,
        watched,
        timing: Rc::new(timing),
        running,
        model,
    })
}

fn usage_of(characters: u64, microseconds: u64) -> Usage {
    Usage::default().with(Bucket::AudioMicroseconds, microseconds).with(Bucket::Characters, characters)
}

impl Admitted {
    /// What so much audio costs. A caller who had all of it, or who left, pays at least for the characters, which is
    /// what the provider bills; speech that broke off pays for the minutes alone.
    fn charge(&self, meter: &AudioMeter, with_characters: bool) -> Charge {
        let usage = usage_of(if with_characters { self.call.characters } else { 0 }, meter.microseconds());
        let amount = self.row.charge(&usage).unwrap_or_else(|error| {
            tracing::error!(%error, "a charge could not be computed; charging what was held");
            self.lease.held()
        });
        Charge { usage, amount }
    }
}

/// Starts an admitted request and answers once there is audio.
async fn deliver(admitted: Admitted) -> Result<HttpResponse, Failed> {
    let (request, model, standing) = (admitted.request, admitted.model.clone(), admitted.standing);
    let content_type = admitted.format.content_type();
    let mut generator = Generator::new(|yielder| run(admitted, yielder));
    let first = match generator.next().await {
        Next::Returned(Ended::Badly(error)) => return Err(Failed { model: Some(model), ..error.into() }),
        Next::Returned(Ended::Well) => Bytes::new(),
        Next::Bytes(bytes) => bytes,
    };
    let mut response = HttpResponseBuilder::new(StatusCode::OK);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static(content_type)));
    chat::label(&mut response, request, Some(&model), Some(&standing), None);
    Ok(response.body(StreamBody::new(first, generator, |_| Bytes::new())))
}

/// One request from its first attempt to its last byte.
async fn run(admitted: Admitted, yielder: Yielder) -> Ended {
    let mut meter = AudioMeter::new(admitted.format);
    let tally = Tally::new(&admitted);
    let outcome = relay(&admitted, &tally, &mut meter, &yielder).await;
    let charge = match &outcome {
        Ok(()) => Some(admitted.charge(&meter, true)),
        Err(Stop { caller: true, .. }) if meter.bytes() > 0 || admitted.timing.started.elapsed() > AWAITED_FREE => {
            Some(admitted.charge(&meter, true))
        }
        Err(Stop { delivered: true, .. }) => Some(admitted.charge(&meter, false)),
        Err(_) => None,
    };
    let Admitted { lease, running, .. } = admitted;
    if let Some(charge) = charge {
        // What the settling is dropped with is what it settles.
        tally.note(charge);
        let settled = lease.settle(charge).await;
        tally.charged(&charge, settled.charged);
    } else {
        lease.release().await;
    }
    drop(running);
    match outcome {
        Ok(()) => {
            tally.ended(End::Streamed { output_tokens: 0 });
            Ended::Well
        }
        Err(Stop { error, .. }) => {
            tally.ended(End::Failed(&error));
            Ended::Badly(error)
        }
    }
}

/// Why there is no more audio.
struct Stop {
    error: ApiError,
    /// The caller left, or lost the right to go on.
    caller: bool,
    /// Audio reached the caller.
    delivered: bool,
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self { error, caller: false, delivered: false }
    }
}

async fn relay(admitted: &Admitted, tally: &Tally, meter: &mut AudioMeter, yielder: &Yielder) -> Result<(), Stop> {
    let begun = tokio::select! {
        biased;
        begun = begin(admitted) => begun?,
        signal = admitted.watched.over() => return Err(match signal {
            Signal::Ending => ApiError::draining().into(),
            _ => Stop { caller: true, ..hung_up().into() },
        }),
    };
    let Begun { mut exchange, first, meter: measured } = begun;
    *meter = measured;
    let _open = telemetry::first_event(Route::Speech, &admitted.model, &admitted.timing);
    if admitted.worker.gateway.core.journal.durable(admitted.lease.ticket()).await.is_err() {
        return Err(ApiError::new(Code::StoreUnavailable, "the gateway cannot record requests right now").into());
    }
    telemetry::first_event_leaves(Route::Speech, &admitted.model, &admitted.timing);
    let result = pump(admitted, tally, meter, yielder, &mut exchange, first).await;
    let (outcome, label) = match &result {
        Ok(()) => (Some(Outcome::Answered), "ok"),
        Err(Stop { caller: true, .. }) => (None, "ok"),
        Err(_) => (Some(Outcome::Failed("the audio broke off")), "cut"),
    };
    if let Some(outcome) = outcome {
        exchange.guard.report(outcome);
    }
    count(&exchange.guard.pool().spec().id, label);
    result
}

/// Hands over what is here, and then what comes.
async fn pump(
    admitted: &Admitted,
    tally: &Tally,
    meter: &mut AudioMeter,
    yielder: &Yielder,
    exchange: &mut Exchange,
    first: Bytes,
) -> Result<(), Stop> {
    let stop = |error, caller| Stop { error, caller, delivered: true };
    admitted.watched.expect_events(admitted.provider.pool().spec().idle_timeout);
    let mut journalled_at = Instant::now();
    let mut bytes = first;
    loop {
        // A drop from here on is the caller's leaving.
        let charge = admitted.charge(meter, true);
        if journalled_at.elapsed() >= PROGRESS_EVERY {
            admitted.lease.journal_progress(charge);
            journalled_at = Instant::now();
        } else {
            admitted.lease.note(charge);
        }
        tally.note(charge);
        admitted.watched.note_sent();
        yielder.give(bytes).await;
        admitted.watched.note_taken();
        let chunk = loop {
            tokio::select! {
                biased;
                chunk = exchange.chunk() => break chunk.map_err(|error| stop(error.into(), false))?,
                signal = admitted.watched.signal() => match signal {
                    Signal::Gone => return Err(stop(hung_up(), true)),
                    Signal::Revoked => {
                        let error = ApiError::new(Code::RevokedApiKey, "this API key was revoked");
                        return Err(stop(error, true));
                    }
                    Signal::Ending => return Err(stop(ApiError::draining(), false)),
                    Signal::ProviderSilent => return Err(stop(ExchangeError::TimedOut.into(), false)),
                    // Audio has no room for one.
                    Signal::KeepAliveDue => {}
                },
            }
        };
        admitted.watched.note_heard();
        let Some(chunk) = chunk else { return Ok(()) };
        meter.push(&chunk).map_err(|_| stop(malformed("audio of the format asked for"), false))?;
        bytes = chunk;
    }
}

/// Speech that has begun: what came so far is audio of the right format.
struct Begun {
    exchange: Exchange,
    first: Bytes,
    meter: AudioMeter,
}

/// Attempts until there is audio. A second one only where the first cannot have been charged for.
async fn begin(admitted: &Admitted) -> Result<Begun, ApiError> {
    let mut except = None;
    let mut again = false;
    loop {
        let spec = admitted.provider.pool().spec();
        let began = Instant::now();
        let seat = admitted.provider.seat(Attempt { except }).await.map_err(ApiError::no_account)?;
        let account = seat.guard().account();
        admitted.timing.asked(&spec.id);
        let json = (reqwest::header::CONTENT_TYPE, reqwest::header::HeaderValue::from_static("application/json"));
        let body = Bytes::from(admitted.call.body.clone()).into();
        let call = Call { path: admitted.call.path.clone(), headers: vec![json], body };
        let (error, retryable) = match timeout(spec.first_byte_timeout, seat.send(call)).await {
            Err(_) => {
                admitted.provider.pool().report(account, Outcome::Failed("no answer in time"));
                count(&spec.id, "timeout");
                (ExchangeError::TimedOut.into(), false)
            }
            Ok(Err((error, guard))) => {
                guard.report(Outcome::Failed("no connection, or closed before an answer"));
                count(&spec.id, "connect");
                // Only what was never sent is free for certain.
                (ApiError::from(error), error == ExchangeError::NoConnection)
            }
            Ok(Ok(exchange)) if exchange.status() == 200 => {
                let left = spec.first_byte_timeout.saturating_sub(began.elapsed());
                match timeout(left, first_audio(exchange, admitted.format)).await {
                    Ok(Ok(begun)) => return Ok(begun),
                    Ok(Err(error)) => {
                        admitted.provider.pool().report(account, Outcome::Failed("no audio"));
                        count(&spec.id, "cut");
                        (error, false)
                    }
                    Err(_) => {
                        admitted.provider.pool().report(account, Outcome::Failed("no audio in time"));
                        count(&spec.id, "timeout");
                        (ExchangeError::TimedOut.into(), false)
                    }
                }
            }
            Ok(Ok(exchange)) => refused(admitted, exchange).await,
        };
        let others = admitted.provider.pool().has_other(account);
        if again || !retryable {
            return Err(if again { error.no_retry_unless_told() } else { error });
        }
        again = true;
        except = others.then_some(account);
    }
}

/// What an error status means, and whether to ask once more: the provider bills no answer but a 200.
async fn refused(admitted: &Admitted, mut exchange: Exchange) -> (ApiError, bool) {
    let (status, retry_after, body) = read_fault(&mut exchange).await;
    let fault = elevenlabs::fault(status, retry_after.as_deref(), &body);
    let others = admitted.provider.pool().has_other(exchange.guard.account());
    crate::relay::dispatch::report(&fault, &exchange.guard, others, status);
    let provider = &admitted.provider.pool().spec().id;
    tracing::warn!(%provider, status, "the provider answered with an error");
    let retryable = match &fault {
        UpstreamFault::RateLimited { .. } => others,
        UpstreamFault::OurAccount { model_gone, .. } => !model_gone && others,
        UpstreamFault::Failed { .. } | UpstreamFault::Overloaded { .. } => matches!(status, 500 | 502 | 503),
        UpstreamFault::BadRequest { .. } | UpstreamFault::TooLarge | UpstreamFault::MalformedFunctionCall => false,
    };
    (upstream_error(&fault, &exchange.guard), retryable)
}

/// Reads until the bytes are known to be what was asked for.
async fn first_audio(mut exchange: Exchange, format: AudioFormat) -> Result<Begun, ApiError> {
    let mut meter = AudioMeter::new(format);
    let mut first = BytesMut::new();
    while !meter.is_recognised() {
        let Some(chunk) = exchange.chunk().await? else {
            return Err(malformed("audio").no_retry());
        };
        meter.push(&chunk).map_err(|_| malformed("audio of the format asked for").no_retry())?;
        first.extend_from_slice(&chunk);
    }
    Ok(Begun { exchange, first: first.freeze(), meter })
}

fn hung_up() -> ApiError {
    ApiError::new(Code::RequestTimeout, "the caller hung up").closing()
}
