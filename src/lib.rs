//! LMHaven, a prepaid LLM API gateway: speaks HTTP, decides nothing about money.
//!
//! What decides or remembers lives in `lmhaven-actors`. `docs/architecture.md` follows one request through
//! the files.

pub mod accounts;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod demo;
pub mod edge;
pub mod error;
pub mod extract;
pub mod gauges;
pub mod headers;
pub mod images;
pub mod key_file;
pub mod keys;
pub mod mail;
pub mod operations;
pub mod payments;
pub mod relay;
pub mod routes;
pub mod serve;
pub mod server;
pub mod telemetry;
pub mod times;
pub mod webhooks;
