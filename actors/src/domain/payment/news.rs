//! What people are told of payments: read from the facts of one decision, before they are applied.

use super::Payments;
use super::fact::{AutoTopUpChanged, PaymentFact, Source};
use crate::domain::mail::MailContent;
use crate::domain::money::NanoUsd;

impl Payments {
    /// What follows from these facts for a mailbox. A payment is named by the number of its receipt, as the billing page
    /// names it; steps that the customer took at the provider's page are not told.
    pub fn news(&self, facts: &[PaymentFact]) -> Vec<MailContent> {
        facts.iter().filter_map(|fact| self.news_of(fact, facts)).collect()
    }

    fn news_of(&self, fact: &PaymentFact, all: &[PaymentFact]) -> Option<MailContent> {
        Some(match fact {
            PaymentFact::Paid(paid) => {
                let (payment, amount_usd) = (paid.receipt.to_string(), paid.amount);
                match paid.source {
                    Source::Checkout(_) => MailContent::Receipt { payment, amount_usd },
                    Source::Auto(_) => MailContent::AutoTopUpDone { payment, amount_usd },
                }
            }
            PaymentFact::RefundConfirmed { refund, .. } => {
                let started = &self.refund(*refund)?.started;
                MailContent::Refund { payment: self.number(&started.intent)?, amount_usd: started.amount }
            }
            PaymentFact::RefundedOutside(back) => {
                MailContent::Refund { payment: self.number(&back.intent)?, amount_usd: back.amount }
            }
            PaymentFact::DisputeOpened(back) => {
                MailContent::DisputeOpened { payment: self.number(&back.intent)?, amount_usd: back.amount }
            }
            PaymentFact::DisputeClosed { dispute, intent, won, .. } => MailContent::DisputeClosed {
                payment: self.number(intent)?,
                amount_usd: self.disputed(dispute)?,
                won: *won,
            },
            PaymentFact::AttemptFailed { attempt, .. } => MailContent::AutoTopUpFailed {
                amount_usd: self.attempts.get(attempt)?.started.amount,
                switched_off: all
                    .iter()
                    .any(|fact| matches!(fact, PaymentFact::AutoTopUpChanged(AutoTopUpChanged { rule: None, .. }))),
            },
            _ => return None,
        })
    }

    /// The receipt number of a payment.
    fn number(&self, intent: &str) -> Option<String> {
        Some(self.payment(intent)?.paid.receipt.to_string())
    }

    fn disputed(&self, dispute: &str) -> Option<NanoUsd> {
        Some(self.disputes.get(dispute)?.back.as_ref()?.amount)
    }
}
