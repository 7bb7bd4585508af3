//! What an event of the provider means, given what is known.
//!
//! Events come in any order and any number of times; each one's money moves once. An event about something that is not
//! known yet is [`NotApplied::Unknown`], and its caller parks it.

use std::sync::Arc;

use super::event::{Decision, Movement, NotApplied, PaymentEvent};
use super::fact::{MoneyBack, Paid, PaymentFact, RefundStarted, Source};
use super::{CheckoutState, Dispute, Outside, Payments, RefundState};
use crate::domain::entry::EntryKind;
use crate::domain::ids::{RefundId, WorkspaceId};
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;

/// A refund was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefundRefused {
    /// The workspace has no such payment.
    #[error("the workspace has no such payment")]
    Unknown,
    /// Zero, below zero, or a fraction of a cent.
    #[error("a refund is of whole cents and above zero")]
    BadAmount,
    /// More than is left of the payment.
    #[error("that is more than what is left of this payment")]
    BeyondPayment,
    /// More than the workspace has.
    #[error("a refund cannot take more than is available")]
    InsufficientBalance,
    /// The same id began another refund.
    #[error("this idempotency key was used with another amount or payment")]
    Conflict,
}

impl Payments {
    /// What an event means to a workspace that has `available`. A parked event that is dealt with is unparked.
    ///
    /// # Errors
    /// [`NotApplied`]; nothing is to be done then.
    pub fn decide(&self, event: &PaymentEvent, available: NanoUsd, at: UnixMillis) -> Result<Decision, NotApplied> {
        let workspace = self.workspace_of(event).ok_or(NotApplied::Unknown)?;
        let decided = match event {
            PaymentEvent::Paid { source, intent, amount, .. } => {
                self.paid(event, workspace, *source, intent, *amount, at)
            }
            PaymentEvent::Failed { source, declined, reason } => self.failed(workspace, *source, *declined, reason, at),
            PaymentEvent::Refunded { id, intent, amount, ours, good } => match ours.and_then(|id| self.refund(id)) {
                Some(_) => self.our_refund(ours.unwrap_or(RefundId::from_bits(0)), id, *good, at),
                None => self.refunded_outside(workspace, (id, intent), (*amount, available), *good, at),
            },
            PaymentEvent::DisputeOpened { id, intent, amount, reason } => {
                self.dispute_opened(workspace, (id, intent), (*amount, available), reason, at)
            }
            PaymentEvent::DisputeClosed { id, intent, amount, won } => {
                self.dispute_closed(workspace, (id, intent), (*amount, available), *won, at)
            }
        };
        let unpark = self.parked.contains(event).then(|| PaymentFact::Unparked { event: event.clone() });
        match (decided, unpark) {
            (Ok(mut decision), unpark) => {
                decision.facts.extend(unpark);
                Ok(decision)
            }
            // It waited in vain, and must not wait for ever.
            (Err(NotApplied::Repeated | NotApplied::Mismatch), Some(unpark)) => {
                Ok(Decision { facts: vec![unpark], ..Decision::default() })
            }
            (Err(error), _) => Err(error),
        }
    }

    fn paid(
        &self,
        event: &PaymentEvent,
        workspace: WorkspaceId,
        source: Source,
        intent: &Arc<str>,
        amount: NanoUsd,
        at: UnixMillis,
    ) -> Result<Decision, NotApplied> {
        let (ours, keep_method) = match source {
            Source::Checkout(id) => {
                let checkout = self.checkouts.get(&id).ok_or(NotApplied::Unknown)?;
                // Paid twice, with two payments, is twice money: what tells payments apart is the provider's id.
                (checkout.opened.amount, checkout.opened.keep_method)
            }
            Source::Auto(id) => {
                let attempt = self.attempts.get(&id).ok_or(NotApplied::Unknown)?;
                (attempt.started.amount, false)
            }
        };
        if self.credited.contains_key(intent) {
            return Err(NotApplied::Repeated);
        }
        if ours != amount {
            return Err(NotApplied::Mismatch);
        }
        let method = match event {
            PaymentEvent::Paid { method, .. } if keep_method => method.clone(),
            _ => None,
        };
        let paid =
            Paid { intent: intent.clone(), workspace, source, amount: ours, receipt: self.receipts + 1, method, at };
        let movement = Movement {
            txid: format!("stripe:{intent}").into(),
            kind: EntryKind::Topup,
            available: ours,
            writeoff: NanoUsd::ZERO,
            reason: format!("receipt {}", paid.receipt).into(),
        };
        Ok(Decision { facts: vec![PaymentFact::Paid(paid)], movement: Some(movement), suspend: false })
    }

    fn failed(
        &self,
        workspace: WorkspaceId,
        source: Source,
        declined: bool,
        reason: &Arc<str>,
        at: UnixMillis,
    ) -> Result<Decision, NotApplied> {
        let facts = match source {
            Source::Checkout(checkout) => match self.checkouts.get(&checkout).map(|known| &known.state) {
                Some(CheckoutState::Open) => vec![PaymentFact::CheckoutEnded { checkout, at }],
                _ => return Err(NotApplied::Repeated),
            },
            Source::Auto(attempt) => {
                if self.attempts.get(&attempt).is_none_or(|known| known.outcome.is_some()) {
                    return Err(NotApplied::Repeated);
                }
                let failed = PaymentFact::AttemptFailed { attempt, declined, reason: reason.clone(), at };
                std::iter::once(failed).chain(self.after_decline(workspace, declined, at)).collect()
            }
        };
        Ok(Decision { facts, ..Decision::default() })
    }

    // --- Money back ------------------------------------------------------------------------------------------------

    /// Begins a refund: takes the money, so that it cannot be spent while the provider is asked. `Ok(None)` where the
    /// same refund was begun before.
    ///
    /// # Errors
    /// [`RefundRefused`].
    pub fn start_refund(&self, started: RefundStarted, available: NanoUsd) -> Result<Option<Decision>, RefundRefused> {
        const CENT: i64 = 10_000_000;
        if let Some(known) = self.refunds.get(&started.refund) {
            let same = known.started.amount == started.amount && known.started.intent == started.intent;
            return if same { Ok(None) } else { Err(RefundRefused::Conflict) };
        }
        let payment = self.credited.get(&started.intent).filter(|payment| payment.paid.workspace == started.workspace);
        let payment = payment.ok_or(RefundRefused::Unknown)?;
        if !started.amount.is_positive() || started.amount.nano() % CENT != 0 {
            return Err(RefundRefused::BadAmount);
        }
        if started.amount > payment.refundable() {
            return Err(RefundRefused::BeyondPayment);
        }
        if started.amount > available {
            return Err(RefundRefused::InsufficientBalance);
        }
        let movement = Movement {
            txid: format!("refund:{}", started.refund).into(),
            kind: EntryKind::Refund,
            available: started.amount.checked_neg().map_err(|_| RefundRefused::BadAmount)?,
            writeoff: NanoUsd::ZERO,
            reason: started.reason.clone(),
        };
        let facts = vec![PaymentFact::RefundStarted(started)];
        Ok(Some(Decision { facts, movement: Some(movement), suspend: false }))
    }

    /// What the provider says of a refund of ours.
    fn our_refund(
        &self,
        refund: RefundId,
        provider_refund: &Arc<str>,
        good: bool,
        at: UnixMillis,
    ) -> Result<Decision, NotApplied> {
        let known = self.refunds.get(&refund).ok_or(NotApplied::Unknown)?;
        match (&known.state, good) {
            (RefundState::Pending, true) => {
                let fact = PaymentFact::RefundConfirmed { refund, provider_refund: provider_refund.clone(), at };
                Ok(Decision { facts: vec![fact], ..Decision::default() })
            }
            // A refund that the provider took on may still fail, days later, at the customer's bank.
            (RefundState::Pending | RefundState::Confirmed(_), false) => {
                self.fail_refund(refund, "the bank refused it", at)
            }
            (RefundState::Confirmed(_), true) | (RefundState::Failed(_), _) => Err(NotApplied::Repeated),
        }
    }

    /// The provider will not make a refund of ours: the money is the workspace's again.
    ///
    /// # Errors
    /// [`NotApplied`].
    pub fn fail_refund(&self, refund: RefundId, reason: &str, at: UnixMillis) -> Result<Decision, NotApplied> {
        let known = self.refunds.get(&refund).ok_or(NotApplied::Unknown)?;
        if matches!(known.state, RefundState::Failed(_)) {
            return Err(NotApplied::Repeated);
        }
        let movement = Movement {
            txid: format!("refund:{refund}:failed").into(),
            kind: EntryKind::Adjust,
            available: known.started.amount,
            writeoff: NanoUsd::ZERO,
            reason: format!("refund {refund} did not go through: {reason}").into(),
        };
        let facts = vec![PaymentFact::RefundFailed { refund, reason: reason.into(), at }];
        Ok(Decision { facts, movement: Some(movement), suspend: false })
    }

    fn refunded_outside(
        &self,
        workspace: WorkspaceId,
        (id, intent): (&Arc<str>, &Arc<str>),
        (amount, available): (NanoUsd, NanoUsd),
        good: bool,
        at: UnixMillis,
    ) -> Result<Decision, NotApplied> {
        match (self.refunds_outside.get(id), good) {
            (None, true) => {
                let back = self.back(workspace, (id, intent), (amount, available), None, at)?;
                let movement = taken(&back, format!("stripe:{id}"), EntryKind::Refund, format!("refund {id}"))?;
                Ok(Decision {
                    facts: vec![PaymentFact::RefundedOutside(back)],
                    movement: Some(movement),
                    suspend: false,
                })
            }
            (Some(Outside { failed: true, .. }), _) | (Some(_), true) => Err(NotApplied::Repeated),
            (known, false) => {
                let back = known.and_then(|outside| outside.back.as_ref());
                let reason = format!("refund {id} did not go through");
                let movement = back.map(|back| returned(back, format!("stripe:{id}:failed"), reason)).transpose()?;
                let fact = PaymentFact::RefundOutsideFailed { provider_refund: id.clone(), at };
                Ok(Decision { facts: vec![fact], movement, suspend: false })
            }
        }
    }

    fn dispute_opened(
        &self,
        workspace: WorkspaceId,
        (id, intent): (&Arc<str>, &Arc<str>),
        (amount, available): (NanoUsd, NanoUsd),
        reason: &Arc<str>,
        at: UnixMillis,
    ) -> Result<Decision, NotApplied> {
        if self.disputes.contains_key(id) {
            return Err(NotApplied::Repeated);
        }
        let back = self.back(workspace, (id, intent), (amount, available), Some(reason.clone()), at)?;
        let movement = taken(&back, format!("stripe:{id}"), EntryKind::Adjust, format!("dispute {id}: {reason}"))?;
        let mut facts = vec![PaymentFact::DisputeOpened(back)];
        facts.extend(self.switch_off(workspace, "a payment was disputed", at));
        Ok(Decision { facts, movement: Some(movement), suspend: true })
    }

    fn dispute_closed(
        &self,
        workspace: WorkspaceId,
        (id, intent): (&Arc<str>, &Arc<str>),
        (amount, available): (NanoUsd, NanoUsd),
        won: bool,
        at: UnixMillis,
    ) -> Result<Decision, NotApplied> {
        let closed = PaymentFact::DisputeClosed { dispute: id.clone(), intent: intent.clone(), won, at };
        match self.disputes.get(id) {
            Some(Dispute { won: Some(_), .. }) => Err(NotApplied::Repeated),
            Some(Dispute { back: Some(back), won: None }) if won => {
                let movement = returned(back, format!("stripe:{id}:won"), format!("dispute {id} was won"))?;
                Ok(Decision { facts: vec![closed], movement: Some(movement), suspend: false })
            }
            // Its beginning is still to come, and will be one of a dispute that is over.
            None if won => Ok(Decision { facts: vec![closed], ..Decision::default() }),
            None => {
                let reason = Arc::from("not given");
                let mut opened = self.dispute_opened(workspace, (id, intent), (amount, available), &reason, at)?;
                opened.facts.push(closed);
                Ok(opened)
            }
            Some(Dispute { won: None, .. }) => Ok(Decision { facts: vec![closed], ..Decision::default() }),
        }
    }

    /// Money that left without us: never more than is left of the payment, and taken as far as it is there.
    fn back(
        &self,
        workspace: WorkspaceId,
        (id, intent): (&Arc<str>, &Arc<str>),
        (amount, available): (NanoUsd, NanoUsd),
        reason: Option<Arc<str>>,
        at: UnixMillis,
    ) -> Result<MoneyBack, NotApplied> {
        let payment = self.credited.get(intent).ok_or(NotApplied::Unknown)?;
        if amount.is_negative() {
            return Err(NotApplied::Mismatch);
        }
        let amount = amount.min(payment.refundable());
        let taken = amount.min(available);
        Ok(MoneyBack { id: id.clone(), intent: intent.clone(), workspace, amount, taken, reason, at })
    }
}

fn taken(back: &MoneyBack, txid: String, kind: EntryKind, reason: String) -> Result<Movement, NotApplied> {
    Ok(Movement {
        txid: txid.into(),
        kind,
        available: back.taken.checked_neg()?,
        writeoff: back.taken.checked_sub(back.amount)?,
        reason: reason.into(),
    })
}

fn returned(back: &MoneyBack, txid: String, reason: String) -> Result<Movement, NotApplied> {
    Ok(Movement {
        txid: txid.into(),
        kind: EntryKind::Adjust,
        available: back.taken,
        writeoff: back.amount.checked_sub(back.taken)?,
        reason: reason.into(),
    })
}
