//! What a ledger keeps in memory, derived from the records alone and rebuilt when it opens.
//!
//! [`Index`] is for readers and knows what is committed: for each workspace the position of every entry, 8
//! bytes each (at most 16 while the list grows), and every payment and credit by its id. [`Judge`] belongs to
//! the appender and decides what may be written; it knows the next number of each workspace and the steps of
//! every request that is open or among the last [`CLOSED_REMEMBERED`] that were closed. Ids of requests are kept
//! no longer, since a map of them all would be the largest thing in the process: a step of a request that is not
//! remembered is looked for by reading the workspace's entries backwards. The one repetition that goes unnoticed
//! is a second hold, under a number of its own, for a request that was closed before the remembered ones:
//! request ids are random and ours, and `verify` finds it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{LedgerError, Record};
use crate::domain::entry::{Entry, RequestStep, TxId};
use crate::domain::ids::{RequestId, WorkspaceId};

/// Closed requests that are remembered: minutes of a busy gateway, in about 4 MiB.
pub(super) const CLOSED_REMEMBERED: usize = 65_536;

/// The id of a payment or credit with the reach in which it is unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum MoneyIn {
    Payment(Arc<str>),
    Credit(WorkspaceId, Arc<str>),
}

impl MoneyIn {
    fn of(workspace: WorkspaceId, txid: &TxId) -> Option<Self> {
        match txid {
            TxId::Request(..) => None,
            TxId::Credit(key) => Some(Self::Credit(workspace, key.clone())),
            TxId::Payment(id) => Some(Self::Payment(id.clone())),
        }
    }
}

/// What is committed and where.
#[derive(Debug, Default)]
pub(super) struct Index {
    head: u64,
    entries: HashMap<WorkspaceId, Vec<u64>>,
    money_in: HashMap<MoneyIn, u64>,
}

impl Index {
    /// The position after the last record.
    pub(super) const fn head(&self) -> u64 {
        self.head
    }

    /// The number of a workspace's last entry.
    pub(super) fn last_seq(&self, workspace: WorkspaceId) -> u64 {
        self.entries.get(&workspace).map_or(0, |positions| positions.len() as u64)
    }

    /// Adds the record that follows the last one.
    pub(super) fn add(&mut self, record: &Record) {
        if let Record::Entry(entry) = record {
            self.entries.entry(entry.workspace).or_default().push(self.head);
            if let Some(id) = MoneyIn::of(entry.workspace, &entry.txid) {
                self.money_in.insert(id, self.head);
            }
        }
        self.head += 1;
    }

    /// Where up to `limit` entries of a workspace with numbers above `after_seq` are.
    pub(super) fn page(&self, workspace: WorkspaceId, after_seq: u64, limit: usize) -> Vec<u64> {
        let start = usize::try_from(after_seq).unwrap_or(usize::MAX);
        let positions = self.entries.get(&workspace).map_or(&[][..], Vec::as_slice);
        positions.iter().skip(start).take(limit).copied().collect()
    }
}

/// Reads committed entries.
pub(super) trait ReadEntries {
    /// The entry at a position.
    fn entry_at(&mut self, position: u64) -> Result<Entry, LedgerError>;
    /// What the index says.
    fn ask<T>(&self, question: impl FnOnce(&Index) -> T) -> T;

    /// As [`super::Ledger::entries`].
    fn entries(&mut self, workspace: WorkspaceId, after_seq: u64, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        let page = self.ask(|index| index.page(workspace, after_seq, limit));
        page.into_iter().map(|position| self.entry_at(position)).collect()
    }

    /// As [`super::Ledger::lookup`].
    fn lookup(&mut self, workspace: WorkspaceId, txid: &TxId) -> Result<Option<Entry>, LedgerError>
    where
        Self: Sized,
    {
        match MoneyIn::of(workspace, txid) {
            None => find_backwards(self, workspace, txid),
            Some(id) => {
                let position = self.ask(|index| index.money_in.get(&id).copied());
                position.map(|position| self.entry_at(position)).transpose()
            }
        }
    }
}

/// Reads a workspace's entries backwards until one has this transaction id.
fn find_backwards(
    reader: &mut impl ReadEntries,
    workspace: WorkspaceId,
    txid: &TxId,
) -> Result<Option<Entry>, LedgerError> {
    /// Positions copied at a time, so that the index is not locked for long.
    const PAGE: u64 = 1024;
    let mut before = reader.ask(|index| index.last_seq(workspace));
    while before > 0 {
        let start = before.saturating_sub(PAGE);
        let limit = usize::try_from(before - start).unwrap_or(usize::MAX);
        let page = reader.ask(|index| index.page(workspace, start, limit));
        for position in page.into_iter().rev() {
            let entry = reader.entry_at(position)?;
            if entry.txid == *txid {
                return Ok(Some(entry));
            }
        }
        before = start;
    }
    Ok(None)
}

/// Whether a record may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Write,
    Duplicate,
}

/// Decides what may be written, ahead of the index by what is being written.
#[derive(Debug, Default)]
pub(super) struct Judge {
    last_seq: HashMap<WorkspaceId, u64>,
    requests: Requests,
    /// Payments and credits of the batch under judgement.
    staged: Vec<MoneyIn>,
    /// An append failed half-way: what is here no longer tells what is stored.
    broken: bool,
}

impl Judge {
    /// A judge of what comes after the committed records, each of which is shown to it once.
    pub(super) fn note_committed(&mut self, record: &Record) {
        if let Record::Entry(entry) = record {
            self.last_seq.insert(entry.workspace, entry.seq);
            self.requests.note(&entry.txid);
        }
    }

    /// Starts an append; it has to end with [`Judge::finish`].
    pub(super) fn begin(&mut self) -> Result<(), LedgerError> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(LedgerError::fatal("an earlier append failed"));
        }
        self.staged.clear();
        Ok(())
    }

    /// The append is committed.
    pub(super) const fn finish(&mut self) {
        self.broken = false;
    }

    /// Judges the next record of a batch and counts it as written where it may be.
    pub(super) fn judge(&mut self, record: &Record, reader: &mut impl ReadEntries) -> Result<Verdict, LedgerError> {
        let Record::Entry(entry) = record else { return Ok(Verdict::Write) };
        let expected = self.last_seq.get(&entry.workspace).copied().unwrap_or(0) + 1;
        if self.is_repeated(entry, expected, reader)? {
            return Ok(Verdict::Duplicate);
        }
        if entry.seq != expected {
            let (workspace, seq) = (entry.workspace, entry.seq);
            return Err(LedgerError::fatal(format!("entry {seq} of {workspace} came where {expected} is next")));
        }
        if !entry.postings.balance() {
            return Err(LedgerError::fatal(format!("entry {} does not sum to zero", entry.id())));
        }
        self.last_seq.insert(entry.workspace, entry.seq);
        self.requests.note(&entry.txid);
        self.staged.extend(MoneyIn::of(entry.workspace, &entry.txid));
        Ok(Verdict::Write)
    }

    fn is_repeated(&self, entry: &Entry, expected: u64, reader: &mut impl ReadEntries) -> Result<bool, LedgerError> {
        let TxId::Request(request, step) = entry.txid else {
            let id = MoneyIn::of(entry.workspace, &entry.txid);
            return Ok(
                id.is_some_and(|id| self.staged.contains(&id) || reader.ask(|index| index.money_in.contains_key(&id)))
            );
        };
        match self.requests.has(request, step) {
            Some(known) => Ok(known),
            None if step == RequestStep::Hold && entry.seq == expected => Ok(false),
            None => find_backwards(reader, entry.workspace, &entry.txid).map(|found| found.is_some()),
        }
    }
}

/// The steps of requests that are open or were closed recently.
#[derive(Debug, Default)]
struct Requests {
    steps: HashMap<RequestId, Steps>,
    closed: VecDeque<RequestId>,
}

#[derive(Debug, Default)]
struct Steps {
    extensions: u32,
    closed: bool,
    written_off: bool,
}

impl Requests {
    /// Whether the step was written; `None` for a request that is not remembered.
    fn has(&self, request: RequestId, step: RequestStep) -> Option<bool> {
        self.steps.get(&request).map(|steps| match step {
            RequestStep::Hold => true,
            RequestStep::Extend(n) => n <= steps.extensions,
            RequestStep::Close => steps.closed,
            RequestStep::Writeoff => steps.written_off,
        })
    }

    fn note(&mut self, txid: &TxId) {
        let TxId::Request(request, step) = *txid else { return };
        let steps = self.steps.entry(request).or_default();
        match step {
            RequestStep::Hold => {}
            RequestStep::Extend(n) => steps.extensions = n,
            RequestStep::Writeoff => steps.written_off = true,
            RequestStep::Close => {
                steps.closed = true;
                self.closed.push_back(request);
            }
        }
        while self.closed.len() > CLOSED_REMEMBERED {
            if let Some(oldest) = self.closed.pop_front() {
                self.steps.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::samples;

    #[test]
    fn closed_requests_are_forgotten_after_a_while_and_open_ones_never() {
        let mut requests = Requests::default();
        let close = |n: u64| TxId::Request(samples::request(n), RequestStep::Close);
        requests.note(&TxId::Request(samples::request(0), RequestStep::Hold));
        for n in 1..=CLOSED_REMEMBERED as u64 + 1 {
            requests.note(&close(n));
        }
        assert_eq!(requests.has(samples::request(0), RequestStep::Close), Some(false), "open");
        assert_eq!(requests.has(samples::request(1), RequestStep::Close), None, "forgotten");
        assert_eq!(requests.has(samples::request(2), RequestStep::Close), Some(true));
        assert_eq!(requests.steps.len(), CLOSED_REMEMBERED + 1);
    }

    #[test]
    fn a_judge_whose_append_did_not_finish_judges_no_more() {
        let mut judge = Judge::default();
        judge.begin().unwrap();
        judge.finish();
        judge.begin().unwrap();
        assert!(matches!(judge.begin(), Err(LedgerError::Fatal(_))));
    }
}
