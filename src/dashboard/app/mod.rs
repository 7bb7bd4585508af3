//! The dashboard of whoever is signed in, one page a file.
//!
//! A page asks the workspace's actor for what it has, `Reports` for sums and the ledger for the few entries that it lists, never
//! for all of them, so it is as quick with a million entries as with ten. What a role may not do has no button, and is refused
//! all the same where its form is sent.

mod billing;
mod keys;
mod limits;
mod log;
mod models;
mod overview;
mod requests;
mod settings;
mod usage;
mod visit;

pub use billing::{billing, billing_csv, receipt};
pub use keys::{create as create_key, keys, revoke as revoke_key};
pub use limits::limits;
pub use models::models;
pub use overview::overview;
pub use requests::{requests, requests_csv};
pub use settings::settings;
pub use usage::{usage, usage_csv};
pub use visit::{May, Trouble, Visit};
