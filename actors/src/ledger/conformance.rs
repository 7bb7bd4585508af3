//! What every ledger must do, run on each of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;

use super::faults::{Fault, FaultyLedger};
use super::memory::MemoryLedger;
use super::samples::{
    self, credit, extend, fact, hold, long_fact, progress, release, request, settle, topup, workspace, writeoff,
};
use super::sled::SledLedger;
use super::{Appended, Ledger, LedgerError, Position, Record};
use crate::domain::entry::{Entry, RequestStep, TxId};
use crate::domain::ids::WorkspaceId;

use Appended::{Committed, Duplicate};

/// A ledger under test, with the means to restart it.
trait Subject: Sized + Send + Sync {
    fn open() -> Self;
    fn ledger(&self) -> &Arc<dyn Ledger>;
    fn reopened(self) -> Self;
}

struct OnMemory {
    records: Arc<MemoryLedger>,
    ledger: Arc<dyn Ledger>,
}

impl From<MemoryLedger> for OnMemory {
    fn from(ledger: MemoryLedger) -> Self {
        let records = Arc::new(ledger);
        Self { ledger: records.clone(), records }
    }
}

impl Subject for OnMemory {
    fn open() -> Self {
        MemoryLedger::new().into()
    }

    fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    fn reopened(self) -> Self {
        drop(self.ledger);
        Arc::into_inner(self.records).unwrap().reopened().into()
    }
}

struct OnSled {
    ledger: Arc<dyn Ledger>,
    directory: tempfile::TempDir,
}

impl OnSled {
    fn at(directory: tempfile::TempDir) -> Self {
        Self { ledger: Arc::new(SledLedger::open(directory.path()).unwrap()), directory }
    }
}

impl Subject for OnSled {
    fn open() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    fn reopened(self) -> Self {
        assert_eq!(Arc::strong_count(&self.ledger), 1, "a store is opened once at a time");
        drop(self.ledger);
        Self::at(self.directory)
    }
}

/// All records, with a check that their positions are contiguous.
pub(super) fn all(ledger: &dyn Ledger, from: u64) -> Vec<Record> {
    let mut records = Vec::new();
    ledger
        .replay(Position(from), &mut |position, record| {
            assert_eq!(position.0, from + records.len() as u64);
            records.push(record);
            ControlFlow::Continue(())
        })
        .unwrap();
    records
}

fn entries_of(records: &[Record], workspace: WorkspaceId) -> Vec<Entry> {
    let entries = records.iter().filter_map(|record| match record {
        Record::Entry(entry) if entry.workspace == workspace => Some(entry.clone()),
        Record::Entry(_) | Record::Progress { .. } | Record::Fact(_) => None,
    });
    entries.collect()
}

fn order_and_replay<S: Subject>() {
    let subject = S::open();
    assert_eq!(subject.ledger().head(), Position(0));
    assert_eq!(all(subject.ledger().as_ref(), 0), []);
    assert_eq!(subject.ledger().append(&[]).unwrap(), []);
    let mut records = samples::one_of_each();
    records.push(long_fact(20_000));
    records.push(credit(workspace(1), 9, &"long ".repeat(2_000), 5));
    records.push(fact(2));
    for batch in records.chunks(4) {
        assert_eq!(subject.ledger().append(batch).unwrap(), vec![Committed; batch.len()]);
    }
    assert_eq!(subject.ledger().head(), Position(13));
    let subject = subject.reopened();
    assert_eq!(subject.ledger().head(), Position(13));
    for from in 0..=14 {
        let rest = records.get(from..).unwrap_or_default();
        assert_eq!(all(subject.ledger().as_ref(), from as u64), rest, "from {from}");
    }
    let mut visited = 0;
    let stop = &mut |_, _| {
        visited += 1;
        if visited == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    subject.ledger().replay(Position(1), stop).unwrap();
    assert_eq!(visited, 3, "told to stop");
    let long = TxId::Credit(Arc::from("long ".repeat(2_000)));
    assert_eq!(subject.ledger().lookup(workspace(1), &long).unwrap().unwrap().seq, 9);
}

fn claims<S: Subject>() {
    let subject = S::open();
    let (one, two) = (workspace(1), workspace(2));
    let first = subject.ledger().claim(one).unwrap();
    assert_eq!(first.head, 0);
    subject.ledger().append(&[credit(one, 1, "a", 5), credit(two, 1, "a", 5), credit(one, 2, "b", 5)]).unwrap();
    assert_eq!(subject.ledger().claim(one).unwrap().head, 2);
    assert_eq!(subject.ledger().claim(two).unwrap().head, 1);
    assert_eq!(subject.ledger().claim(workspace(3)).unwrap().head, 0);
    let subject = subject.reopened();
    let later = subject.ledger().claim(one).unwrap();
    assert_eq!(later.head, 2);
    assert!(later.epoch > first.epoch, "a restart is a new owner");
}

fn duplicates<S: Subject>() {
    let subject = S::open();
    let (one, two) = (workspace(1), workspace(2));
    let append = |ledger: &Arc<dyn Ledger>, records: &[Record]| ledger.append(records).unwrap();
    let records = [
        credit(one, 1, "k", 900),
        topup(one, 2, "pi", 5),
        hold(one, 3, request(1), 9),
        extend(one, 4, request(1), 1, 2),
    ];
    assert_eq!(append(subject.ledger(), &records), [Committed; 4]);
    assert_eq!(append(subject.ledger(), &records), [Duplicate; 4], "the same batch again");
    assert_eq!(append(subject.ledger(), &[credit(two, 1, "k", 5)]), [Committed], "another workspace's key");
    assert_eq!(append(subject.ledger(), &[topup(two, 2, "pi", 5)]), [Duplicate], "a payment counts once anywhere");
    let twice = [credit(two, 2, "n", 5), credit(two, 2, "n", 5), topup(two, 3, "po", 5), topup(one, 5, "po", 5)];
    assert_eq!(append(subject.ledger(), &twice), [Committed, Duplicate, Committed, Duplicate], "in one batch");

    let subject = subject.reopened();
    assert_eq!(append(subject.ledger(), &records), [Duplicate; 4], "after a restart");
    let rest = [settle(one, 5, request(1), 11, 11), writeoff(one, 6, request(1), 1)];
    assert_eq!(append(subject.ledger(), &rest), [Committed; 2]);
    let again = [
        hold(one, 7, request(1), 9),
        extend(one, 7, request(1), 1, 2),
        settle(one, 7, request(1), 11, 11),
        release(one, 7, request(1), 11),
        writeoff(one, 7, request(1), 1),
    ];
    let before = subject.ledger().head();
    assert_eq!(append(subject.ledger(), &again), [Duplicate; 5], "a closed request's steps under new numbers");
    assert_eq!(subject.ledger().head(), before, "nothing was written");
    assert_eq!(append(subject.ledger(), &[hold(one, 7, request(2), 1)]), [Committed], "no number was used up");
    assert_eq!(append(subject.ledger(), &[progress(one, request(2), 1), progress(one, request(2), 1)]), [Committed; 2]);
}

fn wrong_entries<S: Subject>() {
    let ws = workspace(1);
    let mut one_sided = samples::credit_entry(ws, 2, "b", 5);
    one_sided.postings = crate::domain::entry::Postings::default();
    one_sided.postings.push(crate::domain::entry::AccountName::Bonus, crate::domain::money::NanoUsd::MAX).unwrap();
    for wrong in
        [credit(ws, 3, "b", 5), credit(ws, 1, "b", 5), credit(workspace(2), 2, "b", 5), Record::Entry(one_sided)]
    {
        let subject = S::open();
        subject.ledger().append(&[credit(ws, 1, "a", 5)]).unwrap();
        let batch = [credit(workspace(3), 1, "c", 5), wrong.clone()];
        assert!(matches!(subject.ledger().append(&batch), Err(LedgerError::Fatal(_))), "{wrong:?}");
        assert!(matches!(subject.ledger().append(&[fact(1)]), Err(LedgerError::Fatal(_))), "it takes no more");
        assert_eq!(all(subject.ledger().as_ref(), 0).len(), 1, "the whole batch is refused");
        let subject = subject.reopened();
        assert_eq!(subject.ledger().append(&[credit(ws, 2, "b", 5)]).unwrap(), [Committed]);
    }
}

fn paging_and_lookup<S: Subject>() {
    let subject = S::open();
    let mut records = Vec::new();
    for n in 1..=100 {
        records.push(hold(workspace(1), 2 * n - 1, request(n), 5));
        records.push(hold(workspace(2), n, request(1_000 + n), 5));
        records.push(progress(workspace(1), request(n), 1));
        records.push(release(workspace(1), 2 * n, request(n), 5));
    }
    for batch in records.chunks(7) {
        subject.ledger().append(batch).unwrap();
    }
    let subject = subject.reopened();
    let mine = entries_of(&records, workspace(1));
    for (after, limit) in [(0, 1), (0, 10), (95, 10), (199, 10), (200, 10), (u64::MAX, 10), (3, usize::MAX), (0, 0)] {
        let start = usize::try_from(after).unwrap().min(200);
        let expected: Vec<_> = mine[start..].iter().take(limit).cloned().collect();
        assert_eq!(subject.ledger().entries(workspace(1), after, limit).unwrap(), expected, "{limit} after {after}");
    }
    assert_eq!(subject.ledger().entries(workspace(9), 0, 10).unwrap(), []);
    for entry in [&mine[0], &mine[57], &mine[199]] {
        assert_eq!(subject.ledger().lookup(workspace(1), &entry.txid).unwrap().as_ref(), Some(entry));
        assert_eq!(subject.ledger().lookup(workspace(2), &entry.txid).unwrap(), None, "another workspace's request");
    }
    let never = TxId::Request(request(1), RequestStep::Writeoff);
    assert_eq!(subject.ledger().lookup(workspace(1), &never).unwrap(), None);
    assert_eq!(subject.ledger().lookup(workspace(1), &TxId::Credit(Arc::from("no"))).unwrap(), None);
    subject.ledger().append(&[topup(workspace(2), 101, "pi_9", 5)]).unwrap();
    let payment = subject.ledger().lookup(workspace(1), &TxId::Payment(Arc::from("pi_9"))).unwrap().unwrap();
    assert_eq!(payment.workspace, workspace(2), "a payment is found wherever it was booked");
}

/// Readers beside the appender see a prefix that only ever grows, in whole batches.
fn concurrent_readers<S: Subject>() {
    const BATCHES: u64 = 60;
    let subject = S::open();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < 2 * BATCHES {
                    let records = all(subject.ledger().as_ref(), 0);
                    let entries = entries_of(&records, workspace(1));
                    assert!(entries.len() as u64 >= seen && records.len().is_multiple_of(3), "in whole batches");
                    seen = entries.len() as u64;
                    assert!(entries.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
                    let page = subject.ledger().entries(workspace(1), 0, usize::MAX).unwrap();
                    assert!(page.len() as u64 >= seen && page.starts_with(&entries));
                }
            });
        }
        for n in 1..=BATCHES {
            let (ws, id) = (workspace(1), request(n));
            let batch = [hold(ws, 2 * n - 1, id, 5), fact(n), release(ws, 2 * n, id, 5)];
            subject.ledger().append(&batch).unwrap();
        }
    });
}

/// 10,000 random entries of interleaved workspaces in random batches, then everything again after a restart.
fn random_entries<S: Subject>(entries: Vec<Entry>, batches: &[usize]) {
    let mut heads = BTreeMap::<WorkspaceId, u64>::new();
    let mut records = Vec::new();
    for (n, mut entry) in (0_u64..).zip(entries) {
        // What a ledger insists on; everything else about the entry stays random.
        entry.workspace = workspace(u64::try_from(entry.workspace.bits() % 5).unwrap());
        let head = heads.entry(entry.workspace).or_default();
        *head += 1;
        entry.seq = *head;
        entry.postings = samples::credit_entry(entry.workspace, 1, "", entry.at.0 % 1_000_000).postings;
        entry.txid = match entry.txid {
            // A step of a request without a hold is looked for in all entries: a few of them will do.
            TxId::Request(_, step) if n % 100 == 0 => TxId::Request(request(n), step),
            TxId::Request(..) => TxId::Request(request(n), RequestStep::Hold),
            TxId::Credit(key) => TxId::Credit(Arc::from(format!("{n} {key}"))),
            TxId::Payment(id) => TxId::Payment(Arc::from(format!("{n} {id}"))),
        };
        records.push(Record::Entry(entry));
    }
    let subject = S::open();
    let mut rest = records.as_slice();
    for length in batches.iter().cycle() {
        let (batch, after) = rest.split_at((*length).min(rest.len()));
        assert_eq!(subject.ledger().append(batch).unwrap(), vec![Committed; batch.len()]);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let before = all(subject.ledger().as_ref(), 0);
    assert_eq!(before, records);
    let subject = subject.reopened();
    assert_eq!(all(subject.ledger().as_ref(), 0), before);
    for (ws, head) in heads {
        assert_eq!(subject.ledger().claim(ws).unwrap().head, head);
        assert_eq!(subject.ledger().entries(ws, 0, usize::MAX).unwrap(), entries_of(&records, ws));
    }
}

fn faults<S: Subject>() {
    let script = [Fault::Unavailable, Fault::UnknownWritten, Fault::UnknownNotWritten, Fault::Fatal];
    let ledger = FaultyLedger::new(S::open().ledger().clone(), script);
    let (ws, record) = (workspace(1), credit(workspace(1), 1, "a", 5));
    assert!(matches!(ledger.append(std::slice::from_ref(&record)), Err(LedgerError::Unavailable(_))));
    assert_eq!(ledger.claim(ws).unwrap().head, 0, "nothing was written");
    assert!(matches!(ledger.append(&[record]), Err(LedgerError::Unknown(_))));
    assert_eq!(ledger.claim(ws).unwrap().head, 1, "reading tells that it was written");
    let next = credit(ws, 2, "b", 5);
    assert!(matches!(ledger.append(std::slice::from_ref(&next)), Err(LedgerError::Unknown(_))));
    assert_eq!(ledger.lookup(ws, &TxId::Credit(Arc::from("b"))).unwrap(), None, "and here that it was not");
    assert!(matches!(ledger.append(std::slice::from_ref(&next)), Err(LedgerError::Fatal(_))));
    assert_eq!(ledger.append(&[next]).unwrap(), [Committed], "the ledger beneath is unharmed");
}

macro_rules! conformance {
    ($($name:ident: $subject:ty),*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn records_keep_their_order() {
                order_and_replay::<$subject>();
            }

            #[test]
            fn a_claim_tells_epoch_and_head() {
                claims::<$subject>();
            }

            #[test]
            fn a_transaction_is_written_once() {
                duplicates::<$subject>();
            }

            #[test]
            fn a_wrong_entry_is_fatal_and_leaves_nothing() {
                wrong_entries::<$subject>();
            }

            #[test]
            fn entries_are_listed_in_pages_and_found() {
                paging_and_lookup::<$subject>();
            }

            #[test]
            fn readers_beside_the_appender_see_whole_batches() {
                concurrent_readers::<$subject>();
            }

            #[test]
            fn failures_are_told_apart() {
                faults::<$subject>();
            }

            proptest! {
                #![proptest_config(ProptestConfig { cases: 2, max_shrink_iters: 64, ..ProptestConfig::default() })]

                #[test]
                fn ten_thousand_random_entries_survive_a_restart(
                    entries in proptest::collection::vec(samples::any_entry(), 10_000),
                    batches in proptest::collection::vec(1_usize..300, 1..40),
                ) {
                    random_entries::<$subject>(entries, &batches);
                }
            }
        }
    )*};
}

conformance!(memory: OnMemory, sled: OnSled);
