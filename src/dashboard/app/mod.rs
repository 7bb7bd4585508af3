//! The dashboard of whoever is signed in, one page a file.
//!
//! A page asks the workspace's actor for what it has, `Reports` for sums and the ledger for the few entries that it lists, never
//! for all of them, so it is as quick with a million entries as with ten. What a role may not do has no button, and is refused
//! all the same where its form is sent.

mod billing;
mod key_form;
mod keys;
mod limits;
mod log;
mod models;
mod overview;
mod playground;
mod requests;
mod serve;
mod settings;
mod topup;
mod usage;
mod visit;

pub use serve::{
    ask_playground, billing, billing_csv, create_key, keys, limits, models, overview, paid, paid_json, playground,
    playground_cost, receipt, rename_workspace, requests, requests_csv, revoke_key, rotate_key, rotate_key_page,
    set_notice_line, settings, top_up, usage, usage_csv,
};
pub use visit::{May, Trouble, Visit, shell_of};
