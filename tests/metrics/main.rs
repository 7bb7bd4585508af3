//! What operators see: the metrics of a gateway under load, and the dashboard, rules and alerts over them.
//!
//! `dashboard` and `names` look at the files alone, `promtool` and `live` need Debian's `prometheus` package. What
//! each metric counts is tested beside the code that counts it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::future_not_send,
    clippy::float_cmp,
    reason = "tests stop at the first thing that is not as expected, actix's test runtime is one thread, and counts \
              are whole numbers"
)]

mod dashboard;
mod files;
mod live;
mod load;
mod names;
mod prometheus;
mod promtool;
mod scrape;
