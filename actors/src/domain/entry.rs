//! Ledger entries: double entry, every entry sums to zero, none is ever edited.
//!
//! Accounts belong to the workspace of the entry. `available` and `held` are what the customer has;
//! `revenue` is what they paid; the rest is where money came from or went.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{EntryId, KeyId, RequestId, WorkspaceId};
use super::money::{MoneyOverflow, NanoUsd};
use super::time::UnixMillis;
use super::usage::Usage;

/// Where money stands. The order is the order of storage: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum AccountName {
    /// The customer's money that no request holds.
    Available = 0,
    /// The customer's money that running requests hold.
    Held = 1,
    /// What the customer paid for.
    Revenue = 2,
    /// Payments under way from the payment provider.
    PaymentsClearing = 3,
    /// Corrections by an operator.
    Adjustment = 4,
    /// Cost that no customer paid.
    Writeoff = 5,
    /// Given, not paid.
    Bonus = 6,
    /// What the provider billed and no customer's money covered: the other side of a write-off.
    ProviderCost = 7,
}

impl AccountName {
    /// All of them, in order of storage.
    pub const ALL: [Self; 8] = [
        Self::Available,
        Self::Held,
        Self::Revenue,
        Self::PaymentsClearing,
        Self::Adjustment,
        Self::Writeoff,
        Self::Bonus,
        Self::ProviderCost,
    ];
}

/// What an entry does. The order is the order of storage: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EntryKind {
    /// A payment arrived.
    Topup = 0,
    /// An operator gave credit.
    Credit = 1,
    /// Money went back.
    Refund = 2,
    /// A request set money aside.
    Hold = 3,
    /// A running stream set more aside.
    Extend = 4,
    /// A hold closed without a charge.
    Release = 5,
    /// A hold closed because nothing else closed it in time.
    Expire = 6,
    /// A hold closed with its charge.
    Settle = 7,
    /// A hold left open by a crash closed with the charge of its last progress.
    Recover = 8,
    /// Cost beyond the customer's money.
    Writeoff = 9,
    /// A correction.
    Adjust = 10,
}

impl EntryKind {
    /// All of them, in order of storage.
    pub const ALL: [Self; 11] = [
        Self::Topup,
        Self::Credit,
        Self::Refund,
        Self::Hold,
        Self::Extend,
        Self::Release,
        Self::Expire,
        Self::Settle,
        Self::Recover,
        Self::Writeoff,
        Self::Adjust,
    ];

    /// The kinds that close a hold.
    pub const fn closes_hold(self) -> bool {
        matches!(self, Self::Release | Self::Expire | Self::Settle | Self::Recover)
    }
}

/// One line of an entry: `amount` is added to `account`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Where.
    pub account: AccountName,
    /// How much; negative takes away.
    #[serde(rename = "amount_usd")]
    pub amount: NanoUsd,
}

/// What identifies a transaction from outside; the same one twice is a replay and answers the first result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TxId {
    /// A step of a request: its hold, its n-th extension, its close or its write-off.
    Request(RequestId, RequestStep),
    /// A credit or refund by an operator, by its idempotency key: unique within the workspace.
    Credit(Arc<str>),
    /// A payment, by the payment provider's id.
    Payment(Arc<str>),
}

/// Which step of a request an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RequestStep {
    /// The admission.
    Hold,
    /// The n-th extension, from 1.
    Extend(u32),
    /// Settled, released, expired or recovered: one of them, once.
    Close,
    /// What the close could not cover.
    Writeoff,
}

/// One change of money. Replaying all entries of a workspace in order gives its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Its number in the workspace, from 1 without gaps.
    pub seq: u64,
    /// What makes it unique.
    pub txid: TxId,
    /// What it does.
    pub kind: EntryKind,
    /// When it was decided.
    pub at: UnixMillis,
    /// Its lines; they sum to zero.
    pub postings: Postings,
    /// The request it belongs to.
    pub request: Option<RequestDetail>,
    /// What was used, on a charge.
    pub usage: Option<Usage>,
    /// Why, on an operator's entry.
    pub reason: Option<Arc<str>>,
}

/// The part of an entry that names its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestDetail {
    /// The request.
    pub request: RequestId,
    /// The key that asked.
    pub key: KeyId,
    /// The model that was asked for, by our name.
    pub model: Arc<str>,
    /// The price-book version the request pays.
    pub price_version: u32,
    /// It holds a stream slot (on a hold).
    pub streamed: bool,
    /// When the hold expires (on a hold).
    pub expires_at: UnixMillis,
}

/// Up to four postings, inline: most entries have two or three, and one is made per step of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Postings {
    lines: [Option<Posting>; 4],
}

/// A fifth posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry has at most four postings")]
pub struct TooManyPostings;

impl Postings {
    /// Adds a line; a line of zero is left out.
    ///
    /// # Errors
    /// [`TooManyPostings`] for a fifth.
    pub fn push(&mut self, account: AccountName, amount: NanoUsd) -> Result<(), TooManyPostings> {
        if amount == NanoUsd::ZERO {
            return Ok(());
        }
        let free = self.lines.iter_mut().find(|line| line.is_none()).ok_or(TooManyPostings)?;
        *free = Some(Posting { account, amount });
        Ok(())
    }

    /// A transfer of `amount` from one account to another.
    pub fn transfer(from: AccountName, to: AccountName, amount: NanoUsd) -> Result<Self, MoneyOverflow> {
        let mut postings = Self::default();
        let fits = postings.push(from, amount.checked_neg()?).and_then(|()| postings.push(to, amount));
        debug_assert!(fits.is_ok(), "two of four lines");
        Ok(postings)
    }

    /// The lines in order.
    pub fn iter(&self) -> impl Iterator<Item = Posting> + '_ {
        self.lines.iter().flatten().copied()
    }

    /// What the entry adds to `account`; zero where it has no line.
    pub fn to(&self, account: AccountName) -> NanoUsd {
        self.iter()
            .filter(|line| line.account == account)
            .fold(NanoUsd::ZERO, |sum, line| sum.checked_add(line.amount).unwrap_or(sum))
    }

    /// Whether the lines sum to zero, as those of every valid entry do.
    pub fn balance(&self) -> bool {
        self.iter().map(|line| i128::from(line.amount.nano())).sum::<i128>() == 0
    }
}

impl Entry {
    /// Its id, derived from workspace and number.
    pub const fn id(&self) -> EntryId {
        EntryId::of(self.workspace, self.seq)
    }

    /// What the customer paid with it: its posting to revenue.
    pub fn charge(&self) -> NanoUsd {
        self.postings.to(AccountName::Revenue)
    }

    /// The amount people read as "the" amount: what was added, set aside, given back or charged.
    pub fn amount(&self) -> NanoUsd {
        match self.kind {
            EntryKind::Topup | EntryKind::Credit | EntryKind::Refund | EntryKind::Adjust => {
                self.postings.to(AccountName::Available)
            }
            EntryKind::Hold | EntryKind::Extend => self.postings.to(AccountName::Held),
            EntryKind::Release | EntryKind::Expire => self.postings.to(AccountName::Available),
            EntryKind::Settle | EntryKind::Recover => self.charge(),
            EntryKind::Writeoff => self.postings.to(AccountName::ProviderCost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_balances_and_has_no_line_of_zero() {
        let amount = NanoUsd::from_nano(5);
        let postings = Postings::transfer(AccountName::Available, AccountName::Held, amount).unwrap();
        assert!(postings.balance());
        assert_eq!(postings.to(AccountName::Held), amount);
        let nothing = Postings::transfer(AccountName::Available, AccountName::Held, NanoUsd::ZERO).unwrap();
        assert_eq!(nothing.iter().count(), 0);
    }

    #[test]
    fn a_one_sided_entry_does_not_balance() {
        let mut postings = Postings::default();
        postings.push(AccountName::Bonus, NanoUsd::from_nano(1)).unwrap();
        assert!(!postings.balance());
    }
}
