//! `/app/limits`: what applies, what every tier grants, and what an operator has set.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use lmhaven_actors::domain::limits::Limits as Pair;

use super::Visit;
use super::overview::{NextTier, next_tier};
use crate::dashboard::format;
use crate::dashboard::page::{self, Shell, Tab};
use crate::relay::Worker;

#[derive(Template)]
#[template(path = "app/limits.html")]
struct Limits {
    shell: Shell,
    requests_per_minute: String,
    requests_remaining: String,
    concurrent_streams: u32,
    streams_remaining: u32,
    tier: String,
    overridden: bool,
    next_tier: Option<NextTier>,
    tiers: Vec<TierRow>,
    features: [(&'static str, bool); 3],
}

struct TierRow {
    from: String,
    requests_per_minute: String,
    concurrent_streams: u32,
    current: bool,
}

/// The page.
pub(super) fn limits(worker: &Worker, visit: &Visit) -> HttpResponse {
    let (view, policy) = (&visit.view, worker.gateway.core.policy());
    let row = |from: String, limits: Pair| TierRow {
        from,
        requests_per_minute: format::thousands(limits.requests_per_minute.get().into()),
        concurrent_streams: limits.concurrent_streams.get(),
        current: limits == view.limits,
    };
    let default = row(format::usd(lmhaven_actors::domain::money::NanoUsd::ZERO), policy.default);
    let tiers = policy.tiers.iter().map(|tier| row(format::usd(tier.min_balance), tier.limits));
    let settings = &view.settings;
    let page = Limits {
        shell: visit.shell(Tab::Limits),
        requests_per_minute: format::thousands(view.limits.requests_per_minute.get().into()),
        requests_remaining: format::thousands(view.standing.requests.remaining.into()),
        concurrent_streams: view.limits.concurrent_streams.get(),
        streams_remaining: view.standing.streams_remaining,
        tier: view.tier.clone(),
        overridden: settings.requests_per_minute.is_some() || settings.concurrent_streams.is_some(),
        next_tier: next_tier(policy, view),
        tiers: std::iter::once(default).chain(tiers).collect(),
        features: [
            ("Text", settings.features.text),
            ("Images", settings.features.image),
            ("Voice", settings.features.voice),
        ],
    };
    page::private(StatusCode::OK, &page)
}
