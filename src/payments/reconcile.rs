//! Looking for what no webhook told: at the start, daily, and every minute for what has no answer yet.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lmhaven_actors::domain::ids::CheckoutId;
use lmhaven_actors::domain::payment::{Checkout, PaymentFact};
use serde_json::Value;

use super::objects;
use super::{PaymentError, Payments};

const EVERY: Duration = Duration::from_hours(24);
const UNANSWERED_EVERY: Duration = Duration::from_mins(1);
/// What is younger may still be under way in another task.
const UNANSWERED_AFTER_MILLIS: i64 = 60_000;
/// Stripe ends a session after 24 hours.
const SESSION_OVER_MILLIS: i64 = 25 * 3_600_000;
/// Pages of a hundred sessions that are looked through.
const PAGES_MAX: usize = 20;

/// Reconciles until the process ends.
pub async fn keep_up(payments: Arc<Payments>) {
    if !payments.configured() {
        return;
    }
    let mut minute = tokio::time::interval(UNANSWERED_EVERY);
    minute.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last: Option<tokio::time::Instant> = None;
    loop {
        minute.tick().await;
        let first = last.is_none();
        if last.is_none_or(|last| last.elapsed() >= EVERY) {
            last = Some(tokio::time::Instant::now());
            if let Err(error) = payments.reconcile().await {
                tracing::warn!(%error, "payments could not be reconciled; the next look is in a day");
            }
        }
        payments.settle_attempts(if first { 0 } else { UNANSWERED_AFTER_MILLIS }).await;
        payments.push_refunds(if first { 0 } else { UNANSWERED_AFTER_MILLIS }).await;
        payments.let_go_of_cards(if first { 0 } else { UNANSWERED_AFTER_MILLIS }).await;
    }
}

impl Payments {
    /// Asks the provider about every checkout that is open here, and takes in what was parked for lack of a row.
    ///
    /// # Errors
    /// [`PaymentError`]; what was found before it is credited.
    pub async fn reconcile(&self) -> Result<(), PaymentError> {
        self.core.tell_due().await?;
        let open: Vec<Checkout> = self.core.office(|office| office.payments.open_checkouts().cloned().collect());
        let nameless = self.find_sessions(&open).await?;
        let now = self.core.clock.now().wall;
        for Checkout { opened, session, .. } in open {
            if session.is_some() {
                if let Err(error) = self.look_again(opened.checkout).await {
                    tracing::warn!(%error, checkout = %opened.checkout, "a checkout could not be looked up");
                }
            } else if let Some(found) = nameless.get(&opened.checkout) {
                if let Some(id) = found.get("id").and_then(Value::as_str) {
                    let fact = PaymentFact::CheckoutSession { checkout: opened.checkout, session: id.into() };
                    self.core.note_payment(fact).await?;
                }
                self.take_in(objects::of_session(found)).await?;
            } else if now.0.saturating_sub(opened.at.0) > SESSION_OVER_MILLIS {
                self.core.note_payment(PaymentFact::CheckoutEnded { checkout: opened.checkout, at: now }).await?;
            }
        }
        Ok(())
    }

    /// Sessions of checkouts whose session is not known: the process ended between the provider's answer and our row.
    async fn find_sessions(&self, open: &[Checkout]) -> Result<HashMap<CheckoutId, Value>, PaymentError> {
        let mut found = HashMap::new();
        let nameless = open.iter().filter(|checkout| checkout.session.is_none());
        let Some(oldest) = nameless.map(|checkout| checkout.opened.at).min() else { return Ok(found) };
        let since = oldest.0.div_euclid(1000).saturating_sub(300);
        let mut after = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!("/v1/checkout/sessions?limit=100&created%5Bgte%5D={since}{after}");
            let page = self.stripe()?.get(&path).await?;
            let sessions = page.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
            let last = sessions.last().and_then(|session| session.get("id")).and_then(Value::as_str);
            after = format!("&starting_after={}", super::stripe::percent(last.unwrap_or_default()));
            let more = last.is_some() && page.get("has_more").and_then(Value::as_bool) == Some(true);
            for session in sessions {
                let id = session.get("client_reference_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
                if let Some(id) = id {
                    found.insert(id, session);
                }
            }
            if !more {
                break;
            }
        }
        Ok(found)
    }

    /// Asks again for refunds that are set aside and have no answer.
    async fn push_refunds(&self, older_than_millis: i64) {
        let pending: Vec<_> = self.core.office(|office| office.payments.pending_refunds().cloned().collect());
        let now = self.core.clock.now().wall;
        for started in pending {
            if now.0.saturating_sub(started.at.0) < older_than_millis {
                continue;
            }
            if let Err(error) = self.push_refund(&started).await {
                tracing::warn!(%error, refund = %started.refund, "a refund has no answer yet");
            }
        }
    }
}
