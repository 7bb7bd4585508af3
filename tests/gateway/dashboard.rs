//! Pages for people, as a browser gets them, and what every one of them owes its reader.

mod app;
mod public;
mod templates;

use reqwest::header::ACCEPT;

use crate::harness::{Haven, Reply};

/// What a browser sends when an address is opened.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

impl Haven {
    /// A page as a browser that is signed in nowhere gets it.
    async fn page(&self, path: &str) -> Reply {
        Reply::to(self.client.get(format!("{}{path}", self.base)).header(ACCEPT, BROWSER)).await
    }
}

/// What every page has, whatever it says.
#[track_caller]
fn assert_protected(reply: &Reply) {
    let policy = reply.header("content-security-policy");
    for directive in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.split("; ").any(|given| given == directive), "{directive} is not in {policy:?}");
    }
    assert!(!policy.contains("unsafe") && policy.contains("form-action 'self'"), "{policy}");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "same-origin");
    assert!(reply.header("permissions-policy").contains("camera=()"));
}
