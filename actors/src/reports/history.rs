//! What a workspace's lists are found by: its closed requests, eight bytes each, and every change of its money that is not a
//! request's, with the balance after it.
//!
//! The entries themselves stay in the ledger; a page finds their numbers here and reads those few. So the newest page of a
//! million requests costs as much as that of fifty, and a filter walks over a few megabytes rather than over the ledger.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::entry::{Entry, EntryKind};
use crate::domain::ids::KeyId;
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;

/// One closed request.
#[derive(Clone, Copy, Debug)]
struct Closed {
    /// The number of its closing entry. A workspace with more than four thousand million entries lists no newer ones.
    seq: u32,
    /// Which of `keys`; [`u16::MAX`] for keys beyond that many.
    key: u16,
    /// Which of `models`; [`u8::MAX`] for models beyond that many.
    model: u8,
    kind: EntryKind,
}

/// Money that came in or went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoneyEvent {
    /// The number of its entry.
    pub seq: u64,
    /// When.
    pub at: UnixMillis,
    /// What it was: top-up, credit, refund or correction.
    pub kind: EntryKind,
    /// What it added to what is available; negative takes away.
    pub amount: NanoUsd,
    /// The balance right after it, what requests held included.
    pub balance: NanoUsd,
}

/// Which closed requests are asked for; `None` asks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedFilter {
    /// Of this key.
    pub key: Option<KeyId>,
    /// Of this model.
    pub model: Option<Arc<str>>,
    /// Closed by an entry of this kind.
    pub kind: Option<EntryKind>,
}

/// The lists of one workspace.
#[derive(Debug, Default)]
pub(super) struct History {
    closed: Vec<Closed>,
    money: Vec<MoneyEvent>,
    keys: Vec<KeyId>,
    key_places: HashMap<KeyId, u16>,
    models: Vec<Arc<str>>,
}

impl History {
    /// Notes an entry after which the workspace has `balance`.
    pub(super) fn note(&mut self, entry: &Entry, balance: NanoUsd) {
        match entry.kind {
            EntryKind::Settle | EntryKind::Recover | EntryKind::Release | EntryKind::Expire => self.note_closed(entry),
            EntryKind::Topup | EntryKind::Credit | EntryKind::Refund | EntryKind::Adjust => {
                let (seq, at, kind, amount) = (entry.seq, entry.at, entry.kind, entry.amount());
                self.money.push(MoneyEvent { seq, at, kind, amount, balance });
            }
            EntryKind::Hold | EntryKind::Extend | EntryKind::Writeoff => {}
        }
    }

    fn note_closed(&mut self, entry: &Entry) {
        let (Some(detail), Ok(seq)) = (&entry.request, u32::try_from(entry.seq)) else { return };
        let key = match self.key_places.get(&detail.key) {
            Some(place) => *place,
            None => self.add_key(detail.key),
        };
        let model = self.models.iter().position(|known| *known == detail.model).unwrap_or_else(|| {
            self.models.push(detail.model.clone());
            self.models.len() - 1
        });
        let model = u8::try_from(model).unwrap_or(u8::MAX);
        self.closed.push(Closed { seq, key, model, kind: entry.kind });
    }

    fn add_key(&mut self, key: KeyId) -> u16 {
        let place = u16::try_from(self.keys.len()).unwrap_or(u16::MAX);
        if place < u16::MAX {
            self.keys.push(key);
            self.key_places.insert(key, place);
        }
        place
    }

    /// The numbers of up to `limit` closing entries below `before`, the newest first.
    pub(super) fn closed_before(&self, filter: &ClosedFilter, before: u64, limit: usize) -> Vec<u64> {
        let key = filter.key.map(|key| self.key_places.get(&key).copied());
        let model = filter.model.as_ref().map(|model| self.models.iter().position(|known| known == model));
        // What was asked for was never used: nothing is of it.
        if key == Some(None) || model == Some(None) {
            return Vec::new();
        }
        let (key, model) = (key.flatten(), model.flatten().map(|place| u8::try_from(place).unwrap_or(u8::MAX)));
        let end = self.closed.partition_point(|closed| u64::from(closed.seq) < before);
        let older = self.closed.get(..end).unwrap_or_default().iter().rev();
        older
            .filter(|closed| key.is_none_or(|key| closed.key == key))
            .filter(|closed| model.is_none_or(|model| closed.model == model))
            .filter(|closed| filter.kind.is_none_or(|kind| closed.kind == kind))
            .take(limit)
            .map(|closed| u64::from(closed.seq))
            .collect()
    }

    /// How many requests were closed.
    pub(super) const fn closed_count(&self) -> usize {
        self.closed.len()
    }

    /// The numbers of up to `limit` closing entries from the one at `place` on, the oldest first.
    pub(super) fn closed_from(&self, place: usize, limit: usize) -> Vec<u64> {
        self.closed.iter().skip(place).take(limit).map(|closed| u64::from(closed.seq)).collect()
    }

    /// Every change of money that is not a request's, the oldest first.
    pub(super) fn money(&self) -> &[MoneyEvent] {
        &self.money
    }

    /// What was ever used for a closed request: keys and models.
    pub(super) fn used(&self) -> (Vec<KeyId>, Vec<Arc<str>>) {
        (self.keys.clone(), self.models.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reports;
    use super::*;
    use crate::ledger::Record;
    use crate::ledger::samples::{credit, hold, release, request, settle, workspace};

    #[test]
    fn a_row_has_eight_bytes() {
        assert_eq!(size_of::<Closed>(), 8);
    }

    fn noted() -> Reports {
        let (reports, ws) = (Reports::default(), workspace(1));
        reports.note(&[
            credit(ws, 1, "first", 1_000),
            hold(ws, 2, request(1), 50),
            settle(ws, 3, request(1), 50, 20),
            hold(ws, 4, request(2), 50),
            release(ws, 5, request(2), 50),
            credit(ws, 6, "second", 1_000),
            hold(ws, 7, request(3), 50),
            settle(ws, 8, request(3), 50, 20),
        ]);
        reports
    }

    #[test]
    fn the_newest_come_first_and_pages_join() {
        let (reports, ws) = (noted(), workspace(1));
        let page = |before, limit| reports.closed_before(ws, &ClosedFilter::default(), before, limit);
        assert_eq!(page(u64::MAX, 2), [8, 5]);
        assert_eq!(page(5, 2), [3]);
        assert_eq!(page(3, 2), [0_u64; 0]);
        assert_eq!(reports.closed_from(ws, 1, 10), [5, 8]);
        assert_eq!(reports.closed_before(workspace(2), &ClosedFilter::default(), u64::MAX, 9), [0_u64; 0]);
    }

    #[test]
    fn filters_find_what_they_name_and_nothing_for_what_was_never_used() {
        let (reports, ws) = (noted(), workspace(1));
        let Record::Entry(entry) = settle(ws, 3, request(1), 50, 20) else { panic!("an entry") };
        let detail = entry.request.unwrap();
        let find = |filter: &ClosedFilter| reports.closed_before(ws, filter, u64::MAX, 9);
        assert_eq!(find(&ClosedFilter { kind: Some(EntryKind::Release), ..ClosedFilter::default() }), [5]);
        assert_eq!(find(&ClosedFilter { key: Some(detail.key), ..ClosedFilter::default() }), [8, 5, 3]);
        assert_eq!(find(&ClosedFilter { model: Some(detail.model), ..ClosedFilter::default() }), [8, 5, 3]);
        let stranger = KeyId::from_bits(99);
        assert_eq!(find(&ClosedFilter { key: Some(stranger), ..ClosedFilter::default() }), [0_u64; 0]);
        assert_eq!(find(&ClosedFilter { model: Some("other".into()), ..ClosedFilter::default() }), [0_u64; 0]);
    }

    #[test]
    fn money_events_carry_the_balance_after_them() {
        let (reports, ws) = (noted(), workspace(1));
        let events = reports.money_events(ws);
        assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 6]);
        let first = events[0];
        assert_eq!(first.balance, first.amount);
        let charged = reports.usage(ws, i32::MIN, i32::MAX, super::super::GroupBy::default())[0].cost;
        let all = first.amount.checked_add(events[1].amount).unwrap();
        assert_eq!(reports.balance(ws), all.checked_sub(charged).unwrap());
        assert!(events[1].balance < all, "the first request was charged before the second credit");
    }
}
