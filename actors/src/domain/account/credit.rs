//! Money that an operator gives or takes back, once per idempotency key.

use std::sync::Arc;

use super::super::entry::{AccountName, Entry, EntryKind, Postings, TxId};
use super::super::money::{MoneyOverflow, NanoUsd};
use super::super::time::Now;
use super::Account;

/// What came of a credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credited {
    /// A new entry.
    New(Entry),
    /// The same credit was made before: its entry.
    Replayed(Entry),
}

/// A credit was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditError {
    /// The key was used for another amount.
    #[error("this idempotency key was used with another amount")]
    Conflict,
    /// A refund of more than is available.
    #[error("a refund cannot take more than is available")]
    InsufficientBalance,
    /// Zero, or beyond the range of money.
    #[error("the amount is zero or out of range")]
    BadAmount,
}

impl Account {
    /// Gives `amount`, or takes it back where it is negative. A credit decides the tier anew.
    ///
    /// # Errors
    /// [`CreditError`]; nothing changes.
    pub fn credit(
        &mut self,
        amount: NanoUsd,
        reason: Arc<str>,
        idempotency_key: Arc<str>,
        now: Now,
    ) -> Result<Credited, CreditError> {
        let txid = TxId::Credit(idempotency_key);
        if let Some(first) = self.external.get(&txid) {
            return if first.amount() == amount {
                Ok(Credited::Replayed(first.clone()))
            } else {
                Err(CreditError::Conflict)
            };
        }
        if amount == NanoUsd::ZERO || self.whole().checked_add(amount).is_err() {
            return Err(CreditError::BadAmount);
        }
        let (kind, postings) = if amount.is_negative() {
            let taken = amount.checked_neg().map_err(|MoneyOverflow| CreditError::BadAmount)?;
            if taken > self.available {
                return Err(CreditError::InsufficientBalance);
            }
            (EntryKind::Refund, Postings::transfer(AccountName::Available, AccountName::PaymentsClearing, taken))
        } else {
            (EntryKind::Credit, Postings::transfer(AccountName::Bonus, AccountName::Available, amount))
        };
        let postings = postings.map_err(|MoneyOverflow| CreditError::BadAmount)?;
        let entry = Entry { reason: Some(reason), ..self.entry(kind, txid, postings, now) };
        self.evolve(&entry).map_err(|_| CreditError::BadAmount)?;
        self.apply_limits(now);
        Ok(Credited::New(entry))
    }
}
