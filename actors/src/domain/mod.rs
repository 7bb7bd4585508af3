//! What LMHaven decides, as plain values: money, usage, prices, limits and the account they meet in.
//!
//! Everything here is pure. No clock, no randomness, no runtime, no store and no HTTP: the time is an
//! argument, randomness arrives as bytes, and an outcome is a value. The actors call it, the ledger
//! stores what it returns, and replaying that gives the same account again.

pub mod account;
pub mod alias;
pub mod billing;
pub mod bucket;
pub mod entry;
pub mod fact;
pub mod hold;
pub mod ids;
pub mod image_tier;
pub mod key;
pub mod limits;
pub mod mail;
pub mod money;
pub mod payment;
pub mod people;
pub mod price;
pub mod refusal;
pub mod secret;
pub mod slots;
pub mod time;
pub mod usage;
pub mod webhook;
