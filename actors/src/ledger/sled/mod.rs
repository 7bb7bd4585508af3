//! The embedded ledger on sled, made durable by us.
//!
//! sled's `flush` writes to the page cache of the kernel and stops there: in a model of power cuts it lost or
//! broke every store. So an append is: write the groups, `flush`, then `fdatasync` on the database file, and only
//! then is a record committed and visible to readers. No failed sync is ever repeated, since the kernel forgets
//! what it could not write: whatever fails after the first byte was written is [`LedgerError::Unknown`], this
//! ledger takes no more records, and the journal ends the process.

mod group;
mod open;
#[cfg(test)]
mod power;
mod read;

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use ::sled::{Batch, Db, Tree};
use parking_lot::{Mutex, RwLock};

pub use self::open::OpenError;

use self::read::{Reader, visit_groups};
use super::index::{Index, Judge, ReadEntries, Verdict};
use super::{Appended, Claim, Ledger, LedgerError, Position, Record};
use crate::domain::entry::{Entry, TxId};
use crate::domain::ids::WorkspaceId;

/// Brings what was written to the database file to the disk.
pub type SyncFile = Box<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// A ledger in a directory, owned by one process.
pub struct SledLedger {
    db: Db,
    journal: Tree,
    file: File,
    sync: SyncFile,
    /// Locked for a whole append; readers take `index` alone. `None` where it was opened for reading.
    judge: Option<Mutex<Judge>>,
    index: RwLock<Index>,
    epoch: u64,
}

impl fmt::Debug for SledLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledLedger").field("epoch", &self.epoch).field("head", &self.head()).finish_non_exhaustive()
    }
}

impl SledLedger {
    /// Opens the store in this directory, making it where there is none, and reads it once.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with_sync(path, Box::new(File::sync_data))
    }

    /// As [`SledLedger::open`], with the sync of the database file replaced: for tests of the order of steps.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with_sync(path: &Path, sync: SyncFile) -> Result<Self, OpenError> {
        Self::read_all(path, open::for_writing(path)?, sync, true)
    }

    /// Opens a store that is there, for reading: it takes no records and begins no epoch.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_for_reading(path: &Path) -> Result<Self, OpenError> {
        Self::read_all(path, open::for_reading(path)?, Box::new(File::sync_data), false)
    }

    fn read_all(path: &Path, opened: open::Opened, sync: SyncFile, writable: bool) -> Result<Self, OpenError> {
        let open::Opened { db, journal, file, epoch } = opened;
        let (mut judge, mut index) = (Judge::default(), Index::default());
        visit_groups(&journal, 0, u64::MAX, &mut |_, record| {
            if writable {
                judge.note_committed(&record);
            }
            index.add(&record);
            ControlFlow::Continue(())
        })
        .map_err(|cause| OpenError::Corrupt { path: path.to_owned(), cause: Box::new(cause) })?;
        let judge = writable.then(|| Mutex::new(judge));
        Ok(Self { db, journal, file, sync, judge, index: RwLock::new(index), epoch })
    }

    /// Writes groups so that they survive a power cut.
    fn write(&self, mut pairs: Vec<group::Pair>) -> Result<(), LedgerError> {
        // One value is atomic by itself; several need a batch, which costs more.
        let written = if pairs.len() > 1 {
            let mut batch = Batch::default();
            for (key, value) in pairs {
                batch.insert(key, value);
            }
            self.journal.apply_batch(batch)
        } else {
            pairs.pop().map_or(Ok(()), |(key, value)| self.journal.insert(key, value).map(|_| ()))
        };
        written.and_then(|()| self.db.flush()).map_err(LedgerError::unknown)?;
        (self.sync)(&self.file).map_err(LedgerError::unknown)
    }
}

impl Ledger for SledLedger {
    fn claim(&self, workspace: WorkspaceId) -> Result<Claim, LedgerError> {
        Ok(Claim { epoch: self.epoch, head: self.index.read().last_seq(workspace) })
    }

    fn append(&self, batch: &[Record]) -> Result<Vec<Appended>, LedgerError> {
        let judge = self.judge.as_ref().ok_or_else(|| LedgerError::fatal("the store was opened for reading"))?;
        let mut judge = judge.lock();
        judge.begin()?;
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut reader = Reader::new(&self.journal, &self.index);
        let mut packer = group::Packer::new(self.head().0);
        for record in batch {
            outcomes.push(match judge.judge(record, &mut reader)? {
                Verdict::Write => {
                    packer.add(record).map_err(LedgerError::fatal)?;
                    Appended::Committed
                }
                Verdict::Duplicate => Appended::Duplicate,
            });
        }
        let pairs = packer.finish();
        if !pairs.is_empty() {
            self.write(pairs)?;
        }
        let mut index = self.index.write();
        for (record, _) in batch.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Appended::Committed) {
            index.add(record);
        }
        judge.finish();
        Ok(outcomes)
    }

    fn lookup(&self, workspace: WorkspaceId, txid: &TxId) -> Result<Option<Entry>, LedgerError> {
        Reader::new(&self.journal, &self.index).lookup(workspace, txid)
    }

    fn replay(
        &self,
        from: Position,
        visit: &mut dyn FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        visit_groups(&self.journal, from.0, self.head().0, visit)
    }

    fn entries(&self, workspace: WorkspaceId, after_seq: u64, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        Reader::new(&self.journal, &self.index).entries(workspace, after_seq, limit)
    }

    fn head(&self) -> Position {
        Position(self.index.read().head())
    }

    fn disk_bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}
