//! What people are told about their workspace, written in the same batch of the journal as what it is about.
//!
//! The actor knows what happened and whose workspace it is; who else looks after the money, and what a mail's id is, is
//! known to `system/letters.rs`, which comes in by [`Desk`]. Lock order: actor, office, journal.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::actor::WorkspaceActor;
use crate::domain::fact::Fact;
use crate::domain::ids::WorkspaceId;
use crate::domain::limits::Limits;
use crate::domain::mail::MailContent;
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;
use crate::office::Office;

/// Turns what is to be said about a workspace into mails: its id, its owner's address, what to say, and when.
pub type WriteLetters = fn(&Office, WorkspaceId, &str, &[MailContent], UnixMillis) -> Vec<Fact>;

/// Where mails are queued, and who writes them.
#[derive(Clone)]
pub struct Desk {
    /// What is remembered besides money.
    pub office: Arc<Mutex<Office>>,
    /// Who writes them.
    pub write: WriteLetters,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// What a workspace looked like before something happened to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    limits: Limits,
}

impl WorkspaceActor {
    /// To be taken before something happens.
    pub(super) fn before(&self) -> Before {
        Before { limits: self.account.limits() }
    }

    /// The mails about what happened: what is said anyway, and what changed beside it.
    pub(super) fn letters(
        &self,
        desk: &Desk,
        office: &Office,
        before: Before,
        mut said: Vec<MailContent>,
        at: UnixMillis,
    ) -> Vec<Fact> {
        let limits = self.account.limits();
        if limits != before.limits {
            said.push(MailContent::LimitChange {
                requests_per_minute: limits.requests_per_minute.get(),
                concurrent_streams: limits.concurrent_streams.get(),
            });
        }
        if said.is_empty() {
            return Vec::new();
        }
        (desk.write)(office, self.account.workspace(), &self.account.profile().owner_email, &said, at)
    }
}

/// What is said of money that an operator gave; nothing of money taken back, which is agreed on otherwise. The reason is
/// for the audit and may be written in other words than a customer should read.
pub(super) fn credited(amount_usd: NanoUsd) -> Vec<MailContent> {
    if amount_usd.is_negative() { Vec::new() } else { vec![MailContent::Credit { amount_usd, reason: None }] }
}
