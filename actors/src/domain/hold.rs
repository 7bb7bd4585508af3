//! Money set aside for one running request, from its admission until it is settled, released or expired.

use super::ids::{KeyId, RequestId};
use super::money::NanoUsd;
use super::time::UnixMillis;
use super::usage::Usage;

/// What a running request has set aside. Open while it exists; closing removes it, so it closes once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The request, and the hold's own id.
    pub request: RequestId,
    /// The key that asked.
    pub key: KeyId,
    /// The model that was asked for, by our name.
    pub model: std::sync::Arc<str>,
    /// The price-book version in force at admission: the one it will be settled with.
    pub price_version: u32,
    /// Set aside so far, extensions included.
    pub amount: NanoUsd,
    /// It holds a stream slot.
    pub streamed: bool,
    /// When it was admitted.
    pub opened_at: UnixMillis,
    /// When it is closed by an `expire` entry if nothing else closed it.
    pub expires_at: UnixMillis,
    /// The last progress that was journalled: what a crash would charge.
    pub progress: Option<Progress>,
}

/// How far a stream has come: what `recover` charges after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Reported by the provider where it reported, else estimated.
    pub usage: Usage,
    /// What that usage costs at the hold's price version.
    pub charge: NanoUsd,
}
