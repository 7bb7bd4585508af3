//! Money that comes in by a payment, and goes back the way it came.

use std::sync::Arc;

use super::super::entry::{AccountName, Entry, EntryKind, Postings, TxId};
use super::super::money::NanoUsd;
use super::super::payment::Movement;
use super::super::time::Now;
use super::{Account, CreditError};

impl Account {
    /// Moves money between the workspace and the payment provider. A top-up decides the tier anew. The entry balances
    /// through `payments_clearing`; what the workspace's money does not cover stands in `writeoff`.
    ///
    /// # Errors
    /// [`CreditError`]; nothing changes.
    pub fn move_payment(&mut self, movement: &Movement, now: Now) -> Result<Entry, CreditError> {
        let txid = TxId::Payment(movement.txid.clone());
        if self.external.contains_key(&txid) {
            return Err(CreditError::Conflict);
        }
        if movement.available.is_positive() && self.whole().checked_add(movement.available).is_err() {
            return Err(CreditError::BadAmount);
        }
        let postings = postings(movement).ok_or(CreditError::BadAmount)?;
        let entry = Entry { reason: Some(movement.reason.clone()), ..self.entry(movement.kind, txid, postings, now) };
        if self.available.checked_add(movement.available).is_ok_and(NanoUsd::is_negative) {
            return Err(CreditError::InsufficientBalance);
        }
        self.evolve(&entry).map_err(|_| CreditError::BadAmount)?;
        self.apply_limits(now);
        Ok(entry)
    }

    /// What is available now.
    pub const fn available(&self) -> NanoUsd {
        self.available
    }

    /// A payment that was booked under this id.
    pub fn booked(&self, txid: &Arc<str>) -> Option<&Entry> {
        self.external.get(&TxId::Payment(txid.clone()))
    }
}

fn postings(movement: &Movement) -> Option<Postings> {
    let both = movement.available.checked_add(movement.writeoff).ok()?;
    let mut postings = Postings::default();
    postings.push(AccountName::PaymentsClearing, both.checked_neg().ok()?).ok()?;
    postings.push(AccountName::Available, movement.available).ok()?;
    postings.push(AccountName::Writeoff, movement.writeoff).ok()?;
    matches!(movement.kind, EntryKind::Topup | EntryKind::Refund | EntryKind::Adjust).then_some(postings)
}
