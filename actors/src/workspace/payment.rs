//! Payments as the workspace's actor carries them out: the money and what is known of it, in one batch of the journal.
//!
//! The decision is taken under the office's lock, which is held until the batch is queued: so receipts are numbered in the
//! order of the journal, and no second event finds the state of before the first. Lock order: actor, office, journal;
//! nobody who holds the office's lock waits for an actor.

use std::sync::Arc;

use actix::{Handler, Message};
use parking_lot::Mutex;

use super::actor::WorkspaceActor;
use crate::domain::account::CreditError;
use crate::domain::billing::{Happened, of_payments};
use crate::domain::fact::{AuditRow, Fact, WorkspaceChanged};
use crate::domain::money::NanoUsd;
use crate::domain::payment::Decision;
use crate::domain::time::UnixMillis;
use crate::journal::{Class, JournalRefusal, Ticket};
use crate::ledger::Record;
use crate::office::Office;

/// What is to be decided, given the office, what the workspace has available, and the time.
type Decide<E> = Box<dyn FnOnce(&Office, NanoUsd, UnixMillis) -> Result<Decision, E> + Send>;

/// Has a payment decided and carried out.
pub struct Pay<E: Send + 'static> {
    /// Where it is known.
    pub office: Arc<Mutex<Office>>,
    /// The decision.
    pub decide: Decide<E>,
    /// Written with it.
    pub audit: Option<AuditRow>,
}

impl<E: Send + 'static> Message for Pay<E> {
    type Result = Result<Carried<E>, JournalRefusal>;
}

/// What came of it.
#[derive(Debug)]
pub struct Carried<E> {
    /// What happened, or why nothing did.
    pub outcome: Result<Decision, PayError<E>>,
    /// Once this is durable, so is everything that the decision rests on.
    pub ticket: Ticket,
}

/// Nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayError<E> {
    /// The decision was against it.
    Refused(E),
    /// The account was.
    Account(CreditError),
}

impl<E: Send + 'static> Handler<Pay<E>> for WorkspaceActor {
    type Result = Result<Carried<E>, JournalRefusal>;

    fn handle(&mut self, message: Pay<E>, _: &mut Self::Context) -> Self::Result {
        let Pay { office, decide, audit } = message;
        self.journal.accepts(Class::Bounded)?;
        let now = self.clock.now();
        let mut office = office.lock();
        let decision = match decide(&office, self.account.available(), now.wall) {
            Ok(decision) => decision,
            // What it was refused for may still be on its way to the disk.
            Err(refused) => {
                return Ok(Carried { outcome: Err(PayError::Refused(refused)), ticket: self.record([]) });
            }
        };
        let moves = decision.movement.as_ref().filter(|movement| !movement.is_nothing());
        let before = self.account.limits();
        let entry = match moves.map(|movement| self.account.move_payment(movement, now)).transpose() {
            Ok(entry) => entry,
            Err(error) => return Ok(Carried { outcome: Err(PayError::Account(error)), ticket: self.record([]) }),
        };
        let mut facts: Vec<Fact> = decision.facts.iter().cloned().map(Fact::Payment).collect();
        let mut happened = of_payments(&office.payments, &decision.facts);
        happened.extend(Happened::of_limits(before, self.account.limits()));
        facts.extend(self.told(&office, happened, entry.as_ref(), now));
        if decision.suspend && !self.account.settings().suspended {
            let change = WorkspaceChanged {
                suspended: Some(true),
                ..WorkspaceChanged::nothing(self.account.workspace(), now.wall)
            };
            self.account.change(&change, now);
            facts.push(Fact::WorkspaceChanged(change));
        }
        let records = entry.into_iter().map(Record::Entry);
        let records = records.chain(facts.iter().cloned().map(Record::Fact));
        let records = records.chain(audit.map(Fact::Audited).map(Record::Fact)).collect();
        // Refused now, the journal is closed: the process is ending, and the next one is told again.
        let ticket = self.journal.append(records, Class::Must)?;
        for fact in &facts {
            office.apply(fact);
        }
        drop(office);
        Ok(Carried { outcome: Ok(decision), ticket })
    }
}
