//! Which billing events follow from what happened to payments.

use super::Happened;
use crate::domain::payment::{PaymentFact, Payments, Source};

/// What people are told of these facts, which were decided together. `known` is what was known before them.
pub fn of_payments(known: &Payments, facts: &[PaymentFact]) -> Vec<Happened> {
    facts.iter().filter_map(|fact| of_one(known, facts, fact)).collect()
}

fn of_one(known: &Payments, together: &[PaymentFact], fact: &PaymentFact) -> Option<Happened> {
    let (payment, amount_usd) = match fact {
        PaymentFact::Paid(paid) => (paid.intent.to_string(), paid.amount),
        PaymentFact::RefundConfirmed { refund, .. } | PaymentFact::RefundFailed { refund, .. } => {
            let started = &known.refund(*refund)?.started;
            (started.intent.to_string(), started.amount)
        }
        PaymentFact::RefundedOutside(back) | PaymentFact::DisputeOpened(back) => (back.intent.to_string(), back.amount),
        PaymentFact::RefundOutsideFailed { provider_refund, .. } => {
            let back = known.refunded_outside_as(provider_refund)?;
            (back.intent.to_string(), back.amount)
        }
        PaymentFact::DisputeClosed { dispute, .. } => {
            // A dispute that is heard of at its end begins in the same batch; one that was won before that took no money.
            let begun = together.iter().find_map(|fact| match fact {
                PaymentFact::DisputeOpened(back) if back.id == *dispute => Some(back),
                _ => None,
            });
            let back = begun.or_else(|| known.disputed_as(dispute))?;
            (back.intent.to_string(), back.amount)
        }
        PaymentFact::AttemptFailed { attempt, .. } => (String::new(), known.attempt(*attempt)?.started.amount),
        PaymentFact::CheckoutOpened(_)
        | PaymentFact::CheckoutSession { .. }
        | PaymentFact::CheckoutEnded { .. }
        | PaymentFact::RefundStarted(_)
        | PaymentFact::AutoTopUpChanged(_)
        | PaymentFact::MethodRemoved { .. }
        | PaymentFact::MethodDetached { .. }
        | PaymentFact::AttemptStarted(_)
        | PaymentFact::AttemptIntent { .. }
        | PaymentFact::Parked { .. }
        | PaymentFact::Unparked { .. } => return None,
    };
    Some(match fact {
        PaymentFact::Paid(paid) if matches!(paid.source, Source::Auto(_)) => {
            Happened::AutoTopUp { payment, amount_usd }
        }
        PaymentFact::RefundConfirmed { .. } | PaymentFact::RefundedOutside(_) => {
            Happened::Refund { payment, amount_usd }
        }
        PaymentFact::RefundFailed { .. } | PaymentFact::RefundOutsideFailed { .. } => {
            Happened::RefundFailed { payment, amount_usd }
        }
        PaymentFact::DisputeOpened(_) => Happened::DisputeOpened { payment, amount_usd },
        PaymentFact::DisputeClosed { won, .. } => Happened::DisputeClosed { payment, amount_usd, won: *won },
        PaymentFact::AttemptFailed { .. } => {
            let off = |fact: &PaymentFact| matches!(fact, PaymentFact::AutoTopUpChanged(to) if to.rule.is_none());
            Happened::AutoTopUpFailed { amount_usd, switched_off: together.iter().any(off) }
        }
        _ => Happened::TopUp { payment, amount_usd },
    })
}
