//! `/operator`: workspaces, found by name, address or id.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use lmhaven_actors::domain::ids::WorkspaceId;
use lmhaven_actors::workspace::{Describe, WorkspaceView};

use super::shell::{Shell, Tab, Trouble};
use crate::dashboard::format;
use crate::dashboard::page;
use crate::dashboard::query::{Fields, encoded};
use crate::extract::operator::Operator;
use crate::relay::Gateway;
use crate::routes::WorkerData;

const PAGE: usize = 25;

#[derive(Template)]
#[template(path = "operator/workspaces.html")]
struct Workspaces {
    shell: Shell,
    search: String,
    rows: Vec<Row>,
    more: Option<String>,
    /// Not the first page.
    later: bool,
}

struct Row {
    id: String,
    name: String,
    owner_email: String,
    balance: String,
    reserved: String,
    tier: String,
    suspended: bool,
    verified: bool,
    created: String,
}

impl Row {
    fn of(view: &WorkspaceView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.profile.name.clone(),
            owner_email: view.profile.owner_email.clone(),
            balance: format::usd(view.standing.balance()),
            reserved: format::usd(view.standing.held),
            tier: view.tier.clone(),
            suspended: view.settings.suspended,
            verified: view.settings.email_verified,
            created: format::day(view.profile.created_at),
        }
    }
}

/// `GET /operator?q&after`.
pub async fn workspaces(worker: WorkerData, operator: Operator, request: HttpRequest) -> HttpResponse {
    let fields = Fields::of_query(&request);
    show(&worker.gateway, &operator, &fields).await.unwrap_or_else(Trouble::respond)
}

async fn show(gateway: &Gateway, operator: &Operator, fields: &Fields) -> Result<HttpResponse, Trouble> {
    let search = fields.get("q").unwrap_or_default();
    let after = fields.get("after").and_then(|text| text.parse::<WorkspaceId>().ok());
    let mut ids = gateway.core.office(|office| office.people.find_workspaces(search, after, PAGE + 1));
    let has_more = ids.len() > PAGE;
    ids.truncate(PAGE);
    let more = ids.last().filter(|_| has_more).map(|last| format!("/operator?q={}&after={last}", encoded(search)));
    let mut rows = Vec::with_capacity(ids.len());
    for workspace in ids.into_iter().filter_map(|id| gateway.core.directory.find(id)) {
        rows.push(Row::of(&workspace.ask(Describe).await?));
    }
    let shell = Shell::of(gateway, operator, Tab::Workspaces, fields);
    let page = Workspaces { shell, search: search.to_owned(), rows, more, later: after.is_some() };
    Ok(page::private(StatusCode::OK, &page))
}
