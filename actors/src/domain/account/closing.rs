//! What becomes of a hold: extended while it is open, then closed exactly once.

use super::super::entry::{AccountName, Entry, EntryKind, Postings, RequestStep, TxId};
use super::super::hold::Progress;
use super::super::ids::RequestId;
use super::super::money::{MoneyOverflow, NanoUsd};
use super::super::time::Now;
use super::{Account, Charge};

/// The hold is not open: it was closed before, or never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hold is not open")]
pub struct HoldClosed;

/// A hold was not extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtendRefused {
    /// It is not open.
    #[error(transparent)]
    Closed(#[from] HoldClosed),
    /// No money is left for it.
    #[error("no money is left to extend the hold")]
    NoMoney,
}

/// A hold that was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The closing entry, and a write-off after it where the customer's money did not suffice.
    pub entries: Vec<Entry>,
    /// What the customer paid.
    pub charged: NanoUsd,
    /// What nobody paid.
    pub written_off: NanoUsd,
}

impl Account {
    /// Sets up to `more` aside for a running request: as much of it as there is.
    ///
    /// # Errors
    /// [`ExtendRefused::NoMoney`] where nothing is there; nothing changes.
    pub fn extend(&mut self, request: RequestId, more: NanoUsd, now: Now) -> Result<Entry, ExtendRefused> {
        let open = self.holds.get(&request).ok_or(HoldClosed)?;
        let mut free = self.available;
        for left in self.budgets_of(open.hold.key).filter_map(|budget| budget.left(now.wall)) {
            free = free.min(left.free);
        }
        let amount = free.min(more);
        if !amount.is_positive() {
            return Err(ExtendRefused::NoMoney);
        }
        let postings = Postings::transfer(AccountName::Available, AccountName::Held, amount)
            .map_err(|MoneyOverflow| ExtendRefused::NoMoney)?;
        let txid = TxId::Request(request, RequestStep::Extend(open.extensions + 1));
        let entry = self.entry_of_hold(EntryKind::Extend, txid, postings, &open.hold, now);
        self.evolve(&entry).map_err(|_| HoldClosed)?;
        Ok(entry)
    }

    /// Notes how far a stream has come: what a crash would charge.
    ///
    /// # Errors
    /// [`HoldClosed`].
    pub fn progress(&mut self, request: RequestId, progress: Progress) -> Result<(), HoldClosed> {
        let open = self.holds.get_mut(&request).ok_or(HoldClosed)?;
        open.hold.progress = Some(progress);
        Ok(())
    }

    /// Closes a hold with its charge. What the charge exceeds the hold by is taken from what is available;
    /// what is missing then is written off, never owed.
    ///
    /// # Errors
    /// [`HoldClosed`]; nothing changes, so a hold is charged once.
    pub fn settle(&mut self, request: RequestId, charge: Charge, now: Now) -> Result<Closed, HoldClosed> {
        self.close_with_charge(EntryKind::Settle, request, charge, now)
    }

    /// Closes a hold without a charge: nothing was delivered.
    ///
    /// # Errors
    /// [`HoldClosed`].
    pub fn release(&mut self, request: RequestId, now: Now) -> Result<Closed, HoldClosed> {
        self.close_without_charge(EntryKind::Release, request, now)
    }

    /// Closes every hold whose time is over with its last progress, as after a crash: their requests are gone.
    pub fn expire_due(&mut self, now: Now) -> Vec<Entry> {
        let due: Vec<_> =
            self.holds.values().filter(|open| open.hold.expires_at <= now.wall).map(|open| open.hold.request).collect();
        due.into_iter().flat_map(|request| self.close_left_open(request, EntryKind::Expire, now)).collect()
    }

    /// Closes every open hold: after a restart none of their requests runs.
    pub fn recover_open_holds(&mut self, now: Now) -> Vec<Entry> {
        let mut open: Vec<_> = self.holds.keys().copied().collect();
        open.sort_unstable();
        open.into_iter().flat_map(|request| self.close_left_open(request, EntryKind::Release, now)).collect()
    }

    /// With progress: charged by a `recover` entry, at most the hold. Without: given back by an entry of kind `free`.
    fn close_left_open(&mut self, request: RequestId, free: EntryKind, now: Now) -> Vec<Entry> {
        let Some(open) = self.holds.get(&request) else { return Vec::new() };
        let closed = match open.hold.progress {
            Some(progress) => {
                let amount = progress.charge.min(open.hold.amount);
                let charge = Charge { usage: progress.usage, amount };
                self.close_with_charge(EntryKind::Recover, request, charge, now)
            }
            None => self.close_without_charge(free, request, now),
        };
        closed.map(|closed| closed.entries).unwrap_or_default()
    }

    fn close_without_charge(&mut self, kind: EntryKind, request: RequestId, now: Now) -> Result<Closed, HoldClosed> {
        let hold = &self.holds.get(&request).ok_or(HoldClosed)?.hold;
        let postings = Postings::transfer(AccountName::Held, AccountName::Available, hold.amount)
            .map_err(|MoneyOverflow| HoldClosed)?;
        let entry = self.entry_of_hold(kind, TxId::Request(request, RequestStep::Close), postings, hold, now);
        self.evolve(&entry).map_err(|_| HoldClosed)?;
        Ok(Closed { entries: vec![entry], charged: NanoUsd::ZERO, written_off: NanoUsd::ZERO })
    }

    fn close_with_charge(
        &mut self,
        kind: EntryKind,
        request: RequestId,
        charge: Charge,
        now: Now,
    ) -> Result<Closed, HoldClosed> {
        let hold = self.holds.get(&request).ok_or(HoldClosed)?.hold.clone();
        let split = Split::of(charge.amount, hold.amount, self.available).map_err(|MoneyOverflow| HoldClosed)?;
        let postings = split.postings(hold.amount).map_err(|MoneyOverflow| HoldClosed)?;
        let close = TxId::Request(request, RequestStep::Close);
        let mut entry = self.entry_of_hold(kind, close, postings, &hold, now);
        entry.usage = Some(charge.usage);
        self.evolve(&entry).map_err(|_| HoldClosed)?;
        let mut entries = vec![entry];
        if split.missing.is_positive() {
            let postings = Postings::transfer(AccountName::Writeoff, AccountName::ProviderCost, split.missing)
                .map_err(|MoneyOverflow| HoldClosed)?;
            let txid = TxId::Request(request, RequestStep::Writeoff);
            let writeoff = self.entry_of_hold(EntryKind::Writeoff, txid, postings, &hold, now);
            self.evolve(&writeoff).map_err(|_| HoldClosed)?;
            entries.push(writeoff);
        }
        Ok(Closed { entries, charged: split.charged, written_off: split.missing })
    }
}

/// Where the money of a charge comes from.
struct Split {
    charged: NanoUsd,
    missing: NanoUsd,
}

impl Split {
    fn of(amount: NanoUsd, held: NanoUsd, available: NanoUsd) -> Result<Self, MoneyOverflow> {
        let amount = amount.max(NanoUsd::ZERO);
        let charged = amount.min(held.checked_add(available)?);
        Ok(Self { charged, missing: amount.checked_sub(charged)? })
    }

    /// held −H, revenue +C, available +(H−C): the last one takes an overrun away.
    fn postings(&self, held: NanoUsd) -> Result<Postings, MoneyOverflow> {
        let mut postings = Postings::default();
        let fits = postings
            .push(AccountName::Held, held.checked_neg()?)
            .and(postings.push(AccountName::Available, held.checked_sub(self.charged)?))
            .and(postings.push(AccountName::Revenue, self.charged));
        debug_assert!(fits.is_ok(), "three of four lines");
        Ok(postings)
    }
}
