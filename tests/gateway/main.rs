//! The whole gateway over real HTTP: a server on port 0, the provider simulator upstream, one module per behaviour.
//!
//! `harness` starts and stops it, and fails a test that leaves money reserved, streams open or a ledger that does
//! not add up. What a part does alone is tested beside its code, not here.

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

mod harness;

mod accounts;
mod admin;
mod canaries;
mod dashboard;
mod dialects;
mod edge;
mod faults;
mod files;
mod hangup;
mod images;
mod keys;
mod limits;
mod mail;
mod money;
mod openapi;
mod operator;
mod panic;
mod payments;
mod speech;
mod strangers;
mod twins;
mod webhooks;
