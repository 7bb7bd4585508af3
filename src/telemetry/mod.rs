//! Logs and metrics: every metric name and help text of the gateway stands here.
//!
//! Labels come from closed sets: routes are templates, models are ids of the configured roster, the rest
//! are enums. Never an id, a raw path, a model name from a request, or an error text. Log lines go to
//! stderr and hold no header value, query string or body.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::usage::{Bucket, Usage};
use metrics::{Counter, Histogram, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;

use crate::config::Model;
use crate::error::ApiError;

/// A metric's name, kind and help.
pub struct Metric {
    /// As scraped.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// One sentence for people.
    pub help: &'static str,
}

/// What a metric counts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// Every metric that the gateway writes.
pub const METRICS: &[Metric] = &[
    counter("lmhaven_requests_total", "Requests that ended, by route, model and code (ok or the error's code)."),
    histogram("gen_ai_server_request_duration_seconds", "Time from a request's arrival to its end."),
    histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "Time from a streamed request's arrival to its first event.",
    ),
    counter("lmhaven_tokens_total", "Tokens that were charged, by model and type."),
    counter("lmhaven_upstream_attempts_total", "Attempts at a provider, by outcome."),
    counter("lmhaven_rejections_total", "Requests that were refused before any provider was asked, by reason."),
    gauge("lmhaven_inflight_requests", "Requests that run now."),
    counter("lmhaven_charged_usd_total", "What customers were charged, in US dollars, by model."),
    counter("lmhaven_upstream_cost_usd_total", "The same usage at list price, in US dollars, by model."),
    counter("lmhaven_credits_usd_total", "Credit that operators gave, in US dollars."),
    counter("lmhaven_refunds_usd_total", "Money that operators took back, in US dollars."),
    gauge("lmhaven_balances_usd", "Money of all workspaces that is not charged yet, in US dollars."),
    gauge("lmhaven_holds_usd", "Money that running requests hold, in US dollars."),
    gauge("lmhaven_holds_open", "Holds that are open."),
    gauge(
        "lmhaven_hold_oldest_timestamp_seconds",
        "When the oldest open hold was opened, as Unix time; 0 without one.",
    ),
    gauge("lmhaven_price_book_effective_timestamp_seconds", "Since when the price book in force holds, as Unix time."),
    gauge("lmhaven_price_ratio", "List price divided by our price, by model."),
    gauge("lmhaven_provider_keys", "Provider accounts, by provider and state."),
    gauge("lmhaven_actors", "Actors that run, by kind."),
    gauge("lmhaven_actor_mailbox_depth_max", "Messages that wait for the busiest actor, by kind."),
    histogram("lmhaven_store_flush_seconds", "Time of one durable group commit."),
    gauge("lmhaven_store_bytes", "Size of the store on disk, in bytes."),
    counter("lmhaven_store_errors_total", "Commits that failed."),
    gauge("lmhaven_build_info", "Always 1; the version is a label."),
];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, help }
}

const DURATIONS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 160.0, 320.0];
const FIRST_TOKENS: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 90.0, 120.0,
];
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
    for reason in ["bad_key", "rpm", "streams", "balance", "feature", "store"] {
        metrics::counter!("lmhaven_rejections_total", "reason" => reason).absolute(0);
    }
    credited(NanoUsd::ZERO);
    money_counter("lmhaven_refunds_usd_total", None);
    *installed = Some(handle.clone());
    Ok(handle)
}

/// Sends log lines to stderr: text on a terminal, JSON otherwise. `RUST_LOG` chooses what.
pub fn install_logs() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    // A second call keeps the first one's choice.
    let _ = if std::io::stderr().is_terminal() { lines.try_init() } else { lines.json().try_init() };
}

/// Handles of one thread, so that counting costs no look-up by label.
#[derive(Default)]
struct Handles {
    ended: HashMap<(Dialect, *const u8, &'static str), (Counter, Histogram)>,
    charged: HashMap<*const u8, Charged>,
    first: HashMap<*const u8, Histogram>,
}

#[derive(Clone)]
struct Charged {
    tokens: [Counter; Bucket::COUNT],
    usd: MoneyCounter,
    cost_usd: MoneyCounter,
}

thread_local! {
    static HANDLES: RefCell<Handles> = RefCell::default();
}

/// Models live as long as the catalogue, so the address of the id's text stands for it.
fn place(model: &Arc<Model>) -> *const u8 {
    model.id.as_ptr()
}

/// Counts a request that ended.
pub fn request_ended(route: &Dialect, model: &Arc<Model>, error: Option<&ApiError>, started: Instant) {
    let code = error.map_or("ok", |error| error.code.text());
    HANDLES.with_borrow_mut(|handles| {
        let (count, duration) = handles.ended.entry((*route, place(model), code)).or_insert_with(|| {
            let route = route_label(*route);
            let model = model.id.clone();
            (
                metrics::counter!("lmhaven_requests_total", "route" => route, "model" => model.clone(), "code" => code),
                metrics::histogram!("gen_ai_server_request_duration_seconds", "gen_ai_operation_name" => "chat",
                    "gen_ai_request_model" => model, "error_type" => if code == "ok" { "" } else { code }),
            )
        });
        count.increment(1);
        duration.record(started.elapsed().as_secs_f64());
    });
}

/// Notes when a stream's first event came.
pub fn first_event(model: &Arc<Model>, started: Instant) {
    HANDLES.with_borrow_mut(|handles| {
        let histogram = handles.first.entry(place(model)).or_insert_with(|| {
            metrics::histogram!("gen_ai_server_time_to_first_token_seconds", "gen_ai_operation_name" => "chat",
                "gen_ai_request_model" => model.id.clone())
        });
        histogram.record(started.elapsed().as_secs_f64());
    });
}

/// Counts what was charged.
pub fn charged(model: &Arc<Model>, usage: &Usage, charged: NanoUsd, list_cost: NanoUsd) {
    HANDLES.with_borrow_mut(|handles| {
        let handles = handles.charged.entry(place(model)).or_insert_with(|| {
            Charged {
            tokens: Bucket::ALL.map(|bucket| {
                metrics::counter!("lmhaven_tokens_total", "model" => model.id.clone(), "type" => bucket.name())
            }),
            usd: money_counter("lmhaven_charged_usd_total", Some(&model.id)),
            cost_usd: money_counter("lmhaven_upstream_cost_usd_total", Some(&model.id)),
        }
        });
        for (counter, bucket) in handles.tokens.iter().zip(Bucket::ALL) {
            let quantity = usage.get(bucket);
            if quantity > 0 {
                counter.increment(quantity);
            }
        }
        handles.usd.add(charged);
        handles.cost_usd.add(list_cost);
    });
}

/// A counter of money. The recorder's counters hold whole numbers only, so these are kept in nano-dollars
/// and written in dollars by [`render`].
#[derive(Clone)]
struct MoneyCounter(Arc<AtomicI64>);

impl MoneyCounter {
    fn add(&self, amount: NanoUsd) {
        self.0.fetch_add(amount.nano(), Ordering::Relaxed);
    }
}

type MoneyCounters = BTreeMap<(&'static str, Option<Arc<str>>), MoneyCounter>;

static MONEY: Mutex<MoneyCounters> = Mutex::new(BTreeMap::new());

fn money_counter(name: &'static str, model: Option<&Arc<str>>) -> MoneyCounter {
    MONEY.lock().entry((name, model.cloned())).or_insert_with(|| MoneyCounter(Arc::default())).clone()
}

/// Counts money that an operator gave, or took back where it is negative.
pub fn credited(amount: NanoUsd) {
    if amount.is_negative() {
        money_counter("lmhaven_refunds_usd_total", None).add(amount.checked_neg().unwrap_or_default());
    } else {
        money_counter("lmhaven_credits_usd_total", None).add(amount);
    }
}

/// Everything as Prometheus text.
pub fn render(handle: &PrometheusHandle) -> String {
    let mut text = handle.render();
    let money = MONEY.lock();
    let mut described = "";
    for ((name, model), counter) in money.iter() {
        if *name != described {
            described = name;
            let help = METRICS.iter().find(|metric| metric.name == *name).map_or("", |metric| metric.help);
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
        }
        let usd = NanoUsd::from_nano(counter.0.load(Ordering::Relaxed));
        let _ = match model {
            Some(model) => writeln!(text, "{name}{{model=\"{model}\"}} {usd}"),
            None => writeln!(text, "{name} {usd}"),
        };
    }
    text
}

const fn route_label(route: Dialect) -> &'static str {
    match route {
        Dialect::Anthropic => "/v1/messages",
        Dialect::Openai | Dialect::Gemini => "/v1/chat/completions",
    }
}

/// How often gauges are read and histograms folded.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_in_their_unit_and_stand_once() {
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        for metric in METRICS.iter().filter(|metric| metric.kind == Kind::Counter) {
            assert!(metric.name.ends_with("_total"), "{}", metric.name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }
}
