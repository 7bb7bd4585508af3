//! The life of the process: the real `lmhaven` as a child with a configuration file, killed, drained, refused.
//!
//! `harness` starts it and speaks to it; its provider is a simulator in the process of the test, which survives every
//! kill. What the gateway does while it runs is tested in `tests/gateway`, not here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::future_not_send,
    reason = "tests stop at the first thing that is not as expected, and actix's test runtime is one thread"
)]

mod harness;
mod images;

mod canaries;
mod drain;
mod exit;
mod kill;
mod payments;
mod set_up;
