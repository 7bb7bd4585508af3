//! Counters of fractions: dollars and seconds of audio, exact to the billionth.
//!
//! The recorder's counters hold whole numbers only, so these are kept in billionths and written as decimals by
//! [`render`]. `money` and `requests` add to them; nothing outside of `telemetry` does.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lmhaven_actors::domain::money::NanoUsd;
use parking_lot::Mutex;

use super::names::METRICS;

/// One counter of fractions.
#[derive(Clone)]
pub(super) struct FractionCounter(Arc<AtomicI64>);

impl FractionCounter {
    /// Adds so many billionths of the counter's unit.
    pub(super) fn add_billionths(&self, billionths: i64) {
        self.0.fetch_add(billionths, Ordering::Relaxed);
    }

    pub(super) fn add(&self, amount: NanoUsd) {
        self.add_billionths(amount.nano());
    }

    /// Adds a length of audio to a counter of seconds.
    pub(super) fn add_microseconds(&self, microseconds: u64) {
        self.add_billionths(i64::try_from(microseconds).unwrap_or(i64::MAX).saturating_mul(1_000));
    }
}

/// Model and provider.
pub(super) type Sold = (Arc<str>, Arc<str>);

static COUNTERS: Mutex<BTreeMap<(&'static str, Option<Sold>), FractionCounter>> = Mutex::new(BTreeMap::new());

/// The counter with this name and these labels, from 0 where it is new.
pub(super) fn counter(name: &'static str, sold: Option<Sold>) -> FractionCounter {
    COUNTERS.lock().entry((name, sold)).or_insert_with(|| FractionCounter(Arc::default())).clone()
}

/// All of them as Prometheus text.
pub(super) fn render(text: &mut String) {
    let mut described = "";
    for ((name, sold), counter) in COUNTERS.lock().iter() {
        if *name != described {
            described = name;
            let help = METRICS.iter().find(|metric| metric.name == *name).map_or("", |metric| metric.help);
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
        }
        // Nano-dollars are what writes billionths as a decimal here, whatever the unit.
        let value = NanoUsd::from_nano(counter.0.load(Ordering::Relaxed));
        let _ = match sold {
            Some((model, provider)) => {
                writeln!(text, "{name}{{model=\"{}\",provider=\"{}\"}} {value}", escape(model), escape(provider))
            }
            None => writeln!(text, "{name} {value}"),
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
    fn dollars_and_seconds_are_written_to_the_billionth() {
        let of = |name| counter(name, Some(("a\"model".into(), "some".into())));
        of("lmhaven_charged_usd_total").add(NanoUsd::from_nano(1_500_000_001));
        of("lmhaven_audio_seconds_total").add_microseconds(61_250_001);
        let mut text = String::new();
        render(&mut text);
        for line in [
            "lmhaven_charged_usd_total{model=\"a\\\"model\",provider=\"some\"} 1.500000001\n",
            "lmhaven_audio_seconds_total{model=\"a\\\"model\",provider=\"some\"} 61.250001\n",
            "# TYPE lmhaven_audio_seconds_total counter\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
