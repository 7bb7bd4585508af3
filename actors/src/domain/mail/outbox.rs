//! The outbox: which mails wait, until when, and what became of the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::backoff::{KEPT_TRYING_MS, wait_ms};
use super::{Mail, MailFact, MailFailure};
use crate::domain::ids::MailId;
use crate::domain::time::UnixMillis;

/// Mails that went out or were given up and can still be listed and sent again; older ones are forgotten.
pub const ENDED_KEPT: usize = 1_000;

/// A mail and what became of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What goes where.
    pub mail: Mail,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts that failed since it was queued, or sent again.
    pub failed: u32,
    /// Why the last one did.
    pub last_failure: Option<MailFailure>,
    /// Since when it is tried: when it was queued, or sent again.
    pub tried_since: UnixMillis,
}

/// Where a mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be tried from then on.
    Waiting {
        /// When.
        due_at: UnixMillis,
    },
    /// A server took it.
    Sent {
        /// When.
        at: UnixMillis,
    },
    /// It will not be tried any more.
    GivenUp {
        /// When.
        at: UnixMillis,
    },
}

/// A mail is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResendRefusal {
    /// There is none with this id, or it is too old to be remembered.
    #[error("no such mail")]
    Unknown,
    /// It carries a link that no longer works.
    #[error("its link is over")]
    LinkOver,
}

/// All mails that wait, and the latest of those that do not.
#[derive(Debug, Default)]
pub struct Outbox {
    mails: BTreeMap<MailId, Delivery>,
    /// Those that wait, the first due in front.
    waiting: BTreeSet<(UnixMillis, MailId)>,
    /// Those that ended, the oldest in front; one stands here once for each time it ended.
    ended: VecDeque<MailId>,
}

impl Outbox {
    /// Something happened. A fact about a mail that is not remembered changes nothing.
    pub fn apply(&mut self, fact: &MailFact) {
        match fact {
            MailFact::Queued(mail) => self.queue(mail),
            MailFact::Sent { mail, at } => self.end(*mail, DeliveryState::Sent { at: *at }, None),
            MailFact::GivenUp { mail, at, reason } => {
                self.end(*mail, DeliveryState::GivenUp { at: *at }, Some(*reason));
            }
            MailFact::AttemptFailed { mail, retry_at, reason, .. } => {
                let Some(delivery) = self.mails.get_mut(mail) else { return };
                delivery.failed = delivery.failed.saturating_add(1);
                delivery.last_failure = Some(*reason);
                self.wait(*mail, *retry_at);
            }
            MailFact::Resent { mail, at } => {
                let Some(delivery) = self.mails.get_mut(mail) else { return };
                (delivery.failed, delivery.last_failure, delivery.tried_since) = (0, None, *at);
                self.wait(*mail, *at);
            }
        }
    }

    fn queue(&mut self, mail: &Mail) {
        let delivery = Delivery {
            mail: mail.clone(),
            state: DeliveryState::Waiting { due_at: mail.at },
            failed: 0,
            last_failure: None,
            tried_since: mail.at,
        };
        if self.mails.contains_key(&mail.id) {
            return;
        }
        self.mails.insert(mail.id, delivery);
        self.waiting.insert((mail.at, mail.id));
    }

    fn wait(&mut self, id: MailId, due_at: UnixMillis) {
        let Some(delivery) = self.mails.get_mut(&id) else { return };
        if let DeliveryState::Waiting { due_at } = delivery.state {
            self.waiting.remove(&(due_at, id));
        }
        delivery.state = DeliveryState::Waiting { due_at };
        self.waiting.insert((due_at, id));
    }

    fn end(&mut self, id: MailId, state: DeliveryState, failure: Option<MailFailure>) {
        let Some(delivery) = self.mails.get_mut(&id) else { return };
        if let DeliveryState::Waiting { due_at } = delivery.state {
            self.waiting.remove(&(due_at, id));
        }
        delivery.state = state;
        if failure.is_some() {
            delivery.failed = delivery.failed.saturating_add(1);
        }
        delivery.last_failure = failure;
        self.ended.push_back(id);
        while self.ended.len() > ENDED_KEPT {
            let Some(oldest) = self.ended.pop_front() else { break };
            let waits = |delivery: &Delivery| matches!(delivery.state, DeliveryState::Waiting { .. });
            if !self.ended.contains(&oldest) && !self.mails.get(&oldest).is_some_and(waits) {
                self.mails.remove(&oldest);
            }
        }
    }

    /// The mails that are due, at most `max`, the longest due first.
    pub fn due(&self, now: UnixMillis, max: usize) -> Vec<Delivery> {
        let due = self.waiting.iter().take_while(|(due_at, _)| *due_at <= now);
        due.filter_map(|(_, id)| self.mails.get(id)).take(max).cloned().collect()
    }

    /// When the next mail is due.
    pub fn next_due(&self) -> Option<UnixMillis> {
        self.waiting.first().map(|(due_at, _)| *due_at)
    }

    /// What follows from a failed attempt at `now`: another one later, or none where it cannot help, the mail was tried
    /// for long enough, or its link would be over by then. `None` where the mail does not wait.
    pub fn failed(&self, id: MailId, now: UnixMillis, reason: MailFailure) -> Option<MailFact> {
        let delivery = self.mails.get(&id)?;
        let DeliveryState::Waiting { .. } = delivery.state else { return None };
        let retry_at = now.plus_millis(wait_ms(delivery.failed.saturating_add(1)));
        let link_over = delivery.mail.content.link().is_some_and(|(_, expires_at)| retry_at >= expires_at);
        let tried_enough = retry_at > delivery.tried_since.plus_millis(KEPT_TRYING_MS);
        Some(if reason.may_pass() && !link_over && !tried_enough {
            MailFact::AttemptFailed { mail: id, at: now, retry_at, reason }
        } else {
            MailFact::GivenUp { mail: id, at: now, reason }
        })
    }

    /// What follows from a server taking the mail. `None` where the mail does not wait.
    pub fn sent(&self, id: MailId, now: UnixMillis) -> Option<MailFact> {
        let delivery = self.mails.get(&id)?;
        matches!(delivery.state, DeliveryState::Waiting { .. }).then_some(MailFact::Sent { mail: id, at: now })
    }

    /// Sends a mail again, or one that waits at once.
    ///
    /// # Errors
    /// [`ResendRefusal`].
    pub fn resend(&self, id: MailId, now: UnixMillis) -> Result<MailFact, ResendRefusal> {
        let delivery = self.mails.get(&id).ok_or(ResendRefusal::Unknown)?;
        if delivery.mail.content.link().is_some_and(|(_, expires_at)| now >= expires_at) {
            return Err(ResendRefusal::LinkOver);
        }
        Ok(MailFact::Resent { mail: id, at: now })
    }

    /// One mail.
    pub fn get(&self, id: MailId) -> Option<&Delivery> {
        self.mails.get(&id)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Remembered mails, the newest first, from the one after `before` on.
    pub fn list(&self, before: Option<MailId>, limit: usize) -> Vec<Delivery> {
        let end = before.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.mails.range((std::ops::Bound::Unbounded, end)).rev().take(limit).map(|(_, mail)| mail.clone()).collect()
    }
}
