//! Upstream providers: which account a request uses, and the one HTTP exchange it makes.
//!
//! One actor per provider and server thread owns that thread's connections, so an attempt never leaves
//! its thread; the accounts' health is shared by all of them in a [`Pool`]. The relay decides what to
//! send, when to retry and what an answer means; nothing here knows a protocol.

mod actor;
mod breaker;
mod connections;
mod exchange;
mod fetch;
mod lanes;
mod pool;
mod words;

pub use actor::{Attempt, ProviderActor, ProviderHandle, Seat};
pub use breaker::Breaker;
pub use exchange::{Call, Exchange, ExchangeError, Pieces};
pub use fetch::{Fetch, FetchError, Fetched, Target};
pub use pool::{AccountState, AccountView, KeyHeader, NoAccount, Outcome, Pool, PoolGuard, ProviderSpec};
