//! Auto top-up: when a payment without the customer may begin.
//!
//! One at a time, at most three in a day, never on a card that was declined twice in a row, an hour after a failure at the
//! earliest, and within a month for no more than the customer said.

use std::sync::Arc;

use super::fact::{AttemptStarted, AutoTopUpChanged, AutoTopUpRule, PaymentFact, SavedMethod};
use super::{Attempt, Payments};
use crate::domain::ids::{AttemptId, WorkspaceId};
use crate::domain::key::SpendReset;
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;

/// Attempts that may begin within 24 hours.
pub const ATTEMPTS_A_DAY: usize = 3;
/// Declines in a row after which it switches itself off.
const DECLINES_MAX: u32 = 2;
const DAY_MILLIS: i64 = 86_400_000;
const HOUR_MILLIS: i64 = 3_600_000;
const MONTH: SpendReset = SpendReset::Monthly;

/// What is known of a workspace's auto top-up.
#[derive(Clone, Debug, Default)]
pub(super) struct AutoTopUp {
    rule: Option<AutoTopUpRule>,
    method: Option<SavedMethod>,
    /// Cards that were removed or replaced and may still be at the provider, and since when.
    leaving: Vec<(Arc<str>, UnixMillis)>,
    open: Option<AttemptId>,
    /// When the last ones began.
    begun: Vec<UnixMillis>,
    /// The one that began last.
    last: Option<AttemptId>,
    /// The month of the last attempt, and the sum of its attempts that did not fail.
    month: (i32, NanoUsd),
    declines: u32,
    not_before: UnixMillis,
    /// Why it is off, where the customer did not do it.
    off_because: Option<Arc<str>>,
}

impl AutoTopUp {
    pub(super) fn change(&mut self, changed: &AutoTopUpChanged) {
        (self.rule, self.declines, self.not_before) = (changed.rule, 0, UnixMillis(0));
        self.off_because.clone_from(&changed.reason);
    }

    pub(super) fn keep(&mut self, method: SavedMethod, at: UnixMillis) {
        self.let_go(at);
        self.detached(&method.method);
        (self.method, self.declines, self.not_before) = (Some(method), 0, UnixMillis(0));
    }

    /// Forgets the card. An attempt that is under way goes on: the provider has been asked.
    pub(super) fn remove_method(&mut self, at: UnixMillis) {
        self.let_go(at);
        (self.rule, self.off_because) = (None, None);
    }

    fn let_go(&mut self, at: UnixMillis) {
        self.leaving.extend(self.method.take().map(|before| (before.method, at)));
    }

    /// There is no more to do about a card.
    pub(super) fn detached(&mut self, method: &str) {
        self.leaving.retain(|(leaving, _)| **leaving != *method);
    }

    pub(super) fn started(&mut self, attempt: &AttemptStarted) {
        (self.open, self.last) = (Some(attempt.attempt), Some(attempt.attempt));
        self.begun.retain(|begun| begun.plus_millis(DAY_MILLIS) > attempt.at);
        self.begun.push(attempt.at);
        let spent = self.spent(attempt.at).checked_add(attempt.amount).unwrap_or(NanoUsd::MAX);
        self.month = (MONTH.period_of(attempt.at), spent);
    }

    pub(super) fn succeeded(&mut self, attempt: AttemptId) {
        self.ended(attempt);
        self.declines = 0;
    }

    fn ended(&mut self, attempt: AttemptId) {
        self.open = self.open.filter(|open| *open != attempt);
    }

    pub(super) fn failed(&mut self, attempt: &AttemptStarted, declined: bool, at: UnixMillis) {
        self.ended(attempt.attempt);
        let (month, spent) = &mut self.month;
        if *month == MONTH.period_of(attempt.at) {
            *spent = spent.checked_sub(attempt.amount).unwrap_or_default();
        }
        self.declines += u32::from(declined);
        self.not_before = at.plus_millis(HOUR_MILLIS);
    }

    /// What was paid or is under way in the month of `at`.
    fn spent(&self, at: UnixMillis) -> NanoUsd {
        let (month, spent) = self.month;
        if month == MONTH.period_of(at) { spent } else { NanoUsd::ZERO }
    }

    /// When the month ends in which there is no room for one more payment.
    fn month_full_until(&self, at: UnixMillis) -> Option<UnixMillis> {
        let rule = self.rule?;
        let most = rule.monthly_max?;
        let room = self.spent(at).checked_add(rule.amount).is_ok_and(|sum| sum <= most);
        if room { None } else { MONTH.end_of(MONTH.period_of(at)) }
    }

    /// Until when none may begin, where none may at `at`: a failure was lately, or the day or the month is full.
    fn waits_until(&self, at: UnixMillis) -> Option<UnixMillis> {
        let ends = self.begun.iter().map(|begun| begun.plus_millis(DAY_MILLIS)).filter(|end| *end > at);
        let ends: Vec<_> = ends.collect();
        let room = ends.len().checked_sub(ATTEMPTS_A_DAY).and_then(|place| ends.get(place)).copied();
        room.into_iter().chain([self.not_before]).chain(self.month_full_until(at)).max().filter(|until| *until > at)
    }
}

/// A workspace's auto top-up as its people see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoTopUpView {
    /// What is in force; `None` is off.
    pub rule: Option<AutoTopUpRule>,
    /// What is charged.
    pub method: Option<SavedMethod>,
    /// The attempt that began last.
    pub last: Option<Attempt>,
    /// What was paid or is under way in this month.
    pub spent_this_month: NanoUsd,
    /// Until when no further one begins.
    pub waits_until: Option<UnixMillis>,
    /// Why it is off, where nobody of the workspace did it.
    pub off_because: Option<Arc<str>>,
}

/// A card that was removed or replaced here and may still be at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingCard {
    /// Whose it was.
    pub workspace: WorkspaceId,
    /// The provider's id of it.
    pub method: Arc<str>,
    /// Since when it is not used here.
    pub since: UnixMillis,
}

/// Auto top-up does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It is off.
    #[error("auto top-up is off")]
    Off,
    /// There is no saved payment method.
    #[error("there is no saved payment method; pay once with \"save for auto top-up\"")]
    NoMethod,
    /// There is enough.
    #[error("the balance is not below the threshold")]
    Enough,
    /// One is under way.
    #[error("a payment is under way")]
    UnderWay,
    /// Too many today, too much this month, or too soon after a failure.
    #[error("the next attempt has to wait")]
    Wait,
}

impl Payments {
    /// What a workspace has set, and what came of it.
    pub fn auto_top_up(&self, workspace: WorkspaceId, at: UnixMillis) -> AutoTopUpView {
        let Some(auto) = self.auto(workspace) else { return AutoTopUpView::default() };
        AutoTopUpView {
            rule: auto.rule,
            method: auto.method.clone(),
            last: auto.last.and_then(|last| self.attempt(last)).cloned(),
            spent_this_month: auto.spent(at),
            waits_until: auto.waits_until(at),
            off_because: auto.off_because.clone(),
        }
    }

    /// Workspaces that have it on.
    pub fn auto_top_ups(&self) -> impl Iterator<Item = (WorkspaceId, AutoTopUpRule)> {
        self.workspaces.iter().filter_map(|(id, known)| known.auto.rule.map(|rule| (*id, rule)))
    }

    /// The provider's id of a workspace's saved customer, for a further checkout.
    pub fn customer(&self, workspace: WorkspaceId) -> Option<&SavedMethod> {
        self.auto(workspace)?.method.as_ref()
    }

    /// Cards to take from their customers at the provider. One that a payment under way is charged to is not among them.
    pub fn leaving_cards(&self) -> impl Iterator<Item = LeavingCard> {
        self.workspaces.iter().flat_map(|(id, known)| {
            let open = known.auto.open.and_then(|open| self.attempt(open)).map(|open| &open.started.method.method);
            let leaving = known.auto.leaving.iter().filter(move |(method, _)| open != Some(method));
            leaving.map(|(method, since)| LeavingCard { workspace: *id, method: method.clone(), since: *since })
        })
    }

    /// The attempt that begins now, for a workspace with this balance.
    ///
    /// # Errors
    /// [`NotNow`].
    pub fn start_attempt(
        &self,
        workspace: WorkspaceId,
        balance: NanoUsd,
        attempt: AttemptId,
        at: UnixMillis,
    ) -> Result<AttemptStarted, NotNow> {
        let auto = self.auto(workspace).ok_or(NotNow::Off)?;
        let rule = auto.rule.ok_or(NotNow::Off)?;
        let method = auto.method.clone().ok_or(NotNow::NoMethod)?;
        if balance >= rule.threshold {
            return Err(NotNow::Enough);
        }
        if auto.open.is_some() {
            return Err(NotNow::UnderWay);
        }
        if auto.waits_until(at).is_some() {
            return Err(NotNow::Wait);
        }
        Ok(AttemptStarted { attempt, workspace, amount: rule.amount, method, at })
    }

    /// What follows from one more failure: the second decline in a row switches it off.
    pub(super) fn after_decline(&self, workspace: WorkspaceId, declined: bool, at: UnixMillis) -> Option<PaymentFact> {
        let declines = self.auto(workspace)?.declines + u32::from(declined);
        if !declined || declines < DECLINES_MAX {
            return None;
        }
        self.switch_off(workspace, "the card was declined twice", at)
    }

    /// Switches it off where it is on.
    pub(super) fn switch_off(&self, workspace: WorkspaceId, reason: &str, at: UnixMillis) -> Option<PaymentFact> {
        self.auto(workspace)?.rule?;
        let changed = AutoTopUpChanged { workspace, rule: None, reason: Some(reason.into()), at };
        Some(PaymentFact::AutoTopUpChanged(changed))
    }
}
