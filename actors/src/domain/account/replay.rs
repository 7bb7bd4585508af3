//! How entries and facts become an account: the one place where money changes.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::bucket::RequestBucket;
use super::super::entry::{AccountName, Entry, EntryKind, RequestDetail, TxId};
use super::super::fact::{Fact, Features, WorkspaceCreated};
use super::super::hold::Hold;
use super::super::limits::LimitPolicy;
use super::super::money::{MoneyOverflow, NanoUsd};
use super::super::slots::StreamSlots;
use super::super::time::Now;
use super::{Account, OpenHold, Profile, Settings};

/// An entry does not follow from those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A number is missing or came twice.
    #[error("entry {found} where {expected} was due")]
    Gap {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The lines do not sum to zero.
    #[error("the entry does not balance")]
    Unbalanced,
    /// It belongs to no open hold, or opens one that is open.
    #[error("the entry does not fit an open hold")]
    NoHold,
    /// A balance left the range of money or fell below zero.
    #[error("a balance is out of range")]
    Range,
}

impl From<MoneyOverflow> for ReplayError {
    fn from(_: MoneyOverflow) -> Self {
        Self::Range
    }
}

impl Account {
    /// The account of a workspace that was just opened; to replay one, `now` is [`Now::replayed`].
    pub fn opened(created: &WorkspaceCreated, policy: Arc<LimitPolicy>, now: Now) -> Self {
        let limits = policy.default;
        Self {
            workspace: created.workspace,
            profile: Profile {
                name: created.name.clone(),
                owner_email: created.owner_email.clone(),
                created_at: created.at,
            },
            settings: Settings {
                email_verified: created.email_verified,
                suspended: false,
                features: Features::default(),
                requests_per_minute: None,
                concurrent_streams: None,
            },
            policy,
            seq: 0,
            available: NanoUsd::ZERO,
            held: NanoUsd::ZERO,
            balance_at_last_credit: NanoUsd::ZERO,
            holds: HashMap::new(),
            external: HashMap::new(),
            keys: HashMap::new(),
            budgets: HashMap::new(),
            bucket: RequestBucket::full(limits.requests_per_minute, now.monotonic),
            slots: StreamSlots::new(limits.concurrent_streams.get()),
        }
    }

    /// Replays one entry. Requests that were admitted empty the bucket as they did then, on the wall clock;
    /// [`Account::resume`] moves it to the monotonic one.
    ///
    /// # Errors
    /// [`ReplayError`]; the account is not to be used then.
    pub fn replay(&mut self, entry: &Entry) -> Result<(), ReplayError> {
        self.evolve(entry)?;
        let now = Now::replayed(entry.at);
        match entry.kind {
            EntryKind::Hold => {
                let _ = self.bucket.take(now.monotonic);
            }
            EntryKind::Credit | EntryKind::Topup => {
                self.apply_limits(now);
            }
            _ => {}
        }
        Ok(())
    }

    /// Replays one fact of this workspace.
    pub fn replay_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::WorkspaceChanged(change) => {
                self.change(change, Now::replayed(change.at));
            }
            Fact::KeyCreated(created) => self.add_key(created.clone()),
            Fact::KeyRevoked(revoked) => {
                self.revoke_key(revoked);
            }
            Fact::KeyRetired(retired) => self.retire_key(retired),
            Fact::WorkspaceCreated(_)
            | Fact::PricesPublished(_)
            | Fact::ProviderAccountSwitched(_)
            | Fact::Audited(_)
            | Fact::People(_)
            | Fact::Mail(_)
            | Fact::Payment(_)
            | Fact::Billing(_)
            | Fact::Webhook(_) => {}
        }
    }

    /// Ends a replay: the bucket goes on from what it holds now, and the policy's limits are in force.
    pub fn resume(&mut self, now: Now) {
        self.bucket.read(Now::replayed(now.wall).monotonic);
        self.bucket.rebase(now.monotonic);
        self.apply_limits(now);
    }

    /// Applies an entry to money, holds and keys. Live and replayed entries alike come through here.
    pub(super) fn evolve(&mut self, entry: &Entry) -> Result<(), ReplayError> {
        if entry.seq != self.seq + 1 {
            return Err(ReplayError::Gap { expected: self.seq + 1, found: entry.seq });
        }
        if !entry.postings.balance() {
            return Err(ReplayError::Unbalanced);
        }
        let available = self.available.checked_add(entry.postings.to(AccountName::Available))?;
        let held = self.held.checked_add(entry.postings.to(AccountName::Held))?;
        if available.is_negative() || held.is_negative() {
            return Err(ReplayError::Range);
        }
        match (entry.kind, &entry.request) {
            (EntryKind::Hold, Some(detail)) => self.open(entry, detail)?,
            (EntryKind::Extend, Some(detail)) => self.lengthen(entry, detail)?,
            (kind, Some(detail)) if kind.closes_hold() => self.close(entry, detail)?,
            (EntryKind::Hold | EntryKind::Extend, None) => return Err(ReplayError::NoHold),
            (kind, None) if kind.closes_hold() => return Err(ReplayError::NoHold),
            _ => {}
        }
        self.seq = entry.seq;
        self.available = available;
        self.held = held;
        if matches!(entry.txid, TxId::Credit(_) | TxId::Payment(_)) {
            self.external.insert(entry.txid.clone(), entry.clone());
        }
        if matches!(entry.kind, EntryKind::Credit | EntryKind::Topup) {
            self.balance_at_last_credit = self.whole();
        }
        Ok(())
    }

    fn open(&mut self, entry: &Entry, detail: &RequestDetail) -> Result<(), ReplayError> {
        let amount = entry.postings.to(AccountName::Held);
        let hold = Hold {
            request: detail.request,
            key: detail.key,
            model: detail.model.clone(),
            price_version: detail.price_version,
            amount,
            streamed: detail.streamed,
            opened_at: entry.at,
            expires_at: detail.expires_at,
            progress: None,
        };
        if self.holds.contains_key(&detail.request) {
            return Err(ReplayError::NoHold);
        }
        self.holds.insert(detail.request, OpenHold { hold, extensions: 0 });
        if let Some(key) = self.keys.get_mut(&detail.key) {
            key.held = key.held.checked_add(amount)?;
            key.last_used_at = Some(entry.at);
        }
        self.each_budget_of(detail.key, |budget| budget.hold(amount))?;
        if detail.streamed {
            self.slots.take_running();
        }
        Ok(())
    }

    fn lengthen(&mut self, entry: &Entry, detail: &RequestDetail) -> Result<(), ReplayError> {
        let more = entry.postings.to(AccountName::Held);
        let open = self.holds.get_mut(&detail.request).ok_or(ReplayError::NoHold)?;
        open.hold.amount = open.hold.amount.checked_add(more)?;
        open.extensions += 1;
        if let Some(key) = self.keys.get_mut(&detail.key) {
            key.held = key.held.checked_add(more)?;
        }
        self.each_budget_of(detail.key, |budget| budget.hold(more))?;
        Ok(())
    }

    fn close(&mut self, entry: &Entry, detail: &RequestDetail) -> Result<(), ReplayError> {
        let open = self.holds.get(&detail.request).ok_or(ReplayError::NoHold)?;
        let amount = open.hold.amount;
        let streamed = open.hold.streamed;
        if entry.postings.to(AccountName::Held) != amount.checked_neg()? {
            return Err(ReplayError::NoHold);
        }
        if let Some(key) = self.keys.get_mut(&detail.key) {
            key.held = key.held.checked_sub(amount)?;
            key.spent = key.spent.checked_add(entry.charge())?;
        }
        self.each_budget_of(detail.key, |budget| budget.close(amount, entry.charge(), entry.at))?;
        if streamed {
            self.slots.give_back();
        }
        self.holds.remove(&detail.request);
        Ok(())
    }
}
