//! One workspace's account: its money, its holds, its limits and its keys, as a state machine.
//!
//! Every method takes values and the time and returns new entries or a refusal; nothing else changes the
//! state. Money changes only by `Account::evolve`, live and in replay alike, so replaying the entries
//! gives the same account. The workspace actor is a shell around this; the ledger stores what it returns.

mod admission;
mod budget;
mod closing;
mod credit;
mod keys;
mod payment;
mod replay;
mod settings;

#[cfg(test)]
mod key_tests;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub use admission::{Admission, Admitted};
use budget::Budget;
pub use closing::{Closed, ExtendRefused, HoldClosed};
pub use credit::{CreditError, Credited};
pub use keys::{KeyState, KeyView, RotateRefused, Rotation};
pub use replay::ReplayError;
pub use settings::{Profile, Settings};

use super::bucket::{BucketReading, RequestBucket};
use super::entry::{Entry, EntryKind, Postings, RequestDetail, TxId};
use super::hold::Hold;
use super::ids::{KeyId, RequestId, WorkspaceId};
use super::limits::{LimitPolicy, Limits};
use super::money::NanoUsd;
use super::slots::StreamSlots;
use super::time::Now;
use super::usage::Usage;

/// One workspace's account.
#[derive(Clone, Debug)]
pub struct Account {
    workspace: WorkspaceId,
    profile: Profile,
    settings: Settings,
    policy: Arc<LimitPolicy>,
    /// The number of the last entry.
    seq: u64,
    available: NanoUsd,
    held: NanoUsd,
    /// The balance right after the last credit: decides the tier.
    balance_at_last_credit: NanoUsd,
    holds: HashMap<RequestId, OpenHold>,
    /// Money that came in or went back by its transaction id, so that a replay answers the first entry.
    external: HashMap<TxId, Entry>,
    keys: HashMap<KeyId, KeyState>,
    /// What each line of keys may spend, by the first key of the line.
    budgets: HashMap<KeyId, Budget>,
    bucket: RequestBucket,
    slots: StreamSlots,
}

/// A hold and how often it was extended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OpenHold {
    hold: Hold,
    extensions: u32,
}

/// What a workspace has at one moment: what headers and `/v1/balance` show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Money that no request holds.
    pub available: NanoUsd,
    /// Money that running requests hold.
    pub held: NanoUsd,
    /// The request bucket.
    pub requests: BucketReading,
    /// Stream slots in all.
    pub streams_limit: u32,
    /// Stream slots that are free.
    pub streams_remaining: u32,
}

impl Standing {
    /// Money that was not charged yet.
    pub fn balance(&self) -> NanoUsd {
        // Both parts came out of one i64 of credits, so their sum is one.
        self.available.checked_add(self.held).unwrap_or(NanoUsd::MAX)
    }
}

impl Account {
    /// The workspace's id.
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Its name and owner.
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What an operator has set.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The number of its last entry; zero before the first.
    pub const fn head(&self) -> u64 {
        self.seq
    }

    /// Open holds, in no order.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values().map(|open| &open.hold)
    }

    /// Its keys, the oldest first.
    pub fn keys(&self) -> Vec<&KeyState> {
        let mut keys: Vec<_> = self.keys.values().collect();
        keys.sort_by_key(|key| key.created.key);
        keys
    }

    /// One of its keys.
    pub fn key(&self, key: KeyId) -> Option<&KeyState> {
        self.keys.get(&key)
    }

    /// What it has now.
    pub fn standing(&mut self, now: Now) -> Standing {
        Standing {
            available: self.available,
            held: self.held,
            requests: self.bucket.read(now.monotonic),
            streams_limit: self.slots.limit(),
            streams_remaining: self.slots.remaining(),
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        let tier = self.policy.tier_for(self.balance_at_last_credit).map_or(self.policy.default, |tier| tier.limits);
        Limits {
            requests_per_minute: self.settings.requests_per_minute.unwrap_or(tier.requests_per_minute),
            concurrent_streams: self.settings.concurrent_streams.unwrap_or(tier.concurrent_streams),
        }
    }

    /// The tier's name: the balance it starts at, or `default`.
    pub fn tier_name(&self) -> String {
        self.policy
            .tier_for(self.balance_at_last_credit)
            .map_or_else(|| "default".to_owned(), |tier| tier.min_balance.to_string())
    }

    /// Money that was not charged yet.
    pub(crate) fn whole(&self) -> NanoUsd {
        self.available.checked_add(self.held).unwrap_or(NanoUsd::MAX)
    }

    /// The next entry, not yet applied.
    fn entry(&self, kind: EntryKind, txid: TxId, postings: Postings, now: Now) -> Entry {
        Entry {
            workspace: self.workspace,
            seq: self.seq + 1,
            txid,
            kind,
            at: now.wall,
            postings,
            request: None,
            usage: None,
            reason: None,
        }
    }

    /// The next entry of a request with an open hold.
    fn entry_of_hold(&self, kind: EntryKind, txid: TxId, postings: Postings, hold: &Hold, now: Now) -> Entry {
        let request = Some(RequestDetail {
            request: hold.request,
            key: hold.key,
            model: hold.model.clone(),
            price_version: hold.price_version,
            streamed: hold.streamed,
            expires_at: hold.expires_at,
        });
        Entry { request, ..self.entry(kind, txid, postings, now) }
    }

    /// Applies the limits in force to bucket and slots, after anything that may have changed them.
    fn apply_limits(&mut self, now: Now) {
        let limits = self.limits();
        self.bucket.set_limit(limits.requests_per_minute, now.monotonic);
        self.slots.set_limit(limits.concurrent_streams.get());
    }
}

/// Usage with its charge, as the relay computed it at the request's own price version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What was used.
    pub usage: Usage,
    /// What it costs.
    pub amount: NanoUsd,
}
