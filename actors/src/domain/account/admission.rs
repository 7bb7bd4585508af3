//! Admission: everything is checked before anything is taken, in the order of INTERFACE §3, promise 7.

use std::sync::Arc;

use super::super::entry::{AccountName, Entry, EntryKind, Postings, RequestStep, TxId};
use super::super::hold::Hold;
use super::super::ids::{KeyId, RequestId};
use super::super::key::KeyKind;
use super::super::money::NanoUsd;
use super::super::refusal::{Feature, Refusal};
use super::super::time::{Now, UnixMillis};
use super::Account;

/// A request that asks to be admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Its id.
    pub request: RequestId,
    /// The key that asks.
    pub key: KeyId,
    /// The model, by our name.
    pub model: Arc<str>,
    /// The feature it needs.
    pub feature: Feature,
    /// The price-book version in force.
    pub price_version: u32,
    /// It needs a stream slot.
    pub streamed: bool,
    /// The least money with which it can run.
    pub least: NanoUsd,
    /// The money it wants: the worst case, or a stream's first slice. Not below `least`.
    pub wanted: NanoUsd,
    /// When its hold expires if nothing closes it.
    pub expires_at: UnixMillis,
}

/// An admitted request: its hold is in memory and has to reach the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The hold entry.
    pub entry: Entry,
    /// What is held: between `least` and `wanted`.
    pub held: NanoUsd,
}

impl Account {
    /// Admits a request: takes one request from the bucket, a slot if it streams, and its money.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies; nothing is taken.
    pub fn admit(&mut self, admission: &Admission, now: Now) -> Result<Admitted, Refusal> {
        self.check_allowed(admission.key, &admission.model, admission.feature)?;
        let free = self.check_money(admission, now.wall)?;
        self.check_rate(now)?;
        if admission.streamed && self.slots.remaining() == 0 {
            return Err(Refusal::TooManyStreams { limit: self.slots.limit() });
        }
        let held = free?;
        let postings = Postings::transfer(AccountName::Available, AccountName::Held, held)
            .map_err(|_| Refusal::BalanceReserved)?;
        let hold = Hold {
            request: admission.request,
            key: admission.key,
            model: admission.model.clone(),
            price_version: admission.price_version,
            amount: held,
            streamed: admission.streamed,
            opened_at: now.wall,
            expires_at: admission.expires_at,
            progress: None,
        };
        let txid = TxId::Request(admission.request, RequestStep::Hold);
        let entry = self.entry_of_hold(EntryKind::Hold, txid, postings, &hold, now);
        // A request id is used once, so the only thing that evolve could refuse cannot be.
        self.evolve(&entry).map_err(|_| Refusal::BalanceReserved)?;
        // The check above found one there.
        let _ = self.bucket.take(now.monotonic);
        Ok(Admitted { entry, held })
    }

    /// Admits a request that costs nothing (`count_tokens`): one request from the bucket.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies; nothing is taken.
    pub fn admit_free(&mut self, key: KeyId, model: &str, feature: Feature, now: Now) -> Result<(), Refusal> {
        self.check_allowed(key, model, feature)?;
        self.bucket.take(now.monotonic).map_err(|retry_after_nanos| Refusal::RateLimited { retry_after_nanos })?;
        self.note_use(key, now.wall);
        Ok(())
    }

    /// Admits a change of keys by a management key: one request from the bucket.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies; nothing is taken.
    pub fn admit_management(&mut self, key: KeyId, now: Now) -> Result<(), Refusal> {
        self.check_may_change(key)?;
        self.bucket.take(now.monotonic).map_err(|retry_after_nanos| Refusal::RateLimited { retry_after_nanos })?;
        self.note_use(key, now.wall);
        Ok(())
    }

    /// Whether it might change keys: it is a management key of a workspace that is served.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn check_may_change(&self, key: KeyId) -> Result<(), Refusal> {
        self.check_standing()?;
        self.check_manages(key)
    }

    /// Whether it is a management key.
    ///
    /// # Errors
    /// [`Refusal::KeyKind`], and [`Refusal::KeyScope`] for a key that is not of this workspace.
    pub fn check_manages(&self, key: KeyId) -> Result<(), Refusal> {
        match self.keys.get(&key).map(|key| key.created.kind) {
            Some(KeyKind::Management) => Ok(()),
            Some(kind) => Err(Refusal::KeyKind(kind)),
            None => Err(Refusal::KeyScope),
        }
    }

    /// Notes that a key was used for something that costs nothing. It is not journalled: a restart forgets it.
    pub fn note_use(&mut self, key: KeyId, at: UnixMillis) {
        if let Some(key) = self.keys.get_mut(&key) {
            key.last_used_at = Some(at);
        }
    }

    fn check_standing(&self) -> Result<(), Refusal> {
        if self.settings.suspended {
            return Err(Refusal::Suspended);
        }
        if !self.settings.email_verified {
            return Err(Refusal::EmailNotVerified);
        }
        Ok(())
    }

    fn check_allowed(&self, key: KeyId, model: &str, feature: Feature) -> Result<(), Refusal> {
        self.check_standing()?;
        let features = self.settings.features;
        let enabled = match feature {
            Feature::Text => features.text,
            Feature::Image => features.image,
            Feature::Voice => features.voice,
        };
        if !enabled {
            return Err(Refusal::FeatureNotEnabled(feature));
        }
        match self.keys.get(&key) {
            Some(key) if key.created.kind != KeyKind::Inference => Err(Refusal::KeyKind(key.created.kind)),
            Some(key) if key.may_use(model) => Ok(()),
            _ => Err(Refusal::KeyScope),
        }
    }

    /// The outer error is a 402. Inside is what to hold, or that running requests hold it: that one is
    /// checked last.
    fn check_money(&self, admission: &Admission, at: UnixMillis) -> Result<Result<NanoUsd, Refusal>, Refusal> {
        let missing = |whole: NanoUsd| admission.least.checked_sub(whole).unwrap_or(admission.least);
        let mut whole = self.whole();
        if whole < admission.least {
            return Err(Refusal::InsufficientBalance { missing: missing(whole) });
        }
        let mut free = self.available;
        for budget in self.budgets_of(admission.key) {
            let Some(left) = budget.left(at) else { continue };
            if left.whole < admission.least {
                return Err(Refusal::KeySpendLimit { missing: missing(left.whole), resets_at: budget.resets_at(at) });
            }
            whole = whole.min(left.whole);
            free = free.min(left.free);
        }
        if free >= admission.wanted {
            return Ok(Ok(admission.wanted));
        }
        // Less than the worst case is held only where no waiting would bring more.
        if free >= admission.least && whole < admission.wanted {
            return Ok(Ok(free));
        }
        Ok(Err(Refusal::BalanceReserved))
    }

    fn check_rate(&mut self, now: Now) -> Result<(), Refusal> {
        self.bucket.check(now.monotonic).map_err(|retry_after_nanos| Refusal::RateLimited { retry_after_nanos })
    }
}
