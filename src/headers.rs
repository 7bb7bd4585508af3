//! The headers that every reply to a key carries, as INTERFACE §3 names them.

use std::fmt::{self, Write};

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{HeaderName, HeaderValue};
use bytes::BytesMut;
use lmhaven_actors::domain::account::Standing;
use lmhaven_actors::domain::ids::RequestId;
use lmhaven_actors::domain::money::NanoUsd;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const LIMIT_STREAMS: HeaderName = HeaderName::from_static("x-ratelimit-limit-streams");
const REMAINING_STREAMS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-streams");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const MODEL: HeaderName = HeaderName::from_static("lmhaven-model");
const BALANCE: HeaderName = HeaderName::from_static("lmhaven-balance-usd");
const COST: HeaderName = HeaderName::from_static("lmhaven-cost-usd");

/// Room for every value of a reply to a key.
const VALUES_BYTES: usize = 320;

/// Writes these headers into a reply. All values lie in one allocation that they share.
pub struct Labels<'a> {
    response: &'a mut HttpResponseBuilder,
    values: BytesMut,
}

impl<'a> Labels<'a> {
    /// Labels for this reply.
    pub fn of(response: &'a mut HttpResponseBuilder) -> Self {
        Self { response, values: BytesMut::with_capacity(VALUES_BYTES) }
    }

    fn value(&mut self, value: fmt::Arguments<'_>) -> HeaderValue {
        let _ = self.values.write_fmt(value);
        // Text that cannot be a value (a model name with odd letters) becomes empty.
        HeaderValue::from_maybe_shared(self.values.split().freeze()).unwrap_or(HeaderValue::from_static(""))
    }

    fn insert(&mut self, name: HeaderName, value: fmt::Arguments<'_>) {
        let value = self.value(value);
        self.response.insert_header((name, value));
    }

    /// The request's id, under both names.
    pub fn request_id(&mut self, request: RequestId) {
        let value = self.value(format_args!("{request}"));
        self.response.insert_header((X_REQUEST_ID, value.clone())).insert_header((REQUEST_ID, value));
    }

    /// The model that served, which is the one that was asked for.
    pub fn model(&mut self, model: &str) {
        self.insert(MODEL, format_args!("{model}"));
    }

    /// Limits and balance.
    pub fn standing(&mut self, standing: &Standing) {
        let requests = &standing.requests;
        self.insert(LIMIT_REQUESTS, format_args!("{}", requests.limit));
        self.insert(REMAINING_REQUESTS, format_args!("{}", requests.remaining));
        self.insert(RESET_REQUESTS, format_args!("{}", Reset(requests.full_in_nanos)));
        self.insert(LIMIT_STREAMS, format_args!("{}", standing.streams_limit));
        self.insert(REMAINING_STREAMS, format_args!("{}", standing.streams_remaining));
        self.insert(
            RATELIMIT_POLICY,
            format_args!("\"requests\";q={};w=60, \"streams\";q={}", requests.limit, standing.streams_limit),
        );
        self.insert(
            RATELIMIT,
            format_args!(
                "\"requests\";r={};t={}, \"streams\";r={}",
                requests.remaining,
                requests.full_in_nanos.div_ceil(1_000_000_000),
                standing.streams_remaining
            ),
        );
        self.insert(BALANCE, format_args!("{}", standing.balance()));
    }

    /// What the reply cost.
    pub fn cost(&mut self, cost: NanoUsd) {
        self.insert(COST, format_args!("{cost}"));
    }
}

/// The request's id alone, for replies that carry nothing else of these.
pub fn request_id(response: &mut HttpResponseBuilder, request: RequestId) {
    Labels::of(response).request_id(request);
}

/// `350ms`, `6s`, `1m30s`: nanoseconds, rounded up to milliseconds below a second and to seconds above.
struct Reset(u64);

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.div_ceil(1_000_000);
        if millis < 1_000 {
            return write!(f, "{millis}ms");
        }
        let seconds = millis.div_ceil(1_000);
        match (seconds / 60, seconds % 60) {
            (0, seconds) => write!(f, "{seconds}s"),
            (minutes, 0) => write!(f, "{minutes}m"),
            (minutes, seconds) => write!(f, "{minutes}m{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_read_as_openai_writes_them() {
        let cases = [(0, "0ms"), (350_000_000, "350ms"), (350_000_001, "351ms"), (6_000_000_000, "6s")];
        let longer = [(5_100_000_000, "6s"), (60_000_000_000, "1m"), (90_000_000_000, "1m30s")];
        for (nanos, text) in cases.into_iter().chain(longer) {
            assert_eq!(Reset(nanos).to_string(), text);
        }
    }
}
