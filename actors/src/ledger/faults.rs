//! A ledger that fails on demand, around one that does not.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Appended, Claim, Ledger, LedgerError, Position, Record};
use crate::domain::entry::{Entry, TxId};
use crate::domain::ids::WorkspaceId;

/// What happens to one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused and nothing is written.
    Unavailable,
    /// It is written, and the answer is lost.
    UnknownWritten,
    /// It is not written, and the answer is lost.
    UnknownNotWritten,
    /// The ledger ends.
    Fatal,
    /// It is not carried out, and every record is answered like this.
    Answer(Appended),
    /// The ledger panics.
    Panic,
}

/// Takes the next fault, if there is one, for each append.
#[derive(Debug)]
pub(crate) struct FaultyLedger {
    inner: Arc<dyn Ledger>,
    faults: Mutex<VecDeque<Fault>>,
}

impl FaultyLedger {
    pub(crate) fn new(inner: Arc<dyn Ledger>, faults: impl IntoIterator<Item = Fault>) -> Self {
        Self { inner, faults: Mutex::new(faults.into_iter().collect()) }
    }
}

impl Ledger for FaultyLedger {
    fn claim(&self, workspace: WorkspaceId) -> Result<Claim, LedgerError> {
        self.inner.claim(workspace)
    }

    fn append(&self, batch: &[Record]) -> Result<Vec<Appended>, LedgerError> {
        let fault = self.faults.lock().pop_front();
        match fault {
            None => self.inner.append(batch),
            Some(Fault::Unavailable) => Err(LedgerError::unavailable("told to be")),
            Some(Fault::UnknownWritten) => {
                self.inner.append(batch)?;
                Err(LedgerError::unknown("told to be"))
            }
            Some(Fault::UnknownNotWritten) => Err(LedgerError::unknown("told to be")),
            Some(Fault::Fatal) => Err(LedgerError::fatal("told to be")),
            Some(Fault::Answer(answer)) => Ok(vec![answer; batch.len()]),
            Some(Fault::Panic) => panic!("told to"),
        }
    }

    fn lookup(&self, workspace: WorkspaceId, txid: &TxId) -> Result<Option<Entry>, LedgerError> {
        self.inner.lookup(workspace, txid)
    }

    fn replay(
        &self,
        from: Position,
        visit: &mut dyn FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        self.inner.replay(from, visit)
    }

    fn entries(&self, workspace: WorkspaceId, after_seq: u64, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        self.inner.entries(workspace, after_seq, limit)
    }

    fn head(&self) -> Position {
        self.inner.head()
    }
}
