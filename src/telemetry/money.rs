//! Counters of money, per model and provider.
//!
//! The recorder's counters hold whole numbers only, so these are kept in nano-dollars and written in
//! dollars by [`render`]. `telemetry` alone reads them; `requests` and the admin API add to them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lmhaven_actors::domain::money::NanoUsd;
use parking_lot::Mutex;

use super::names::METRICS;

const CREDITS: &str = "lmhaven_credits_usd_total";
const TOPUPS: &str = "lmhaven_topups_usd_total";
const REFUNDS: &str = "lmhaven_refunds_usd_total";

/// One counter of money.
#[derive(Clone)]
pub(super) struct MoneyCounter(Arc<AtomicI64>);

impl MoneyCounter {
    pub(super) fn add(&self, amount: NanoUsd) {
        self.0.fetch_add(amount.nano(), Ordering::Relaxed);
    }
}

/// Model and provider.
type Sold = (Arc<str>, Arc<str>);

static MONEY: Mutex<BTreeMap<(&'static str, Option<Sold>), MoneyCounter>> = Mutex::new(BTreeMap::new());

fn counter(name: &'static str, sold: Option<Sold>) -> MoneyCounter {
    MONEY.lock().entry((name, sold)).or_insert_with(|| MoneyCounter(Arc::default())).clone()
}

/// The counters of what a model of a provider was sold for and what it is worth at list price.
pub(super) fn sold(model: &Arc<str>, provider: &Arc<str>) -> (MoneyCounter, MoneyCounter) {
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

/// All counters of money as Prometheus text.
pub(super) fn render(text: &mut String) {
    let mut described = "";
    for ((name, sold), counter) in MONEY.lock().iter() {
        if *name != described {
            described = name;
            let help = METRICS.iter().find(|metric| metric.name == *name).map_or("", |metric| metric.help);
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
        }
        let usd = NanoUsd::from_nano(counter.0.load(Ordering::Relaxed));
        let _ = match sold {
            Some((model, provider)) => {
                writeln!(text, "{name}{{model=\"{}\",provider=\"{}\"}} {usd}", escape(model), escape(provider))
            }
            None => writeln!(text, "{name} {usd}"),
        };
    }
}

/// A label's value as the text format wants it.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_in_dollars_to_the_nano_dollar() {
        let (charged, _) = sold(&"a\"model".into(), &"some".into());
        charged.add(NanoUsd::from_nano(1_500_000_001));
        let mut text = String::new();
        render(&mut text);
        assert!(
            text.contains("lmhaven_charged_usd_total{model=\"a\\\"model\",provider=\"some\"} 1.500000001\n"),
            "{text}"
        );
    }
}
