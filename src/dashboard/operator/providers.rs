//! `/operator/providers`: accounts at providers as they are, switched on and off.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use lmhaven_actors::provider::{AccountState, AccountView};

use super::shell::{Sent, Shell, Tab, Trouble, refused};
use crate::dashboard::format;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::extract::operator::Operator;
use crate::operations::{self, check_reason};
use crate::relay::Gateway;
use crate::routes::WorkerData;

#[derive(Template)]
#[template(path = "operator/providers.html")]
struct Providers {
    shell: Shell,
    sent: Sent,
    rows: Vec<ProviderRow>,
}

struct ProviderRow {
    id: String,
    kind: &'static str,
    accounts: Vec<AccountRow>,
}

struct AccountRow {
    n: usize,
    /// The name of its form among those of the page.
    form: String,
    state: &'static str,
    tone: &'static str,
    enabled: bool,
    in_flight: u32,
    until: String,
    last_error: &'static str,
}

/// `GET /operator/providers`.
pub async fn providers(worker: WorkerData, operator: Operator, request: HttpRequest) -> HttpResponse {
    let shell = Shell::of(&worker.gateway, &operator, Tab::Providers, &Fields::of_query(&request));
    show(&worker.gateway, shell, StatusCode::OK, Sent::default())
}

fn show(gateway: &Gateway, shell: Shell, status: StatusCode, sent: Sent) -> HttpResponse {
    let now = gateway.core.clock.now().wall;
    let account = |provider: &str, account: AccountView| {
        let (state, tone) = match account.state {
            AccountState::Healthy => ("healthy", "ok"),
            AccountState::Cooling => ("cooling", "warn"),
            AccountState::Open => ("failing", "danger"),
            AccountState::Disabled => ("off", "danger"),
        };
        let until = account.back_in_millis.map(|millis| now.plus_millis(i64::try_from(millis).unwrap_or(i64::MAX)));
        AccountRow {
            n: account.n,
            form: format!("{provider}-{}", account.n),
            state,
            tone,
            enabled: account.state != AccountState::Disabled,
            in_flight: account.in_flight,
            until: until.map(format::second).unwrap_or_default(),
            last_error: account.last_error.unwrap_or_default(),
        }
    };
    let provider = |provider: &crate::config::Provider| ProviderRow {
        id: provider.id.as_str().to_owned(),
        kind: provider.kind.name(),
        accounts: gateway.pools.get(&provider.id).map_or_else(Vec::new, |pool| {
            pool.view().into_iter().map(|view| account(provider.id.as_str(), view)).collect()
        }),
    };
    let rows = gateway.config.providers.iter().map(provider).collect();
    page::private(status, &Providers { shell, sent, rows })
}

/// `POST /operator/providers/{id}/{n}`.
pub async fn switch(
    worker: WorkerData,
    operator: Operator,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> HttpResponse {
    let (gateway, fields, (id, n)) = (&worker.gateway, Fields::of_form(&body), path.into_inner());
    let enabled = fields.get("enabled") == Some("yes");
    let reason = fields.get("reason").unwrap_or_default();
    let switched = match check_reason(reason) {
        Ok(()) => {
            let who = operator.email.as_str();
            operations::providers::switch(gateway, who, (&id, &n), enabled, Some(reason)).await.map(drop)
        }
        Err(error) => Err(error),
    };
    let (status, error) = match switched.map_err(refused) {
        Ok(()) => {
            let done = if enabled { "enabled" } else { "disabled" };
            return page::see_other(&format!("/operator/providers?done={done}"));
        }
        Err(Ok(refused)) => refused,
        Err(Err(trouble)) => return Trouble::respond(trouble),
    };
    let shell = Shell::of(gateway, &operator, Tab::Providers, &Fields::default());
    show(gateway, shell, status, Sent::refused(format!("{id}-{n}"), error, fields))
}
