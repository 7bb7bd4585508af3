//! Attempts until there is audio of the format asked for.
//!
//! At most two, and the second only where the first cannot have been charged for: nothing was sent, or the provider
//! itself refused or failed with a status. Whatever was answered with a 200 is billed, and so may be what was lost.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use lmhaven_actors::adapters::UpstreamFault;
use lmhaven_actors::adapters::elevenlabs::{self, SpeechCall};
use lmhaven_actors::media::Retry;
use lmhaven_actors::media::audio::AudioMeter;
use lmhaven_actors::media::speech::AudioFormat;
use lmhaven_actors::provider::{Call, Exchange, ExchangeError, Outcome, Seat};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tokio::time::timeout;

use super::Admitted;
use crate::error::ApiError;
use crate::relay::dispatch::{self, count, malformed, read_fault};
use crate::relay::makers::Turn;

/// Speech that has begun: what came so far is audio of the right format.
pub(super) struct Begun {
    pub(super) exchange: Exchange,
    pub(super) first: Bytes,
    pub(super) meter: AudioMeter,
}

/// Why an attempt failed, and where a second one may go.
struct Failure {
    error: ApiError,
    retry: Retry,
}

impl Failure {
    /// The provider may have charged.
    fn last(error: impl Into<ApiError>) -> Self {
        Self { error: error.into(), retry: Retry::No }
    }
}

/// Asks until there is audio.
pub(super) async fn begin(admitted: &Admitted) -> Result<Begun, ApiError> {
    let mut turn = Turn::default();
    let mut failed = None;
    loop {
        let taken = admitted.makers.seat(&mut turn, async |provider, attempt| provider.seat(attempt).await).await;
        let (maker, seat) = match taken {
            Ok(taken) => taken,
            // Whoever was free a moment ago is not any more: what the first attempt came to is what there is.
            Err(none) => return Err(failed.unwrap_or_else(|| ApiError::no_account(none))),
        };
        let account = seat.guard().account();
        admitted.timing.asked(&maker.provider.pool().spec().id);
        let other = |account| admitted.makers.other(turn, account);
        let failure = match attempt(&maker.how, seat, admitted.format, &|account| other(account).is_some()).await {
            Ok(begun) => return Ok(begun),
            Err(failure) => failure,
        };
        let next = match failure.retry {
            Retry::No => None,
            Retry::OtherAccount => other(account),
            Retry::AnyAccount => other(account).or(Some(turn.again())),
        };
        match next {
            Some(next) if failed.is_none() => turn = next,
            _ if failed.is_some() => return Err(failure.error.no_retry_unless_told()),
            _ => return Err(failure.error),
        }
        failed = Some(failure.error);
    }
}

async fn attempt(
    speech: &SpeechCall,
    seat: Seat,
    format: AudioFormat,
    has_other: &impl Fn(usize) -> bool,
) -> Result<Begun, Failure> {
    let pool = seat.guard().pool().clone();
    let (spec, account, began) = (pool.spec(), seat.guard().account(), Instant::now());
    let failed = |what, label| {
        pool.report(account, Outcome::Failed(what));
        count(&spec.id, label);
    };
    let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let call = Call { path: speech.path.clone(), headers, body: Bytes::from(speech.body.clone()).into() };
    let exchange = match timeout(spec.first_byte_timeout, seat.send(call)).await {
        Ok(Ok(exchange)) => exchange,
        Ok(Err((error, _))) => {
            failed("no connection, or closed before an answer", "connect");
            // Only what was never sent is free for certain.
            let retry = if error == ExchangeError::NoConnection { Retry::AnyAccount } else { Retry::No };
            return Err(Failure { error: error.into(), retry });
        }
        Err(_) => {
            failed("no answer in time", "timeout");
            return Err(Failure::last(ExchangeError::TimedOut));
        }
    };
    if exchange.status() != 200 {
        return Err(refused(exchange, has_other(account)).await);
    }
    let left = spec.first_byte_timeout.saturating_sub(began.elapsed());
    match timeout(left, first_audio(exchange, format)).await {
        Ok(Ok(begun)) => Ok(begun),
        Ok(Err(error)) => {
            failed("no audio", "cut");
            Err(Failure::last(error))
        }
        Err(_) => {
            failed("no audio in time", "timeout");
            Err(Failure::last(ExchangeError::TimedOut))
        }
    }
}

/// What an error status means: the provider bills no answer but a 200. What an edge in front of it says tells nothing
/// about the speech behind.
async fn refused(mut exchange: Exchange, others: bool) -> Failure {
    let (status, retry_after, body) = read_fault(&mut exchange).await;
    let fault = elevenlabs::fault(status, retry_after.as_deref(), &body);
    let provider = &exchange.guard.pool().spec().id;
    tracing::warn!(%provider, status, "the provider answered with an error");
    let is_own_word = body.trim_ascii_start().starts_with(b"{");
    let retry = match &fault {
        UpstreamFault::RateLimited { .. } => Retry::OtherAccount,
        // A quota that is used up is a 429 too; any other 4xx is not asked twice.
        UpstreamFault::OurAccount { model_gone: false, .. } if status == 429 => Retry::OtherAccount,
        UpstreamFault::Failed { .. } | UpstreamFault::Overloaded { .. }
            if is_own_word && matches!(status, 500 | 502 | 503 | 529) =>
        {
            Retry::AnyAccount
        }
        _ => Retry::No,
    };
    if let UpstreamFault::OurAccount { what, model_gone: false } = &fault
        && others
    {
        tracing::error!(%provider, account = exchange.guard.account(), what, "a provider account needs an operator");
        exchange.guard.report(Outcome::Unusable(what));
        count(provider, if status == 429 { "429" } else { "4xx" });
    } else {
        dispatch::report(&fault, &exchange.guard, others, status);
    }
    Failure { error: dispatch::upstream_error(&fault, &exchange.guard), retry }
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
