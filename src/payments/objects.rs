//! Stripe's objects as our events: pure. What is not about us, or moves no money, is ignored.

use std::sync::Arc;

use lmhaven_actors::domain::payment::{PaymentEvent, SavedMethod, Source};
use serde_json::Value;

use super::stripe::amount_of;

/// The metadata by which a payment or refund names its row of ours.
pub(super) const CHECKOUT: &str = "lmhaven_checkout";
pub(super) const ATTEMPT: &str = "lmhaven_attempt";
pub(super) const REFUND: &str = "lmhaven_refund";

/// What an object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// An event of ours.
    Event(PaymentEvent),
    /// Nothing of ours.
    Nothing,
    /// Something that cannot be: another currency, a missing field.
    Wrong(&'static str),
}

/// The webhooks that mean something here.
pub const KINDS: [&str; 14] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.closed",
    "charge.dispute.updated",
];

/// The kinds of webhooks that mean something here, for the label of a metric; the others are `other`.
pub(super) fn kind_of(event: &Value) -> &'static str {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    KINDS.into_iter().find(|known| *known == kind).unwrap_or("other")
}

/// What a webhook says.
pub(super) fn of_webhook(kind: &str, object: &Value) -> Said {
    match kind {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" | "checkout.session.expired" => {
            of_session(object)
        }
        "checkout.session.async_payment_failed" => match checkout_of(object) {
            Some(source) => failed(source, false, "the payment failed"),
            None => Said::Nothing,
        },
        "payment_intent.succeeded" | "payment_intent.payment_failed" | "payment_intent.canceled" => of_intent(object),
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => of_refund(object),
        "charge.dispute.created" | "charge.dispute.closed" => of_dispute(object, kind.ends_with("closed")),
        _ => Said::Nothing,
    }
}

fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The id in a field that may hold the id or the whole object.
fn id(object: &Value, field: &str) -> Option<String> {
    let value = object.get(field)?;
    value.as_str().or_else(|| text(value, "id")).map(str::to_owned)
}

fn metadata<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get("metadata").and_then(|metadata| text(metadata, name))
}

fn is_usd(object: &Value) -> bool {
    text(object, "currency").is_some_and(|currency| currency.eq_ignore_ascii_case("usd"))
}

fn checkout_of(session: &Value) -> Option<Source> {
    Some(Source::Checkout(text(session, "client_reference_id")?.parse().ok()?))
}

fn failed(source: Source, declined: bool, reason: &str) -> Said {
    Said::Event(PaymentEvent::Failed { source, declined, reason: reason.into() })
}

/// A checkout session, from a webhook or asked for.
pub(super) fn of_session(session: &Value) -> Said {
    let Some(source) = checkout_of(session) else { return Said::Nothing };
    match (text(session, "payment_status"), text(session, "status")) {
        (Some("paid"), _) => {}
        (_, Some("expired")) => return failed(source, false, "the checkout expired"),
        // Done, but the bank has not paid yet: another event will say so.
        _ => return Said::Nothing,
    }
    if !is_usd(session) {
        return Said::Wrong("the currency is not US dollars");
    }
    let (Some(intent), Some(amount)) = (id(session, "payment_intent"), session.get("amount_total").and_then(amount_of))
    else {
        return Said::Wrong("a paid session without payment or amount");
    };
    Said::Event(PaymentEvent::Paid { source, intent: intent.into(), amount, method: None })
}

/// What a payment may be charged to again. What people know it by stands there only where the method was asked for whole.
pub(super) fn method_of(intent: &Value) -> Option<SavedMethod> {
    let card = intent.pointer("/payment_method/card").and_then(card_name);
    Some(SavedMethod { customer: id(intent, "customer")?.into(), method: id(intent, "payment_method")?.into(), card })
}

fn card_name(card: &Value) -> Option<Arc<str>> {
    let (brand, digits) = (text(card, "brand")?, text(card, "last4")?);
    let mut letters = brand.chars();
    let brand: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    let number = |field: &str| card.get(field).and_then(Value::as_u64);
    let until = number("exp_month").zip(number("exp_year"));
    let until = until.map(|(month, year)| format!(", good until {month:02}/{year}")).unwrap_or_default();
    Some(format!("{brand} ending in {digits}{until}").into())
}

/// A payment, from a webhook or asked for.
pub(super) fn of_intent(intent: &Value) -> Said {
    let attempt = metadata(intent, ATTEMPT).and_then(|id| id.parse().ok()).map(Source::Auto);
    let checkout = metadata(intent, CHECKOUT).and_then(|id| id.parse().ok()).map(Source::Checkout);
    let Some(source) = attempt.or(checkout) else { return Said::Nothing };
    match text(intent, "status") {
        Some("succeeded") => {
            if !is_usd(intent) {
                return Said::Wrong("the currency is not US dollars");
            }
            let amount = intent.get("amount_received").and_then(amount_of);
            let (Some(intent_id), Some(amount)) = (text(intent, "id"), amount) else {
                return Said::Wrong("a payment without id or amount");
            };
            Said::Event(PaymentEvent::Paid { source, intent: intent_id.into(), amount, method: method_of(intent) })
        }
        // At a checkout the customer may try another card.
        Some("requires_payment_method" | "requires_action" | "canceled") if attempt.is_some() => {
            let error = intent.get("last_payment_error");
            let reason = error.and_then(|error| text(error, "decline_code").or_else(|| text(error, "code")));
            failed(source, true, reason.unwrap_or("the bank asks for the card holder"))
        }
        _ => Said::Nothing,
    }
}

/// A refund, from a webhook or asked for.
pub(super) fn of_refund(refund: &Value) -> Said {
    let (Some(id_text), Some(intent)) = (text(refund, "id"), id(refund, "payment_intent")) else {
        return Said::Nothing;
    };
    if !is_usd(refund) {
        return Said::Wrong("the currency is not US dollars");
    }
    let Some(amount) = refund.get("amount").and_then(amount_of) else { return Said::Wrong("a refund without amount") };
    Said::Event(PaymentEvent::Refunded {
        id: id_text.into(),
        intent: intent.into(),
        amount,
        ours: metadata(refund, REFUND).and_then(|id| id.parse().ok()),
        good: !matches!(text(refund, "status"), Some("failed" | "canceled")),
    })
}

fn of_dispute(dispute: &Value, closed: bool) -> Said {
    let (Some(id_text), Some(intent)) = (text(dispute, "id"), id(dispute, "payment_intent")) else {
        return Said::Nothing;
    };
    let status = text(dispute, "status").unwrap_or_default();
    if status.starts_with("warning_") {
        // An inquiry: the bank asks, no money moves.
        return Said::Nothing;
    }
    if !is_usd(dispute) {
        return Said::Wrong("the currency is not US dollars");
    }
    let Some(amount) = dispute.get("amount").and_then(amount_of) else {
        return Said::Wrong("a dispute without amount");
    };
    let (id, intent) = (id_text.into(), intent.into());
    if closed {
        return Said::Event(PaymentEvent::DisputeClosed { id, intent, amount, won: status == "won" });
    }
    let reason = text(dispute, "reason").unwrap_or("general").into();
    Said::Event(PaymentEvent::DisputeOpened { id, intent, amount, reason })
}
