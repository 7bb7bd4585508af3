//! The headers that every reply to a key carries, as INTERFACE §3 names them.

use std::fmt::Write;

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
/// Room for every value of [`standing`].
const STANDING_BYTES: usize = 192;
const COST: HeaderName = HeaderName::from_static("lmhaven-cost-usd");

/// The request's id, under both names.
pub fn request_id(response: &mut HttpResponseBuilder, request: RequestId) {
    let value = text(&request.to_string());
    response.insert_header((X_REQUEST_ID, value.clone())).insert_header((REQUEST_ID, value));
}

/// Limits and balance.
pub fn standing(response: &mut HttpResponseBuilder, standing: &Standing) {
    let requests = &standing.requests;
    // All values lie in one allocation that they share.
    let mut buffer = BytesMut::with_capacity(STANDING_BYTES);
    let mut insert = |name: HeaderName, value: std::fmt::Arguments<'_>| {
        let _ = buffer.write_fmt(value);
        let value = HeaderValue::from_maybe_shared(buffer.split().freeze());
        response.insert_header((name, value.unwrap_or(HeaderValue::from_static(""))));
    };
    insert(LIMIT_REQUESTS, format_args!("{}", requests.limit));
    insert(REMAINING_REQUESTS, format_args!("{}", requests.remaining));
    insert(RESET_REQUESTS, format_args!("{}", duration(requests.full_in_nanos)));
    insert(LIMIT_STREAMS, format_args!("{}", standing.streams_limit));
    insert(REMAINING_STREAMS, format_args!("{}", standing.streams_remaining));
    insert(
        RATELIMIT_POLICY,
        format_args!("\"requests\";q={};w=60, \"streams\";q={}", requests.limit, standing.streams_limit),
    );
    insert(
        RATELIMIT,
        format_args!(
            "\"requests\";r={};t={}, \"streams\";r={}",
            requests.remaining,
            requests.full_in_nanos.div_ceil(1_000_000_000),
            standing.streams_remaining
        ),
    );
    insert(BALANCE, format_args!("{}", standing.balance()));
}

/// The model that served, which is the one that was asked for.
pub fn model(response: &mut HttpResponseBuilder, model: &str) {
    response.insert_header((MODEL, text(model)));
}

/// What the reply cost.
pub fn cost(response: &mut HttpResponseBuilder, cost: NanoUsd) {
    response.insert_header((COST, text(&cost.to_string())));
}

/// A header value; text that cannot be one (a model name with odd letters) becomes empty.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// `350ms`, `6s`, `1m30s`: rounded up to milliseconds below a second and to seconds above.
fn duration(nanos: u64) -> String {
    let millis = nanos.div_ceil(1_000_000);
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let seconds = millis.div_ceil(1_000);
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, 0) => format!("{minutes}m"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
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
            assert_eq!(duration(nanos), text);
        }
    }
}
