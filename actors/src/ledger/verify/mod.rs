//! Offline verification: every balance and every hold recomputed from the first record.
//!
//! This is a second opinion. It shares no code with `domain::account`, whose mistakes it is there to find, and
//! knows only what an entry must be: numbered without gaps, summing to zero, its transaction new, `available`
//! never below zero after it; a hold opened once, extended in order, closed at most once with all that it
//! holds; `held` moved by nothing else. Used by `lmhaven ledger verify`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;

use super::{Ledger, LedgerError, Position, Record};
use crate::domain::entry::{AccountName, Entry, EntryKind, RequestStep, TxId};
use crate::domain::ids::{EntryId, RequestId, WorkspaceId};
use crate::domain::money::NanoUsd;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Entries among them.
    pub entries: u64,
    /// The balances of each workspace, by account.
    pub workspaces: BTreeMap<WorkspaceId, BTreeMap<AccountName, NanoUsd>>,
    /// Holds that are open: normal while the gateway runs and after a kill.
    pub open_holds: Vec<OpenHold>,
    /// The first entry that is wrong; none in a sound ledger.
    pub first_bad: Option<BadEntry>,
}

/// A hold that nothing closed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenHold {
    /// Whose.
    #[serde(rename = "workspace_id")]
    pub workspace: WorkspaceId,
    /// The request.
    #[serde(rename = "request_id")]
    pub request: RequestId,
    /// What it holds, extensions included.
    #[serde(rename = "amount_usd")]
    pub amount: NanoUsd,
}

/// An entry that should not be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadEntry {
    /// Where.
    pub position: Position,
    /// Which, where it could be read.
    pub id: Option<EntryId>,
    /// What is wrong with it.
    pub reason: String,
}

impl Report {
    /// Nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.first_bad.is_none()
    }
}

/// Reads the whole ledger and recomputes everything.
///
/// A record that cannot be read is reported as the first bad one, since what follows it has no meaning.
///
/// # Errors
/// [`LedgerError`] where the ledger cannot be asked at all.
pub fn verify(ledger: &dyn Ledger) -> Result<Report, LedgerError> {
    let mut books = Books::default();
    let mut report = Report::default();
    let read = ledger.replay(Position::default(), &mut |position, record| {
        report.records += 1;
        if let Record::Entry(entry) = record {
            report.entries += 1;
            if let Err(reason) = books.post(&entry) {
                report.first_bad = Some(BadEntry { position, id: Some(entry.id()), reason });
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    match read {
        Err(LedgerError::Fatal(cause)) => {
            let position = Position(report.records);
            report.first_bad = Some(BadEntry { position, id: None, reason: cause.to_string() });
        }
        other => other?,
    }
    if report.is_sound() {
        report.first_bad = books.close().err().map(|reason| BadEntry { position: ledger.head(), id: None, reason });
    }
    report.open_holds = books.open_holds();
    report.workspaces = books.workspaces.into_iter().map(|(id, book)| (id, book.balances)).collect();
    Ok(report)
}

#[derive(Default)]
struct Books {
    workspaces: BTreeMap<WorkspaceId, Book>,
    payments: HashSet<Arc<str>>,
}

#[derive(Default)]
struct Book {
    last_seq: u64,
    balances: BTreeMap<AccountName, NanoUsd>,
    credits: HashSet<Arc<str>>,
    requests: HashMap<RequestId, Request>,
}

/// A request that had a hold at some time.
#[derive(Default)]
struct Request {
    held: NanoUsd,
    extensions: u32,
    closed: bool,
    written_off: bool,
}

impl Books {
    fn post(&mut self, entry: &Entry) -> Result<(), String> {
        let book = self.workspaces.entry(entry.workspace).or_default();
        if entry.seq != book.last_seq + 1 {
            return Err(format!("its number is {} where {} is next", entry.seq, book.last_seq + 1));
        }
        book.last_seq = entry.seq;
        let sum: i128 = entry.postings.iter().map(|line| i128::from(line.amount.nano())).sum();
        if sum != 0 {
            return Err(format!("its postings sum to {sum} nano-dollars"));
        }
        match &entry.txid {
            TxId::Request(request, step) => book.step(entry, *request, *step)?,
            TxId::Credit(key) if !book.credits.insert(key.clone()) => return Err("its credit was made before".into()),
            TxId::Payment(id) if !self.payments.insert(id.clone()) => {
                return Err("its payment was booked before".into());
            }
            TxId::Credit(_) | TxId::Payment(_) => money_in(entry)?,
        }
        for line in entry.postings.iter() {
            let balance = book.balances.entry(line.account).or_default();
            *balance = balance.checked_add(line.amount).map_err(|_| format!("{:?} is out of range", line.account))?;
        }
        for account in [AccountName::Available, AccountName::Held] {
            if book.balance(account).is_negative() {
                return Err(format!("{account:?} is {} after it", book.balance(account)));
            }
        }
        Ok(())
    }

    /// What must hold at the end: nothing was made or lost, and what is held is what the open holds hold.
    fn close(&self) -> Result<(), String> {
        let lines = self.workspaces.values().flat_map(|book| book.balances.values());
        let sum: i128 = lines.map(|amount| i128::from(amount.nano())).sum();
        if sum != 0 {
            return Err(format!("all balances together are {sum} nano-dollars"));
        }
        for (workspace, book) in &self.workspaces {
            let open: i128 = book.requests.values().map(|request| i128::from(request.held.nano())).sum();
            let held = book.balance(AccountName::Held);
            if open != i128::from(held.nano()) {
                return Err(format!("{workspace} holds {held}, its open holds {open} nano-dollars"));
            }
        }
        Ok(())
    }

    fn open_holds(&self) -> Vec<OpenHold> {
        let mut open: Vec<_> = self
            .workspaces
            .iter()
            .flat_map(|(workspace, book)| book.requests.iter().map(|(request, state)| (*workspace, *request, state)))
            .filter(|(_, _, state)| !state.closed)
            .map(|(workspace, request, state)| OpenHold { workspace, request, amount: state.held })
            .collect();
        open.sort_unstable_by_key(|hold| (hold.workspace, hold.request));
        open
    }
}

impl Book {
    fn balance(&self, account: AccountName) -> NanoUsd {
        self.balances.get(&account).copied().unwrap_or_default()
    }

    /// A step of a request.
    fn step(&mut self, entry: &Entry, request: RequestId, step: RequestStep) -> Result<(), String> {
        if entry.request.as_ref().is_some_and(|detail| detail.request != request) {
            return Err("it names two requests".into());
        }
        let fits = match step {
            RequestStep::Hold => entry.kind == EntryKind::Hold,
            RequestStep::Extend(_) => entry.kind == EntryKind::Extend,
            RequestStep::Close => entry.kind.closes_hold(),
            RequestStep::Writeoff => entry.kind == EntryKind::Writeoff,
        };
        if !fits {
            return Err(format!("a {:?} as the {step:?} of a request", entry.kind));
        }
        let moved = entry.postings.to(AccountName::Held);
        if step == RequestStep::Hold {
            if self.requests.insert(request, Request { held: moved, ..Request::default() }).is_some() {
                return Err("its hold was opened before".into());
            }
            return if moved.is_negative() { Err("a hold below zero".into()) } else { Ok(()) };
        }
        let state = self.requests.get_mut(&request).ok_or("its request has no hold")?;
        match step {
            RequestStep::Hold => {}
            RequestStep::Writeoff if !state.closed || state.written_off || moved != NanoUsd::ZERO => {
                return Err("a write-off that is not the one after a close".into());
            }
            RequestStep::Writeoff => state.written_off = true,
            RequestStep::Extend(_) | RequestStep::Close if state.closed => {
                return Err("its hold was closed before".into());
            }
            RequestStep::Extend(n) => {
                if n != state.extensions + 1 || moved.is_negative() {
                    return Err(format!("extension {n} by {moved} after {} of them", state.extensions));
                }
                state.extensions = n;
                state.held = state.held.checked_add(moved).map_err(|_| "its hold is out of range")?;
            }
            RequestStep::Close => {
                if moved.checked_add(state.held) != Ok(NanoUsd::ZERO) {
                    return Err(format!("it moves {moved} of a hold of {}", state.held));
                }
                if matches!(entry.kind, EntryKind::Release | EntryKind::Expire) && entry.charge() != NanoUsd::ZERO {
                    return Err("it charges for a hold that it gives back".into());
                }
                if entry.charge().is_negative() {
                    return Err("its charge is below zero".into());
                }
                state.closed = true;
                state.held = NanoUsd::ZERO;
            }
        }
        Ok(())
    }
}

/// An entry that belongs to no request.
fn money_in(entry: &Entry) -> Result<(), String> {
    match entry.kind {
        EntryKind::Topup | EntryKind::Credit | EntryKind::Refund | EntryKind::Adjust => {}
        kind => return Err(format!("a {kind:?} without a request")),
    }
    if entry.postings.to(AccountName::Held) != NanoUsd::ZERO {
        return Err("it moves held money without a request".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
