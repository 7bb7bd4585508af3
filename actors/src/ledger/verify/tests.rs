//! Each rule of the verification, broken once.

use proptest::prelude::*;

use super::*;
use crate::domain::entry::AccountName::{Available, Held, Revenue};
use crate::ledger::memory::MemoryLedger;
use crate::ledger::samples::{self, credit, extend, hold, release, request, settle, topup, workspace, writeoff};

/// A ledger that answers whatever records it was given, wrong ones too.
#[derive(Debug)]
struct Given(Vec<Record>);

impl Ledger for Given {
    fn claim(&self, _: WorkspaceId) -> Result<crate::ledger::Claim, LedgerError> {
        Err(LedgerError::fatal("not asked"))
    }

    fn append(&self, _: &[Record]) -> Result<Vec<crate::ledger::Appended>, LedgerError> {
        Err(LedgerError::fatal("not asked"))
    }

    fn lookup(&self, _: WorkspaceId, _: &TxId) -> Result<Option<Entry>, LedgerError> {
        Err(LedgerError::fatal("not asked"))
    }

    fn replay(
        &self,
        _: Position,
        visit: &mut dyn FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        for (position, record) in (0..).zip(&self.0) {
            if visit(Position(position), record.clone()).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn entries(&self, _: WorkspaceId, _: u64, _: usize) -> Result<Vec<Entry>, LedgerError> {
        Err(LedgerError::fatal("not asked"))
    }

    fn head(&self) -> Position {
        Position(self.0.len() as u64)
    }
}

fn verified(records: Vec<Record>) -> Report {
    verify(&Given(records)).unwrap()
}

fn changed(record: Record, change: impl FnOnce(&mut Entry)) -> Record {
    match record {
        Record::Entry(mut entry) => {
            change(&mut entry);
            Record::Entry(entry)
        }
        other => other,
    }
}

#[test]
fn a_sound_ledger_is_recomputed() {
    let (ws, other) = (workspace(1), workspace(2));
    let report = verified(vec![
        topup(ws, 1, "pi_1", 10_000),
        hold(ws, 2, request(1), 1_000),
        credit(other, 1, "k", 50),
        extend(ws, 3, request(1), 1, 500),
        samples::progress(ws, request(1), 400),
        settle(ws, 4, request(1), 1_500, 1_600),
        writeoff(ws, 5, request(1), 70),
        hold(ws, 6, request(2), 200),
        release(ws, 7, request(2), 200),
        hold(ws, 8, request(3), 300),
    ]);
    assert_eq!(report.first_bad, None);
    assert_eq!((report.records, report.entries), (10, 9));
    assert_eq!(report.open_holds, [OpenHold { workspace: ws, request: request(3), amount: NanoUsd::from_nano(300) }]);
    let nano = |account| report.workspaces[&ws][&account].nano();
    assert_eq!(nano(AccountName::Available), 10_000 - 1_600 - 300);
    assert_eq!(nano(AccountName::Held), 300);
    assert_eq!(nano(AccountName::Revenue), 1_600);
    assert_eq!((nano(AccountName::Writeoff), nano(AccountName::ProviderCost)), (-70, 70));
    assert_eq!(report.workspaces[&other][&AccountName::Available].nano(), 50);
}

#[test]
fn every_broken_rule_is_named_at_its_entry() {
    let ws = workspace(1);
    let start = || vec![credit(ws, 1, "k", 1_000), hold(ws, 2, request(1), 400)];
    let lines = |lines: &[(AccountName, i64)]| {
        let mut postings = crate::domain::entry::Postings::default();
        for (account, nano) in lines {
            postings.push(*account, NanoUsd::from_nano(*nano)).unwrap();
        }
        postings
    };
    let cases = [
        ("number", hold(ws, 4, request(2), 1)),
        ("number", hold(workspace(2), 2, request(2), 1)),
        (
            "sum to 1",
            changed(hold(ws, 3, request(2), 5), |entry| entry.postings = lines(&[(Available, -5), (Held, 6)])),
        ),
        ("credit was made", credit(ws, 3, "k", 5)),
        ("Available is -", hold(ws, 3, request(2), 601)),
        ("opened before", hold(ws, 3, request(1), 5)),
        ("has no hold", release(ws, 3, request(2), 5)),
        ("has no hold", extend(ws, 3, request(2), 1, 5)),
        ("of a hold of", settle(ws, 3, request(1), 401, 10)),
        ("of a hold of", settle(ws, 3, request(1), 399, 10)),
        ("extension 2", extend(ws, 3, request(1), 2, 5)),
        ("extension 1 by -", extend(ws, 3, request(1), 1, -5)),
        ("a hold below zero", hold(ws, 3, request(2), -5)),
        ("not the one after a close", writeoff(ws, 3, request(1), 5)),
        ("its charge is below zero", settle(ws, 3, request(1), 400, -1)),
        (
            "names two requests",
            changed(release(ws, 3, request(1), 400), |entry| {
                entry.request.as_mut().unwrap().request = request(9);
            }),
        ),
        ("Settle as the Hold", changed(hold(ws, 3, request(2), 5), |entry| entry.kind = EntryKind::Settle)),
        ("without a request", changed(credit(ws, 3, "k2", 5), |entry| entry.kind = EntryKind::Settle)),
        (
            "moves held money",
            changed(credit(ws, 3, "k2", 5), |entry| entry.postings = lines(&[(Held, -5), (Available, 5)])),
        ),
        (
            "gives back",
            changed(release(ws, 3, request(1), 400), |entry| {
                entry.postings = lines(&[(Held, -400), (Available, 399), (Revenue, 1)]);
            }),
        ),
    ];
    for (reason, bad) in cases {
        let mut records = start();
        records.push(bad.clone());
        let report = verified(records);
        let found = report.first_bad.unwrap_or_else(|| panic!("nothing was found: {reason}, {bad:?}"));
        assert_eq!(found.position, Position(2));
        assert!(found.reason.contains(reason), "{reason}: {}", found.reason);
        assert!(found.id.is_some());
    }
}

#[test]
fn a_second_close_and_a_second_payment_are_bad() {
    let ws = workspace(1);
    let mut records = vec![topup(ws, 1, "pi_1", 9), hold(ws, 2, request(1), 4), release(ws, 3, request(1), 4)];
    records.push(settle(ws, 4, request(1), 4, 4));
    assert!(verified(records).first_bad.unwrap().reason.contains("closed before"));
    let records = vec![topup(ws, 1, "pi_1", 9), topup(workspace(2), 1, "pi_1", 9)];
    assert!(verified(records).first_bad.unwrap().reason.contains("payment was booked before"));
}

proptest! {
    /// Requests that hold, extend, settle and release in any order leave a sound ledger, and what was put in is there.
    #[test]
    fn random_lives_of_requests_are_sound(steps in proptest::collection::vec((0_u64..3, 0_u8..4, 1_i64..50), 0..200)) {
        let ledger = MemoryLedger::new();
        let mut seqs = [1_u64; 3];
        let mut open: Vec<Vec<(RequestId, i64, u32)>> = vec![Vec::new(); 3];
        for n in 0..3 {
            ledger.append(&[credit(workspace(n), 1, "start", 1_000_000)]).unwrap();
        }
        for (place, (n, what, nano)) in (0_u64..).zip(steps) {
            let (ws, slot) = (workspace(n), usize::try_from(n).unwrap());
            seqs[slot] += 1;
            let seq = seqs[slot];
            let record = match (what, open[slot].pop()) {
                (0, old) | (_, old @ None) => {
                    open[slot].extend(old);
                    open[slot].push((request(place), nano, 0));
                    hold(ws, seq, request(place), nano)
                }
                (1, Some((id, held, n))) => {
                    open[slot].insert(0, (id, held + nano, n + 1));
                    extend(ws, seq, id, n + 1, nano)
                }
                (2, Some((id, held, _))) => settle(ws, seq, id, held, nano),
                (_, Some((id, held, _))) => release(ws, seq, id, held),
            };
            ledger.append(&[record]).unwrap();
        }
        let report = verify(&ledger).unwrap();
        prop_assert_eq!(&report.first_bad, &None);
        prop_assert_eq!(report.open_holds.len(), open.iter().map(Vec::len).sum::<usize>());
    }
}
