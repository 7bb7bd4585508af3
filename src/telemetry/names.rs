//! The table of metrics: name, kind and help of every one that the gateway writes, and its closed label sets.
//!
//! Dashboards and rules in `grafana/` are checked against it. Nothing here counts.

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
    counter(
        "lmhaven_requests_total",
        "Requests of a model that ended, by route, model, provider and code (ok or the error's code).",
    ),
    histogram(
        "gen_ai_server_request_duration_seconds",
        "Time from an admitted request's arrival to its end, by model and provider.",
    ),
    histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "Time from a streamed request's arrival to its first event.",
    ),
    histogram(
        "gen_ai_server_time_per_output_token_seconds",
        "Time per output token after the first one, of streams that ended well.",
    ),
    histogram(
        "lmhaven_gateway_overhead_seconds",
        "Time that the gateway itself takes: from a request's last byte to the answer (of a stream, to its first event), without what it waits for providers.",
    ),
    counter("lmhaven_tokens_total", "Tokens that were charged, by model, provider and type."),
    counter("lmhaven_images_total", "Images that were charged, by model, provider and resolution tier."),
    counter("lmhaven_audio_seconds_total", "Seconds of speech that were charged, by model and provider."),
    counter("lmhaven_characters_total", "Characters that were charged as spoken, by model and provider."),
    counter("lmhaven_upstream_attempts_total", "Attempts at a provider, by outcome."),
    counter("lmhaven_rejections_total", "Requests that were refused before any provider was asked, by reason."),
    gauge("lmhaven_inflight_requests", "Admitted requests that run now."),
    gauge("lmhaven_streams_open", "Streams that a provider is answering now, by provider."),
    counter("lmhaven_charged_usd_total", "What customers were charged, in US dollars, by model and provider."),
    counter(
        "lmhaven_upstream_cost_usd_total",
        "The same usage at list price, and images that were made but not charged, in US dollars, by model and provider.",
    ),
    counter("lmhaven_credits_usd_total", "Credit that operators gave, in US dollars."),
    counter("lmhaven_refunds_usd_total", "Money that operators took back or that went back to a card, in US dollars."),
    counter("lmhaven_topups_usd_total", "Money that customers paid by card, in US dollars."),
    counter("lmhaven_payment_webhooks_total", "Webhooks of the payment provider, by kind and outcome."),
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
    counter(
        "lmhaven_provider_key_cooldowns_total",
        "Times that a provider account was taken out of use for a while, by provider and reason.",
    ),
    gauge("lmhaven_actors", "Actors that run, by kind."),
    gauge("lmhaven_actor_mailbox_depth_max", "Messages that wait for the busiest actor, by kind."),
    counter(
        "lmhaven_actor_mailbox_full_total",
        "Messages that were refused because too many were waiting, by kind of actor.",
    ),
    histogram("lmhaven_store_flush_seconds", "Time of one durable group commit."),
    gauge("lmhaven_store_bytes", "Size of the store on disk, in bytes."),
    counter("lmhaven_store_errors_total", "Commits that failed, by kind."),
    counter("lmhaven_emails_total", "Attempts to send a mail, by kind and outcome."),
    counter("lmhaven_webhook_deliveries_total", "Attempts to send a webhook to a customer, by outcome."),
    gauge("lmhaven_build_info", "Always 1; the version is a label."),
];

/// How an attempt at a provider can end.
pub const ATTEMPT_OUTCOMES: [&str; 7] = ["ok", "4xx", "429", "5xx", "timeout", "connect", "cut"];
/// Why an account can be out of use for a while.
pub const COOLDOWN_REASONS: [&str; 2] = ["rate_limited", "failing"];
/// Why a request can be refused before any provider is asked.
pub const REJECTION_REASONS: [&str; 12] = [
    "bad_key",
    "rpm",
    "streams",
    "balance",
    "feature",
    "model_off",
    "too_large",
    "invalid",
    "overloaded",
    "draining",
    "store",
    "internal",
];
/// How an attempt to send a mail can end.
pub const MAIL_OUTCOMES: [&str; 3] = ["sent", "deferred", "given_up"];
/// What stands for a model that is not in the roster.
pub const OTHER: &str = "other";
/// What stands for the provider of a request that none was asked for.
pub const NONE: &str = "none";

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, help }
}

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
