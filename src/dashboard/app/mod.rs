//! The dashboard of whoever is signed in, one page a file.
//!
//! A page asks the workspace's actor for what it has, `Reports` for sums and the ledger for the few entries that it lists, never
//! for all of them, so it is as quick with a million entries as with ten. What a role may not do has no button, and is refused
//! all the same where its form is sent.

mod auto_top_up;
mod billed_to;
mod billing;
mod key_form;
mod keys;
mod limits;
mod log;
mod models;
mod overview;
mod playground;
mod receipt;
mod requests;
mod serve;
mod settings;
mod topup;
mod usage;
mod visit;
mod webhooks;

pub use serve::{
    ask_playground, billing, billing_csv, billing_events_csv, create_key, keys, limits, models, overview, paid,
    paid_json, playground, playground_cost, receipt, remove_webhooks, rename_workspace, requests, requests_csv,
    resend_webhook, revoke_key, rotate_key, rotate_key_page, rotate_webhook_secret, set_auto_top_up, set_billed_to,
    set_notice_line, set_webhooks, settings, test_webhooks, top_up, usage, usage_csv, webhooks,
};
pub use visit::{May, Trouble, Visit, shell_of};
