//! What one request leaves in the metrics, from its last byte to its end.
//!
//! `relay` calls these once each per request. Handles are kept per thread and found by address, so that
//! counting costs no look-up by label and the clock is read only where a phase begins or ends.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::image_tier::ImageTier;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::usage::{Bucket, Usage};
use metrics::{Counter, Gauge, Histogram};

use super::fractions::{self, FractionCounter};
use super::money;
use super::names::{NONE, OTHER};
use super::passive;
use crate::config::{Modality, Model};
use crate::error::{ApiError, Code};

/// One request's phases. Its caller's upload is not the gateway's time, nor is the wait for a provider.
#[derive(Debug)]
pub struct Timing {
    /// When its head came.
    pub started: Instant,
    read_at: Instant,
    asked_at: Cell<Option<Instant>>,
    heard_at: Cell<Option<Instant>>,
    provider: RefCell<Option<Arc<str>>>,
}

impl Timing {
    /// The body has been read.
    pub fn body_read(started: Instant) -> Self {
        Self {
            started,
            read_at: Instant::now(),
            asked_at: Cell::default(),
            heard_at: Cell::default(),
            provider: RefCell::default(),
        }
    }

    /// An attempt is sent. A failed attempt before it counts as waiting for a provider.
    pub fn asked(&self, provider: &Arc<str>) {
        self.waits();
        *self.provider.borrow_mut() = Some(provider.clone());
    }

    /// From here on the request waits for a provider, be it only for its turn at an account.
    pub fn waits(&self) {
        if self.asked_at.get().is_none() {
            self.asked_at.set(Some(Instant::now()));
        }
    }

    /// The whole answer is here, or a stream's first event.
    pub fn heard(&self) {
        self.heard_at.set(Some(Instant::now()));
    }

    /// What the gateway itself took until `now`.
    fn overhead(&self, now: Instant) -> Option<Duration> {
        let (asked, heard) = (self.asked_at.get()?, self.heard_at.get()?);
        Some(asked.duration_since(self.read_at) + now.duration_since(heard))
    }
}

/// How an admitted request ended.
#[derive(Clone, Copy)]
pub enum End<'a> {
    /// With a whole answer.
    Plain,
    /// With the last bytes of a stream.
    Streamed {
        /// As charged; 0 where no tokens are streamed.
        output_tokens: u64,
    },
    /// With an error, before or after its answer began.
    Failed(&'a ApiError),
}

impl End<'_> {
    /// Whether the gateway and its provider did what was asked; `None` where it is the caller who made it fail.
    const fn answered(self) -> Option<bool> {
        match self {
            Self::Plain | Self::Streamed { .. } => Some(true),
            Self::Failed(error) if error.is_ours() => Some(false),
            Self::Failed(_) => None,
        }
    }
}

/// Where a request belongs: route, model and provider. Models and provider ids live as long as the gateway,
/// and a handle's labels keep them alive, so the address of the text stands for it.
type Place = (Route, *const u8, *const u8);

/// Handles of one thread.
#[derive(Default)]
struct Handles {
    served: HashMap<Place, Served>,
    failed: HashMap<(Place, &'static str), (Counter, Histogram)>,
    charged: HashMap<(*const u8, *const u8), Charged>,
    attempts: HashMap<(*const u8, &'static str), Counter>,
    streams: HashMap<*const u8, Gauge>,
    passive: HashMap<*const u8, passive::SharedRing>,
}

struct Served {
    ended: Counter,
    duration: Histogram,
    first_event: Histogram,
    per_token: Histogram,
    overhead: Histogram,
}

struct Charged {
    quantities: Vec<(Bucket, Counter)>,
    audio_seconds: Option<FractionCounter>,
    usd: FractionCounter,
    cost_usd: FractionCounter,
}

impl Charged {
    /// Counters of what the model makes, and of no other thing: an image model has no tokens at 0.
    fn new(model: &Model, provider: &Arc<str>) -> Self {
        let (usd, cost_usd) = money::sold(&model.id, provider);
        let (id, provider) = (&model.id, provider);
        let mut audio_seconds = None;
        let quantities = match model.modality {
            Modality::Text => Bucket::TOKENS
                .map(|bucket| {
                    let counter = metrics::counter!("lmhaven_tokens_total", "model" => id.clone(),
                        "provider" => provider.clone(), "type" => bucket.name());
                    (bucket, counter)
                })
                .into(),
            Modality::Image => ImageTier::ALL
                .map(|tier| {
                    let counter = metrics::counter!("lmhaven_images_total", "model" => id.clone(),
                        "provider" => provider.clone(), "tier" => tier.name());
                    (tier.bucket(), counter)
                })
                .into(),
            Modality::Voice => {
                let sold = (id.clone(), provider.clone());
                audio_seconds = Some(fractions::counter("lmhaven_audio_seconds_total", Some(sold)));
                let counter = metrics::counter!("lmhaven_characters_total", "model" => id.clone(),
                    "provider" => provider.clone());
                vec![(Bucket::Characters, counter)]
            }
        };
        Self { quantities, audio_seconds, usd, cost_usd }
    }
}

thread_local! {
    static HANDLES: RefCell<Handles> = RefCell::default();
}

fn place(route: Route, model: &Model, provider: Option<&Arc<str>>) -> Place {
    (route, model.id.as_ptr(), provider.map_or(std::ptr::null(), |provider| provider.as_ptr()))
}

/// One text for all, since handles are found by its address.
static NOBODY: LazyLock<Arc<str>> = LazyLock::new(|| NONE.into());

fn name(provider: Option<&Arc<str>>) -> Arc<str> {
    provider.unwrap_or(&NOBODY).clone()
}

impl Served {
    fn new(route: Route, model: &Arc<str>, provider: Option<&Arc<str>>) -> Self {
        let (operation, route, provider) = (route.operation(), route.label(), name(provider));
        macro_rules! gen_ai {
            ($name:literal) => {
                metrics::histogram!($name, "gen_ai_operation_name" => operation,
                    "gen_ai_provider_name" => provider.clone(), "gen_ai_request_model" => model.clone())
            };
        }
        Self {
            ended: requests(route, model.clone(), provider.clone(), "ok"),
            duration: gen_ai!("gen_ai_server_request_duration_seconds"),
            first_event: gen_ai!("gen_ai_server_time_to_first_token_seconds"),
            per_token: gen_ai!("gen_ai_server_time_per_output_token_seconds"),
            overhead: metrics::histogram!("lmhaven_gateway_overhead_seconds", "route" => route),
        }
    }
}

impl Handles {
    fn served(&mut self, route: Route, model: &Arc<Model>, timing: &Timing) -> &Served {
        let provider = timing.provider.borrow();
        let place = place(route, model, provider.as_ref());
        self.served.entry(place).or_insert_with(|| Served::new(route, &model.id, provider.as_ref()))
    }

    fn charged(&mut self, model: &Model, provider: &Arc<str>) -> &Charged {
        let place = (model.id.as_ptr(), provider.as_ptr());
        self.charged.entry(place).or_insert_with(|| Charged::new(model, provider))
    }

    fn streams(&mut self, provider: &Arc<str>) -> &Gauge {
        self.streams
            .entry(provider.as_ptr())
            .or_insert_with(|| metrics::gauge!("lmhaven_streams_open", "provider" => provider.clone()))
    }
}

fn requests(route: &'static str, model: Arc<str>, provider: Arc<str>, code: &'static str) -> Counter {
    metrics::counter!("lmhaven_requests_total", "route" => route, "model" => model, "provider" => provider, "code" => code)
}

/// Counts an admitted request that ended.
pub fn request_ended(route: impl Into<Route>, model: &Arc<Model>, timing: &Timing, end: End<'_>) {
    let route = route.into();
    let now = Instant::now();
    let duration = now.duration_since(timing.started).as_secs_f64();
    HANDLES.with_borrow_mut(|handles| {
        if let Some(answered) = end.answered() {
            let ring = handles.passive.entry(model.id.as_ptr()).or_insert_with(|| passive::ring(&model.id));
            passive::note(ring, answered);
        }
        let error = match end {
            End::Failed(error) => error,
            End::Plain | End::Streamed { .. } => {
                let served = handles.served(route, model, timing);
                served.ended.increment(1);
                served.duration.record(duration);
                if let End::Streamed { output_tokens } = end {
                    if let Some(per_token) = time_per_token(timing, now, output_tokens) {
                        served.per_token.record(per_token);
                    }
                } else if let Some(overhead) = timing.overhead(now) {
                    served.overhead.record(overhead.as_secs_f64());
                }
                return;
            }
        };
        let code = error.code.text();
        let provider = timing.provider.borrow();
        let place = place(route, model, provider.as_ref());
        let (count, histogram) = handles.failed.entry((place, code)).or_insert_with(|| {
            let provider = name(provider.as_ref());
            let histogram = metrics::histogram!("gen_ai_server_request_duration_seconds",
                "gen_ai_operation_name" => route.operation(), "gen_ai_provider_name" => provider.clone(),
                "gen_ai_request_model" => model.id.clone(), "error_type" => code);
            (requests(route.label(), model.id.clone(), provider, code), histogram)
        });
        count.increment(1);
        histogram.record(duration);
    });
}

/// The first token is the first event; the others share the time that is left.
#[expect(clippy::cast_precision_loss, reason = "counts of tokens are small")]
fn time_per_token(timing: &Timing, now: Instant, output_tokens: u64) -> Option<f64> {
    let others = output_tokens.checked_sub(1).filter(|others| *others > 0)?;
    Some(now.duration_since(timing.heard_at.get()?).as_secs_f64() / others as f64)
}

/// Counts a request that was refused before its answer was asked for.
pub fn request_refused(route: impl Into<Route>, model: Option<&Model>, error: &ApiError) {
    let route = route.into();
    // Refusals are rare or cheap to begin with, so they are looked up by label.
    let model = model.map_or_else(|| OTHER.into(), |model| model.id.clone());
    requests(route.label(), model, NOBODY.clone(), error.code.text()).increment(1);
    // A bad key counts where it is presented, on every route.
    let reason = rejection(error.code);
    if reason != "bad_key" {
        rejected(reason);
    }
}

/// Counts an attempt at a provider by its outcome, one of a closed set.
pub fn attempted(provider: &Arc<str>, outcome: &'static str) {
    HANDLES.with_borrow_mut(|handles| {
        let count = || {
            metrics::counter!("lmhaven_upstream_attempts_total", "provider" => provider.clone(), "outcome" => outcome)
        };
        handles.attempts.entry((provider.as_ptr(), outcome)).or_insert_with(count).increment(1);
    });
}

/// Counts a refusal by its reason.
pub fn rejected(reason: &'static str) {
    metrics::counter!("lmhaven_rejections_total", "reason" => reason).increment(1);
}

const fn rejection(code: Code) -> &'static str {
    match code {
        Code::MissingApiKey | Code::InvalidApiKey | Code::RevokedApiKey | Code::ExpiredApiKey => "bad_key",
        Code::RateLimitExceeded => "rpm",
        Code::TooManyStreams => "streams",
        Code::InsufficientBalance | Code::KeySpendLimit | Code::BalanceReserved => "balance",
        Code::EmailNotVerified | Code::FeatureNotEnabled | Code::WorkspaceSuspended | Code::KeyScope => "feature",
        Code::ModelNotFound => "model_off",
        Code::BodyTooLarge | Code::HeadersTooLarge => "too_large",
        Code::Draining => "draining",
        Code::StoreUnavailable => "store",
        Code::Overloaded => "overloaded",
        Code::Internal => "internal",
        Code::InvalidJson
        | Code::InvalidRequest
        | Code::UnsupportedParameter
        | Code::ContextLengthExceeded
        | Code::ContentPolicyViolation
        | Code::InvalidLink
        | Code::NotFound
        | Code::MethodNotAllowed
        | Code::IdempotencyConflict
        | Code::RefundTooLarge
        | Code::PreconditionFailed
        | Code::UnsupportedMediaType
        | Code::RangeNotSatisfiable
        | Code::RequestTimeout
        | Code::UpstreamRateLimited
        | Code::UpstreamError
        | Code::UpstreamBadGateway
        | Code::UpstreamUnavailable
        | Code::UpstreamTimeout => "invalid",
    }
}

/// One stream that a provider answers; counted until it is dropped.
pub struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Notes a stream's first event.
pub fn first_event(route: impl Into<Route>, model: &Arc<Model>, timing: &Timing) -> OpenStream {
    let route = route.into();
    timing.heard();
    let after = timing.heard_at.get().map(|heard| heard.duration_since(timing.started));
    HANDLES.with_borrow_mut(|handles| {
        if let Some(after) = after {
            handles.served(route, model, timing).first_event.record(after.as_secs_f64());
        }
        let streams = handles.streams(timing.provider.borrow().as_ref().unwrap_or(&NOBODY)).clone();
        streams.increment(1.0);
        OpenStream(streams)
    })
}

/// Notes that a stream's first event may leave.
pub fn first_event_leaves(route: impl Into<Route>, model: &Arc<Model>, timing: &Timing) {
    let route = route.into();
    let Some(overhead) = timing.overhead(Instant::now()) else { return };
    HANDLES.with_borrow_mut(|handles| {
        handles.served(route, model, timing).overhead.record(overhead.as_secs_f64());
    });
}

/// Counts what was charged.
pub fn charged(model: &Arc<Model>, timing: &Timing, usage: &Usage, charged: NanoUsd, list_cost: NanoUsd) {
    HANDLES.with_borrow_mut(|handles| {
        let provider = timing.provider.borrow();
        let handles = handles.charged(model, provider.as_ref().unwrap_or(&NOBODY));
        for (bucket, counter) in &handles.quantities {
            let quantity = usage.get(*bucket);
            if quantity > 0 {
                counter.increment(quantity);
            }
        }
        if let Some(seconds) = &handles.audio_seconds {
            seconds.add_microseconds(usage.get(Bucket::AudioMicroseconds));
        }
        handles.usd.add(charged);
        handles.cost_usd.add(list_cost);
    });
}

/// Creates the series of a model at a provider, or `rate()` misses their first events.
pub(super) fn start(model: &Arc<Model>, provider: &Arc<str>) {
    let routes: &[Route] = match model.modality {
        Modality::Text => &[Route::ChatCompletions, Route::Messages],
        Modality::Image => &[Route::Images],
        Modality::Voice => &[Route::Speech],
    };
    HANDLES.with_borrow_mut(|handles| {
        for (_, counter) in &handles.charged(model, provider).quantities {
            counter.absolute(0);
        }
        for route in routes {
            requests(route.label(), model.id.clone(), provider.clone(), "ok").absolute(0);
        }
        handles.streams(provider).set(0.0);
    });
}

/// A route that is served by a provider, as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/v1/chat/completions`.
    ChatCompletions,
    /// `/v1/messages`.
    Messages,
    /// `/v1/images/generations`.
    Images,
    /// `/v1/audio/speech`.
    Speech,
}

impl From<Dialect> for Route {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Anthropic => Self::Messages,
            Dialect::Openai | Dialect::Gemini => Self::ChatCompletions,
        }
    }
}

impl Route {
    const fn label(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Images => "/v1/images/generations",
            Self::Speech => "/v1/audio/speech",
        }
    }

    /// What OpenTelemetry calls the kind of work.
    const fn operation(self) -> &'static str {
        match self {
            Self::ChatCompletions | Self::Messages => "chat",
            Self::Images => "image_generation",
            Self::Speech => "speech",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names::REJECTION_REASONS;

    fn timing(read: u64, asked: u64, heard: u64) -> (Timing, Instant) {
        let started = Instant::now();
        let at = |millis| started + Duration::from_millis(millis);
        let timing = Timing {
            started,
            read_at: at(read),
            asked_at: Cell::new(Some(at(asked))),
            heard_at: Cell::new(Some(at(heard))),
            provider: RefCell::default(),
        };
        (timing, started)
    }

    #[test]
    fn overhead_is_neither_the_upload_nor_the_wait_for_the_provider() {
        let (timing, started) = timing(500, 503, 2_000);
        assert_eq!(timing.overhead(started + Duration::from_millis(2_004)), Some(Duration::from_millis(7)));
    }

    #[test]
    fn a_request_that_no_provider_answered_has_no_overhead() {
        let timing = Timing::body_read(Instant::now());
        assert_eq!(timing.overhead(Instant::now()), None);
        timing.asked(&"some".into());
        assert_eq!(timing.overhead(Instant::now()), None);
    }

    #[test]
    fn time_per_token_leaves_the_first_token_out() {
        let (timing, started) = timing(0, 0, 1_000);
        let end = started + Duration::from_secs(3);
        assert_eq!(time_per_token(&timing, end, 5), Some(0.5));
        assert_eq!(time_per_token(&timing, end, 1), None);
        assert_eq!(time_per_token(&timing, end, 0), None);
    }

    #[test]
    fn every_reason_is_in_the_closed_set() {
        for code in [Code::InvalidApiKey, Code::RateLimitExceeded, Code::TooManyStreams, Code::InsufficientBalance] {
            assert!(REJECTION_REASONS.contains(&rejection(code)));
        }
        for code in [Code::KeyScope, Code::ModelNotFound, Code::BodyTooLarge, Code::Draining, Code::InvalidJson] {
            assert!(REJECTION_REASONS.contains(&rejection(code)));
        }
        assert!(
            [Code::StoreUnavailable, Code::Overloaded].iter().all(|code| REJECTION_REASONS.contains(&rejection(*code)))
        );
    }
}
