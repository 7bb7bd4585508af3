//! Payments by card: what pages and the admin API call to take money in and send it back.
//!
//! A row of ours is durable before Stripe is asked for anything, and its id is Stripe's idempotency key. What Stripe says,
//! by webhook (`webhook.rs`), by answer, or asked later (`reconcile.rs`), comes down to the same events, and
//! `Core::tell_payment` carries each out once. `auto.rs` watches balances for auto top-up. Nothing here decides about money.

pub mod auto;
pub mod objects;
pub mod reconcile;
mod signature;
mod stripe;
pub mod webhook;

use std::sync::Arc;

use lmhaven_actors::domain::account::CreditError;
use lmhaven_actors::domain::fact::{AuditRow, Fact};
use lmhaven_actors::domain::ids::{CheckoutId, RefundId, WorkspaceId};
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::payment::{
    AutoTopUpChanged, AutoTopUpRule, CheckoutOpened, CheckoutState, Decision, NotApplied, PaymentEvent, PaymentFact,
    RefundRefused, RefundStarted, RefundState, Source,
};
use lmhaven_actors::system::{ChangeError, Core, PayFailed, Told, fresh};
use serde_json::Value;

pub use signature::{BadSignature, check as check_signature};
pub use stripe::StripeError;

use crate::config;
use objects::Said;
use stripe::{Form, Stripe, cents};

/// The card payments of a gateway.
#[derive(Debug)]
pub struct Payments {
    core: Arc<Core>,
    config: config::Payments,
    public_url: Arc<str>,
    stripe: Option<Stripe>,
}

/// What a customer wants to pay.
#[derive(Clone, Debug)]
pub struct Order {
    /// Who is credited.
    pub workspace: WorkspaceId,
    /// Who pays: the id of a person.
    pub person: Option<Arc<str>>,
    /// Filled in at the provider's page.
    pub email: Option<String>,
    /// How much.
    pub amount: NanoUsd,
    /// Keep the card for auto top-up.
    pub keep_method: bool,
    /// Where the customer comes back to after paying, below the public URL; gets `?checkout=chk_…`.
    pub success_path: String,
    /// Where the customer comes back to otherwise.
    pub cancel_path: String,
}

/// Something was not done.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// There are no keys of a payment provider.
    #[error(
        "card payments are not set up here; an operator can credit this workspace: lmhaven credit add WORKSPACE AMOUNT --reason TEXT"
    )]
    NotConfigured,
    /// Not within the limits.
    #[error("pay from {min} to {max} US dollars, in whole cents")]
    BadAmount {
        /// The smallest payment.
        min: NanoUsd,
        /// The largest.
        max: NanoUsd,
    },
    /// Auto top-up has nothing to charge.
    #[error("there is no saved card; pay once with the card saved for auto top-up")]
    NoMethod,
    /// A threshold that cannot be.
    #[error("the threshold is above 0 and at most {max} US dollars")]
    BadThreshold {
        /// The largest.
        max: NanoUsd,
    },
    /// A bound of a month within which nothing could be paid.
    #[error("the bound of a month is at least one payment: {min} US dollars")]
    BadMonthlyMax {
        /// One payment.
        min: NanoUsd,
    },
    /// There is no such workspace.
    #[error("there is no such workspace")]
    NoWorkspace,
    /// A refund that may not be.
    #[error(transparent)]
    Refund(RefundRefused),
    /// The account does not take it.
    #[error(transparent)]
    Account(CreditError),
    /// The provider refused, or does not answer.
    #[error(transparent)]
    Stripe(#[from] StripeError),
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] ChangeError),
}

impl<E: std::error::Error> From<PayFailed<E>> for PaymentError {
    fn from(error: PayFailed<E>) -> Self {
        match error {
            PayFailed::Change(error) => Self::Store(error),
            PayFailed::NoWorkspace => Self::NoWorkspace,
            PayFailed::Account(error) => Self::Account(error),
            PayFailed::Refused(_) => {
                tracing::error!(%error, "the books do not take a payment");
                Self::Refund(RefundRefused::Conflict)
            }
        }
    }
}

/// A refund as it stands.
#[derive(Clone, Debug)]
pub struct RefundView {
    /// Its id.
    pub refund: RefundId,
    /// How it stands.
    pub state: RefundState,
}

impl Payments {
    /// The payments of a gateway.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(core: Arc<Core>, config: &config::Config) -> Result<Self, std::io::Error> {
        let own = config.payments.clone();
        let stripe = own.stripe_secret_key.clone().map(|key| Stripe::new(&own.stripe_base_url, key)).transpose();
        let stripe = stripe.map_err(std::io::Error::other)?;
        Ok(Self { core, config: own, public_url: config.server.public_url.clone(), stripe })
    }

    /// Whether customers can pay by card.
    pub const fn configured(&self) -> bool {
        self.stripe.is_some()
    }

    /// Where checkout pages are: forms that lead there are sent on to this origin.
    pub fn checkout_origin(&self) -> &str {
        let base = self.config.stripe_base_url.as_str();
        // The real host sends to another; a stand-in serves its own pages.
        if base == config::STRIPE_API { "https://checkout.stripe.com" } else { base }
    }

    /// The smallest and the largest payment.
    pub const fn bounds(&self) -> (NanoUsd, NanoUsd) {
        (self.config.min_amount, self.config.max_amount)
    }

    /// Whether a customer may pay this much at once.
    pub fn takes(&self, amount: NanoUsd) -> bool {
        self.checked(amount).is_ok()
    }

    fn stripe(&self) -> Result<&Stripe, PaymentError> {
        self.stripe.as_ref().ok_or(PaymentError::NotConfigured)
    }

    /// Whole cents within the limits.
    fn checked(&self, amount: NanoUsd) -> Result<i64, PaymentError> {
        let (min, max) = self.bounds();
        let in_range = (min..=max).contains(&amount);
        cents(amount).filter(|_| in_range).ok_or(PaymentError::BadAmount { min, max })
    }

    /// Opens a checkout; answers its id and the address of the provider's page.
    ///
    /// # Errors
    /// [`PaymentError`].
    pub async fn open_checkout(&self, order: Order) -> Result<(CheckoutId, String), PaymentError> {
        let stripe = self.stripe()?;
        let cents = self.checked(order.amount)?;
        if self.core.directory.find(order.workspace).is_none() {
            return Err(PaymentError::NoWorkspace);
        }
        let at = self.core.clock.now().wall;
        let checkout = fresh::checkout_id(at);
        let opened = CheckoutOpened {
            checkout,
            workspace: order.workspace,
            person: order.person.clone(),
            amount: order.amount,
            keep_method: order.keep_method,
            at,
        };
        self.core.open_checkout(opened).await?;
        self.core.tell_due().await?;
        let form = self.session_form(&order, checkout, cents);
        let session = match stripe.post("/v1/checkout/sessions", &form, &checkout.to_string()).await {
            Ok(session) => session,
            Err(error) => {
                // Refused for good, nobody can pay it; else the session may be there and is looked for later.
                if matches!(error, StripeError::Refused { .. } | StripeError::Declined(_)) {
                    self.core.note_payment(PaymentFact::CheckoutEnded { checkout, at }).await?;
                }
                return Err(error.into());
            }
        };
        let field = |name: &str| session.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (Some(id), Some(url)) = (field("id"), field("url")) else {
            return Err(StripeError::Unknown("a checkout without id or address".to_owned()).into());
        };
        self.core.note_payment(PaymentFact::CheckoutSession { checkout, session: id.into() }).await?;
        Ok((checkout, url.to_owned()))
    }

    fn session_form(&self, order: &Order, checkout: CheckoutId, cents: i64) -> Form {
        let back = |path: &str| format!("{}{path}?checkout={checkout}", self.public_url);
        let mut form: Vec<(&str, String)> = vec![
            ("mode", "payment".to_owned()),
            ("client_reference_id", checkout.to_string()),
            ("success_url", back(&order.success_path)),
            ("cancel_url", back(&order.cancel_path)),
            ("line_items[0][quantity]", "1".to_owned()),
            ("line_items[0][price_data][currency]", "usd".to_owned()),
            ("line_items[0][price_data][unit_amount]", cents.to_string()),
            ("line_items[0][price_data][product_data][name]", "LMHaven balance".to_owned()),
            ("metadata[lmhaven_checkout]", checkout.to_string()),
            ("payment_intent_data[metadata][lmhaven_checkout]", checkout.to_string()),
            ("payment_intent_data[metadata][lmhaven_workspace]", order.workspace.to_string()),
        ];
        let customer = self
            .core
            .office(|office| office.payments.customer(order.workspace).map(|saved| saved.customer.to_string()));
        let known = customer.is_some();
        form.extend(customer.map(|customer| ("customer", customer)));
        if !known {
            form.extend(order.email.clone().map(|email| ("customer_email", email)));
        }
        if !known && order.keep_method {
            form.push(("customer_creation", "always".to_owned()));
        }
        if order.keep_method {
            form.push(("payment_intent_data[setup_future_usage]", "off_session".to_owned()));
        }
        form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Asks the provider about a checkout that is open here: for the page that a customer comes back to.
    ///
    /// # Errors
    /// [`PaymentError`].
    pub async fn look_again(&self, checkout: CheckoutId) -> Result<(), PaymentError> {
        let known = self.core.office(|office| office.payments.checkout(checkout).cloned());
        let Some(session) = known.filter(|known| known.state == CheckoutState::Open).and_then(|known| known.session)
        else {
            return Ok(());
        };
        let session = self.stripe()?.get(&format!("/v1/checkout/sessions/{}", stripe::percent(&session))).await?;
        self.take_in(objects::of_session(&session)).await?;
        Ok(())
    }

    /// Sends money of a payment back to the card. The same id again answers what came of the first.
    ///
    /// # Errors
    /// [`PaymentError`]; after [`StripeError::Unknown`] it is tried again until it is known.
    pub async fn refund(&self, started: RefundStarted, audit: AuditRow) -> Result<RefundView, PaymentError> {
        self.stripe()?;
        let refund = started.refund;
        let begun = self.core.start_refund(started.clone(), audit).await;
        begun.map_err(|error| match error {
            PayFailed::Refused(refused) => PaymentError::Refund(refused),
            other => other.into(),
        })?;
        self.push_refund(&started).await?;
        let state = self.core.office(|office| office.payments.refund(refund).map(|known| known.state.clone()));
        Ok(RefundView { refund, state: state.unwrap_or(RefundState::Pending) })
    }

    /// Asks the provider for a refund that is set aside here.
    pub(crate) async fn push_refund(&self, started: &RefundStarted) -> Result<(), PaymentError> {
        let pending = self.core.office(|office| {
            office.payments.refund(started.refund).is_some_and(|known| known.state == RefundState::Pending)
        });
        if !pending {
            return Ok(());
        }
        let id = started.refund.to_string();
        let amount = cents(started.amount).unwrap_or_default();
        let form = [
            ("payment_intent", started.intent.to_string()),
            ("amount", amount.to_string()),
            ("metadata[lmhaven_refund]", id.clone()),
        ];
        let form = form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        match self.stripe()?.post("/v1/refunds", &form, &id).await {
            Ok(object) => {
                self.take_in(objects::of_refund(&object)).await?;
                Ok(())
            }
            Err(error @ StripeError::Unknown(_)) => Err(error.into()),
            Err(error) => {
                self.core.fail_refund(started.refund, &error.to_string()).await?;
                Err(error.into())
            }
        }
    }

    /// Switches auto top-up on, over or off.
    ///
    /// # Errors
    /// [`PaymentError`].
    pub async fn set_auto_top_up(
        &self,
        workspace: WorkspaceId,
        rule: Option<AutoTopUpRule>,
        audit: AuditRow,
    ) -> Result<(), PaymentError> {
        if let Some(rule) = rule {
            self.stripe()?;
            let max = self.config.max_amount;
            if !rule.threshold.is_positive() || rule.threshold > max {
                return Err(PaymentError::BadThreshold { max });
            }
            self.checked(rule.amount)?;
            if rule.monthly_max.is_some_and(|most| most < rule.amount) {
                return Err(PaymentError::BadMonthlyMax { min: rule.amount });
            }
        }
        self.core
            .decide(|office, at| {
                if rule.is_some() && office.payments.customer(workspace).is_none() {
                    return Err(PaymentError::NoMethod);
                }
                let changed = AutoTopUpChanged { workspace, rule, reason: None, at };
                Ok(((), vec![Fact::Payment(PaymentFact::AutoTopUpChanged(changed)), Fact::Audited(audit)]))
            })
            .await
    }

    /// Carries out what the provider said; tells what came of it, for a metric.
    async fn take_in(&self, said: Said) -> Result<&'static str, PaymentError> {
        let event = match said {
            Said::Event(event) => event,
            Said::Nothing => return Ok("ignored"),
            Said::Wrong(reason) => {
                tracing::error!(reason, "the payment provider says what cannot be");
                return Ok("refused");
            }
        };
        let event = self.with_method(event).await;
        let told = self.core.tell_payment(&event).await.map_err(|error| match error {
            PayFailed::Change(error) => PaymentError::Store(error),
            other => other.into(),
        })?;
        Ok(match told {
            Told::Applied(decision) => {
                self.note(&decision);
                "applied"
            }
            Told::Parked => "parked",
            Told::Ignored(NotApplied::Repeated) => "repeated",
            Told::Ignored(NotApplied::Unknown) => "waiting",
            Told::Ignored(reason @ (NotApplied::Mismatch | NotApplied::Range)) => {
                tracing::error!(%reason, ?event, "a payment was not credited");
                "refused"
            }
        })
    }

    /// A checkout that is to keep its card does not say which one it was, and a payment says no more than its id: the whole
    /// payment method does. Without it the money counts.
    async fn with_method(&self, event: PaymentEvent) -> PaymentEvent {
        let PaymentEvent::Paid { source: source @ Source::Checkout(id), intent, amount, mut method } = event else {
            return event;
        };
        let keeps = self.core.office(|office| {
            office.payments.checkout(id).is_some_and(|known| known.opened.keep_method)
                && office.payments.payment(&intent).is_none()
        });
        if let Some(stripe) = self.stripe.as_ref().filter(|_| keeps) {
            let path = format!("/v1/payment_intents/{}?expand%5B%5D=payment_method", stripe::percent(&intent));
            match stripe.get(&path).await {
                Ok(object) => method = objects::method_of(&object).or(method),
                Err(error) => tracing::warn!(%error, %intent, "the card of a payment could not be looked up"),
            }
        }
        PaymentEvent::Paid { source, intent, amount, method }
    }

    /// Counts money, and tells operators what they should look at.
    fn note(&self, decision: &Decision) {
        for fact in &decision.facts {
            match fact {
                PaymentFact::Paid(paid) => crate::telemetry::topped_up(paid.amount),
                PaymentFact::RefundedOutside(back) => crate::telemetry::refunded(back.amount),
                PaymentFact::DisputeOpened(back) => {
                    crate::telemetry::refunded(back.amount);
                    tracing::error!(
                        workspace = %back.workspace, intent = %back.intent, dispute = %back.id, amount = %back.amount,
                        taken = %back.taken, "a payment is disputed; its workspace is suspended"
                    );
                }
                PaymentFact::DisputeClosed { dispute, won, .. } => {
                    tracing::warn!(%dispute, won, "a dispute is closed; its workspace stays suspended until an operator decides");
                }
                PaymentFact::RefundConfirmed { refund, .. } => {
                    let known = self.core.office(|office| office.payments.refund(*refund).cloned());
                    if let Some(known) = known {
                        crate::telemetry::refunded(known.started.amount);
                    }
                    tracing::info!(%refund, "a refund is on its way");
                }
                _ => {}
            }
        }
    }
}
