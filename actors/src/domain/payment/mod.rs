//! Payments: checkouts, money that came in and went back, disputes, and auto top-up, as a state machine.
//!
//! `decide.rs` says what an event means given what is known, in any order and any number of times; `auto.rs` says when
//! auto top-up may try. Neither changes anything: what they decide is journalled together with the entry that moves the
//! money, and [`Payments::apply`], live and in replay alike, is the one place where this state changes. The workspace's
//! actor has both done (`workspace/payment.rs`); the provider's protocol is not known here.

mod auto;
mod decide;
mod event;
mod fact;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use auto::{ATTEMPTS_A_DAY, AutoTopUpView, LeavingCard, NotNow};
pub use decide::RefundRefused;
pub use event::{Decision, Movement, NotApplied, PaymentEvent};
pub use fact::{
    AttemptStarted, AutoTopUpChanged, AutoTopUpRule, CheckoutOpened, MoneyBack, Paid, PaymentFact, RefundStarted,
    SavedMethod, Source,
};

use auto::AutoTopUp;

use super::ids::{AttemptId, CheckoutId, RefundId, WorkspaceId};
use super::money::NanoUsd;

/// Everything about payments.
#[derive(Debug, Default)]
pub struct Payments {
    checkouts: BTreeMap<CheckoutId, Checkout>,
    /// Payments that were credited, by the provider's id.
    credited: HashMap<Arc<str>, Payment>,
    refunds: BTreeMap<RefundId, Refund>,
    /// Refunds that the provider knows, by its id.
    refunds_outside: HashMap<Arc<str>, Outside>,
    disputes: HashMap<Arc<str>, Dispute>,
    attempts: BTreeMap<AttemptId, Attempt>,
    workspaces: HashMap<WorkspaceId, OfWorkspace>,
    parked: Vec<PaymentEvent>,
    /// The number of the last receipt.
    receipts: u64,
}

/// What stands under one workspace.
#[derive(Debug, Default)]
struct OfWorkspace {
    /// The provider's ids of its payments, the oldest first.
    payments: Vec<Arc<str>>,
    auto: AutoTopUp,
    /// The dispute that suspended it last.
    disputed: Option<Arc<str>>,
}

/// A visit to the provider's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// How it began.
    pub opened: CheckoutOpened,
    /// The provider's id, once known.
    pub session: Option<Arc<str>>,
    /// How it stands.
    pub state: CheckoutState,
}

/// How a checkout stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckoutState {
    /// The customer may still pay.
    Open,
    /// Nobody paid and nobody will.
    Ended,
    /// Paid and credited, with this payment.
    Paid(Arc<str>),
}

/// A payment that was credited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// What came in.
    pub paid: Paid,
    /// What went back of it, refunds that are under way and disputes included.
    pub returned: NanoUsd,
}

/// A refund of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// How it began.
    pub started: RefundStarted,
    /// How it stands.
    pub state: RefundState,
}

/// How a refund stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundState {
    /// The money is set aside; the provider has not said yes.
    Pending,
    /// The provider sends it, under this id.
    Confirmed(Arc<str>),
    /// It did not happen, and the money was given back.
    Failed(Arc<str>),
}

/// A refund that was made at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outside {
    back: Option<MoneyBack>,
    failed: bool,
}

/// A dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Dispute {
    back: Option<MoneyBack>,
    won: Option<bool>,
}

/// An attempt of auto top-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How it began.
    pub started: AttemptStarted,
    /// The provider's id, once known.
    pub intent: Option<Arc<str>>,
    /// How it ended; `None` while nobody knows.
    pub outcome: Option<AttemptOutcome>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Paid and credited.
    Paid,
    /// Without money.
    Failed {
        /// The card was declined.
        declined: bool,
        /// What the provider said.
        reason: Arc<str>,
    },
}

// --- What is known -------------------------------------------------------------------------------------------------

impl Payments {
    /// A checkout.
    pub fn checkout(&self, id: CheckoutId) -> Option<&Checkout> {
        self.checkouts.get(&id)
    }

    /// Checkouts that may still be paid, the oldest first.
    pub fn open_checkouts(&self) -> impl Iterator<Item = &Checkout> {
        self.checkouts.values().filter(|checkout| checkout.state == CheckoutState::Open)
    }

    /// A payment by the provider's id.
    pub fn payment(&self, intent: &str) -> Option<&Payment> {
        self.credited.get(intent)
    }

    /// A workspace's payments, the oldest first.
    pub fn of_workspace(&self, workspace: WorkspaceId) -> Vec<&Payment> {
        let known = self.workspaces.get(&workspace);
        known.into_iter().flat_map(|known| &known.payments).filter_map(|intent| self.credited.get(intent)).collect()
    }

    /// The payment with this receipt number, where it is this workspace's.
    pub fn receipt(&self, workspace: WorkspaceId, receipt: u64) -> Option<&Payment> {
        self.of_workspace(workspace).into_iter().find(|payment| payment.paid.receipt == receipt)
    }

    /// A refund of ours.
    pub fn refund(&self, id: RefundId) -> Option<&Refund> {
        self.refunds.get(&id)
    }

    /// Refunds of ours of one payment, the oldest first.
    pub fn refunds_of<'a>(&'a self, intent: &'a str) -> impl Iterator<Item = (RefundId, &'a Refund)> {
        self.refunds
            .iter()
            .filter(move |(_, refund)| &*refund.started.intent == intent)
            .map(|(id, refund)| (*id, refund))
    }

    /// Refunds that the provider has not answered, the oldest first.
    pub fn pending_refunds(&self) -> impl Iterator<Item = &RefundStarted> {
        self.refunds.values().filter(|refund| refund.state == RefundState::Pending).map(|refund| &refund.started)
    }

    /// Attempts of auto top-up without an outcome, the oldest first.
    pub fn open_attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.values().filter(|attempt| attempt.outcome.is_none())
    }

    /// An attempt of auto top-up.
    pub fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempts.get(&id)
    }

    /// The bank's reason of the last dispute, where the workspace had one.
    pub fn dispute_reason(&self, workspace: WorkspaceId) -> Option<&str> {
        let dispute = self.disputes.get(self.workspaces.get(&workspace)?.disputed.as_ref()?)?;
        dispute.back.as_ref().map(|back| back.reason.as_deref().unwrap_or("not given"))
    }

    /// A refund that was made without us, by the provider's id.
    pub fn refunded_outside_as(&self, provider_refund: &str) -> Option<&MoneyBack> {
        self.refunds_outside.get(provider_refund)?.back.as_ref()
    }

    /// A dispute that took money, by the provider's id.
    pub fn disputed_as(&self, dispute: &str) -> Option<&MoneyBack> {
        self.disputes.get(dispute)?.back.as_ref()
    }

    /// The workspace that an event is about, where that is known.
    pub fn workspace_of(&self, event: &PaymentEvent) -> Option<WorkspaceId> {
        match event {
            PaymentEvent::Paid { source, .. } | PaymentEvent::Failed { source, .. } => match source {
                Source::Checkout(id) => self.checkouts.get(id).map(|checkout| checkout.opened.workspace),
                Source::Auto(id) => self.attempts.get(id).map(|attempt| attempt.started.workspace),
            },
            PaymentEvent::Refunded { intent, .. }
            | PaymentEvent::DisputeOpened { intent, .. }
            | PaymentEvent::DisputeClosed { intent, .. } => {
                self.credited.get(intent).map(|payment| payment.paid.workspace)
            }
        }
    }

    /// Parked events whose time has come.
    pub fn due(&self) -> Vec<PaymentEvent> {
        self.parked.iter().filter(|event| self.workspace_of(event).is_some()).cloned().collect()
    }

    /// Events that wait for what they are about.
    pub fn parked(&self) -> &[PaymentEvent] {
        &self.parked
    }

    fn auto(&self, workspace: WorkspaceId) -> Option<&AutoTopUp> {
        self.workspaces.get(&workspace).map(|known| &known.auto)
    }
}

// --- What happens --------------------------------------------------------------------------------------------------

impl Payments {
    /// Something happened.
    pub fn apply(&mut self, fact: &PaymentFact) {
        match fact {
            PaymentFact::CheckoutOpened(opened) => {
                let checkout = Checkout { opened: opened.clone(), session: None, state: CheckoutState::Open };
                self.checkouts.insert(opened.checkout, checkout);
            }
            PaymentFact::CheckoutSession { checkout, session } => {
                if let Some(checkout) = self.checkouts.get_mut(checkout) {
                    checkout.session = Some(session.clone());
                }
            }
            PaymentFact::CheckoutEnded { checkout, .. } => {
                if let Some(checkout) = self.checkouts.get_mut(checkout) {
                    checkout.state = CheckoutState::Ended;
                }
            }
            PaymentFact::Paid(paid) => self.note_paid(paid),
            PaymentFact::RefundStarted(started) => {
                self.give_back(&started.intent, started.amount);
                let refund = Refund { started: started.clone(), state: RefundState::Pending };
                self.refunds.insert(started.refund, refund);
            }
            PaymentFact::RefundConfirmed { refund, provider_refund, .. } => {
                if let Some(refund) = self.refunds.get_mut(refund) {
                    refund.state = RefundState::Confirmed(provider_refund.clone());
                }
            }
            PaymentFact::RefundFailed { refund, reason, .. } => {
                if let Some(refund) = self.refunds.get_mut(refund) {
                    refund.state = RefundState::Failed(reason.clone());
                    let (intent, amount) = (refund.started.intent.clone(), refund.started.amount);
                    self.keep_again(&intent, amount);
                }
            }
            PaymentFact::RefundedOutside(back) => {
                self.give_back(&back.intent, back.amount);
                self.refunds_outside.insert(back.id.clone(), Outside { back: Some(back.clone()), failed: false });
            }
            PaymentFact::RefundOutsideFailed { provider_refund, .. } => self.note_outside_failed(provider_refund),
            PaymentFact::DisputeOpened(back) => {
                self.give_back(&back.intent, back.amount);
                self.workspaces.entry(back.workspace).or_default().disputed = Some(back.id.clone());
                self.disputes.insert(back.id.clone(), Dispute { back: Some(back.clone()), won: None });
            }
            PaymentFact::DisputeClosed { dispute, won, .. } => self.note_dispute_closed(dispute, *won),
            PaymentFact::AutoTopUpChanged(changed) => {
                self.workspaces.entry(changed.workspace).or_default().auto.change(changed);
            }
            PaymentFact::MethodRemoved { workspace, at } => {
                self.workspaces.entry(*workspace).or_default().auto.remove_method(*at);
            }
            PaymentFact::MethodDetached { workspace, method, .. } => {
                self.workspaces.entry(*workspace).or_default().auto.detached(method);
            }
            PaymentFact::AttemptStarted(started) => {
                self.workspaces.entry(started.workspace).or_default().auto.started(started);
                let attempt = Attempt { started: started.clone(), intent: None, outcome: None };
                self.attempts.insert(started.attempt, attempt);
            }
            PaymentFact::AttemptIntent { attempt, intent } => {
                if let Some(attempt) = self.attempts.get_mut(attempt) {
                    attempt.intent = Some(intent.clone());
                }
            }
            PaymentFact::AttemptFailed { attempt, declined, reason, at } => {
                if let Some(attempt) = self.attempts.get_mut(attempt) {
                    attempt.outcome = Some(AttemptOutcome::Failed { declined: *declined, reason: reason.clone() });
                    let of = self.workspaces.entry(attempt.started.workspace).or_default();
                    of.auto.failed(&attempt.started, *declined, *at);
                }
            }
            PaymentFact::Parked { event, .. } => self.parked.push(event.clone()),
            PaymentFact::Unparked { event } => self.parked.retain(|parked| parked != event),
        }
    }

    fn note_paid(&mut self, paid: &Paid) {
        self.receipts = self.receipts.max(paid.receipt);
        let known = self.workspaces.entry(paid.workspace).or_default();
        known.payments.push(paid.intent.clone());
        if let Some(method) = &paid.method {
            known.auto.keep(method.clone(), paid.at);
        }
        match paid.source {
            Source::Checkout(id) => {
                if let Some(checkout) = self.checkouts.get_mut(&id)
                    && !matches!(checkout.state, CheckoutState::Paid(_))
                {
                    checkout.state = CheckoutState::Paid(paid.intent.clone());
                }
            }
            Source::Auto(id) => {
                known.auto.succeeded(id);
                if let Some(attempt) = self.attempts.get_mut(&id) {
                    attempt.intent = Some(paid.intent.clone());
                    attempt.outcome = Some(AttemptOutcome::Paid);
                }
            }
        }
        self.credited.insert(paid.intent.clone(), Payment { paid: paid.clone(), returned: NanoUsd::ZERO });
    }

    fn note_outside_failed(&mut self, provider_refund: &Arc<str>) {
        let known = self.refunds_outside.entry(provider_refund.clone());
        let outside = known.or_insert(Outside { back: None, failed: true });
        outside.failed = true;
        if let Some(back) = outside.back.clone() {
            self.keep_again(&back.intent, back.amount);
        }
    }

    fn note_dispute_closed(&mut self, dispute: &Arc<str>, won: bool) {
        let known = self.disputes.entry(dispute.clone()).or_insert(Dispute { back: None, won: None });
        known.won = Some(won);
        if let Some(back) = known.back.clone().filter(|_| won) {
            self.keep_again(&back.intent, back.amount);
        }
    }

    fn give_back(&mut self, intent: &str, amount: NanoUsd) {
        if let Some(payment) = self.credited.get_mut(intent) {
            payment.returned = payment.returned.checked_add(amount).unwrap_or(NanoUsd::MAX);
        }
    }

    fn keep_again(&mut self, intent: &str, amount: NanoUsd) {
        if let Some(payment) = self.credited.get_mut(intent) {
            payment.returned = payment.returned.checked_sub(amount).unwrap_or_default();
        }
    }
}

impl Payment {
    /// What may still go back.
    pub fn refundable(&self) -> NanoUsd {
        self.paid.amount.checked_sub(self.returned).ok().filter(|left| left.is_positive()).unwrap_or_default()
    }
}
