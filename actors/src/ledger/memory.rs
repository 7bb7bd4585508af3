//! The ledger in memory: for tests, simulations, and as the plain baseline of the benches.
//!
//! Nothing survives the process; [`MemoryLedger::reopened`] stands in for a restart and rebuilds everything
//! that is derived from the records, as opening a store does.

use std::ops::ControlFlow;

use parking_lot::{Mutex, RwLock};

use super::index::{Index, Judge, ReadEntries, Verdict};
use super::{Appended, Claim, Ledger, LedgerError, Position, Record};
use crate::domain::entry::{Entry, TxId};
use crate::domain::ids::WorkspaceId;

/// A ledger that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    /// Locked for a whole append; readers take `stored` alone.
    judge: Mutex<Judge>,
    stored: RwLock<Stored>,
    epoch: u64,
}

#[derive(Debug, Default)]
struct Stored {
    records: Vec<Record>,
    index: Index,
}

impl MemoryLedger {
    /// An empty one.
    pub fn new() -> Self {
        Self { epoch: 1, ..Self::default() }
    }

    /// The same records as a process would find them after a restart.
    #[must_use]
    pub fn reopened(self) -> Self {
        let records = self.stored.into_inner().records;
        let (mut judge, mut index) = (Judge::default(), Index::default());
        for record in &records {
            judge.note_committed(record);
            index.add(record);
        }
        Self { judge: Mutex::new(judge), stored: RwLock::new(Stored { records, index }), epoch: self.epoch + 1 }
    }
}

impl Ledger for MemoryLedger {
    fn claim(&self, workspace: WorkspaceId) -> Result<Claim, LedgerError> {
        Ok(Claim { epoch: self.epoch, head: self.stored.read().index.last_seq(workspace) })
    }

    fn append(&self, batch: &[Record]) -> Result<Vec<Appended>, LedgerError> {
        let mut judge = self.judge.lock();
        judge.begin()?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for record in batch {
            outcomes.push(match judge.judge(record, &mut Reader(&self.stored))? {
                Verdict::Write => Appended::Committed,
                Verdict::Duplicate => Appended::Duplicate,
            });
        }
        let mut stored = self.stored.write();
        for (record, _) in batch.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Appended::Committed) {
            stored.index.add(record);
            stored.records.push(record.clone());
        }
        judge.finish();
        Ok(outcomes)
    }

    fn lookup(&self, workspace: WorkspaceId, txid: &TxId) -> Result<Option<Entry>, LedgerError> {
        Reader(&self.stored).lookup(workspace, txid)
    }

    fn replay(
        &self,
        from: Position,
        visit: &mut dyn FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        let head = self.stored.read().index.head();
        // The visitor may call this ledger, so it never runs under the lock.
        for position in from.0..head {
            let record = Reader(&self.stored).record_at(position)?;
            if visit(Position(position), record).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn entries(&self, workspace: WorkspaceId, after_seq: u64, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        Reader(&self.stored).entries(workspace, after_seq, limit)
    }

    fn head(&self) -> Position {
        Position(self.stored.read().index.head())
    }
}

struct Reader<'a>(&'a RwLock<Stored>);

impl Reader<'_> {
    fn record_at(&self, position: u64) -> Result<Record, LedgerError> {
        let place = usize::try_from(position).unwrap_or(usize::MAX);
        let record = self.0.read().records.get(place).cloned();
        record.ok_or_else(|| LedgerError::fatal(format!("there is no record {position}")))
    }
}

impl ReadEntries for Reader<'_> {
    fn entry_at(&mut self, position: u64) -> Result<Entry, LedgerError> {
        match self.record_at(position)? {
            Record::Entry(entry) => Ok(entry),
            Record::Progress { .. } | Record::Fact(_) => {
                Err(LedgerError::fatal(format!("record {position} is not an entry")))
            }
        }
    }

    fn ask<T>(&self, question: impl FnOnce(&Index) -> T) -> T {
        question(&self.0.read().index)
    }
}
