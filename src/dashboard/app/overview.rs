//! `/app`: what the workspace has, what it spent, what to do next.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use lmhaven_actors::domain::limits::LimitPolicy;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::reports::{ClosedFilter, GroupBy};
use lmhaven_actors::workspace::WorkspaceView;

use super::{May, Trouble, Visit, log};
use crate::dashboard::charges::RequestRow;
use crate::dashboard::format;
use crate::dashboard::page::{self, Shell, Tab};
use crate::relay::Worker;

const RECENT: usize = 8;

#[derive(Template)]
#[template(path = "app/overview.html")]
struct Overview {
    shell: Shell,
    may: May,
    balance: String,
    reserved: String,
    spent: [Spent; 3],
    requests_per_minute: String,
    concurrent_streams: u32,
    tier: String,
    next_tier: Option<NextTier>,
    steps: Vec<Step>,
    recent: Vec<RequestRow>,
}

/// What was spent in some days.
struct Spent {
    label: &'static str,
    amount: String,
    requests: String,
}

/// The tier above the one that holds.
pub(super) struct NextTier {
    /// The balance that a credit has to reach.
    pub min_balance: String,
    /// What is missing of it now.
    pub missing: String,
    /// What it grants.
    pub requests_per_minute: String,
    /// What it grants.
    pub concurrent_streams: u32,
}

/// One of the first steps.
struct Step {
    words: &'static str,
    href: &'static str,
    done: bool,
}

/// The overview.
///
/// # Errors
/// [`Trouble`].
pub(super) async fn overview(worker: &Worker, visit: Visit) -> Result<HttpResponse, Trouble> {
    let core = &worker.gateway.core;
    let (view, workspace) = (&visit.view, visit.workspace.id());
    let today = core.clock.now().wall.day();
    let spent = [("Today", 0), ("Last 7 days", 6), ("Last 30 days", 29)].map(|(label, days_before)| {
        let rows = core.reports.usage(workspace, today.saturating_sub(days_before), today, GroupBy::default());
        let (cost, requests) = rows.first().map_or((NanoUsd::ZERO, 0), |row| (row.cost, row.requests));
        Spent { label, amount: format::usd(cost), requests: format::thousands(requests) }
    });
    let known = visit.known(core);
    let recent = log::newest(core, workspace, ClosedFilter::default(), u64::MAX, RECENT, known).await?;
    let steps = steps(view, !core.reports.money_events(workspace).is_empty(), core.reports.closed_count(workspace) > 0);
    let page = Overview {
        shell: visit.shell(Tab::Overview),
        may: visit.may,
        balance: format::usd(view.standing.balance()),
        reserved: format::usd(view.standing.held),
        spent,
        requests_per_minute: format::thousands(view.limits.requests_per_minute.get().into()),
        concurrent_streams: view.limits.concurrent_streams.get(),
        tier: view.tier.clone(),
        next_tier: next_tier(core.policy(), view),
        steps,
        recent,
    };
    Ok(page::private(StatusCode::OK, &page))
}

/// The lowest tier that grants more than what holds; `None` where none does.
pub(super) fn next_tier(policy: &LimitPolicy, view: &WorkspaceView) -> Option<NextTier> {
    let balance = view.standing.balance();
    let grants_more = |limits: &lmhaven_actors::domain::limits::Limits| {
        limits.requests_per_minute > view.limits.requests_per_minute
            || limits.concurrent_streams > view.limits.concurrent_streams
    };
    let next = policy.tiers.iter().find(|tier| grants_more(&tier.limits))?;
    Some(NextTier {
        min_balance: format::usd(next.min_balance),
        missing: format::usd(next.min_balance.checked_sub(balance).unwrap_or_default().max(NanoUsd::ZERO)),
        requests_per_minute: format::thousands(next.limits.requests_per_minute.get().into()),
        concurrent_streams: next.limits.concurrent_streams.get(),
    })
}

/// The first steps; none once all are done.
fn steps(view: &WorkspaceView, paid: bool, called: bool) -> Vec<Step> {
    let step = |words, href, done| Step { words, href, done };
    let steps = vec![
        step("Confirm your e-mail address", "/app/account", view.settings.email_verified),
        step("Top up your balance", "/app/billing", paid),
        step("Create a key", "/app/keys", !view.keys.is_empty()),
        step("Make your first call", "/docs", called),
    ];
    if steps.iter().all(|step| step.done) { Vec::new() } else { steps }
}
