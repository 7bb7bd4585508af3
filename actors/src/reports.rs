//! What was committed, added up: for usage reports, key lists and gauges.
//!
//! Fed with the journal's records in order, first by the replay at start, then by the committer; so a report
//! never shows what a crash could take back. Nothing is decided from it: accounts keep their own balances.
//! The committer passes here, so noting an entry finds its rows and adds to them, without an allocation unless
//! the row is new; a query copies the rows it asks for and adds them up on its own time.

mod history;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::{Serialize, Serializer};

use crate::domain::entry::{AccountName, Entry, EntryKind, RequestStep, TxId};
use crate::domain::ids::{KeyId, RequestId, WorkspaceId};
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;
use crate::domain::usage::Usage;
use crate::ledger::Record;

use history::History;
pub use history::{ClosedFilter, MoneyEvent};

/// Sums over everything that was committed.
#[derive(Debug, Default)]
pub struct Reports {
    /// One lock each, so that a long query holds up the committer only for its own workspace.
    workspaces: RwLock<HashMap<WorkspaceId, Arc<Mutex<WorkspaceSums>>>>,
}

#[derive(Debug, Default)]
struct WorkspaceSums {
    rows: BTreeMap<RowKey, Sums>,
    keys: HashMap<KeyId, KeyUse>,
    available: NanoUsd,
    held: NanoUsd,
    /// When each open hold was opened.
    open_holds: HashMap<RequestId, UnixMillis>,
    history: History,
}

/// Day first: a query reads a range of days.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RowKey {
    day: i32,
    model: Arc<str>,
    key: KeyId,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    requests: u64,
    usage: Usage,
    cost: NanoUsd,
}

/// What a key did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// What its requests were charged in all.
    pub spent: NanoUsd,
    /// When it was last admitted.
    pub last_used_at: Option<UnixMillis>,
}

/// Sums over all workspaces, for gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Money not yet charged: available and held.
    pub balances: NanoUsd,
    /// The part that running requests hold.
    pub holds: NanoUsd,
    /// How many holds are open.
    pub open_holds: usize,
    /// When the oldest of them was opened.
    pub oldest_hold_at: Option<UnixMillis>,
}

/// What a usage report tells apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupBy {
    /// Days, UTC.
    pub day: bool,
    /// Models.
    pub model: bool,
    /// Keys.
    pub key: bool,
}

/// One row of a usage report. What the report does not tell apart is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    /// Days since the epoch, UTC; written as a date.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_day")]
    pub day: Option<i32>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<str>>,
    /// The key.
    #[serde(rename = "key_id", skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// Requests that were charged, with nothing too where nothing was used.
    pub requests: u64,
    /// What they used.
    pub usage: Usage,
    /// What they were charged.
    #[serde(rename = "cost_usd")]
    pub cost: NanoUsd,
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn write_day<S: Serializer>(day: &Option<i32>, serializer: S) -> Result<S::Ok, S::Error> {
    let date = jiff::Span::new()
        .try_days(day.unwrap_or_default())
        .and_then(|days| jiff::civil::date(1970, 1, 1).checked_add(days))
        .map_err(serde::ser::Error::custom)?;
    serializer.collect_str(&date)
}

impl Reports {
    /// Adds committed records; each exactly once and in order.
    pub fn note(&self, records: &[Record]) {
        for record in records {
            match record {
                Record::Entry(entry) => self.workspace(entry.workspace).lock().note(entry),
                Record::Progress { .. } | Record::Fact(_) => {}
            }
        }
    }

    fn workspace(&self, id: WorkspaceId) -> Arc<Mutex<WorkspaceSums>> {
        if let Some(sums) = self.workspaces.read().get(&id) {
            return sums.clone();
        }
        self.workspaces.write().entry(id).or_default().clone()
    }

    fn existing(&self, id: WorkspaceId) -> Option<Arc<Mutex<WorkspaceSums>>> {
        self.workspaces.read().get(&id).cloned()
    }

    /// What a workspace was charged for from one day to another, both included, sorted by day, model and key.
    pub fn usage(&self, workspace: WorkspaceId, from_day: i32, to_day: i32, group: GroupBy) -> Vec<UsageRow> {
        let Some(sums) = self.existing(workspace) else { return Vec::new() };
        let lowest = RowKey { day: from_day, model: Arc::from(""), key: KeyId::from_bits(0) };
        let rows: Vec<_> = sums
            .lock()
            .rows
            .range(lowest..)
            .take_while(|(row, _)| row.day <= to_day)
            .map(|(row, sums)| (row.clone(), *sums))
            .collect();
        let mut groups = BTreeMap::<_, Sums>::new();
        for (row, sums) in rows {
            let of = (group.day.then_some(row.day), group.model.then_some(row.model), group.key.then_some(row.key));
            groups.entry(of).or_default().add(&sums);
        }
        let groups = groups.into_iter();
        groups
            .map(|((day, model, key), Sums { requests, usage, cost })| UsageRow {
                day,
                model,
                key,
                requests,
                usage,
                cost,
            })
            .collect()
    }

    /// What a key of a workspace did.
    pub fn key_use(&self, workspace: WorkspaceId, key: KeyId) -> KeyUse {
        self.existing(workspace).and_then(|sums| sums.lock().keys.get(&key).copied()).unwrap_or_default()
    }

    /// The numbers of up to `limit` entries that closed a request, below the number `before`, the newest first.
    pub fn closed_before(&self, workspace: WorkspaceId, filter: &ClosedFilter, before: u64, limit: usize) -> Vec<u64> {
        let sums = self.existing(workspace);
        sums.map_or_else(Vec::new, |sums| sums.lock().history.closed_before(filter, before, limit))
    }

    /// How many requests of a workspace were closed.
    pub fn closed_count(&self, workspace: WorkspaceId) -> usize {
        self.existing(workspace).map_or(0, |sums| sums.lock().history.closed_count())
    }

    /// The numbers of up to `limit` entries that closed a request, from the one at `place` of all of them on.
    pub fn closed_from(&self, workspace: WorkspaceId, place: usize, limit: usize) -> Vec<u64> {
        let sums = self.existing(workspace);
        sums.map_or_else(Vec::new, |sums| sums.lock().history.closed_from(place, limit))
    }

    /// Every change of a workspace's money that is not a request's, the oldest first.
    pub fn money_events(&self, workspace: WorkspaceId) -> Vec<MoneyEvent> {
        self.existing(workspace).map_or_else(Vec::new, |sums| sums.lock().history.money().to_vec())
    }

    /// The keys and models that closed requests of a workspace used.
    pub fn used(&self, workspace: WorkspaceId) -> (Vec<KeyId>, Vec<Arc<str>>) {
        self.existing(workspace).map(|sums| sums.lock().history.used()).unwrap_or_default()
    }

    /// What a workspace has by what is committed, held money included.
    pub fn balance(&self, workspace: WorkspaceId) -> NanoUsd {
        let sums = self.existing(workspace);
        sums.map_or(NanoUsd::ZERO, |sums| {
            let sums = sums.lock();
            sum(sums.available, sums.held)
        })
    }

    /// Sums over all workspaces. Looks at every open hold: for a gauge, not for a request.
    pub fn totals(&self) -> Totals {
        let workspaces: Vec<_> = self.workspaces.read().values().cloned().collect();
        let mut totals = Totals::default();
        for sums in workspaces {
            let sums = sums.lock();
            totals.balances = sum(sum(totals.balances, sums.available), sums.held);
            totals.holds = sum(totals.holds, sums.held);
            totals.open_holds += sums.open_holds.len();
            let oldest = sums.open_holds.values().min().copied();
            totals.oldest_hold_at = totals.oldest_hold_at.into_iter().chain(oldest).min();
        }
        totals
    }
}

impl WorkspaceSums {
    fn note(&mut self, entry: &Entry) {
        self.available = sum(self.available, entry.postings.to(AccountName::Available));
        self.held = sum(self.held, entry.postings.to(AccountName::Held));
        self.history.note(entry, sum(self.available, self.held));
        if let TxId::Request(request, step) = entry.txid {
            match step {
                RequestStep::Hold => {
                    self.open_holds.insert(request, entry.at);
                }
                RequestStep::Close => {
                    self.open_holds.remove(&request);
                }
                RequestStep::Extend(_) | RequestStep::Writeoff => {}
            }
        }
        let Some(detail) = &entry.request else { return };
        let key = self.keys.entry(detail.key).or_default();
        match entry.kind {
            EntryKind::Hold => key.last_used_at = key.last_used_at.max(Some(entry.at)),
            EntryKind::Settle | EntryKind::Recover => {
                let sums = Sums { requests: 1, usage: entry.usage.unwrap_or_default(), cost: entry.charge() };
                key.spent = sum(key.spent, sums.cost);
                let row = RowKey { day: entry.at.day(), model: detail.model.clone(), key: detail.key };
                self.rows.entry(row).or_default().add(&sums);
            }
            EntryKind::Topup
            | EntryKind::Credit
            | EntryKind::Refund
            | EntryKind::Extend
            | EntryKind::Release
            | EntryKind::Expire
            | EntryKind::Writeoff
            | EntryKind::Adjust => {}
        }
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.usage = self.usage.saturating_add(&other.usage);
        self.cost = sum(self.cost, other.cost);
    }
}

/// A sum in a report stops at the end of its range; the money itself is kept elsewhere, checked.
fn sum(one: NanoUsd, other: NanoUsd) -> NanoUsd {
    one.checked_add(other).unwrap_or(if other.is_negative() { NanoUsd::from_nano(i64::MIN) } else { NanoUsd::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::usage::Bucket;
    use crate::ledger::samples::{
        self, NOON, credit, extend, hold, key, release, request, settle, workspace, writeoff,
    };

    const DAY: i64 = 86_400_000;

    /// The record with another time, model and key.
    fn of(record: Record, at: UnixMillis, model: &str, key: KeyId) -> Record {
        let Record::Entry(mut entry) = record else { return record };
        entry.at = at;
        if let Some(detail) = &mut entry.request {
            (detail.model, detail.key) = (Arc::from(model), key);
        }
        Record::Entry(entry)
    }

    fn noted() -> Reports {
        let reports = Reports::default();
        let ws = workspace(1);
        let tomorrow = NOON.plus_millis(DAY);
        reports.note(&[
            credit(ws, 1, "a", 10_000),
            hold(ws, 2, request(1), 1_000),
            extend(ws, 3, request(1), 1, 100),
            samples::progress(ws, request(1), 50),
            settle(ws, 4, request(1), 1_100, 700),
            of(hold(ws, 5, request(2), 500), tomorrow, "gemini-3-flash", key(2)),
        ]);
        reports.note(&[
            of(settle(ws, 6, request(2), 500, 30), tomorrow, "gemini-3-flash", key(2)),
            writeoff(ws, 7, request(2), 3),
            hold(ws, 8, request(3), 200),
            release(ws, 9, request(3), 200),
            of(hold(ws, 10, request(4), 60), tomorrow, "claude-haiku-4-5", key(1)),
            hold(ws, 11, request(5), 40),
            of(settle(workspace(2), 1, request(9), 0, 9), NOON, "claude-haiku-4-5", key(3)),
        ]);
        reports
    }

    type Brief<'a> = (Option<i32>, Option<&'a str>, Option<KeyId>, u64, i64);

    fn brief(rows: &[UsageRow]) -> Vec<Brief<'_>> {
        rows.iter().map(|row| (row.day, row.model.as_deref(), row.key, row.requests, row.cost.nano())).collect()
    }

    #[test]
    fn usage_is_told_apart_as_asked() {
        let (reports, ws, day) = (noted(), workspace(1), NOON.day());
        let (haiku, flash) = (Some("claude-haiku-4-5"), Some("gemini-3-flash"));
        let all = reports.usage(ws, day, day + 1, GroupBy { day: true, model: true, key: true });
        let expected = [(Some(day), haiku, Some(key(1)), 1, 700), (Some(day + 1), flash, Some(key(2)), 1, 30)];
        assert_eq!(brief(&all), expected);
        assert_eq!(all[0].usage.get(Bucket::Output), 300);
        let none = reports.usage(ws, day, day + 1, GroupBy::default());
        assert_eq!(brief(&none), [(None, None, None, 2, 730)]);
        assert_eq!(none[0].usage.get(Bucket::Output), 600);
        let models = reports.usage(ws, day + 1, i32::MAX, GroupBy { model: true, ..GroupBy::default() });
        assert_eq!(brief(&models), [(None, flash, None, 1, 30)]);
        assert_eq!(reports.usage(ws, day + 2, day + 9, GroupBy::default()), []);
        assert_eq!(reports.usage(ws, day + 1, day, GroupBy::default()), [], "an empty range");
        assert_eq!(reports.usage(workspace(7), i32::MIN, i32::MAX, GroupBy::default()), []);
    }

    #[test]
    fn rows_look_as_the_public_face_says() {
        let rows = noted().usage(workspace(1), 0, i32::MAX, GroupBy { day: true, model: true, key: true });
        insta::assert_json_snapshot!(rows);
    }

    #[test]
    fn keys_and_totals_follow_the_entries() {
        let reports = noted();
        let first = reports.key_use(workspace(1), key(1));
        assert_eq!(first, KeyUse { spent: NanoUsd::from_nano(700), last_used_at: Some(NOON.plus_millis(DAY)) });
        assert_eq!(reports.key_use(workspace(1), key(9)), KeyUse::default());
        let totals = reports.totals();
        assert_eq!(totals.balances.nano(), 10_000 - 700 - 30 - 9);
        assert_eq!((totals.holds.nano(), totals.open_holds), (100, 2));
        assert_eq!(totals.oldest_hold_at, Some(NOON));
    }
}
