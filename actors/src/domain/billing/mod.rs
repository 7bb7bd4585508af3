//! Billing events: what a customer is told of their money and limits, in the Billing tab, by mail and by webhook.
//!
//! An event stands in the journal in one batch with what it tells of, so that it is told exactly where that happened. The
//! workspace's actor has it made (`workspace/billing.rs`); `payments.rs` says which events follow from payments; what a mail
//! says of one is `mail_of`. Lists, mails and webhooks are all read out of the same event.

mod billed_to;
mod payments;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{EventId, WorkspaceId};
use super::limits::Limits;
use super::mail::{After, MailContent};
use super::money::NanoUsd;
use super::time::UnixMillis;

pub use billed_to::{ADDRESS_CHARS_MAX, BadBilledTo, BilledTo, COMPANY_CHARS_MAX, TAX_ID_CHARS_MAX};
pub use payments::of_payments;

/// Something about a workspace's money or limits that its people are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingEvent {
    /// Its id, also of its webhook.
    pub id: EventId,
    /// Whose.
    pub workspace: WorkspaceId,
    /// When.
    pub at: UnixMillis,
    /// The balance after it, reserved money included.
    pub balance_usd: NanoUsd,
    /// The number of the entry that moved the money, under which its receipt is found.
    #[serde(default)]
    pub receipt: Option<u64>,
    /// What happened.
    pub happened: Happened,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happened {
    /// A customer's payment arrived.
    TopUp {
        /// The provider's id of the payment.
        payment: String,
        /// How much.
        amount_usd: NanoUsd,
    },
    /// Auto top-up paid.
    AutoTopUp {
        /// The provider's id of the payment.
        payment: String,
        /// How much.
        amount_usd: NanoUsd,
    },
    /// Auto top-up was refused.
    AutoTopUpFailed {
        /// How much was asked for.
        amount_usd: NanoUsd,
        /// It is off from now on.
        switched_off: bool,
    },
    /// Money is on its way back to the card.
    Refund {
        /// The provider's id of the payment.
        payment: String,
        /// How much.
        amount_usd: NanoUsd,
    },
    /// A refund did not go through: the money is the workspace's again.
    RefundFailed {
        /// The provider's id of the payment.
        payment: String,
        /// How much.
        amount_usd: NanoUsd,
    },
    /// The payer's bank took a payment back for now.
    DisputeOpened {
        /// The provider's id of the payment.
        payment: String,
        /// How much.
        amount_usd: NanoUsd,
    },
    /// The bank decided.
    DisputeClosed {
        /// The provider's id of the payment.
        payment: String,
        /// How much.
        amount_usd: NanoUsd,
        /// The payment stands.
        won: bool,
    },
    /// An operator gave credit, or took some back where it is negative. Why is in the audit log, for operators alone.
    Credit {
        /// How much.
        amount_usd: NanoUsd,
    },
    /// Other limits hold from now on.
    LimitsChanged {
        /// Requests per minute.
        requests_per_minute: u32,
        /// Streams at once.
        concurrent_streams: u32,
    },
}

/// The types of all events, as webhooks and lists write them.
pub const TYPES: [&str; 10] = [
    "topup.succeeded",
    "auto_topup.succeeded",
    "auto_topup.failed",
    "refund.succeeded",
    "refund.failed",
    "dispute.opened",
    "dispute.closed",
    "credit.added",
    "credit.removed",
    "limits.changed",
];

impl Happened {
    /// Its name among [`TYPES`].
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TopUp { .. } => "topup.succeeded",
            Self::AutoTopUp { .. } => "auto_topup.succeeded",
            Self::AutoTopUpFailed { .. } => "auto_topup.failed",
            Self::Refund { .. } => "refund.succeeded",
            Self::RefundFailed { .. } => "refund.failed",
            Self::DisputeOpened { .. } => "dispute.opened",
            Self::DisputeClosed { .. } => "dispute.closed",
            Self::Credit { amount_usd, .. } => {
                if amount_usd.is_negative() {
                    "credit.removed"
                } else {
                    "credit.added"
                }
            }
            Self::LimitsChanged { .. } => "limits.changed",
        }
    }

    /// How much it is about, where it is about money.
    pub const fn amount(&self) -> Option<NanoUsd> {
        match self {
            Self::TopUp { amount_usd, .. }
            | Self::AutoTopUp { amount_usd, .. }
            | Self::AutoTopUpFailed { amount_usd, .. }
            | Self::Refund { amount_usd, .. }
            | Self::RefundFailed { amount_usd, .. }
            | Self::DisputeOpened { amount_usd, .. }
            | Self::DisputeClosed { amount_usd, .. }
            | Self::Credit { amount_usd, .. } => Some(*amount_usd),
            Self::LimitsChanged { .. } => None,
        }
    }

    /// The event of limits that are not what they were.
    pub fn of_limits(before: Limits, after: Limits) -> Option<Self> {
        (before != after).then_some(Self::LimitsChanged {
            requests_per_minute: after.requests_per_minute.get(),
            concurrent_streams: after.concurrent_streams.get(),
        })
    }
}

impl BillingEvent {
    /// What its mail says, where receipts name `billed_to`.
    pub fn mail(&self, billed_to: Option<&Arc<BilledTo>>) -> MailContent {
        let (balance_usd, billed_to) = (Some(self.balance_usd), billed_to.cloned());
        let after = After { balance_usd, receipt: self.receipt, billed_to };
        match self.happened.clone() {
            Happened::TopUp { payment, amount_usd } => MailContent::Receipt { payment, amount_usd, after },
            Happened::AutoTopUp { payment, amount_usd } => MailContent::AutoTopUpDone { payment, amount_usd, after },
            Happened::AutoTopUpFailed { amount_usd, switched_off } => {
                MailContent::AutoTopUpFailed { amount_usd, switched_off }
            }
            Happened::Refund { payment, amount_usd } => MailContent::Refund { payment, amount_usd, after },
            Happened::RefundFailed { payment, amount_usd } => MailContent::Credit {
                amount_usd,
                reason: Some(format!("The refund of payment {payment} did not go through")),
                after,
            },
            Happened::DisputeOpened { payment, amount_usd } => {
                MailContent::DisputeOpened { payment, amount_usd, after }
            }
            Happened::DisputeClosed { payment, amount_usd, won } => {
                MailContent::DisputeClosed { payment, amount_usd, won, after }
            }
            Happened::Credit { amount_usd } => MailContent::Credit { amount_usd, reason: None, after },
            Happened::LimitsChanged { requests_per_minute, concurrent_streams } => {
                MailContent::LimitChange { requests_per_minute, concurrent_streams }
            }
        }
    }
}

/// The events of all workspaces, which are as rare as payments, so all of them are kept; and whom their receipts name.
#[derive(Debug, Default)]
pub struct Billing {
    events: HashMap<WorkspaceId, Vec<BillingEvent>>,
    billed_to: HashMap<WorkspaceId, Arc<BilledTo>>,
}

impl Billing {
    /// Something happened.
    pub fn apply(&mut self, event: &BillingEvent) {
        self.events.entry(event.workspace).or_default().push(event.clone());
    }

    /// Receipts of a workspace name somebody else from now on.
    pub fn bill_to(&mut self, workspace: WorkspaceId, billed_to: &BilledTo) {
        if billed_to.is_empty() {
            self.billed_to.remove(&workspace);
        } else {
            self.billed_to.insert(workspace, Arc::new(billed_to.clone()));
        }
    }

    /// Whom the receipts of a workspace name.
    pub fn billed_to(&self, workspace: WorkspaceId) -> Option<&Arc<BilledTo>> {
        self.billed_to.get(&workspace)
    }

    /// How many a workspace has.
    pub fn count(&self, workspace: WorkspaceId) -> usize {
        self.events.get(&workspace).map_or(0, Vec::len)
    }

    /// A workspace's events, the newest first.
    pub fn newest(&self, workspace: WorkspaceId, skip: usize, limit: usize) -> Vec<BillingEvent> {
        let known = self.events.get(&workspace).map(Vec::as_slice).unwrap_or_default();
        known.iter().rev().skip(skip).take(limit).cloned().collect()
    }
}
