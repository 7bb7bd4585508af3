//! What happened to payments, as it stands in the journal.
//!
//! Facts name what was decided, never what a provider's message looked like; they hold no secret, and of a card no more than
//! its last four digits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::PaymentEvent;
use crate::domain::ids::{AttemptId, CheckoutId, RefundId, WorkspaceId};
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;

/// Something happened to a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "payment", rename_all = "snake_case")]
pub enum PaymentFact {
    /// A customer was sent to pay.
    CheckoutOpened(CheckoutOpened),
    /// The provider's id of a checkout became known.
    CheckoutSession {
        /// Which.
        checkout: CheckoutId,
        /// The provider's id.
        session: Arc<str>,
    },
    /// A checkout ended without a payment.
    CheckoutEnded {
        /// Which.
        checkout: CheckoutId,
        /// When.
        at: UnixMillis,
    },
    /// Money came in; its entry stands beside it.
    Paid(Paid),
    /// An operator began to send money back: it is taken from the workspace, the provider is yet to be asked.
    RefundStarted(RefundStarted),
    /// The provider took on a refund of ours.
    RefundConfirmed {
        /// Which.
        refund: RefundId,
        /// The provider's id.
        provider_refund: Arc<str>,
        /// When.
        at: UnixMillis,
    },
    /// A refund of ours did not happen: the money is the workspace's again.
    RefundFailed {
        /// Which.
        refund: RefundId,
        /// What the provider said.
        reason: Arc<str>,
        /// When.
        at: UnixMillis,
    },
    /// A refund was made at the provider without us.
    RefundedOutside(MoneyBack),
    /// A refund that was made without us failed.
    RefundOutsideFailed {
        /// The provider's id.
        provider_refund: Arc<str>,
        /// When.
        at: UnixMillis,
    },
    /// The payer's bank took a payment back for now.
    DisputeOpened(MoneyBack),
    /// A dispute ended.
    DisputeClosed {
        /// The provider's id.
        dispute: Arc<str>,
        /// The payment.
        intent: Arc<str>,
        /// The money is ours again.
        won: bool,
        /// When.
        at: UnixMillis,
    },
    /// Auto top-up was switched on, off, or over.
    AutoTopUpChanged(AutoTopUpChanged),
    /// The saved card was removed, and auto top-up with it.
    MethodRemoved {
        /// Whose.
        workspace: WorkspaceId,
        /// When.
        at: UnixMillis,
    },
    /// A card that was removed or replaced is no longer the customer's at the provider either.
    MethodDetached {
        /// Whose it was.
        workspace: WorkspaceId,
        /// The provider's id of it.
        method: Arc<str>,
        /// When.
        at: UnixMillis,
    },
    /// A payment without the customer began.
    AttemptStarted(AttemptStarted),
    /// Its id at the provider became known.
    AttemptIntent {
        /// Which.
        attempt: AttemptId,
        /// The provider's id.
        intent: Arc<str>,
    },
    /// It brought no money.
    AttemptFailed {
        /// Which.
        attempt: AttemptId,
        /// The card was declined, as against the provider not answering.
        declined: bool,
        /// What the provider said.
        reason: Arc<str>,
        /// When.
        at: UnixMillis,
    },
    /// An event came before what it is about.
    Parked {
        /// The event.
        event: PaymentEvent,
        /// When.
        at: UnixMillis,
    },
    /// What a parked event is about came, and the event was dealt with.
    Unparked {
        /// The event.
        event: PaymentEvent,
    },
}

/// A customer was sent to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutOpened {
    /// Our id, which the provider tells us back.
    pub checkout: CheckoutId,
    /// Who is credited.
    pub workspace: WorkspaceId,
    /// Who pays: the id of a person, where one is known.
    #[serde(default)]
    pub person: Option<Arc<str>>,
    /// How much, in whole cents.
    pub amount: NanoUsd,
    /// The card is to be kept for auto top-up.
    #[serde(default)]
    pub keep_method: bool,
    /// When.
    pub at: UnixMillis,
}

/// Money came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// The provider's id of the payment: what makes it unique.
    pub intent: Arc<str>,
    /// Who was credited.
    pub workspace: WorkspaceId,
    /// What led to it.
    pub source: Source,
    /// How much.
    pub amount: NanoUsd,
    /// Consecutive over all workspaces, from 1.
    pub receipt: u64,
    /// Kept for auto top-up.
    #[serde(default)]
    pub method: Option<SavedMethod>,
    /// When it was credited.
    pub at: UnixMillis,
}

/// What led to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A customer at a checkout page.
    Checkout(CheckoutId),
    /// Auto top-up.
    Auto(AttemptId),
}

/// What a payment without the customer is charged to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedMethod {
    /// The provider's id of the customer.
    pub customer: Arc<str>,
    /// The provider's id of the card or account.
    pub method: Arc<str>,
    /// What people know it by: `Visa ending in 4242, good until 12/2030`.
    #[serde(default)]
    pub card: Option<Arc<str>>,
}

/// An operator began to send money back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundStarted {
    /// Our id, and the provider's idempotency key.
    pub refund: RefundId,
    /// The payment.
    pub intent: Arc<str>,
    /// Whose.
    pub workspace: WorkspaceId,
    /// How much.
    pub amount: NanoUsd,
    /// Why.
    pub reason: Arc<str>,
    /// When.
    pub at: UnixMillis,
}

/// Money left without us: what was there was taken, the rest written off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyBack {
    /// The provider's id of the refund or dispute.
    pub id: Arc<str>,
    /// The payment.
    pub intent: Arc<str>,
    /// Whose.
    pub workspace: WorkspaceId,
    /// How much left.
    pub amount: NanoUsd,
    /// How much of it the workspace still had.
    pub taken: NanoUsd,
    /// What the provider gives as the reason.
    #[serde(default)]
    pub reason: Option<Arc<str>>,
    /// When.
    pub at: UnixMillis,
}

/// Auto top-up was switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoTopUpChanged {
    /// Whose.
    pub workspace: WorkspaceId,
    /// What is in force now; `None` is off.
    pub rule: Option<AutoTopUpRule>,
    /// Why, where the customer did not do it.
    #[serde(default)]
    pub reason: Option<Arc<str>>,
    /// When.
    pub at: UnixMillis,
}

/// Below what to pay how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoTopUpRule {
    /// A payment starts when the balance is below this.
    pub threshold: NanoUsd,
    /// How much is paid.
    pub amount: NanoUsd,
    /// What is paid within a calendar month (UTC) at most; `None` is without a bound of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_max: Option<NanoUsd>,
}

/// A payment without the customer began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// Our id, and the provider's idempotency key.
    pub attempt: AttemptId,
    /// Who is credited.
    pub workspace: WorkspaceId,
    /// How much.
    pub amount: NanoUsd,
    /// What it is charged to.
    pub method: SavedMethod,
    /// When.
    pub at: UnixMillis,
}

impl PaymentFact {
    /// The workspace, where the fact itself names one.
    pub const fn workspace(&self) -> Option<WorkspaceId> {
        match self {
            Self::CheckoutOpened(fact) => Some(fact.workspace),
            Self::Paid(fact) => Some(fact.workspace),
            Self::RefundStarted(fact) => Some(fact.workspace),
            Self::RefundedOutside(fact) | Self::DisputeOpened(fact) => Some(fact.workspace),
            Self::AutoTopUpChanged(fact) => Some(fact.workspace),
            Self::MethodRemoved { workspace, .. } | Self::MethodDetached { workspace, .. } => Some(*workspace),
            Self::AttemptStarted(fact) => Some(fact.workspace),
            Self::CheckoutSession { .. }
            | Self::CheckoutEnded { .. }
            | Self::RefundConfirmed { .. }
            | Self::RefundFailed { .. }
            | Self::RefundOutsideFailed { .. }
            | Self::DisputeClosed { .. }
            | Self::AttemptIntent { .. }
            | Self::AttemptFailed { .. }
            | Self::Parked { .. }
            | Self::Unparked { .. } => None,
        }
    }
}
