//! Auto top-up: watches committed balances and pays with the saved card, once at a time.
//!
//! The attempt is durable before Stripe is asked, and its id is the idempotency key: after a crash the same attempt is
//! asked for again and paid once. Whether one may begin is decided in `domain/payment/auto.rs`.

use std::sync::Arc;
use std::time::Duration;

use lmhaven_actors::domain::fact::{AuditRow, Fact};
use lmhaven_actors::domain::ids::WorkspaceId;
use lmhaven_actors::domain::payment::{Attempt, AttemptStarted, LeavingCard, PaymentEvent, PaymentFact, Source};
use lmhaven_actors::system::fresh;
use lmhaven_actors::workspace::Describe;
use serde_json::Value;

use super::objects::{self, Said};
use super::stripe::{self, StripeError, cents};
use super::{PaymentError, Payments};

/// Balances are looked at this often at most, and that often at least.
const PAUSE: Duration = Duration::from_millis(250);
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Stripe keeps idempotency keys for 24 hours at least; older attempts are not asked for again.
const ASK_AGAIN_MILLIS: i64 = 23 * 3_600_000;

/// Watches until the process ends.
pub async fn watch(payments: Arc<Payments>) {
    if !payments.configured() {
        return;
    }
    loop {
        let _ = tokio::time::timeout(LOOK_EVERY, payments.core.committed.notified()).await;
        payments.clone().look_at_balances().await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// What Stripe calls a card that it no longer has.
const GONE: &str = "resource_missing";

impl Payments {
    /// Removes the saved card, here and at the provider, and switches auto top-up off. A payment that is under way is
    /// not taken back. Where the provider does not answer the card is removed all the same, and the provider is asked
    /// again until it lets go of it.
    ///
    /// # Errors
    /// [`PaymentError`]: there is no saved card, or the store does not take it.
    pub async fn remove_card(&self, workspace: WorkspaceId, audit: AuditRow) -> Result<(), PaymentError> {
        let removed = self
            .core
            .decide(|office, at| {
                let method = office.payments.customer(workspace).cloned().ok_or(PaymentError::NoMethod)?;
                let fact = PaymentFact::MethodRemoved { workspace, at };
                Ok::<_, PaymentError>((method, vec![Fact::Payment(fact), Fact::Audited(audit)]))
            })
            .await?;
        self.let_go(workspace, &removed.method).await;
        Ok(())
    }

    /// Asks again for cards that were removed or replaced here and may still be at the provider.
    pub async fn let_go_of_cards(&self, older_than_millis: i64) {
        let leaving: Vec<LeavingCard> = self.core.office(|office| office.payments.leaving_cards().collect());
        let now = self.core.clock.now().wall;
        for LeavingCard { workspace, method, since } in leaving {
            if now.0.saturating_sub(since.0) >= older_than_millis {
                self.let_go(workspace, &method).await;
            }
        }
    }

    async fn let_go(&self, workspace: WorkspaceId, method: &Arc<str>) {
        if let Err(error) = self.detach(workspace, method).await {
            tracing::warn!(%error, %workspace, %method, "a card that is not used any more is still at Stripe");
        }
    }

    async fn detach(&self, workspace: WorkspaceId, method: &Arc<str>) -> Result<(), PaymentError> {
        let at = self.core.clock.now().wall;
        let path = format!("/v1/payment_methods/{}", stripe::percent(method));
        // Stripe repeats what a key was answered, a failure too: each time that we ask is a key of its own.
        let asked =
            self.stripe()?.post(&format!("{path}/detach"), &Vec::new(), &format!("detach-{method}-{}", at.0)).await;
        if let Err(error) = asked
            && !self.is_nobodys(&path, &error).await?
        {
            return Err(error.into());
        }
        self.core.note_payment(PaymentFact::MethodDetached { workspace, method: method.clone(), at }).await?;
        Ok(())
    }

    /// Whether a card could not be detached because that was done before, by us or over there.
    async fn is_nobodys(&self, path: &str, error: &StripeError) -> Result<bool, PaymentError> {
        match error {
            StripeError::Refused { code, .. } if code == GONE => Ok(true),
            StripeError::Refused { .. } => {
                let card = self.stripe()?.get(path).await?;
                Ok(card.get("customer").is_some_and(Value::is_null))
            }
            _ => Ok(false),
        }
    }

    async fn look_at_balances(self: Arc<Self>) {
        let rules: Vec<_> = self.core.office(|office| office.payments.auto_top_ups().collect());
        for (workspace, rule) in rules {
            if self.core.reports.balance(workspace) >= rule.threshold {
                continue;
            }
            let Some(handle) = self.core.directory.find(workspace) else { continue };
            // Committed balances lag a little; the account itself says whether it is so.
            let Ok(view) = handle.ask(Describe).await else { continue };
            if view.settings.suspended {
                continue;
            }
            let attempt = fresh::attempt_id(self.core.clock.now().wall);
            match self.core.start_attempt(workspace, view.standing.balance(), attempt).await {
                Ok(Ok(started)) => {
                    let payments = self.clone();
                    actix_web::rt::spawn(async move { payments.attempt(&started).await });
                }
                Ok(Err(_not_now)) => {}
                Err(error) => tracing::error!(%error, %workspace, "an auto top-up could not be noted"),
            }
        }
    }

    /// Asks for the payment, the first time or again.
    async fn attempt(&self, started: &AttemptStarted) {
        if let Err(error) = self.ask_for(started).await {
            tracing::warn!(%error, attempt = %started.attempt, "an auto top-up has no outcome yet");
        }
    }

    async fn ask_for(&self, started: &AttemptStarted) -> Result<(), PaymentError> {
        let id = started.attempt.to_string();
        let amount = cents(started.amount).unwrap_or_default();
        let form = [
            ("amount", amount.to_string()),
            ("currency", "usd".to_owned()),
            ("customer", started.method.customer.to_string()),
            ("payment_method", started.method.method.to_string()),
            ("off_session", "true".to_owned()),
            ("confirm", "true".to_owned()),
            ("description", "LMHaven auto top-up".to_owned()),
            ("metadata[lmhaven_attempt]", id.clone()),
            ("metadata[lmhaven_workspace]", started.workspace.to_string()),
        ];
        let form = form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        match self.stripe()?.post("/v1/payment_intents", &form, &id).await {
            Ok(intent) => self.take_intent(started, &intent).await,
            Err(error @ StripeError::Unknown(_)) => Err(error.into()),
            Err(error) => {
                let (declined, reason) = match &error {
                    StripeError::Declined(code) => (true, code.clone()),
                    // The card was taken away over there: it will pay no more than one that is declined.
                    StripeError::Refused { code, .. } if code == GONE => (true, code.clone()),
                    other => (false, other.to_string()),
                };
                self.give_up(started, declined, &reason).await
            }
        }
    }

    async fn take_intent(&self, started: &AttemptStarted, intent: &Value) -> Result<(), PaymentError> {
        match objects::of_intent(intent) {
            Said::Nothing => {
                // Under way at the bank: its webhook or a later look tells the end.
                if let Some(id) = intent.get("id").and_then(Value::as_str) {
                    let fact = PaymentFact::AttemptIntent { attempt: started.attempt, intent: id.into() };
                    self.core.note_payment(fact).await?;
                }
                Ok(())
            }
            said => self.take_in(said).await.map(|_| ()),
        }
    }

    async fn give_up(&self, started: &AttemptStarted, declined: bool, reason: &str) -> Result<(), PaymentError> {
        tracing::warn!(workspace = %started.workspace, attempt = %started.attempt, reason, "an auto top-up failed");
        let event = PaymentEvent::Failed { source: Source::Auto(started.attempt), declined, reason: reason.into() };
        self.take_in(Said::Event(event)).await.map(|_| ())
    }

    /// Learns the outcome of attempts that have none: at the start, and every now and then.
    pub(super) async fn settle_attempts(&self, older_than_millis: i64) {
        let open: Vec<Attempt> = self.core.office(|office| office.payments.open_attempts().cloned().collect());
        let now = self.core.clock.now().wall;
        for Attempt { started, intent, .. } in open {
            let age = now.0.saturating_sub(started.at.0);
            if age < older_than_millis {
                continue;
            }
            let settled = match (&intent, self.stripe()) {
                (Some(intent), Ok(stripe)) => {
                    match stripe.get(&format!("/v1/payment_intents/{}", stripe::percent(intent))).await {
                        Ok(object) => self.take_intent(&started, &object).await,
                        Err(error) => Err(error.into()),
                    }
                }
                (None, Ok(_)) if age < ASK_AGAIN_MILLIS => self.ask_for(&started).await,
                (None, Ok(_)) => self.give_up(&started, false, "nobody knows what came of it").await,
                (_, Err(error)) => Err(error),
            };
            if let Err(error) = settled {
                tracing::warn!(%error, attempt = %started.attempt, "an auto top-up still has no outcome");
            }
        }
    }
}
