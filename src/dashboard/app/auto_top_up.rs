//! `/app/billing/auto-top-up`: below which balance a saved card pays how much, and what came of it lately.
//!
//! It is a section of the billing page (`billing.rs`). Whether an attempt may begin is decided in `domain/payment/auto.rs`.

use actix_web::HttpResponse;
use lmhaven_actors::domain::fact::AuditRow;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::payment::{Attempt, AttemptOutcome, AutoTopUpRule, AutoTopUpView};
use serde_json::{Value, json};

use super::{Trouble, Visit, billing};
use crate::dashboard::format;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::payments::{PaymentError, Payments};
use crate::relay::Worker;

/// What was typed, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) threshold: String,
    pub(super) amount: String,
    pub(super) monthly_max: String,
    pub(super) threshold_error: String,
    pub(super) amount_error: String,
    pub(super) monthly_max_error: &'static str,
    /// What is wrong with more than a field.
    pub(super) trouble: String,
}

/// The section as the page shows it.
pub(super) struct Section {
    pub(super) on: bool,
    /// What was changed just now.
    pub(super) saved: &'static str,
    /// What is in force, for whoever may not change it.
    pub(super) threshold: String,
    pub(super) amount: String,
    /// What is paid in a month at most; empty where it has no bound.
    pub(super) monthly_max: String,
    /// What was paid in this month, where that has a bound.
    pub(super) this_month: String,
    /// What the saved card is known by; `None` where none is saved.
    pub(super) card: Option<String>,
    pub(super) form: Form,
    pub(super) last: Option<Last>,
    /// Until when nothing more is tried.
    pub(super) waits: String,
    pub(super) off_because: String,
}

/// The attempt that began last.
pub(super) struct Last {
    pub(super) at: String,
    pub(super) amount: String,
    pub(super) words: &'static str,
    pub(super) tone: &'static str,
}

impl Form {
    fn typed(fields: &Fields) -> Self {
        let text = |name: &str| fields.get(name).unwrap_or_default().to_owned();
        let (threshold, amount) = (text("threshold"), text("amount"));
        Self { threshold, amount, monthly_max: text("monthly_max"), ..Self::default() }
    }
}

impl Section {
    /// As it is in force; with a form that was refused, where one was.
    pub(super) fn of(worker: &Worker, visit: &Visit, saved: Option<&str>, refused: Option<Form>) -> Self {
        let AutoTopUpView { rule, method, last, spent_this_month, waits_until, off_because } = view(worker, visit);
        let usd = |amount: Option<NanoUsd>| amount.map(format::usd).unwrap_or_default();
        let text = |amount: Option<NanoUsd>| amount.map(|amount| amount.to_string()).unwrap_or_default();
        let (threshold, amount) = (rule.map(|rule| rule.threshold), rule.map(|rule| rule.amount));
        let most = rule.and_then(|rule| rule.monthly_max);
        let in_force =
            Form { threshold: text(threshold), amount: text(amount), monthly_max: text(most), ..Form::default() };
        Self {
            on: rule.is_some(),
            saved: match saved {
                Some("auto") => "Saved.",
                Some("card") => "The card was removed.",
                _ => "",
            },
            threshold: usd(threshold),
            amount: usd(amount),
            monthly_max: usd(most),
            this_month: usd(most.map(|_| spent_this_month)),
            card: method.map(|method| method.card.map_or_else(|| "a saved card".to_owned(), |card| card.to_string())),
            form: refused.unwrap_or(in_force),
            last: last.as_ref().map(Last::of),
            waits: waits_until.filter(|_| rule.is_some()).map(format::moment).unwrap_or_default(),
            off_because: off_because.as_deref().unwrap_or_default().to_owned(),
        }
    }
}

impl Last {
    fn of(attempt: &Attempt) -> Self {
        let (words, tone) = match &attempt.outcome {
            None => ("under way", "accent"),
            Some(AttemptOutcome::Paid) => ("paid", "ok"),
            Some(AttemptOutcome::Failed { declined: true, reason }) => (why_declined(reason), "danger"),
            Some(AttemptOutcome::Failed { declined: false, .. }) => ("did not go through", "danger"),
        };
        let started = &attempt.started;
        Self { at: format::moment(started.at), amount: format::usd(started.amount), words, tone }
    }
}

/// What the holder of a card may be told of a bank's word. That a card is taken for stolen or a payment for fraud is not told.
fn why_declined(code: &str) -> &'static str {
    match code {
        "insufficient_funds" => "declined: there is not enough on the card",
        "expired_card" => "declined: the card has expired",
        "authentication_required" => "declined: the bank asks for the card holder, so pay once by hand",
        "resource_missing" => "the saved card is no longer there: save one again",
        _ => "declined by the bank",
    }
}

fn view(worker: &Worker, visit: &Visit) -> AutoTopUpView {
    let core = &worker.gateway.core;
    let now = core.clock.now().wall;
    core.office(|office| office.payments.auto_top_up(visit.workspace.id(), now))
}

/// Reads the form: what shall hold, or the form with its mistakes.
fn read(fields: &Fields, payments: &Payments) -> Result<AutoTopUpRule, Box<Form>> {
    let (min, max) = payments.bounds();
    let mut form = Form::typed(fields);
    let read = |text: &str| text.trim_start_matches('$').parse::<NanoUsd>().ok();
    let threshold = read(&form.threshold).filter(|threshold| threshold.is_positive() && *threshold <= max);
    if threshold.is_none() {
        form.threshold_error = format!("Write an amount above zero and at most {}.", format::usd(max));
    }
    let amount = read(&form.amount).filter(|amount| payments.takes(*amount));
    if amount.is_none() {
        let (min, max) = (format::usd(min), format::usd(max));
        form.amount_error = format!("Write an amount from {min} to {max}, in whole cents.");
    }
    let monthly_max = match form.monthly_max.trim() {
        "" => Some(None),
        typed => read(typed).filter(|most| amount.is_none_or(|amount| *most >= amount)).map(Some),
    };
    if monthly_max.is_none() {
        form.monthly_max_error = "Write an amount of one payment at least, or nothing.";
    }
    match (threshold, amount, monthly_max) {
        (Some(threshold), Some(amount), Some(monthly_max)) => Ok(AutoTopUpRule { threshold, amount, monthly_max }),
        _ => Err(Box::new(form)),
    }
}

/// Switches it on, over or off, or removes the card.
///
/// # Errors
/// [`Trouble::Forbidden`] for who may not pay. What is wrong with a field is said on the billing page.
pub(super) async fn set(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    if !visit.may.money {
        return Err(Trouble::Forbidden);
    }
    if fields.get("remove").is_some() {
        return remove_card(worker, &visit).await;
    }
    let payments = &worker.gateway.payments;
    let rule = match fields.get("off") {
        Some(_) => None,
        None => match read(fields, payments) {
            Ok(rule) => Some(rule),
            Err(form) => return Ok(billing::auto_top_up_refused(worker, &visit, *form)),
        },
    };
    let audit = AuditRow { after: rule.map(written), ..audit(worker, &visit, "auto_topup.change") };
    match payments.set_auto_top_up(visit.workspace.id(), rule, audit).await {
        Ok(()) => Ok(page::see_other("/app/billing?saved=auto#auto-top-up")),
        Err(error @ (PaymentError::NoMethod | PaymentError::NotConfigured)) => {
            let form = Form { trouble: error.to_string(), ..Form::typed(fields) };
            Ok(billing::auto_top_up_refused(worker, &visit, form))
        }
        Err(error) => {
            tracing::error!(%error, "auto top-up could not be changed");
            Err(Trouble::Unavailable)
        }
    }
}

async fn remove_card(worker: &Worker, visit: &Visit) -> Result<HttpResponse, Trouble> {
    let audit = audit(worker, visit, "auto_topup.remove_card");
    match worker.gateway.payments.remove_card(visit.workspace.id(), audit).await {
        // Without one it is as they want it: somebody was faster, or sent the form twice.
        Ok(()) | Err(PaymentError::NoMethod) => Ok(page::see_other("/app/billing?saved=card#auto-top-up")),
        Err(error) => {
            tracing::error!(%error, "a saved card could not be removed");
            Err(Trouble::Unavailable)
        }
    }
}

/// The row of a change, with what was in force before it and nothing after it.
fn audit(worker: &Worker, visit: &Visit, action: &str) -> AuditRow {
    AuditRow {
        at: worker.gateway.core.clock.now().wall,
        actor: visit.shell.email.clone(),
        action: action.to_owned(),
        target: visit.workspace.id().to_string(),
        reason: None,
        before: view(worker, visit).rule.map(written),
        after: None,
    }
}

fn written(rule: AutoTopUpRule) -> Value {
    json!({ "threshold_usd": rule.threshold, "amount_usd": rule.amount, "monthly_max_usd": rule.monthly_max })
}
