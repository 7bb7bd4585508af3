//! Logs and metrics: how they are set up and written. Names and help texts stand in `names`, what a request
//! counts in `requests`, money in `money`, counters of fractions in `fractions`; gauges that are read now and then in the crate's `gauges`.
//!
//! Labels come from closed sets: routes are templates, models are ids of the configured roster, the rest
//! are enums. Never an id, a raw path, a model name from a request, or an error text. Log lines go to
//! stderr and hold no header value, query string or body.

mod fractions;
mod handles;
mod money;
mod names;
pub mod passive;
mod requests;
mod timing;

use std::io::IsTerminal;
use std::time::Duration;

use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::payments::objects::KINDS;
use crate::payments::webhook::OUTCOMES;

pub use money::{credited, refunded, topped_up};
pub use names::{
    ATTEMPT_OUTCOMES, COOLDOWN_REASONS, Kind, MAIL_OUTCOMES, METRICS, Metric, NONE, OTHER, REJECTION_REASONS,
};
pub use requests::{
    OpenStream, attempted, charged, first_event, first_event_leaves, rejected, request_ended, request_refused,
};
pub use timing::{End, Route, Timing};

use crate::relay::Gateway;

const DURATIONS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 160.0, 320.0];
const FIRST_TOKENS: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 90.0, 120.0,
];
const PER_TOKEN: &[f64] = &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0];
const OVERHEAD: &[f64] = &[0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];
const FLUSHES: &[f64] = &[0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be recorded: {0}")]
pub struct MetricsError(String);

/// Installs the process's metrics. A second call in one process gives the first one's handle.
///
/// # Errors
/// Another recorder is installed.
pub fn install_metrics() -> Result<PrometheusHandle, MetricsError> {
    static INSTALLED: parking_lot::Mutex<Option<PrometheusHandle>> = parking_lot::Mutex::new(None);
    let mut installed = INSTALLED.lock();
    if let Some(handle) = installed.as_ref() {
        return Ok(handle.clone());
    }
    let buckets = |builder: PrometheusBuilder, name: &str, values: &[f64]| {
        builder
            .set_buckets_for_metric(Matcher::Full(name.to_owned()), values)
            .map_err(|error| MetricsError(error.to_string()))
    };
    let builder = PrometheusBuilder::new();
    let builder = buckets(builder, "gen_ai_server_request_duration_seconds", DURATIONS)?;
    let builder = buckets(builder, "gen_ai_server_time_to_first_token_seconds", FIRST_TOKENS)?;
    let builder = buckets(builder, "gen_ai_server_time_per_output_token_seconds", PER_TOKEN)?;
    let builder = buckets(builder, "lmhaven_gateway_overhead_seconds", OVERHEAD)?;
    let builder = buckets(builder, "lmhaven_store_flush_seconds", FLUSHES)?;
    let handle = builder.install_recorder().map_err(|error| MetricsError(error.to_string()))?;
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, Unit::Seconds, metric.help),
        }
    }
    metrics::gauge!("lmhaven_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    // Series of closed sets exist from the start, or `rate()` misses the first event.
    for reason in REJECTION_REASONS {
        metrics::counter!("lmhaven_rejections_total", "reason" => reason).absolute(0);
    }
    metrics::counter!("lmhaven_actor_mailbox_full_total", "kind" => "workspace").absolute(0);
    for kind in lmhaven_actors::domain::mail::KINDS {
        for outcome in MAIL_OUTCOMES {
            metrics::counter!("lmhaven_emails_total", "kind" => kind, "outcome" => outcome).absolute(0);
        }
    }
    for kind in KINDS.into_iter().chain(["other", "unsigned"]) {
        for outcome in OUTCOMES {
            metrics::counter!("lmhaven_payment_webhooks_total", "kind" => kind, "outcome" => outcome).absolute(0);
        }
    }
    for outcome in crate::webhooks::OUTCOMES {
        metrics::counter!("lmhaven_webhook_deliveries_total", "outcome" => outcome).absolute(0);
    }
    money::start();
    *installed = Some(handle.clone());
    Ok(handle)
}

/// Where a library's lines quote what a caller sent: the HTTP parser those of a bad `Content-Length` or
/// `Transfer-Encoding`.
const QUOTES_HEADERS: &str = "actix_http::h1::decoder=info";

/// What is logged, in the words of `RUST_LOG`, without the lines that would quote a header's value. What is no filter
/// is `info`.
pub fn log_filter(wanted: &str) -> EnvFilter {
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("info"));
    match QUOTES_HEADERS.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

/// Sends log lines to stderr: text on a terminal, JSON otherwise. `RUST_LOG` chooses what.
pub fn install_logs() {
    let filter = log_filter(&std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| "info".to_owned()));
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    // A second call keeps the first one's choice.
    let _ = if std::io::stderr().is_terminal() { lines.try_init() } else { lines.json().try_init() };
}

/// Creates the series of what this gateway sells and whom it asks.
pub fn start_series(gateway: &Gateway) {
    for pool in gateway.pools.values() {
        let provider = &pool.spec().id;
        for outcome in ATTEMPT_OUTCOMES {
            metrics::counter!("lmhaven_upstream_attempts_total", "provider" => provider.clone(), "outcome" => outcome)
                .absolute(0);
        }
        for reason in COOLDOWN_REASONS {
            metrics::counter!("lmhaven_provider_key_cooldowns_total", "provider" => provider.clone(),
                "reason" => reason)
            .absolute(0);
        }
    }
    for model in gateway.catalogue.models() {
        for pool in model.providers.iter().filter_map(|id| gateway.pools.get(id)) {
            requests::start(model, &pool.spec().id);
        }
    }
}

/// Everything as Prometheus text.
pub fn render(handle: &PrometheusHandle) -> String {
    let mut text = handle.render();
    fractions::render(&mut text);
    text
}

/// How often gauges are read and histograms folded.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(5);
