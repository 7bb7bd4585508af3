//! Every error of the gateway as an answer: one envelope that both SDK families read, one table of codes.
//!
//! Layers below have their own small errors; this is the only place that chooses a status. The message is
//! for the caller; causes go to the log, where the failure is handled. Which row an error of a layer below
//! gets is in `causes.rs`.

mod causes;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::ids::RequestId;
use serde::Serialize;

/// The longest wait that a reply names, in seconds: SDKs sleep through whatever they are told.
const RETRY_AFTER_SECONDS_MAX: u64 = 60;
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The table of INTERFACE §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as its code in the table")]
pub enum Code {
    InvalidJson,
    InvalidRequest,
    UnsupportedParameter,
    ContextLengthExceeded,
    ContentPolicyViolation,
    MissingApiKey,
    InvalidApiKey,
    RevokedApiKey,
    ExpiredApiKey,
    InsufficientBalance,
    KeySpendLimit,
    EmailNotVerified,
    FeatureNotEnabled,
    WorkspaceSuspended,
    KeyScope,
    /// A link to a file that we did not sign, or that is over.
    InvalidLink,
    ModelNotFound,
    NotFound,
    MethodNotAllowed,
    IdempotencyConflict,
    /// A refund beyond what is available: the admin API's 409.
    RefundTooLarge,
    /// `If-Match` names another file.
    PreconditionFailed,
    BodyTooLarge,
    UnsupportedMediaType,
    /// `Range` begins behind the file's end.
    RangeNotSatisfiable,
    HeadersTooLarge,
    RequestTimeout,
    RateLimitExceeded,
    TooManyStreams,
    BalanceReserved,
    UpstreamRateLimited,
    UpstreamError,
    UpstreamBadGateway,
    UpstreamUnavailable,
    UpstreamTimeout,
    Overloaded,
    Draining,
    Internal,
    StoreUnavailable,
}

impl Code {
    /// Every row.
    pub const ALL: [Self; 39] = [
        Self::InvalidJson,
        Self::InvalidRequest,
        Self::UnsupportedParameter,
        Self::ContextLengthExceeded,
        Self::ContentPolicyViolation,
        Self::MissingApiKey,
        Self::InvalidApiKey,
        Self::RevokedApiKey,
        Self::ExpiredApiKey,
        Self::InsufficientBalance,
        Self::KeySpendLimit,
        Self::EmailNotVerified,
        Self::FeatureNotEnabled,
        Self::WorkspaceSuspended,
        Self::KeyScope,
        Self::InvalidLink,
        Self::ModelNotFound,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::IdempotencyConflict,
        Self::RefundTooLarge,
        Self::PreconditionFailed,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::RangeNotSatisfiable,
        Self::HeadersTooLarge,
        Self::RequestTimeout,
        Self::RateLimitExceeded,
        Self::TooManyStreams,
        Self::BalanceReserved,
        Self::UpstreamRateLimited,
        Self::UpstreamError,
        Self::UpstreamBadGateway,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::Overloaded,
        Self::Draining,
        Self::Internal,
        Self::StoreUnavailable,
    ];

    /// The status, the SDKs' error type and the code's text.
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::InvalidJson => (400, "invalid_request_error", "invalid_json"),
            Self::InvalidRequest => (400, "invalid_request_error", "invalid_request"),
            Self::UnsupportedParameter => (400, "invalid_request_error", "unsupported_parameter"),
            Self::ContextLengthExceeded => (400, "invalid_request_error", "context_length_exceeded"),
            Self::ContentPolicyViolation => (400, "invalid_request_error", "content_policy_violation"),
            Self::MissingApiKey => (401, "authentication_error", "missing_api_key"),
            Self::InvalidApiKey => (401, "authentication_error", "invalid_api_key"),
            Self::RevokedApiKey => (401, "authentication_error", "revoked_api_key"),
            Self::ExpiredApiKey => (401, "authentication_error", "expired_api_key"),
            Self::InsufficientBalance => (402, "billing_error", "insufficient_balance"),
            Self::KeySpendLimit => (402, "billing_error", "key_spend_limit"),
            Self::EmailNotVerified => (403, "permission_error", "email_not_verified"),
            Self::FeatureNotEnabled => (403, "permission_error", "feature_not_enabled"),
            Self::WorkspaceSuspended => (403, "permission_error", "workspace_suspended"),
            Self::KeyScope => (403, "permission_error", "key_scope"),
            Self::InvalidLink => (403, "permission_error", "invalid_link"),
            Self::ModelNotFound => (404, "not_found_error", "model_not_found"),
            Self::NotFound => (404, "not_found_error", "not_found"),
            Self::MethodNotAllowed => (405, "invalid_request_error", "method_not_allowed"),
            Self::RequestTimeout => (408, "invalid_request_error", "request_timeout"),
            Self::IdempotencyConflict => (409, "conflict_error", "idempotency_conflict"),
            Self::RefundTooLarge => (409, "conflict_error", "insufficient_balance"),
            Self::PreconditionFailed => (412, "invalid_request_error", "precondition_failed"),
            Self::BodyTooLarge => (413, "request_too_large", "body_too_large"),
            Self::UnsupportedMediaType => (415, "invalid_request_error", "unsupported_media_type"),
            Self::RangeNotSatisfiable => (416, "invalid_request_error", "range_not_satisfiable"),
            Self::HeadersTooLarge => (431, "invalid_request_error", "headers_too_large"),
            Self::RateLimitExceeded => (429, "rate_limit_error", "rate_limit_exceeded"),
            Self::TooManyStreams => (429, "rate_limit_error", "too_many_streams"),
            Self::BalanceReserved => (429, "rate_limit_error", "balance_reserved"),
            Self::UpstreamRateLimited => (429, "rate_limit_error", "upstream_rate_limited"),
            Self::UpstreamError => (500, "api_error", "upstream_error"),
            Self::UpstreamBadGateway => (502, "api_error", "upstream_error"),
            Self::UpstreamUnavailable => (503, "api_error", "upstream_unavailable"),
            Self::UpstreamTimeout => (504, "timeout_error", "upstream_timeout"),
            Self::Overloaded => (503, "overloaded_error", "overloaded"),
            Self::Draining => (503, "api_error", "draining"),
            Self::Internal => (500, "api_error", "internal"),
            Self::StoreUnavailable => (503, "api_error", "overloaded"),
        }
    }

    /// The code's text.
    pub const fn text(self) -> &'static str {
        self.row().2
    }

    /// Its status, and the other one that Anthropic SDKs listen for.
    pub fn statuses(self) -> [u16; 2] {
        let status = self.row().0;
        [status, if self == Self::Overloaded { 529 } else { status }]
    }
}

/// One failed request, as its caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Which row of the table.
    pub code: Code,
    /// For the caller: lower case, without a full stop, without their content.
    pub message: String,
    /// The field that is at fault.
    pub param: Option<String>,
    retry_after: Option<Duration>,
    should_retry: Option<bool>,
    /// The connection closes after the answer.
    close: bool,
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    error: Detail<'a>,
    request_id: RequestId,
}

#[derive(Serialize)]
struct Detail<'a> {
    r#type: &'static str,
    code: &'static str,
    message: &'a str,
    param: Option<&'a str>,
}

impl ApiError {
    /// An error with nothing but its message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), param: None, retry_after: None, should_retry: None, close: false }
    }

    /// The field that is at fault.
    #[must_use]
    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The caller should wait this long.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// SDKs must not try again by themselves.
    #[must_use]
    pub const fn no_retry(mut self) -> Self {
        self.should_retry = Some(false);
        self
    }

    /// No retry, unless a wait is named that makes one worth while.
    #[must_use]
    pub const fn no_retry_unless_told(self) -> Self {
        if self.retry_after.is_some() { self } else { self.no_retry() }
    }

    /// The provider said how long it will be away: the caller may try again then.
    #[must_use]
    pub const fn told_to_wait(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self.should_retry = None;
        self
    }

    /// The connection closes after the answer.
    #[must_use]
    pub const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// The status in `dialect`: overload is 529 where Anthropic SDKs listen.
    pub const fn status(&self, dialect: Dialect) -> u16 {
        match (self.code, dialect) {
            (Code::Overloaded, Dialect::Anthropic) => 529,
            (code, _) => code.row().0,
        }
    }

    /// The gateway or its provider is at fault, not the caller.
    pub const fn is_ours(&self) -> bool {
        self.code.row().0 >= 500 || matches!(self.code, Code::UpstreamRateLimited)
    }

    /// The envelope's JSON.
    pub fn envelope(&self, request: RequestId) -> String {
        let (_, kind, code) = self.code.row();
        let error = Detail { r#type: kind, code, message: &self.message, param: self.param.as_deref() };
        // Strings and options of strings always serialise.
        serde_json::to_string(&Envelope { r#type: "error", error, request_id: request }).unwrap_or_default()
    }

    /// Starts the answer: status, retry headers and content type.
    pub fn start_response(&self, dialect: Dialect) -> HttpResponseBuilder {
        let status = StatusCode::from_u16(self.status(dialect)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
        let mut should_retry = self.should_retry;
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_nanos().div_ceil(1_000_000_000).clamp(1, u128::from(u64::MAX));
            if seconds > u128::from(RETRY_AFTER_SECONDS_MAX) {
                should_retry = Some(false);
            }
            let millis = wait.as_nanos().div_ceil(1_000_000).clamp(1, u128::from(RETRY_AFTER_SECONDS_MAX) * 1000);
            let seconds = seconds.min(u128::from(RETRY_AFTER_SECONDS_MAX));
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
            response.insert_header((RETRY_AFTER_MS, millis.to_string()));
        }
        if let Some(should_retry) = should_retry {
            response.insert_header((X_SHOULD_RETRY, if should_retry { "true" } else { "false" }));
        }
        if self.close {
            response.force_close();
        }
        response
    }

    /// The whole answer where no workspace is known.
    pub fn respond(&self, dialect: Dialect, request: RequestId) -> HttpResponse {
        let mut response = self.start_response(dialect);
        crate::headers::request_id(&mut response, request);
        response.body(self.envelope(request))
    }
}

#[cfg(test)]
mod tests {
    use lmhaven_actors::adapters::fault::UpstreamFault;

    use super::*;

    #[test]
    fn the_envelope_has_what_both_sdk_families_read() {
        let error = ApiError::new(Code::InvalidRequest, "\"n\" must be 1").at("n");
        let request = RequestId::from_bits(0);
        assert_eq!(
            error.envelope(request),
            r#"{"type":"error","error":{"type":"invalid_request_error","code":"invalid_request","message":"\"n\" must be 1","param":"n"},"request_id":"req_00000000000000000000000000"}"#
        );
    }

    #[test]
    fn waits_are_rounded_up_and_capped_with_a_word_to_the_sdk() {
        let header = |response: &HttpResponse, name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let waits = |nanos: u64| {
            let error = ApiError::new(Code::RateLimitExceeded, "").retry_after(Duration::from_nanos(nanos));
            let response = error.start_response(Dialect::Openai).finish();
            ["retry-after", "retry-after-ms", "x-should-retry"].map(|name| header(&response, name).unwrap_or_default())
        };
        assert_eq!(waits(1), ["1", "1", ""]);
        assert_eq!(waits(100_000_001), ["1", "101", ""]);
        assert_eq!(waits(60_000_000_000), ["60", "60000", ""]);
        assert_eq!(waits(3_600_000_000_000), ["60", "60000", "false"]);
    }

    #[test]
    fn every_row_stands_in_the_list_once() {
        assert_eq!(Code::ALL.len(), Code::StoreUnavailable as usize + 1);
        for (place, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, place, "{code:?}");
        }
    }

    #[test]
    fn overload_is_529_where_anthropic_sdks_listen() {
        let error = ApiError::upstream(&UpstreamFault::Overloaded { retry_after_millis: None });
        assert_eq!((error.status(Dialect::Anthropic), error.status(Dialect::Openai)), (529, 503));
    }
}
