//! A spend cap: what a line of keys may spend in a period, and what it has.
//!
//! A line is a key with those that took its place by rotation. It has one budget, so that a new secret brings no new cap. A
//! charge counts in the period in which it is made, as it does in every report, and a hold counts in every period in which it
//! is open; so no period ever has more charged in it than the cap, whenever its requests began. Only entries change a budget,
//! by the time that stands in them: a replay gives the same one.

use super::super::ids::KeyId;
use super::super::key::SpendReset;
use super::super::money::{MoneyOverflow, NanoUsd};
use super::super::time::UnixMillis;
use super::Account;

/// What a line of keys may spend and has spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    limit: Option<NanoUsd>,
    reset: SpendReset,
    /// The period of the last charge. Wall time that steps back does not begin an earlier one again.
    period: i32,
    /// What was charged in that period.
    charged: NanoUsd,
    /// What running requests hold.
    held: NanoUsd,
}

/// What is left of a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// If running requests cost nothing.
    pub(super) whole: NanoUsd,
    /// Beside what running requests hold.
    pub(super) free: NanoUsd,
}

impl Budget {
    /// Of a line that has spent nothing.
    pub(super) const fn new(limit: Option<NanoUsd>, reset: SpendReset) -> Self {
        Self { limit, reset, period: i32::MIN, charged: NanoUsd::ZERO, held: NanoUsd::ZERO }
    }

    fn period(&self, at: UnixMillis) -> i32 {
        self.reset.period_of(at).max(self.period)
    }

    /// What was charged in the period that `at` lies in.
    pub(super) fn spent(&self, at: UnixMillis) -> NanoUsd {
        if self.period(at) == self.period { self.charged } else { NanoUsd::ZERO }
    }

    /// What is left of the cap; `None` without one.
    pub(super) fn left(&self, at: UnixMillis) -> Option<Left> {
        let limit = self.limit?;
        let beyond = |used: NanoUsd| limit.checked_sub(used).unwrap_or_default().max(NanoUsd::ZERO);
        let spent = self.spent(at);
        let used = spent.checked_add(self.held).unwrap_or(NanoUsd::MAX);
        Some(Left { whole: beyond(spent), free: beyond(used) })
    }

    /// When what was spent by `at` is forgotten.
    pub(super) fn resets_at(&self, at: UnixMillis) -> Option<UnixMillis> {
        self.reset.end_of(self.period(at))
    }

    /// A request holds more.
    pub(super) fn hold(&mut self, more: NanoUsd) -> Result<(), MoneyOverflow> {
        self.held = self.held.checked_add(more)?;
        Ok(())
    }

    /// A hold ended with a charge, or with one of zero.
    pub(super) fn close(&mut self, hold: NanoUsd, charge: NanoUsd, at: UnixMillis) -> Result<(), MoneyOverflow> {
        self.held = self.held.checked_sub(hold)?;
        self.charged = self.spent(at).checked_add(charge)?;
        self.period = self.period(at);
        Ok(())
    }
}

impl Account {
    /// The budgets that what a key spends counts against: its line's, and that of the management key that made it.
    pub(super) fn budgets_of(&self, key: KeyId) -> impl Iterator<Item = &Budget> {
        self.lines_of(key).into_iter().flatten().filter_map(|line| self.budgets.get(&line))
    }

    /// Changes every budget of a key.
    pub(super) fn each_budget_of(
        &mut self,
        key: KeyId,
        mut change: impl FnMut(&mut Budget) -> Result<(), MoneyOverflow>,
    ) -> Result<(), MoneyOverflow> {
        self.lines_of(key)
            .into_iter()
            .flatten()
            .try_for_each(|line| self.budgets.get_mut(&line).map_or(Ok(()), &mut change))
    }

    fn lines_of(&self, key: KeyId) -> [Option<KeyId>; 2] {
        self.keys.get(&key).map_or([None, None], |key| [Some(key.line), key.made_by_line])
    }
}
