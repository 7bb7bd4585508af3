//! The pages in a real browser: Debian's Chromium, driven by thirtyfour.
//!
//! A page fails its test for anything in the console, any request that leaves loopback, anything wider than the window at
//! 360 pixels, and leaves screenshots below `target/screenshots` to be looked at. A missing browser fails the run: `tests/run.sh`
//! installs it. `browser` drives, `harness` is the gateway's own of `tests/gateway`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::future_not_send,
    reason = "tests stop at the first thing that is not as expected, and actix's test runtime is one thread"
)]

mod browser;
#[allow(dead_code, unused_imports, reason = "shared with the gateway's tests, which use the rest of it")]
#[path = "../gateway/harness/mod.rs"]
mod harness;

mod arriving;
mod checkouts;
mod journeys;
mod operator;
mod pages;
mod paying;
mod refused;
