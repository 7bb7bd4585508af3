//! What a payment provider tells us, in our own words, and what comes of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fact::{PaymentFact, SavedMethod, Source};
use crate::domain::entry::EntryKind;
use crate::domain::ids::RefundId;
use crate::domain::money::NanoUsd;

/// Something the provider said. It may come twice, late, or before what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PaymentEvent {
    /// A payment went through.
    Paid {
        /// What led to it.
        source: Source,
        /// The provider's id of the payment.
        intent: Arc<str>,
        /// What was paid. The amount that is credited is ours; another one here is refused.
        amount: NanoUsd,
        /// What may be charged again later.
        #[serde(default)]
        method: Option<SavedMethod>,
    },
    /// A payment did not go through and will not.
    Failed {
        /// What was to lead to it.
        source: Source,
        /// The card was declined, as against any other end.
        declined: bool,
        /// What the provider said.
        reason: Arc<str>,
    },
    /// Money went back.
    Refunded {
        /// The provider's id of the refund.
        id: Arc<str>,
        /// The payment.
        intent: Arc<str>,
        /// How much.
        amount: NanoUsd,
        /// Our own id, where we asked for it.
        #[serde(default)]
        ours: Option<RefundId>,
        /// It went through or is on its way; else it failed.
        good: bool,
    },
    /// The payer's bank took the payment back.
    DisputeOpened {
        /// The provider's id of the dispute.
        id: Arc<str>,
        /// The payment.
        intent: Arc<str>,
        /// How much.
        amount: NanoUsd,
        /// What the bank says.
        reason: Arc<str>,
    },
    /// A dispute ended.
    DisputeClosed {
        /// The provider's id of the dispute.
        id: Arc<str>,
        /// The payment.
        intent: Arc<str>,
        /// How much.
        amount: NanoUsd,
        /// The money came back to us.
        won: bool,
    },
}

/// What is to be done, together and at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What happened.
    pub facts: Vec<PaymentFact>,
    /// The money that moves with it.
    pub movement: Option<Movement>,
    /// No further request is admitted until an operator has looked.
    pub suspend: bool,
}

/// Money that moves with a payment fact: one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// What makes it unique, over all workspaces.
    pub txid: Arc<str>,
    /// The entry's kind: a top-up, a refund or a correction.
    pub kind: EntryKind,
    /// What the workspace gets; negative is taken from it.
    pub available: NanoUsd,
    /// What the house covers where the workspace's money does not: negative is written off, positive came back.
    pub writeoff: NanoUsd,
    /// What people read beside it.
    pub reason: Arc<str>,
}

impl Movement {
    /// No money moves: what was to be taken is gone already.
    pub fn is_nothing(&self) -> bool {
        self.available == NanoUsd::ZERO && self.writeoff == NanoUsd::ZERO
    }
}

/// An event that changes nothing, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApplied {
    /// It was dealt with before.
    #[error("it was dealt with before")]
    Repeated,
    /// What it is about is not known yet.
    #[error("what it is about is not known yet")]
    Unknown,
    /// It speaks of another amount than our row.
    #[error("its amount is not the one that was asked for")]
    Mismatch,
    /// A sum leaves the range of money.
    #[error("an amount is out of range")]
    Range,
}

impl From<crate::domain::money::MoneyOverflow> for NotApplied {
    fn from(_: crate::domain::money::MoneyOverflow) -> Self {
        Self::Range
    }
}
