//! How often models answered of late, as `/status` shows it: from requests that customers made anyway, never from a probe.
//!
//! Counted is what the gateway and its providers answer for: a request that ended well, or with a failure of theirs. What a
//! caller got wrong, or was refused, says nothing about a model. A day in half hours, in memory, from the process's start on.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

/// Seconds that one slot spans.
pub const SLOT_SECONDS: u64 = 1800;
/// A day.
pub const SLOTS: usize = 48;

/// What ended in one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that the gateway or its provider failed.
    pub failed: u64,
}

impl Counts {
    /// Thousandths of requests that were answered, cut rather than rounded up to a whole; `None` where there were none.
    pub fn answered_per_thousand(self) -> Option<u64> {
        self.answered.saturating_mul(1000).checked_div(self.answered.saturating_add(self.failed))
    }
}

/// One model's last day.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Each with the number of its slot since the start: an older number is another day's.
    slots: Vec<(u64, Counts)>,
}

impl Ring {
    fn note(&mut self, slot: u64, answered: bool) {
        if self.slots.last().is_none_or(|(last, _)| *last < slot) {
            if self.slots.len() == SLOTS {
                self.slots.remove(0);
            }
            self.slots.push((slot, Counts::default()));
        }
        // Threads read the clock before they wait for the lock, so a slot may be one behind: it counts in the newest.
        if let Some((_, counts)) = self.slots.last_mut() {
            let count = if answered { &mut counts.answered } else { &mut counts.failed };
            *count += 1;
        }
    }

    /// The last day up to `slot`, the oldest first.
    fn day(&self, slot: u64) -> Vec<Counts> {
        let of = |number: u64| self.slots.iter().find(|(known, _)| *known == number).map(|(_, counts)| *counts);
        let first = (slot + 1).saturating_sub(SLOTS as u64);
        (first..=slot).map(|number| of(number).unwrap_or_default()).collect()
    }
}

/// A ring that all threads count in.
pub(super) type SharedRing = Arc<Mutex<Ring>>;

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static MODELS: LazyLock<RwLock<HashMap<Arc<str>, SharedRing>>> = LazyLock::new(RwLock::default);

fn slot() -> u64 {
    STARTED.elapsed().as_secs() / SLOT_SECONDS
}

/// The ring of a model, to be kept by a thread that counts often.
pub(super) fn ring(model: &Arc<str>) -> SharedRing {
    LazyLock::force(&STARTED);
    if let Some(ring) = MODELS.read().get(model) {
        return ring.clone();
    }
    MODELS.write().entry(model.clone()).or_default().clone()
}

/// Counts a request that ended.
pub(super) fn note(ring: &Mutex<Ring>, answered: bool) {
    ring.lock().note(slot(), answered);
}

/// A model's last day in slots, the oldest first; from the process's start on where that is later.
pub fn last_day(model: &str) -> Vec<Counts> {
    let ring = MODELS.read().get(model).cloned();
    ring.map_or_else(Vec::new, |ring| ring.lock().day(slot()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_remembered_and_no_more() {
        let mut ring = Ring::default();
        ring.note(0, true);
        ring.note(0, false);
        ring.note(3, true);
        let counts = |answered, failed| Counts { answered, failed };
        assert_eq!(ring.day(3), [counts(1, 1), counts(0, 0), counts(0, 0), counts(1, 0)]);
        for slot in 4..100 {
            ring.note(slot, true);
        }
        assert_eq!((ring.slots.len(), ring.day(99).len(), ring.day(99)[0]), (SLOTS, SLOTS, counts(1, 0)));
        assert_eq!(ring.day(1000), vec![Counts::default(); SLOTS], "all of it is of another day");
    }

    #[test]
    fn a_rate_is_never_rounded_up_to_a_whole() {
        let rate = |answered, failed| Counts { answered, failed }.answered_per_thousand();
        assert_eq!([rate(0, 0), rate(5, 0), rate(99_999, 1), rate(0, 3)], [None, Some(1000), Some(999), Some(0)]);
    }
}
