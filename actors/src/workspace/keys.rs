//! What the workspace's actor does about keys: made, rotated, revoked, and asked for by a management key.

use actix::{Handler, Message, MessageResult};

use super::actor::WorkspaceActor;
use crate::domain::account::{RotateRefused, Rotation, Standing};
use crate::domain::fact::{AuditRow, Fact, KeyCreated, KeyRevoked};
use crate::domain::ids::KeyId;
use crate::domain::limits::Limits;
use crate::domain::refusal::Refusal;
use crate::journal::{Class, JournalRefusal, Ticket};
use crate::ledger::Record;

/// Adds a key.
#[derive(Debug, Message)]
#[rtype(result = "Result<Ticket, JournalRefusal>")]
pub struct CreateKey {
    /// The key.
    pub created: KeyCreated,
    /// Written with it.
    pub audit: AuditRow,
}

impl Handler<CreateKey> for WorkspaceActor {
    type Result = Result<Ticket, JournalRefusal>;

    fn handle(&mut self, CreateKey { created, audit }: CreateKey, _: &mut Self::Context) -> Self::Result {
        self.journal.accepts(Class::Bounded)?;
        self.account.add_key(created.clone());
        Ok(self.record_all(vec![Record::Fact(Fact::KeyCreated(created)), Record::Fact(Fact::Audited(audit))]))
    }
}

/// Revokes a key.
#[derive(Debug, Message)]
#[rtype(result = "Result<(bool, Ticket), JournalRefusal>")]
pub struct RevokeKey {
    /// Which, and when.
    pub revoked: KeyRevoked,
    /// Written with it.
    pub audit: AuditRow,
}

impl Handler<RevokeKey> for WorkspaceActor {
    /// Whether it was there and not revoked before.
    type Result = Result<(bool, Ticket), JournalRefusal>;

    fn handle(&mut self, RevokeKey { revoked, audit }: RevokeKey, _: &mut Self::Context) -> Self::Result {
        // A revocation is taken even where the queue is full: it protects the customer.
        if !self.account.revoke_key(&revoked) {
            return Ok((false, self.record([])));
        }
        let records = vec![Record::Fact(Fact::KeyRevoked(revoked)), Record::Fact(Fact::Audited(audit))];
        Ok((true, self.record_all(records)))
    }
}

/// Gives a key's place to a new one.
#[derive(Debug, Message)]
#[rtype(result = "Result<(Vec<Fact>, Ticket), RotateFailed>")]
pub struct RotateKey {
    /// Which, and what takes its place.
    pub rotation: Rotation,
    /// Written with it.
    pub audit: AuditRow,
}

/// A key was not rotated.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum RotateFailed {
    /// It cannot be.
    #[error(transparent)]
    Refused(#[from] RotateRefused),
    /// The store cannot take it.
    #[error(transparent)]
    Store(#[from] JournalRefusal),
}

impl Handler<RotateKey> for WorkspaceActor {
    /// What happened to the new key and to the old one.
    type Result = Result<(Vec<Fact>, Ticket), RotateFailed>;

    fn handle(&mut self, RotateKey { rotation, audit }: RotateKey, _: &mut Self::Context) -> Self::Result {
        self.journal.accepts(Class::Bounded)?;
        let facts = self.account.rotate_key(&rotation)?;
        let records = facts.iter().cloned().chain([Fact::Audited(audit)]).map(Record::Fact);
        let ticket = self.record_all(records.collect());
        Ok((facts, ticket))
    }
}

/// A key asks for something that costs nothing; notes that it was used.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Used")]
pub struct UseKey {
    /// The key that asks.
    pub key: KeyId,
    /// What for.
    pub what: KeyUse,
}

/// Whether it may, and what the workspace has.
#[derive(Clone, Debug)]
pub struct Used {
    /// Why not.
    pub result: Result<(), Refusal>,
    /// For the headers of either answer.
    pub standing: Standing,
    /// The limits in force.
    pub limits: Limits,
    /// The tier's name.
    pub tier: String,
}

/// What a key asks for that costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// To read what every kind of key may read.
    Read,
    /// To see keys or to revoke one, as a management key.
    Manage,
    /// Whether it might make or rotate a key, as a management key. Takes nothing.
    MayChange,
    /// To make or rotate a key, as a management key: takes one request from the bucket.
    Change,
}

impl Handler<UseKey> for WorkspaceActor {
    type Result = MessageResult<UseKey>;

    fn handle(&mut self, UseKey { key, what }: UseKey, _: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        let result = match what {
            KeyUse::Read => Ok(()),
            KeyUse::Manage => self.account.check_manages(key),
            KeyUse::MayChange => self.account.check_may_change(key),
            KeyUse::Change => self.account.admit_management(key, now),
        };
        if result.is_ok() {
            self.account.note_use(key, now.wall);
        }
        let (limits, tier) = (self.account.limits(), self.account.tier_name());
        MessageResult(Used { result, standing: self.account.standing(now), limits, tier })
    }
}
