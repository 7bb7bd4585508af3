//! Why an admission said no. An ordinary value, in the order in which reasons are checked.

use super::key::KeyKind;
use super::money::NanoUsd;
use super::time::UnixMillis;

/// A feature that a workspace may have switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Chat models.
    Text,
    /// Image models.
    Image,
    /// Speech models.
    Voice,
}

/// Why a request was not admitted. Nothing was taken: no request, no slot, no money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The workspace is suspended.
    #[error("this workspace is suspended")]
    Suspended,
    /// The owner has not confirmed their address.
    #[error("the owner's e-mail address is not verified yet")]
    EmailNotVerified,
    /// The workspace does not have this feature.
    #[error("this workspace does not have the feature {0:?}")]
    FeatureNotEnabled(Feature),
    /// The key may not use this model.
    #[error("this key may not use this model")]
    KeyScope,
    /// Keys of this kind may not do this.
    #[error("a key of the kind {} may not do this", .0.name())]
    KeyKind(KeyKind),
    /// The workspace's whole money could not cover the least that the request may cost.
    #[error("the balance is too low: {missing} US dollars are missing")]
    InsufficientBalance {
        /// What would have to be added.
        missing: NanoUsd,
    },
    /// The key has spent what it may.
    #[error("this key has reached its spend limit: {missing} US dollars more would be needed")]
    KeySpendLimit {
        /// How much the limit falls short.
        missing: NanoUsd,
        /// When what was spent is forgotten; `None` where it never is.
        resets_at: Option<UnixMillis>,
    },
    /// The bucket is empty. Exact: a lone caller who waits this long is admitted, and not earlier.
    #[error("the limit of requests per minute is reached")]
    RateLimited {
        /// Nanoseconds until one request is in the bucket again.
        retry_after_nanos: u64,
    },
    /// Every stream slot is taken.
    #[error("all {limit} concurrent streams are in use")]
    TooManyStreams {
        /// How many there are.
        limit: u32,
    },
    /// Money is there, but running requests hold it.
    #[error("the balance is reserved by requests that are still running")]
    BalanceReserved,
}
