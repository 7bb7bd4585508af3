//! What the errors of the layers below mean for the caller.

use std::time::Duration;

use lmhaven_actors::adapters::fault::{BadRequestKind, BodyError, BodyErrorCode, UpstreamFault};
use lmhaven_actors::domain::account::RotateRefused;
use lmhaven_actors::domain::refusal::{Feature, Refusal};
use lmhaven_actors::media::MediaFault;
use lmhaven_actors::provider::{ExchangeError, NoAccount};
use lmhaven_actors::system::RotateError;
use lmhaven_actors::workspace::{AskError, NotAdmitted};

use super::{ApiError, Code};
use crate::images::link::LinkError;
use crate::images::store::StoreError;
use crate::times;

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let code = match error.code {
            BodyErrorCode::InvalidJson => Code::InvalidJson,
            BodyErrorCode::InvalidRequest => Code::InvalidRequest,
            BodyErrorCode::UnsupportedParameter => Code::UnsupportedParameter,
        };
        Self { param: error.param, ..Self::new(code, error.message) }
    }
}

/// A second, where an estimate is all there is.
const SOON: Duration = Duration::from_secs(1);

impl ApiError {
    /// No request is taken any more, or a running one has no more time.
    pub fn draining() -> Self {
        Self::new(Code::Draining, "this gateway is shutting down").closing()
    }

    /// Why a workspace refused, with the address where money is added.
    pub fn refused(refusal: Refusal, public_url: &str) -> Self {
        match refusal {
            Refusal::Suspended => Self::new(Code::WorkspaceSuspended, refusal.to_string()),
            Refusal::EmailNotVerified => Self::new(Code::EmailNotVerified, refusal.to_string()),
            Refusal::FeatureNotEnabled(feature) => {
                let name = match feature {
                    Feature::Text => "text",
                    Feature::Image => "image",
                    Feature::Voice => "voice",
                };
                Self::new(Code::FeatureNotEnabled, format!("this workspace does not have the feature {name}"))
            }
            Refusal::KeyKind(_) | Refusal::KeyScope => Self::new(Code::KeyScope, refusal.to_string()),
            Refusal::InsufficientBalance { missing } => Self::new(
                Code::InsufficientBalance,
                format!(
                    "the balance is too low for this request: ${missing} is missing; top up at {public_url}/app/billing"
                ),
            ),
            Refusal::KeySpendLimit { missing, resets_at } => {
                let until = resets_at
                    .map_or_else(|| "it never resets".to_owned(), |at| format!("it resets at {}", times::rfc3339(at)));
                let message = format!(
                    "this key has reached its spend limit: ${missing} is missing; {until}; make another key at \
                     {public_url}/app/keys"
                );
                Self::new(Code::KeySpendLimit, message)
            }
            Refusal::RateLimited { retry_after_nanos } => Self::new(Code::RateLimitExceeded, refusal.to_string())
                .retry_after(Duration::from_nanos(retry_after_nanos)),
            Refusal::TooManyStreams { .. } => Self::new(Code::TooManyStreams, refusal.to_string()).retry_after(SOON),
            Refusal::BalanceReserved => Self::new(Code::BalanceReserved, refusal.to_string()).retry_after(SOON),
        }
    }

    /// Why a request was not admitted.
    pub fn not_admitted(error: NotAdmitted, public_url: &str) -> Self {
        match error {
            NotAdmitted::Refused(refusal) => Self::refused(refusal, public_url),
            NotAdmitted::Store(refusal) => {
                tracing::error!(%refusal, "the store takes no holds");
                Self::new(Code::StoreUnavailable, "the gateway cannot record requests right now").retry_after(SOON)
            }
        }
    }

    /// What a provider's refusal or failure means for the caller.
    pub fn upstream(fault: &UpstreamFault) -> Self {
        let wait = |millis: &Option<u64>| millis.map_or(SOON, Duration::from_millis);
        match fault {
            UpstreamFault::BadRequest { message, param, kind } => {
                let code = match kind {
                    BadRequestKind::Invalid => Code::InvalidRequest,
                    BadRequestKind::ContextLength => Code::ContextLengthExceeded,
                    BadRequestKind::ContentPolicy => Code::ContentPolicyViolation,
                };
                Self { param: param.clone(), ..Self::new(code, message.clone()) }
            }
            UpstreamFault::TooLarge => Self::new(Code::BodyTooLarge, "the request is larger than the provider takes"),
            UpstreamFault::RateLimited { retry_after_millis } => {
                Self::new(Code::UpstreamRateLimited, "the provider's rate limit is reached")
                    .retry_after(wait(retry_after_millis))
            }
            UpstreamFault::OurAccount { .. } => {
                Self::new(Code::UpstreamUnavailable, "the provider is not available to this gateway right now")
                    .no_retry()
            }
            UpstreamFault::Overloaded { retry_after_millis } => {
                let error = Self::new(Code::Overloaded, "the provider is overloaded");
                match retry_after_millis {
                    Some(millis) => error.retry_after(Duration::from_millis(*millis)),
                    None => error.no_retry(),
                }
            }
            UpstreamFault::Failed { status: Some(529) } => {
                Self::new(Code::Overloaded, "the provider is overloaded").no_retry()
            }
            UpstreamFault::Failed { status } => {
                let (code, message) = match status {
                    Some(500) => (Code::UpstreamError, "the provider failed"),
                    Some(503) => (Code::UpstreamUnavailable, "the provider is unavailable"),
                    Some(504) => (Code::UpstreamTimeout, "the provider timed out"),
                    _ => (Code::UpstreamBadGateway, "the provider failed"),
                };
                Self::new(code, message).no_retry()
            }
            UpstreamFault::MalformedFunctionCall => {
                Self::new(Code::UpstreamBadGateway, "the model made a malformed function call").no_retry()
            }
        }
    }

    /// Why a generation of images or speech failed, without a word of the provider's.
    pub fn media(fault: &MediaFault) -> Self {
        match *fault {
            MediaFault::Policy | MediaFault::NothingMade => {
                Self::new(Code::ContentPolicyViolation, "the request was refused by the provider's content policy")
                    .no_retry()
            }
            MediaFault::BadInput { param } => {
                let error = Self::new(Code::InvalidRequest, "the provider does not take this request");
                Self { param: param.map(str::to_owned), ..error }
            }
            MediaFault::OurMoney | MediaFault::OurQuota | MediaFault::OurKey | MediaFault::OurModel => {
                Self::new(Code::UpstreamUnavailable, "the provider is not available to this gateway right now")
                    .no_retry()
            }
            MediaFault::Busy { retry_after_millis } => Self::new(Code::UpstreamRateLimited, "the provider is busy")
                .retry_after(retry_after_millis.map_or(SOON, Duration::from_millis)),
            MediaFault::NotSent => Self::new(Code::UpstreamBadGateway, "no connection to the provider").no_retry(),
            MediaFault::NoRoom => Self::new(Code::Overloaded, "too many bytes of images are in flight").no_retry(),
            MediaFault::Malformed { what } => {
                tracing::warn!(what, "the provider's answer was malformed");
                Self::new(Code::UpstreamBadGateway, "the provider's answer was malformed").no_retry()
            }
            MediaFault::Failed { status } | MediaFault::UnknownOutcome { status } => {
                let (code, message) = match status {
                    500 => (Code::UpstreamError, "the provider failed"),
                    503 => (Code::UpstreamUnavailable, "the provider is unavailable"),
                    504 => (Code::UpstreamTimeout, "the provider did not answer in time"),
                    _ => (Code::UpstreamBadGateway, "the provider failed"),
                };
                Self::new(code, message).no_retry()
            }
        }
    }

    /// Why no provider account could be asked.
    pub fn no_account(error: NoAccount) -> Self {
        match error {
            NoAccount::Cooling { retry_after_millis } => {
                Self::new(Code::UpstreamRateLimited, "the provider's rate limit is reached")
                    .retry_after(Duration::from_millis(retry_after_millis))
            }
            NoAccount::Busy { retry_after_millis } => {
                Self::new(Code::UpstreamUnavailable, "every provider account is busy")
                    .retry_after(Duration::from_millis(retry_after_millis))
            }
            NoAccount::Disabled => {
                Self::new(Code::UpstreamUnavailable, "no provider account serves this model right now").no_retry()
            }
        }
    }
}

impl From<ExchangeError> for ApiError {
    fn from(error: ExchangeError) -> Self {
        let code = match error {
            ExchangeError::TimedOut => Code::UpstreamTimeout,
            ExchangeError::NoConnection
            | ExchangeError::ClosedBeforeAnswer
            | ExchangeError::BrokeOff
            | ExchangeError::TooLarge => Code::UpstreamBadGateway,
        };
        Self::new(code, error.to_string()).no_retry()
    }
}

impl From<LinkError> for ApiError {
    /// One answer for all: what exactly is wrong would tell a forger how near they are.
    fn from(_: LinkError) -> Self {
        Self::new(Code::InvalidLink, "this link is not one of ours, or its 24 hours are over")
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing => Self::new(Code::NotFound, "there is no such image"),
            StoreError::Failed(cause) => {
                tracing::error!(%cause, "the place of images failed");
                Self::new(Code::StoreUnavailable, "the images cannot be reached right now").retry_after(SOON)
            }
            StoreError::NoRandomness(_) => {
                tracing::error!(%error, "an image cannot be named");
                Self::new(Code::StoreUnavailable, "the images cannot be reached right now").retry_after(SOON)
            }
            StoreError::Damaged => {
                tracing::error!("a stored image is damaged");
                Self::new(Code::Internal, "the gateway failed on this request")
            }
            // What a provider sent is not what it should be.
            StoreError::NoImage | StoreError::TooLarge { .. } => {
                tracing::warn!(%error, "a provider's image is not kept");
                Self::new(Code::UpstreamBadGateway, "the provider failed").no_retry()
            }
        }
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Overloaded => Self::new(Code::Overloaded, error.to_string()).retry_after(SOON),
            AskError::Gone => Self::new(Code::Internal, "the gateway failed on this request"),
        }
    }
}

impl From<RotateError> for ApiError {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Refused(RotateRefused::Missing) => Self::new(Code::NotFound, error.to_string()),
            RotateError::Refused(RotateRefused::Over | RotateRefused::Rotated(_) | RotateRefused::Playground) => {
                Self::new(Code::InvalidRequest, error.to_string())
            }
            RotateError::Change(error) => error.into(),
        }
    }
}
