//! The ledger: one journal of records that is only ever appended to, and what can be asked of it.
//!
//! Money is an [`Entry`]; beside it stand stream progress and the facts of the domain, in one order. Balances,
//! indexes and reports are derived from it and can be rebuilt. Calls block: the journal's committer thread
//! appends, everyone else reads from a blocking pool. This folder alone knows the store; what an entry
//! should be is decided in `domain::account`, and checked here only as far as the ledger itself must hold.

pub mod codec;
pub mod export;
pub mod json;
pub mod memory;
pub mod sled;
pub mod verify;

mod index;

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod faults;
#[cfg(test)]
pub(crate) mod samples;

use std::fmt;
use std::ops::ControlFlow;

use crate::domain::entry::{Entry, TxId};
use crate::domain::fact::Fact;
use crate::domain::hold::Progress;
use crate::domain::ids::{RequestId, WorkspaceId};

/// One record of the journal.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Money moved.
    Entry(Entry),
    /// How far a stream has come: what a crash would charge.
    Progress {
        /// Whose.
        workspace: WorkspaceId,
        /// Which request.
        request: RequestId,
        /// How far.
        progress: Progress,
    },
    /// Something else happened.
    Fact(Fact),
}

/// The number of a record in the journal, from 0. As a bound: everything before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a process that writes a workspace's entries has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Grows with every owner; an append by an earlier one is fenced. The embedded store has one owner, its process.
    pub epoch: u64,
    /// The number of the workspace's last entry; 0 where it has none.
    pub head: u64,
}

/// What became of a record that was to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is durable.
    Committed,
    /// Another process owns the workspace by now; nothing was written.
    Fenced,
    /// Its transaction is in the ledger already; nothing was written.
    Duplicate,
}

/// What lies behind a [`LedgerError`], for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A call on the ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Nothing happened, and the same call may succeed later.
    #[error("the ledger is not available: {0}")]
    Unavailable(Cause),
    /// It is not known whether the records were written; only reading the ledger again can tell.
    #[error("it is unknown whether the ledger took the records: {0}")]
    Unknown(Cause),
    /// The ledger or its caller is broken; nothing more may be appended.
    #[error("the ledger cannot go on: {0}")]
    Fatal(Cause),
}

impl LedgerError {
    /// A [`LedgerError::Fatal`].
    pub fn fatal(cause: impl Into<Cause>) -> Self {
        Self::Fatal(cause.into())
    }

    /// A [`LedgerError::Unknown`].
    pub fn unknown(cause: impl Into<Cause>) -> Self {
        Self::Unknown(cause.into())
    }

    /// A [`LedgerError::Unavailable`].
    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable(cause.into())
    }
}

/// An append-only journal of records. The suite in `conformance.rs` is its contract.
///
/// What every implementation guarantees:
/// - Records keep the order in which they were appended; the records of one call are written together or not at all.
/// - The entries of one workspace carry the numbers 1, 2, 3 and so on; an entry with another number is
///   [`LedgerError::Fatal`], and so is one whose postings do not sum to zero.
/// - A transaction is written once: a repeated id is [`Appended::Duplicate`]. Request and payment ids are unique in
///   the ledger, the idempotency key of a credit in its workspace. Implementations remember every payment and
///   credit, and of requests those that are open or closed recently; about older ones see the implementation.
/// - [`Appended::Committed`] means that the record survives a power cut.
/// - Reads see what is committed, and nothing that may still be lost.
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Becomes the owner of a workspace's entries.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn claim(&self, workspace: WorkspaceId) -> Result<Claim, LedgerError>;

    /// Appends records durably and answers one outcome for each.
    ///
    /// # Errors
    /// [`LedgerError`]; after anything but [`LedgerError::Unavailable`] this ledger takes no more records.
    fn append(&self, batch: &[Record]) -> Result<Vec<Appended>, LedgerError>;

    /// The entry with this transaction id. A payment is looked for in every workspace: the entry tells whose it is.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn lookup(&self, workspace: WorkspaceId, txid: &TxId) -> Result<Option<Entry>, LedgerError>;

    /// Visits the records from `from` up to the head as it is now, in order, until told to stop.
    ///
    /// # Errors
    /// [`LedgerError`]; the records before the one that could not be read were visited.
    fn replay(
        &self,
        from: Position,
        visit: &mut dyn FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), LedgerError>;

    /// Up to `limit` entries of a workspace with numbers above `after_seq`, in order.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn entries(&self, workspace: WorkspaceId, after_seq: u64, limit: usize) -> Result<Vec<Entry>, LedgerError>;

    /// The position after the last committed record.
    fn head(&self) -> Position;

    /// Bytes on disk; 0 where there is no disk.
    fn disk_bytes(&self) -> u64 {
        0
    }
}
