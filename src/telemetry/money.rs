//! Counters of money: what models were sold for, and what came in and went back.
//!
//! `requests`, the payments and the admin API add to them; how they are kept and written is `fractions`.

use std::sync::Arc;

use lmhaven_actors::domain::money::NanoUsd;

use super::fractions::{FractionCounter, counter};

const CREDITS: &str = "lmhaven_credits_usd_total";
const TOPUPS: &str = "lmhaven_topups_usd_total";
const REFUNDS: &str = "lmhaven_refunds_usd_total";

/// The counters of what a model of a provider was sold for and what it is worth at list price.
pub(super) fn sold(model: &Arc<str>, provider: &Arc<str>) -> (FractionCounter, FractionCounter) {
    let of = |name| counter(name, Some((model.clone(), provider.clone())));
    (of("lmhaven_charged_usd_total"), of("lmhaven_upstream_cost_usd_total"))
}

/// The counters of what operators gave and took exist from the start.
pub(super) fn start() {
    counter(CREDITS, None);
    counter(REFUNDS, None);
    counter(TOPUPS, None);
}

/// Counts money that an operator gave, or took back where it is negative.
pub fn credited(amount: NanoUsd) {
    if amount.is_negative() {
        counter(REFUNDS, None).add(amount.checked_neg().unwrap_or_default());
    } else {
        counter(CREDITS, None).add(amount);
    }
}

/// Counts money that a customer paid.
pub fn topped_up(amount: NanoUsd) {
    counter(TOPUPS, None).add(amount);
}

/// Counts money that went back to a customer.
pub fn refunded(amount: NanoUsd) {
    counter(REFUNDS, None).add(amount);
}
