//! What a mail says, as plain data.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::billing::BilledTo;
use crate::domain::ids::LinkId;
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;

/// The names of all kinds, as journals, lists and metrics write them.
pub const KINDS: [&str; 17] = [
    "verify_address",
    "reset_password",
    "account_exists",
    "invitation",
    "password_changed",
    "new_sign_in",
    "receipt",
    "refund",
    "dispute_opened",
    "dispute_closed",
    "credit",
    "auto_top_up_failed",
    "auto_top_up_done",
    "limit_change",
    "low_balance",
    "zero_balance",
    "webhooks_off",
];

/// What a mail says. Links are named by their id; the token is derived when the mail is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MailContent {
    /// Confirm this address.
    VerifyAddress {
        /// The one-time link.
        link: LinkId,
        /// Until when it works.
        expires_at: UnixMillis,
    },
    /// Choose a new password.
    ResetPassword {
        /// The one-time link.
        link: LinkId,
        /// Until when it works.
        expires_at: UnixMillis,
    },
    /// Somebody wanted to sign up with an address that has an account.
    AccountExists,
    /// Join a workspace.
    Invitation {
        /// The one-time link.
        link: LinkId,
        /// Until when it works.
        expires_at: UnixMillis,
        /// The workspace's name.
        workspace_name: String,
        /// Who invites: an address.
        invited_by: String,
        /// As what: `finance`, `developer` and so on.
        role: String,
    },
    /// The password was changed.
    PasswordChanged,
    /// A sign-in from somewhere new.
    NewSignIn {
        /// When.
        signed_in_at: UnixMillis,
        /// From which network address, where known.
        #[serde(default)]
        address: Option<String>,
        /// With what, such as `Firefox on Linux`, where known.
        #[serde(default)]
        browser: Option<String>,
    },
    /// A payment arrived.
    Receipt {
        /// The number of its receipt, as the billing page knows it.
        payment: String,
        /// How much was credited.
        amount_usd: NanoUsd,
        /// How things stand then.
        #[serde(default)]
        after: After,
    },
    /// Money went back.
    Refund {
        /// The number of its receipt.
        payment: String,
        /// How much.
        amount_usd: NanoUsd,
        /// How things stand then.
        #[serde(default)]
        after: After,
    },
    /// A customer's bank takes a payment back.
    DisputeOpened {
        /// The number of its receipt.
        payment: String,
        /// How much.
        amount_usd: NanoUsd,
        /// How things stand then.
        #[serde(default)]
        after: After,
    },
    /// The bank decided.
    DisputeClosed {
        /// The number of its receipt.
        payment: String,
        /// How much.
        amount_usd: NanoUsd,
        /// The payment stands.
        won: bool,
        /// How things stand then.
        #[serde(default)]
        after: After,
    },
    /// An operator gave credit.
    Credit {
        /// How much.
        amount_usd: NanoUsd,
        /// Why, in our own words; never an operator's.
        #[serde(default)]
        reason: Option<String>,
        /// How things stand then.
        #[serde(default)]
        after: After,
    },
    /// The automatic top-up worked.
    AutoTopUpDone {
        /// The number of its receipt.
        payment: String,
        /// How much.
        amount_usd: NanoUsd,
        /// How things stand then.
        #[serde(default)]
        after: After,
    },
    /// The automatic top-up failed.
    AutoTopUpFailed {
        /// How much was asked for.
        amount_usd: NanoUsd,
        /// It will not be tried again until somebody looks at it.
        switched_off: bool,
    },
    /// The workspace's limits changed.
    LimitChange {
        /// Requests per minute from now on.
        requests_per_minute: u32,
        /// Streams at once from now on.
        concurrent_streams: u32,
    },
    /// The balance fell below the notice line.
    LowBalance {
        /// What is available.
        available_usd: NanoUsd,
        /// The line.
        threshold_usd: NanoUsd,
    },
    /// Nothing is left.
    ZeroBalance,
    /// Webhooks were not taken for days, and are off.
    WebhooksOff,
}

/// How things stand after money moved. Mails of older journals do not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The balance.
    #[serde(default)]
    pub balance_usd: Option<NanoUsd>,
    /// The number under which the receipt is found.
    #[serde(default)]
    pub receipt: Option<u64>,
    /// Whom receipts name.
    #[serde(default)]
    pub billed_to: Option<Arc<BilledTo>>,
}

impl MailContent {
    /// Its name among [`KINDS`].
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::VerifyAddress { .. } => "verify_address",
            Self::ResetPassword { .. } => "reset_password",
            Self::AccountExists => "account_exists",
            Self::Invitation { .. } => "invitation",
            Self::PasswordChanged => "password_changed",
            Self::NewSignIn { .. } => "new_sign_in",
            Self::Receipt { .. } => "receipt",
            Self::Refund { .. } => "refund",
            Self::DisputeOpened { .. } => "dispute_opened",
            Self::DisputeClosed { .. } => "dispute_closed",
            Self::Credit { .. } => "credit",
            Self::AutoTopUpDone { .. } => "auto_top_up_done",
            Self::AutoTopUpFailed { .. } => "auto_top_up_failed",
            Self::LimitChange { .. } => "limit_change",
            Self::LowBalance { .. } => "low_balance",
            Self::ZeroBalance => "zero_balance",
            Self::WebhooksOff => "webhooks_off",
        }
    }

    /// The one-time link that it carries, and until when that works.
    pub const fn link(&self) -> Option<(LinkId, UnixMillis)> {
        match self {
            Self::VerifyAddress { link, expires_at }
            | Self::ResetPassword { link, expires_at }
            | Self::Invitation { link, expires_at, .. } => Some((*link, *expires_at)),
            _ => None,
        }
    }
}
