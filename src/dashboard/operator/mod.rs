//! The operators' pages, on the admin port below `/operator`, one page a file.
//!
//! Each shows what is there and hands what is to be done to `operations`, as the admin API does; every such form asks for a
//! reason. Where money or prices move, `fresh` has the password given within the last minutes. Who visits is what
//! `extract::operator` found; a customer's session is nobody here.

mod audit;
mod diff;
mod fresh;
mod mail;
mod money;
mod payments;
mod prices;
mod providers;
mod set_up;
mod settings;
mod shell;
mod sign_in;
mod webhooks;
mod workspace;
mod workspaces;

pub use audit::audit;
pub use mail::{mail, resend};
pub use money::{credit, refund};
pub use payments::payments;
pub use prices::{compare, preview, prices, publish, roll_back};
pub use providers::{providers, switch};
pub use set_up::{page as set_up_page, send as set_up_send};
pub use settings::{features, limits, suspend};
pub use sign_in::{out as sign_out, page as sign_in_page, send as sign_in_send};
pub use webhooks::{resend as resend_webhook, webhooks};
pub use workspace::workspace;
pub use workspaces::workspaces;

/// Where there is no page.
pub async fn missing() -> actix_web::HttpResponse {
    shell::Trouble::Missing.respond()
}
