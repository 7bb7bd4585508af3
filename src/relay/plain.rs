//! An answer that is not streamed: one upstream call, read whole, settled, then written.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use lmhaven_actors::adapters::UpstreamFault;
use lmhaven_actors::provider::{Exchange, ExchangeError, Outcome};
use tokio::time::timeout;

use crate::error::{ApiError, Code};
use crate::relay::chat::{self, Admitted, Failed};
use crate::relay::dialects::{self, AnswerFault, PlainAnswer, PlainMeter};
use crate::relay::dispatch::{Attempts, Failure, Route, count, malformed, upstream_error};
use crate::relay::meter::Measured;
use crate::relay::watch::Signal;
use crate::telemetry::{self, End};

/// The largest plain answer: room for a few images as base 64.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Runs an admitted request to its whole answer.
///
/// # Errors
/// Why there is none; the hold is closed.
pub async fn deliver(admitted: Box<Admitted>) -> Result<HttpResponse, Failed> {
    // A caller who has left gets no answer: what is awaited here is dropped, and the provider's call with it.
    let outcome = tokio::select! {
        biased;
        outcome = ask(&admitted) => outcome,
        signal = admitted.watched.over() => match signal {
            Signal::Ending => Err(ApiError::draining()),
            // What is rare is in a box of its own: a request would carry its room otherwise.
            _ => return Err(Box::pin(hung_up(admitted)).await),
        },
    };
    match outcome {
        Ok((answer, meter)) => answered(admitted, answer, meter).await,
        Err(error) => {
            let settled = Box::pin(admitted.lease.release()).await;
            telemetry::request_ended(admitted.route, &admitted.model, &admitted.timing, End::Failed(&error));
            Err(Failed { model: Some(admitted.model), standing: settled.standing, ..error.into() })
        }
    }
}

/// Asks until there is an answer or no further attempt is allowed.
async fn ask(admitted: &Admitted) -> Result<(PlainAnswer, PlainMeter), ApiError> {
    let mut attempts = Attempts::of(&admitted.worker, &admitted.model, &admitted.timing);
    loop {
        let began = Instant::now();
        let made = attempts.make(&admitted.prepared, |spec| spec.answer_timeout).await;
        let (failure, route) = match made {
            Ok((exchange, route)) => match read(admitted, exchange, &route, began).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => (failure, Some(route)),
            },
            Err(failure) => (failure, None),
        };
        attempts.another_after(failure, route)?;
    }
}

/// Reads an answer that began well.
async fn read(
    admitted: &Admitted,
    mut exchange: Exchange,
    route: &Route,
    began: Instant,
) -> Result<(PlainAnswer, PlainMeter), Failure> {
    let pool = route.provider.pool();
    let (id, upstream) = (&pool.spec().id, route.upstream);
    let left = pool.spec().answer_timeout.saturating_sub(began.elapsed());
    let bytes = match timeout(left, exchange.body(ANSWER_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            exchange.guard.report(Outcome::Failed("the answer broke off"));
            count(id, "cut");
            return Err(Failure::last(error.into()));
        }
        Err(_) => {
            exchange.guard.report(Outcome::Failed("no answer in time"));
            count(id, "timeout");
            return Err(Failure::last(ExchangeError::TimedOut.into()));
        }
    };
    admitted.timing.heard();
    match admitted.prepared.read_plain(upstream, bytes, &admitted.label, &admitted.model) {
        Ok(answer) => {
            exchange.guard.report(Outcome::Answered);
            count(id, "ok");
            Ok(answer)
        }
        Err(AnswerFault::Malformed(what)) => {
            exchange.guard.report(Outcome::Failed("a malformed answer"));
            count(id, "cut");
            Err(Failure::last(malformed(what.what)))
        }
        Err(AnswerFault::Upstream(fault)) => {
            exchange.guard.report(Outcome::Answered);
            count(id, "ok");
            let retryable = fault == UpstreamFault::MalformedFunctionCall;
            Err(Failure { error: upstream_error(&fault, &exchange.guard), retryable })
        }
    }
}

/// Settles and writes. The first byte waits until the hold is on disk, which it is by now almost always.
async fn answered(admitted: Box<Admitted>, answer: PlainAnswer, meter: PlainMeter) -> Result<HttpResponse, Failed> {
    let Admitted {
        request, worker, model, quote, lease, prepared, label, prompt_bytes, timing, route, running, ..
    } = *admitted;
    let measured = Measured {
        reported: meter.reported,
        output_is_final: true,
        delivered_bytes: meter.delivered_bytes,
        prompt_bytes,
        output_limit: prepared.output_limit,
    };
    let usage = measured.usage();
    let charge = quote.charge(usage);
    let hold = worker.gateway.core.journal.durable(lease.ticket());
    let mut settling = pin!(lease.settle(charge));
    // The settlement is on its way while the hold is; its answer is not waited for yet, and wakes nobody.
    let early = settling.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    if hold.await.is_err() {
        let error = ApiError::new(Code::StoreUnavailable, "the gateway cannot record requests right now");
        telemetry::request_ended(route, &model, &timing, End::Failed(&error));
        return Err(error.into());
    }
    if let PlainAnswer::Translate(answer) = &answer {
        for (call, signature) in dialects::signatures(answer) {
            worker.gateway.signatures.keep(admitted.key.workspace.id(), call, signature.clone());
        }
    }
    let settled = match early {
        Poll::Ready(settled) => settled,
        Poll::Pending => settling.await,
    };
    let bytes = prepared.write_plain(answer, &label, &usage);
    telemetry::charged(&model, &timing, &usage, settled.charged, quote.list_cost(&usage));
    telemetry::request_ended(route, &model, &timing, End::Plain);
    let mut response = HttpResponseBuilder::new(StatusCode::OK);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    chat::label(&mut response, request, Some(&model), settled.standing.as_ref(), Some(settled.charged));
    drop(running);
    Ok(response.body(bytes))
}

/// The caller left: free within the first second, the prompt after it.
async fn hung_up(admitted: Box<Admitted>) -> Failed {
    let awaited = admitted.prompt_awaited();
    let Admitted { model, quote, lease, timing, route, .. } = *admitted;
    let error = ApiError::new(Code::RequestTimeout, "the caller hung up").closing();
    if let Some(charge) = awaited {
        let settled = lease.settle(charge).await;
        telemetry::charged(&model, &timing, &charge.usage, settled.charged, quote.list_cost(&charge.usage));
    } else {
        lease.release().await;
    }
    telemetry::request_ended(route, &model, &timing, End::Failed(&error));
    Failed { model: Some(model), ..error.into() }
}
