//! A scrape as text: which series it has, and that their labels come from closed sets.

use std::collections::{BTreeMap, BTreeSet};

use lmhaven::payments::objects::KINDS;
use lmhaven::payments::webhook::OUTCOMES;
use lmhaven::telemetry::{
    ATTEMPT_OUTCOMES, COOLDOWN_REASONS, Kind, MAIL_OUTCOMES, METRICS, NONE, OTHER, REJECTION_REASONS,
};
use lmhaven::webhooks;
use lmhaven_actors::domain::image_tier::ImageTier;

/// One sample.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Reads the text format as far as the gateway writes it: no label of ours holds a comma or a quote.
pub(crate) fn read(text: &str) -> Vec<Sample> {
    let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    samples
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) =
                series.split_once('{').map_or((series, ""), |(name, labels)| (name, labels.strip_suffix('}').unwrap()));
            let labels = labels.split_terminator(',').map(|label| {
                let (name, value) = label.split_once('=').unwrap();
                (name.to_owned(), value.trim_matches('"').to_owned())
            });
            Sample { name: name.to_owned(), labels: labels.collect(), value: value.parse().unwrap() }
        })
        .collect()
}

/// The value of the one series with these labels.
pub(crate) fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&Sample| {
        sample.name == name
            && labels.iter().all(|(name, value)| sample.labels.get(*name).is_some_and(|known| known == value))
    };
    let found: Vec<_> = samples.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0].value
}

/// Fails for a series that is not in the table, or a label that is not in a closed set.
pub(crate) fn check_labels(samples: &[Sample], models: &[&str], providers: &[&str]) {
    for sample in samples.iter().filter(|sample| !sample.name.starts_with("process_")) {
        let metric = METRICS.iter().find(|metric| match metric.kind {
            Kind::Counter | Kind::Gauge => sample.name == metric.name,
            Kind::Histogram => {
                ["_bucket", "_sum", "_count"].iter().any(|part| sample.name.strip_suffix(part) == Some(metric.name))
            }
        });
        assert!(metric.is_some(), "{} is not in the table of metrics", sample.name);
        for (label, value) in &sample.labels {
            assert!(is_known(&sample.name, label, value, models, providers), "{label}={value:?} in {sample:?}");
        }
    }
}

fn is_known(metric: &str, label: &str, value: &str, models: &[&str], providers: &[&str]) -> bool {
    match label {
        "model" | "gen_ai_request_model" => models.contains(&value) || value == OTHER,
        "provider" | "gen_ai_provider_name" => providers.contains(&value) || value == NONE,
        "route" => {
            ["/v1/chat/completions", "/v1/messages", "/v1/images/generations", "/v1/audio/speech"].contains(&value)
        }
        "outcome" if metric == "lmhaven_emails_total" => MAIL_OUTCOMES.contains(&value),
        "outcome" if metric == "lmhaven_payment_webhooks_total" => OUTCOMES.contains(&value),
        "outcome" if metric == "lmhaven_webhook_deliveries_total" => webhooks::OUTCOMES.contains(&value),
        "outcome" => ATTEMPT_OUTCOMES.contains(&value),
        "reason" if metric == "lmhaven_rejections_total" => REJECTION_REASONS.contains(&value),
        "reason" => COOLDOWN_REASONS.contains(&value),
        // Codes are constants of one table; here only that they look so.
        "code" | "error_type" => value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
        "type" => ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "audio_input"].contains(&value),
        "tier" => ImageTier::by_name(value).is_some(),
        "state" => ["healthy", "cooling", "open", "disabled"].contains(&value),
        "kind" if metric == "lmhaven_store_errors_total" => {
            ["unavailable", "unknown", "fatal", "fenced", "duplicate"].contains(&value)
        }
        "kind" if metric == "lmhaven_emails_total" => lmhaven_actors::domain::mail::KINDS.contains(&value),
        "kind" if metric == "lmhaven_payment_webhooks_total" => {
            KINDS.contains(&value) || ["other", "unsigned"].contains(&value)
        }
        "kind" => value == "workspace",
        "gen_ai_operation_name" => ["chat", "image_generation", "speech"].contains(&value),
        "version" => value == env!("CARGO_PKG_VERSION"),
        "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
        _ => false,
    }
}

/// Metrics of the table that the scrape lacks.
pub(crate) fn missing(samples: &[Sample]) -> Vec<&'static str> {
    let there: BTreeSet<&str> = samples.iter().map(|sample| sample.name.as_str()).collect();
    let is_there = |metric: &&lmhaven::telemetry::Metric| match metric.kind {
        Kind::Counter | Kind::Gauge => there.contains(metric.name),
        Kind::Histogram => there.contains(format!("{}_bucket", metric.name).as_str()),
    };
    METRICS.iter().filter(|metric| !is_there(metric)).map(|metric| metric.name).collect()
}
