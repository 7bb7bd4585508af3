//! Webhooks to customers: what people are told of money and limits, told to a URL of theirs as well.
//!
//! `message.rs` writes and signs a message (Standard Webhooks), `address.rs` says where one may go and makes sure of it when
//! the connection is made, `sender.rs` is the task that sends what is due. What waits, how often it is tried and when it ends
//! is decided in `lmhaven_actors::domain::webhook`, not here.

pub mod address;
pub mod client;
mod message;
mod sender;

pub use message::{body, secret_text, sign};
pub use sender::Sender;

/// How an attempt can end, for metrics.
pub const OUTCOMES: [&str; 5] = ["delivered", "answered", "unreachable", "timeout", "forbidden"];
