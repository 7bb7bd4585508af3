//! Mails as they are remembered: what is to be told to whom, what became of it, and what is due.
//!
//! Whoever decides that something happened puts a [`MailFact::Queued`] into the same batch of facts, so that the mail and
//! its reason are durable together. The gateway's mail worker reads [`Outbox::due`] and notes each attempt. Nothing here
//! holds a secret: a link's token is derived when the mail is written. Wording, transports and clocks live elsewhere.

mod backoff;
mod content;
mod notices;
mod outbox;

use serde::{Deserialize, Serialize};

use super::ids::{MailId, PersonId, WorkspaceId};
use super::money::NanoUsd;
use super::time::UnixMillis;

pub use backoff::{KEPT_TRYING_MS, wait_ms};
pub use content::{After, KINDS, MailContent};
pub use notices::{BalanceLevel, Crossing, LINE_DEFAULT, Notices, USED_UP_BELOW};
pub use outbox::{Delivery, DeliveryState, ENDED_KEPT, Outbox, ResendRefusal};

/// One mail to one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Its id; the Message-ID is derived from it.
    pub id: MailId,
    /// When it was queued.
    pub at: UnixMillis,
    /// The address that it goes to.
    pub to: String,
    /// The person it goes to, where known.
    #[serde(default)]
    pub person: Option<PersonId>,
    /// The workspace it is about.
    #[serde(default)]
    pub workspace: Option<WorkspaceId>,
    /// What it says.
    pub content: MailContent,
}

/// Something happened to a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum MailFact {
    /// It is to go out.
    Queued(Mail),
    /// A server took it. A crash before this was noted may send it twice, with the same Message-ID.
    Sent {
        /// Which.
        mail: MailId,
        /// When.
        at: UnixMillis,
    },
    /// It did not go out; another attempt follows.
    AttemptFailed {
        /// Which.
        mail: MailId,
        /// When.
        at: UnixMillis,
        /// When it is tried again.
        retry_at: UnixMillis,
        /// Why.
        reason: MailFailure,
    },
    /// It will not go out by itself.
    GivenUp {
        /// Which.
        mail: MailId,
        /// When.
        at: UnixMillis,
        /// Why.
        reason: MailFailure,
    },
    /// An operator wants it sent, whatever became of it.
    Resent {
        /// Which.
        mail: MailId,
        /// When.
        at: UnixMillis,
    },
    /// A workspace chose below which balance it is told.
    NoticeLineSet {
        /// Which.
        workspace: WorkspaceId,
        /// When.
        at: UnixMillis,
        /// The line; `None` is no notice.
        line_usd: Option<NanoUsd>,
    },
    /// A balance was seen to stand elsewhere than before; the mail about it, if any, is in the same batch.
    BalanceNoted {
        /// Whose.
        workspace: WorkspaceId,
        /// When.
        at: UnixMillis,
        /// Where it stands.
        level: BalanceLevel,
    },
}

/// Why a mail did not go out. Holds no text of the other server: that may repeat the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "failure", rename_all = "snake_case")]
pub enum MailFailure {
    /// The server was not reached, or the conversation broke.
    Unreachable,
    /// The server said no for now.
    Deferred {
        /// Its reply code, 400 to 499.
        code: u16,
    },
    /// The server said no for good.
    Refused {
        /// Its reply code, 500 to 599.
        code: u16,
    },
    /// The mail cannot be written: its address or its link is of no use.
    Unusable,
    /// The folder that mails are written to did not take it.
    Folder,
}

impl MailFailure {
    /// Another attempt may go better.
    pub const fn may_pass(self) -> bool {
        match self {
            Self::Unreachable | Self::Deferred { .. } | Self::Folder => true,
            Self::Refused { .. } | Self::Unusable => false,
        }
    }
}

#[cfg(test)]
mod tests;
