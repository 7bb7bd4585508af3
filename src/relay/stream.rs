//! A streamed answer: pulled from the provider by the caller's connection, metered as it passes, settled
//! before its closing events are written.
//!
//! The whole life of a stream is one async function that the body polls (`generator.rs`). Dropping the
//! body drops the function, and with it the provider's call and the lease, which charges what was
//! delivered. The 200 waits for the provider's first event, at most as long as a keep-alive is due, so
//! that early failures keep their status.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::{Bytes, BytesMut};
use lmhaven_actors::adapters::{Closing, Flow, StreamFault, StreamRelay, UpstreamFault};
use lmhaven_actors::domain::account::Charge;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::usage::Bucket;
use lmhaven_actors::provider::{Exchange, ExchangeError, Outcome, PoolGuard};
use tokio::time::timeout;

use crate::error::{ApiError, Code};
use crate::relay::chat::{self, Admitted, Failed};
use crate::relay::dialects;
use crate::relay::dispatch::{Attempts, Failure, Route, count, malformed, upstream_error};
use crate::relay::generator::{Generator, Next, Yielder};
use crate::relay::meter::Measured;
use crate::relay::stream_body::{Ended, StreamBody};
use crate::relay::watch::Signal;
use crate::telemetry::{self, End};

/// Progress is journalled when this many tokens were delivered since the last time …
const PROGRESS_TOKENS: u64 = 256;
/// … or this much time has passed.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Starts an admitted request and answers once it has something to say.
///
/// # Errors
/// A failure before the first event; the hold is closed.
pub async fn deliver(admitted: Box<Admitted>) -> Result<HttpResponse, Failed> {
    let (request, model, standing) = (admitted.request, admitted.model.clone(), admitted.standing);
    admitted.watched.keep_alive();
    let reply = admitted.prepared.reply;
    let mut generator = Generator::new(|yielder| run(admitted, yielder));
    // The first bytes commit the 200: events, or a keep-alive after a long silence.
    let first = match generator.next().await {
        Next::Returned(Ended::Badly(error)) => return Err(Failed { model: Some(model), ..error.into() }),
        Next::Returned(Ended::Well) => Bytes::new(),
        Next::Bytes(bytes) => bytes,
    };
    let mut response = HttpResponseBuilder::new(StatusCode::OK);
    response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")));
    chat::label(&mut response, request, Some(&model), Some(&standing), None);
    let envelope = move |error: &ApiError| dialects::error_event(reply, &error.envelope(request));
    Ok(response.body(StreamBody::new(first, generator, envelope)))
}

/// A stream's money while it runs.
struct Meterage {
    /// What everything so far costs.
    charge: Charge,
    journalled_tokens: u64,
    journalled_at: Instant,
}

/// One stream from its first attempt to its last byte.
async fn run(mut admitted: Box<Admitted>, yielder: Yielder) -> Ended {
    let outcome = relay(&mut admitted, &yielder).await;
    let Admitted { lease, model, quote, route, timing, running, .. } = *admitted;
    let error = match outcome {
        Ok(Finished { mut relay, charge, cut_short }) => {
            let settled = lease.settle(charge).await;
            let closing = Closing { usage: charge.usage, cost: settled.charged };
            let mut out = BytesMut::new();
            if cut_short {
                relay.cut_short(&closing, &mut out);
            } else {
                relay.conclude(&closing, &mut out);
            }
            telemetry::charged(&model, &timing, &charge.usage, settled.charged, quote.list_cost(&charge.usage));
            let output_tokens = charge.usage.get(Bucket::Output);
            telemetry::request_ended(route, &model, &timing, End::Streamed { output_tokens });
            drop((relay, running));
            yielder.give(out.freeze()).await;
            return Ended::Well;
        }
        Err(Broken { error, charge: Some(charge) }) => {
            let settled = lease.settle(charge).await;
            telemetry::charged(&model, &timing, &charge.usage, settled.charged, quote.list_cost(&charge.usage));
            error
        }
        Err(Broken { error, charge: None }) => {
            lease.release().await;
            error
        }
    };
    telemetry::request_ended(route, &model, &timing, End::Failed(&error));
    Ended::Badly(error)
}

/// A stream whose content was delivered.
struct Finished {
    relay: Box<dyn StreamRelay>,
    charge: Charge,
    /// Money ended it, not the model.
    cut_short: bool,
}

/// A stream that did not end well, and what was delivered before.
struct Broken {
    error: ApiError,
    charge: Option<Charge>,
}

impl From<ApiError> for Broken {
    fn from(error: ApiError) -> Self {
        Self { error, charge: None }
    }
}

/// Attempts until the first event, then the rest.
async fn relay(admitted: &mut Admitted, yielder: &Yielder) -> Result<Finished, Broken> {
    // A first event may be quick. A plain answer takes longer, and its hold goes to the disk with others meanwhile.
    admitted.worker.gateway.core.journal.hurry(admitted.lease.ticket());
    // In a box of its own: what the attempts need is several KiB that a stream would keep for life.
    let (mut exchange, mut relay, out, flow) = Box::pin(first_event(admitted, yielder)).await?;
    admitted.prepared.forget_calls();
    let _open = telemetry::first_event(admitted.route, &admitted.model, &admitted.timing);
    if admitted.worker.gateway.core.journal.durable(admitted.lease.ticket()).await.is_err() {
        return Err(ApiError::new(Code::StoreUnavailable, "the gateway cannot record requests right now").into());
    }
    telemetry::first_event_leaves(admitted.route, &admitted.model, &admitted.timing);
    let result = pump(admitted, yielder, &mut exchange, relay.as_mut(), out, flow).await;
    let (outcome, label) = match &result {
        Ok(_) => (Some(Outcome::Answered), "ok"),
        Err(Stop::Gone | Stop::Revoked | Stop::Ending) => (None, "ok"),
        Err(Stop::Provider(_)) => (Some(Outcome::Failed("the stream broke")), "cut"),
    };
    if let Some(outcome) = outcome {
        exchange.guard.report(outcome);
    }
    count(&exchange.guard.pool().spec().id, label);
    let charge = charge_of(admitted, relay.as_ref());
    match result {
        Ok(cut_short) => Ok(Finished { relay, charge, cut_short }),
        Err(stop) => {
            // Only what left for the caller is charged; an error before any content is free.
            let delivered = relay.meter().delivered_bytes > 0;
            let charge = match &stop {
                Stop::Gone if !delivered => admitted.prompt_awaited(),
                Stop::Gone | Stop::Revoked | Stop::Ending | Stop::Provider(_) => delivered.then_some(charge),
            };
            Err(Broken { error: stop.into(), charge })
        }
    }
}

/// Why pumping stopped before the end.
enum Stop {
    /// The caller left.
    Gone,
    /// The caller lost the right to go on.
    Revoked,
    /// The process ends.
    Ending,
    /// The provider broke off.
    Provider(ApiError),
}

impl From<Stop> for ApiError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Gone => hung_up(),
            Stop::Revoked => revoked(),
            Stop::Ending => ApiError::draining(),
            Stop::Provider(error) => error,
        }
    }
}

type Begun = (Exchange, Box<dyn StreamRelay>, BytesMut, Flow);

/// Makes attempts until a provider sends its first event.
async fn first_event(admitted: &Admitted, yielder: &Yielder) -> Result<Begun, Broken> {
    let mut attempts = Attempts::of(&admitted.worker, &admitted.model, &admitted.timing);
    let mut kept_alive = false;
    loop {
        let made = attempt_while_kept_alive(admitted, &mut attempts, yielder, &mut kept_alive).await?;
        let (failure, route) = match made {
            Ok(begun) => return Ok(begun),
            Err(failed) => failed,
        };
        // Once a keep-alive has reached the caller, nothing is asked for twice.
        let failure = if kept_alive { Failure { retryable: false, ..failure } } else { failure };
        attempts.another_after(failure, route)?;
    }
}

/// One attempt, with keep-alives where it takes long; over at once where the caller is.
async fn attempt_while_kept_alive(
    admitted: &Admitted,
    attempts: &mut Attempts<'_>,
    yielder: &Yielder,
    kept_alive: &mut bool,
) -> Result<Result<Begun, (Failure, Option<Route>)>, Broken> {
    let mut attempt = std::pin::pin!(attempt(admitted, attempts));
    loop {
        tokio::select! {
            biased;
            made = &mut attempt => return Ok(made),
            signal = admitted.watched.signal() => match signal {
                Signal::Gone => return Err(Broken { error: hung_up(), charge: admitted.prompt_awaited() }),
                Signal::Revoked => return Err(revoked().into()),
                Signal::Ending => return Err(ApiError::draining().into()),
                Signal::KeepAliveDue => {
                    *kept_alive = true;
                    yielder.give(Bytes::from_static(dialects::keep_alive(admitted.prepared.reply))).await;
                    admitted.watched.note_taken();
                }
                // The attempt has its own limit on silence.
                Signal::ProviderSilent => {}
            },
        }
    }
}

/// One attempt, up to the first event: until then any failure still has a status of its own.
async fn attempt(admitted: &Admitted, attempts: &mut Attempts<'_>) -> Result<Begun, (Failure, Option<Route>)> {
    let began = Instant::now();
    let (mut exchange, route) =
        attempts.make(&admitted.prepared, |spec| spec.first_byte_timeout).await.map_err(|failure| (failure, None))?;
    exchange.forget_headers();
    let spec = route.provider.pool().spec();
    let mut relay = admitted.prepared.stream_relay(route.upstream, admitted.label.clone(), &admitted.model);
    let mut out = BytesMut::new();
    loop {
        let left = spec.first_byte_timeout.saturating_sub(began.elapsed());
        let (failure, outcome, label) = match timeout(left, exchange.chunk()).await {
            Err(_) => (Failure::last(ExchangeError::TimedOut.into()), "no event in time", "timeout"),
            Ok(Err(error)) => (Failure { error: error.into(), retryable: true }, "cut before its first event", "cut"),
            Ok(Ok(chunk)) => {
                let fed = match &chunk {
                    Some(chunk) => relay.feed(chunk, &mut out),
                    None => relay.end_of_input(&mut out),
                };
                match fed {
                    Ok(flow) if flow == Flow::Complete || relay.meter().events > 0 => {
                        return Ok((exchange, relay, out, flow));
                    }
                    Ok(_) if chunk.is_some() => continue,
                    Ok(_) => {
                        let error = malformed("an answer that ends before its first event");
                        (Failure { error, retryable: true }, "cut before its first event", "cut")
                    }
                    // Text came along with the fault: nobody saw it, but it was made, so it is not asked for again.
                    Err(fault) if relay.meter().delivered_bytes > 0 => {
                        (Failure::last(stream_failure(fault, &exchange.guard).error), "the stream broke", "cut")
                    }
                    Err(fault) => (stream_failure(fault, &exchange.guard), "an error before its first event", "5xx"),
                }
            }
        };
        exchange.guard.report(Outcome::Failed(outcome));
        count(&spec.id, label);
        return Err((failure, Some(route)));
    }
}

/// What a fault in the stream means before anything was delivered.
fn stream_failure(fault: StreamFault, guard: &PoolGuard) -> Failure {
    match fault {
        StreamFault::Malformed(what) => Failure { error: malformed(what.what), retryable: true },
        StreamFault::Upstream(fault) => {
            let retryable = match &fault {
                UpstreamFault::BadRequest { .. }
                | UpstreamFault::TooLarge
                | UpstreamFault::RateLimited { .. }
                | UpstreamFault::OurAccount { .. } => false,
                UpstreamFault::Overloaded { .. }
                | UpstreamFault::Failed { .. }
                | UpstreamFault::MalformedFunctionCall => true,
            };
            Failure { error: upstream_error(&fault, guard), retryable }
        }
    }
}

/// Relays until the answer is complete. Tells whether money cut it short.
async fn pump(
    admitted: &Admitted,
    yielder: &Yielder,
    exchange: &mut Exchange,
    relay: &mut dyn StreamRelay,
    mut out: BytesMut,
    mut flow: Flow,
) -> Result<bool, Stop> {
    let Admitted { watched, worker, key, prepared, .. } = admitted;
    watched.expect_events(exchange.guard.pool().spec().idle_timeout);
    let mut money =
        Meterage { charge: charge_of(admitted, relay), journalled_tokens: 0, journalled_at: Instant::now() };
    let mut fault = None;
    loop {
        for (call, signature) in relay.take_signatures() {
            worker.gateway.signatures.keep(key.workspace.id(), &call, signature);
        }
        let covered = keep_covered(admitted, relay, &mut money).await;
        if !out.is_empty() {
            watched.note_sent();
            yielder.give(out.split().freeze()).await;
            watched.note_taken();
        }
        if let Some(fault) = fault {
            return Err(Stop::Provider(stream_failure(fault, &exchange.guard).error));
        }
        if flow == Flow::Complete {
            return Ok(false);
        }
        if !covered {
            return Ok(true);
        }
        let chunk = tokio::select! {
            biased;
            chunk = exchange.chunk() => chunk,
            signal = watched.signal() => match signal {
                Signal::Gone => return Err(Stop::Gone),
                Signal::Revoked => return Err(Stop::Revoked),
                Signal::Ending => return Err(Stop::Ending),
                Signal::ProviderSilent => return Err(Stop::Provider(ExchangeError::TimedOut.into())),
                Signal::KeepAliveDue => {
                    out.extend_from_slice(dialects::keep_alive(prepared.reply));
                    continue;
                }
            },
        };
        watched.note_heard();
        let fed = match &chunk {
            Ok(Some(chunk)) => relay.feed(chunk, &mut out),
            Ok(None) => relay.end_of_input(&mut out),
            Err(error) => return Err(Stop::Provider((*error).into())),
        };
        match fed {
            Ok(Flow::More) if matches!(chunk, Ok(None)) => {
                return Err(Stop::Provider(malformed("a stream that ends before its answer does")));
            }
            Ok(next) => flow = next,
            Err(broken) => fault = Some(broken),
        }
    }
}

/// Keeps the hold ahead of what was used: extended by a slice at nine tenths. Tells whether the stream may
/// go on; it may always while its hold covers the limit that was sent.
async fn keep_covered(admitted: &Admitted, relay: &dyn StreamRelay, money: &mut Meterage) -> bool {
    let Admitted { lease, quote, .. } = admitted;
    money.charge = charge_of(admitted, relay);
    if relay.meter().delivered_bytes > 0 {
        lease.note(money.charge);
    }
    let tokens = money.charge.usage.get(Bucket::Output);
    if tokens >= money.journalled_tokens + PROGRESS_TOKENS
        || (tokens > money.journalled_tokens && money.journalled_at.elapsed() >= PROGRESS_EVERY)
    {
        lease.journal_progress(money.charge);
        money.journalled_tokens = tokens;
        money.journalled_at = Instant::now();
    }
    let used = money.charge.amount;
    let nine_tenths = NanoUsd::from_nano(lease.held().nano() / 10 * 9);
    let worst = quote.worst_in_all();
    if used < nine_tenths || lease.held() >= worst {
        return true;
    }
    let missing = worst.checked_sub(lease.held()).unwrap_or_default();
    let behind = used.checked_sub(lease.held()).unwrap_or_default().max(NanoUsd::ZERO);
    let slice = quote.slice().checked_add(behind).unwrap_or(NanoUsd::MAX);
    let added = lease.extend(slice.min(missing)).await;
    added.is_positive() || used < lease.held()
}

/// The charge for what was delivered so far.
fn charge_of(admitted: &Admitted, relay: &dyn StreamRelay) -> Charge {
    let meter = relay.meter();
    let measured = Measured {
        reported: meter.reported,
        output_is_final: meter.finished,
        delivered_bytes: meter.delivered_bytes,
        prompt_bytes: admitted.prompt_bytes,
        output_limit: admitted.prepared.output_limit,
    };
    admitted.quote.charge(measured.usage())
}

fn hung_up() -> ApiError {
    ApiError::new(Code::RequestTimeout, "the caller hung up").closing()
}

fn revoked() -> ApiError {
    ApiError::new(Code::RevokedApiKey, "this API key was revoked")
}
