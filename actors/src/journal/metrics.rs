//! What the journal counts. The names are in the closed list of metrics; descriptions are given where it stands.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Handles, looked up once.
pub(super) struct StoreMetrics {
    /// Seconds from the first byte of a commit to its sync.
    pub(super) flush: Histogram,
    /// Bytes on disk.
    pub(super) bytes: Gauge,
    pub(super) unavailable: Counter,
    pub(super) unknown: Counter,
    pub(super) fatal: Counter,
    pub(super) fenced: Counter,
    pub(super) duplicate: Counter,
}

impl StoreMetrics {
    pub(super) fn new() -> Self {
        let error = |kind: &'static str| {
            let counter = counter!("lmhaven_store_errors_total", "kind" => kind);
            // A rate misses the first event of a series that starts with it.
            counter.absolute(0);
            counter
        };
        Self {
            flush: histogram!("lmhaven_store_flush_seconds"),
            bytes: gauge!("lmhaven_store_bytes"),
            unavailable: error("unavailable"),
            unknown: error("unknown"),
            fatal: error("fatal"),
            fenced: error("fenced"),
            duplicate: error("duplicate"),
        }
    }
}
