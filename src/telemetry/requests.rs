//! What one request leaves in the metrics, from its last byte to its end.
//!
//! `relay` calls these once each per request. Handles are those of `handles`; the clock is read only where a phase begins
//! or ends.

use std::sync::Arc;
use std::time::Instant;

use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::usage::{Bucket, Usage};
use metrics::Gauge;

use super::handles::{HANDLES, NOBODY, name, place, requests};
use super::names::OTHER;
use super::passive;
use super::timing::{End, Route, Timing, time_per_token};
use crate::config::{Modality, Model};
use crate::error::{ApiError, Code};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names::REJECTION_REASONS;

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
