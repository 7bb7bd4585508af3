//! Auto top-up: when a payment without the customer may begin.
//!
//! One at a time, at most three in a day, never on a card that was declined twice in a row, and an hour after a failure
//! at the earliest.

use super::Payments;
use super::fact::{AttemptStarted, AutoTopUpChanged, AutoTopUpRule, PaymentFact, SavedMethod};
use crate::domain::ids::{AttemptId, WorkspaceId};
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;

/// Attempts that may begin within 24 hours.
pub const ATTEMPTS_A_DAY: usize = 3;
/// Declines in a row after which it switches itself off.
const DECLINES_MAX: u32 = 2;
const DAY_MILLIS: i64 = 86_400_000;
const HOUR_MILLIS: i64 = 3_600_000;

/// What is known of a workspace's auto top-up.
#[derive(Clone, Debug, Default)]
pub(super) struct AutoTopUp {
    rule: Option<AutoTopUpRule>,
    method: Option<SavedMethod>,
    open: Option<AttemptId>,
    /// When the last ones began.
    begun: Vec<UnixMillis>,
    declines: u32,
    not_before: UnixMillis,
}

impl AutoTopUp {
    pub(super) fn change(&mut self, rule: Option<AutoTopUpRule>) {
        (self.rule, self.declines, self.not_before) = (rule, 0, UnixMillis(0));
    }

    pub(super) fn keep(&mut self, method: SavedMethod) {
        (self.method, self.declines, self.not_before) = (Some(method), 0, UnixMillis(0));
    }

    pub(super) fn started(&mut self, attempt: &AttemptStarted) {
        self.open = Some(attempt.attempt);
        self.begun.retain(|begun| begun.plus_millis(DAY_MILLIS) > attempt.at);
        self.begun.push(attempt.at);
    }

    pub(super) fn succeeded(&mut self, attempt: AttemptId) {
        self.ended(attempt);
        self.declines = 0;
    }

    fn ended(&mut self, attempt: AttemptId) {
        self.open = self.open.filter(|open| *open != attempt);
    }

    pub(super) fn failed(&mut self, attempt: AttemptId, declined: bool, at: UnixMillis) {
        self.ended(attempt);
        self.declines += u32::from(declined);
        self.not_before = at.plus_millis(HOUR_MILLIS);
    }
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
    /// Too many today, or too soon after a failure.
    #[error("the next attempt has to wait")]
    Wait,
}

impl Payments {
    /// What is in force for a workspace, and whether there is a method to charge.
    pub fn auto_top_up(&self, workspace: WorkspaceId) -> (Option<AutoTopUpRule>, bool) {
        self.auto(workspace).map_or((None, false), |auto| (auto.rule, auto.method.is_some()))
    }

    /// Workspaces that have it on.
    pub fn auto_top_ups(&self) -> impl Iterator<Item = (WorkspaceId, AutoTopUpRule)> {
        self.workspaces.iter().filter_map(|(id, known)| known.auto.rule.map(|rule| (*id, rule)))
    }

    /// The provider's id of a workspace's saved customer, for a further checkout.
    pub fn customer(&self, workspace: WorkspaceId) -> Option<&SavedMethod> {
        self.auto(workspace)?.method.as_ref()
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
        let today = auto.begun.iter().filter(|begun| begun.plus_millis(DAY_MILLIS) > at).count();
        if today >= ATTEMPTS_A_DAY || at < auto.not_before {
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
