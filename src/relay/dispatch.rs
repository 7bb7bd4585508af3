//! Asking providers: which one, which account, and whether a second time.
//!
//! At most two attempts per request, and the second only before anything reached the caller and only where
//! the first cannot have been charged (INTERFACE §3, promise 6). Another provider is used only if the
//! model's configuration names it; the model never changes.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lmhaven_actors::adapters::UpstreamFault;
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::provider::{
    Attempt, Exchange, ExchangeError, NoAccount, Outcome, PoolGuard, ProviderHandle, ProviderSpec,
};
use tokio::time::timeout;

use crate::config::Model;
use crate::error::{ApiError, Code};
use crate::relay::Worker;
use crate::relay::dialects::{self, Prepared};
use crate::telemetry::{self, Timing};

/// An error body of a provider is read up to this size.
const ERROR_BODY_BYTES_MAX: usize = 256 * 1024;
/// And for this long.
const ERROR_BODY_WITHIN: Duration = Duration::from_secs(10);

/// An attempt failed.
#[derive(Debug)]
pub struct Failure {
    /// What the caller is told if no other attempt follows.
    pub error: ApiError,
    /// A second attempt may be made.
    pub retryable: bool,
}

impl Failure {
    /// A failure after which no second attempt is made.
    pub const fn last(error: ApiError) -> Self {
        Self { error, retryable: false }
    }
}

/// Where a request is sent next.
pub struct Route {
    /// The provider's actor on this thread.
    pub provider: Rc<ProviderHandle>,
    /// What it speaks.
    pub upstream: Dialect,
    /// Which of the model's providers it is.
    place: usize,
    /// The account that failed.
    except: Option<usize>,
}

/// The attempts of one request.
pub struct Attempts<'a> {
    worker: &'a Worker,
    model: &'a Arc<Model>,
    timing: &'a Timing,
    made: u32,
    next: Option<Route>,
}

impl<'a> Attempts<'a> {
    /// No attempt was made yet.
    pub fn of(worker: &'a Worker, model: &'a Arc<Model>, timing: &'a Timing) -> Self {
        let next = route(worker, model, 0);
        Self { worker, model, timing, made: 0, next }
    }

    /// Makes the next attempt: sends the request to the first account that can take it and waits for the
    /// head of a good answer.
    ///
    /// # Errors
    /// [`Failure`], to be passed to [`Attempts::another_after`].
    pub async fn make(
        &mut self,
        prepared: &Prepared,
        head_within: impl Fn(&ProviderSpec) -> Duration,
    ) -> Result<(Exchange, Route), Failure> {
        let mut refusal = NoAccount::Disabled;
        while let Some(route) = self.next.take() {
            let seat = match route.provider.seat(Attempt { except: route.except }).await {
                Ok(seat) => seat,
                Err(error) => {
                    // Not an attempt: nothing was sent. The next configured provider may be free.
                    if refusal == NoAccount::Disabled {
                        refusal = error;
                    }
                    self.next = self::route(self.worker, self.model, route.place + 1);
                    continue;
                }
            };
            self.made += 1;
            let pool = route.provider.pool().clone();
            let Some(call) = prepared.call(route.upstream) else {
                return Err(Failure::last(ApiError::no_account(NoAccount::Disabled)));
            };
            let account = seat.guard().account();
            self.timing.asked(&pool.spec().id);
            let sent = timeout(head_within(pool.spec()), seat.send(call)).await;
            let route = Route { except: Some(account), ..route };
            let exchange = match sent {
                Ok(Ok(exchange)) => exchange,
                Ok(Err((error, guard))) => {
                    let failure = transport_failure(error, &guard);
                    self.next = Some(route);
                    return Err(failure);
                }
                Err(_) => {
                    pool.report(account, Outcome::Failed("no answer in time"));
                    count(&pool.spec().id, "timeout");
                    // A silent provider is not asked twice.
                    return Err(Failure::last(ExchangeError::TimedOut.into()));
                }
            };
            if exchange.status() == 200 {
                return Ok((exchange, route));
            }
            let failure = self.status_failure(exchange, &route).await;
            self.next = Some(route);
            return Err(failure);
        }
        Err(Failure::last(ApiError::no_account(refusal)))
    }

    /// Whether a second attempt follows this failure; if not, what the caller is told.
    ///
    /// # Errors
    /// The error for the caller.
    pub fn another_after(&mut self, failure: Failure, route: Option<Route>) -> Result<(), ApiError> {
        if let Some(route) = route {
            self.next = Some(route);
        }
        if self.made >= 2 || !failure.retryable {
            let error = if self.made >= 2 { failure.error.no_retry_unless_told() } else { failure.error };
            return Err(error);
        }
        let Some(failed) = self.next.take() else { return Err(failure.error) };
        let account = failed.except.unwrap_or_default();
        self.next = if failed.provider.pool().has_other(account) {
            Some(failed)
        } else {
            // Another provider of the same model where there is one, else the same account once more.
            route_after(self.worker, self.model, failed)
        };
        Ok(())
    }

    /// What a status other than 200 means, and whether another account may do better.
    async fn status_failure(&self, mut exchange: Exchange, route: &Route) -> Failure {
        let status = exchange.status();
        let spec = route.provider.pool().spec();
        let millis = exchange.header("retry-after-ms").filter(|_| route.upstream == Dialect::Openai);
        let millis = millis.map(|millis| format!("{millis}ms"));
        let (_, retry_after, body) = read_fault(&mut exchange).await;
        let retry_after = millis.or(retry_after);
        let mut fault = dialects::fault(route.upstream, status, retry_after.as_deref(), &body);
        let wait = exchange.header("retry-after").and_then(|seconds| seconds.trim().parse::<u64>().ok());
        // Gemini says in its body how long to wait, and whatever stands before it says so in the header.
        if let UpstreamFault::RateLimited { retry_after_millis: millis @ None } = &mut fault {
            *millis = wait.map(|seconds| seconds.saturating_mul(1_000));
        }
        let others = route.provider.pool().has_other(exchange.guard.account());
        report(&fault, &exchange.guard, others, status);
        // Not the provider's own words: they may repeat the request.
        tracing::warn!(provider = %spec.id, status, %fault, "the provider answered with an error");
        let retryable = match &fault {
            UpstreamFault::RateLimited { .. } => others || self.has_provider_after(route),
            // A quota that is used up is a 429 too; any other 4xx is not asked twice (promise 6).
            UpstreamFault::OurAccount { .. } => status == 429 && (others || self.has_provider_after(route)),
            UpstreamFault::Failed { .. } | UpstreamFault::Overloaded { .. } => matches!(status, 500 | 502 | 503 | 529),
            UpstreamFault::BadRequest { .. } | UpstreamFault::TooLarge | UpstreamFault::MalformedFunctionCall => false,
        };
        let mut error = upstream_error(&fault, &exchange.guard);
        // Adapters read the wait of rate limits and overload; a plain 503 may name one too.
        if let (503 | 529, UpstreamFault::Failed { .. }, Some(seconds @ 1..)) = (status, &fault, wait) {
            error = error.told_to_wait(Duration::from_secs(seconds));
        }
        Failure { error, retryable }
    }

    fn has_provider_after(&self, route: &Route) -> bool {
        self::route(self.worker, self.model, route.place + 1).is_some()
    }
}

/// The first of the model's providers from `place` on that is in use.
fn route(worker: &Worker, model: &Model, place: usize) -> Option<Route> {
    model.providers.iter().enumerate().skip(place).find_map(|(place, id)| {
        let provider = worker.providers.get(id)?.clone();
        let upstream = provider.pool().spec().dialect?;
        Some(Route { provider, upstream, place, except: None })
    })
}

fn route_after(worker: &Worker, model: &Model, failed: Route) -> Option<Route> {
    route(worker, model, failed.place + 1).or(Some(Route { except: None, ..failed }))
}

/// Status, `retry-after` and body of an answer that is an error.
pub async fn read_fault(exchange: &mut Exchange) -> (u16, Option<String>, Bytes) {
    let body = timeout(ERROR_BODY_WITHIN, exchange.body(ERROR_BODY_BYTES_MAX)).await;
    let retry_after = exchange.header("retry-after").map(str::to_owned);
    (exchange.status(), retry_after, body.ok().and_then(Result::ok).unwrap_or_default())
}

/// No answer at all.
fn transport_failure(error: ExchangeError, guard: &PoolGuard) -> Failure {
    let (what, outcome) = match error {
        ExchangeError::NoConnection => ("no connection", "connect"),
        _ => ("closed before it answered", "cut"),
    };
    guard.report(Outcome::Failed(what));
    count(&guard.pool().spec().id, outcome);
    Failure { error: error.into(), retryable: true }
}

/// What a provider's fault is to the caller. Where the provider's words are told, the account's key is not in them.
pub fn upstream_error(fault: &UpstreamFault, guard: &PoolGuard) -> ApiError {
    let mut error = ApiError::upstream(fault);
    if matches!(fault, UpstreamFault::BadRequest { .. }) {
        error.message = guard.without_key(&error.message);
        error.param = error.param.map(|param| guard.without_key(&param));
    }
    error
}

/// Tells the account's health how the attempt went.
pub fn report(fault: &UpstreamFault, guard: &PoolGuard, others: bool, status: u16) {
    let provider = &guard.pool().spec().id;
    let (outcome, label) = match fault {
        UpstreamFault::BadRequest { .. } | UpstreamFault::TooLarge => (Outcome::Answered, "4xx"),
        UpstreamFault::MalformedFunctionCall => (Outcome::Answered, "ok"),
        UpstreamFault::RateLimited { retry_after_millis } => {
            // Without a word of how long, only a pool with another account can afford to wait.
            let default = if others { 1_000 } else { 0 };
            let cool_down = Duration::from_millis(retry_after_millis.unwrap_or(default));
            (Outcome::RateLimited { cool_down }, "429")
        }
        UpstreamFault::OurAccount { what, .. } => {
            tracing::error!(%provider, account = guard.account(), what, "a provider account needs an operator");
            (Outcome::Failed(what), if status == 429 { "429" } else { "4xx" })
        }
        UpstreamFault::Overloaded { .. } => (Outcome::Failed("overloaded"), "5xx"),
        UpstreamFault::Failed { .. } => (Outcome::Failed("a 5xx status"), "5xx"),
    };
    guard.report(outcome);
    count(provider, label);
}

/// Counts an attempt. Outcomes are a closed set.
pub fn count(provider: &Arc<str>, outcome: &'static str) {
    telemetry::attempted(provider, outcome);
}

/// What a broken or malformed answer is to the caller.
pub fn malformed(what: &'static str) -> ApiError {
    tracing::warn!(what, "the provider's answer was malformed");
    ApiError::new(Code::UpstreamBadGateway, "the provider's answer was malformed").no_retry()
}
