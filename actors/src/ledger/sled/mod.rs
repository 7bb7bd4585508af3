//! The embedded ledger: sled for reading, and a mirror of plain files that makes it durable.
//!
//! sled's `flush` writes to the page cache of the kernel and stops there: in a model of power cuts it lost or
//! broke every store. So an append writes one frame to the mirror and syncs it, and only then puts the same values
//! into sled, where readers find them; a start completes sled from the mirror. That is cheaper, too: a flush of sled
//! for every commit wakes all of its threads. No failed sync is ever repeated, since the kernel forgets what it could
//! not write: whatever fails after the first byte was written is [`LedgerError::Unknown`], this ledger takes no more
//! records, and the journal ends the process.

mod group;
mod mirror;
mod open;
#[cfg(test)]
mod power;
mod read;

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ::sled::{Db, Tree};
use parking_lot::{Mutex, RwLock};

pub use self::open::OpenError;

use self::mirror::Mirror;
use self::read::{Reader, visit_groups};
use super::index::{Index, Judge, ReadEntries, Verdict};
use super::{Appended, Claim, Ledger, LedgerError, Position, Record};
use crate::domain::entry::{Entry, TxId};
use crate::domain::ids::WorkspaceId;

/// Brings what was written to a file to the disk.
pub type SyncFile = Box<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// A ledger in a directory, owned by one process.
pub struct SledLedger {
    db: Db,
    journal: Tree,
    /// Locked for a whole append; readers take `index` alone. `None` where it was opened for reading.
    writer: Option<Mutex<Writer>>,
    index: RwLock<Index>,
    epoch: u64,
}

/// What an append needs.
struct Writer {
    judge: Judge,
    mirror: Mirror,
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

    /// As [`SledLedger::open`], with the sync of a commit replaced: for tests of the order of steps.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with_sync(path: &Path, sync: SyncFile) -> Result<Self, OpenError> {
        let (opened, mirror) = open::for_writing(path, sync)?;
        Self::read_all(path, opened, Some(mirror))
    }

    /// Opens a store that is there, for reading: it takes no records and begins no epoch.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_for_reading(path: &Path) -> Result<Self, OpenError> {
        Self::read_all(path, open::for_reading(path)?, None)
    }

    fn read_all(path: &Path, opened: open::Opened, mirror: Option<Mirror>) -> Result<Self, OpenError> {
        let open::Opened { db, journal, epoch } = opened;
        let (mut judge, mut index) = (Judge::default(), Index::default());
        visit_groups(&journal, 0, u64::MAX, &mut |_, record| {
            if mirror.is_some() {
                judge.note_committed(&record);
            }
            index.add(&record);
            ControlFlow::Continue(())
        })
        .map_err(|cause| OpenError::Corrupt { path: path.to_owned(), cause: Box::new(cause) })?;
        let writer = mirror.map(|mirror| Mutex::new(Writer { judge, mirror }));
        Ok(Self { db, journal, writer, index: RwLock::new(index), epoch })
    }

    /// Puts committed values where readers find them. Not as a batch: sled writes each to its log at once, and what a
    /// crash leaves half-done the next start completes.
    fn show(&self, pairs: Vec<group::Pair>) -> ::sled::Result<()> {
        pairs.into_iter().try_for_each(|(key, value)| self.journal.insert(key, value).map(|_| ()))
    }
}

/// Where the mirror of the store in this directory is.
fn mirror_folder(path: &Path) -> PathBuf {
    path.join("mirror")
}

impl Ledger for SledLedger {
    fn claim(&self, workspace: WorkspaceId) -> Result<Claim, LedgerError> {
        Ok(Claim { epoch: self.epoch, head: self.index.read().last_seq(workspace) })
    }

    fn append(&self, batch: &[Record]) -> Result<Vec<Appended>, LedgerError> {
        let writer = self.writer.as_ref().ok_or_else(|| LedgerError::fatal("the store was opened for reading"))?;
        let mut writer = writer.lock();
        let Writer { judge, mirror } = &mut *writer;
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
            mirror.append(&pairs).map_err(LedgerError::unknown)?;
            self.show(pairs).map_err(LedgerError::unknown)?;
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
        let mirror = self.writer.as_ref().map_or(0, |writer| writer.lock().mirror.bytes());
        self.db.size_on_disk().unwrap_or(0).saturating_add(mirror)
    }
}
