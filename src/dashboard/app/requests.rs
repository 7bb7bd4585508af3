//! `/app/requests`: the log, the newest first, found by id, key, model and outcome; and the same as CSV.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use lmhaven_actors::domain::ids::KeyId;
use lmhaven_actors::reports::ClosedFilter;

use super::{Trouble, Visit, log};
use crate::dashboard::charges::{Outcome, RequestRow};
use crate::dashboard::csv::{Cell, Csv};
use crate::dashboard::page::{self, Shell, Tab};
use crate::dashboard::query::Fields;
use crate::relay::Worker;
use crate::times;

const PAGE: usize = 50;
/// Rows of one CSV: what a spreadsheet opens.
const CSV_ROWS_MAX: usize = 50_000;

#[derive(Template)]
#[template(path = "app/requests.html")]
struct Requests {
    shell: Shell,
    rows: Vec<RequestRow>,
    id: String,
    keys: Vec<Choice>,
    models: Vec<Choice>,
    outcomes: Vec<Choice>,
    filtered: bool,
    csv: String,
    newest: Option<String>,
    older: Option<String>,
}

/// One choice of a filter.
pub(super) struct Choice {
    /// What is sent.
    pub value: String,
    /// What is shown.
    pub name: String,
    /// It is the one that was chosen.
    pub chosen: bool,
}

/// The choices of the keys and models that a workspace used.
pub(super) fn used(worker: &Worker, visit: &Visit, fields: &Fields) -> (Vec<Choice>, Vec<Choice>) {
    let (keys, models) = worker.gateway.core.reports.used(visit.workspace.id());
    let known = visit.known(&worker.gateway.core);
    let chosen = |name: &str, value: &str| fields.get(name) == Some(value);
    let key = |key: KeyId| Choice {
        value: key.to_string(),
        name: known.key_name(key),
        chosen: chosen("key", &key.to_string()),
    };
    let model =
        |model: Arc<str>| Choice { chosen: chosen("model", &model), value: model.to_string(), name: model.to_string() };
    let mut models: Vec<_> = models.into_iter().map(model).collect();
    models.sort_by(|one, other| one.name.cmp(&other.name));
    (keys.into_iter().map(key).collect(), models)
}

/// What was asked for; a key or outcome that cannot be is nothing's.
fn filter(fields: &Fields) -> Option<ClosedFilter> {
    Some(ClosedFilter {
        key: fields.get("key").map(str::parse).transpose().ok()?,
        model: fields.get("model").map(Arc::from),
        kind: match fields.get("outcome") {
            None => None,
            Some(name) => Some(Outcome::by_name(name)?.kind()),
        },
    })
}

/// The log.
///
/// # Errors
/// [`Trouble`].
pub(super) async fn requests(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    let core = &worker.gateway.core;
    let workspace = visit.workspace.id();
    let before = fields.get("before").and_then(|text| text.parse().ok());
    let mut rows = match (fields.get("id"), filter(fields)) {
        (Some(id), _) => match id.parse() {
            Ok(id) => log::find(core, workspace, id, visit.known(core)).await?.into_iter().collect(),
            Err(_) => Vec::new(),
        },
        (None, None) => Vec::new(),
        (None, Some(filter)) => {
            log::newest(core, workspace, filter, before.unwrap_or(u64::MAX), PAGE + 1, visit.known(core)).await?
        }
    };
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let rest = fields.query_without(&["before"]);
    let link =
        |query: String| if query.is_empty() { "/app/requests".to_owned() } else { format!("/app/requests?{query}") };
    let older = rows.last().filter(|_| more).map(|last| {
        let joint = if rest.is_empty() { "" } else { "&" };
        link(format!("{rest}{joint}before={}", last.seq))
    });
    let (keys, models) = used(worker, &visit, fields);
    let outcome = |outcome: Outcome| Choice {
        value: outcome.name().to_owned(),
        name: outcome.name().to_owned(),
        chosen: fields.get("outcome") == Some(outcome.name()),
    };
    let page = Requests {
        shell: visit.shell(Tab::Requests),
        rows,
        id: fields.get("id").unwrap_or_default().to_owned(),
        keys,
        models,
        outcomes: Outcome::ALL.map(outcome).into(),
        filtered: ["id", "key", "model", "outcome"].iter().any(|name| fields.get(name).is_some()),
        csv: format!("/app/requests.csv?{rest}"),
        newest: before.map(|_: u64| link(rest.clone())),
        older,
    };
    Ok(page::private(StatusCode::OK, &page))
}

/// The log as CSV, by the same filters.
///
/// # Errors
/// [`Trouble`].
pub(super) async fn requests_csv(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    let core = &worker.gateway.core;
    let workspace = visit.workspace.id();
    let rows = match filter(fields) {
        None => Vec::new(),
        Some(filter) => log::newest(core, workspace, filter, u64::MAX, CSV_ROWS_MAX, visit.known(core)).await?,
    };
    let mut csv = Csv::new(&[
        "ended_at",
        "request_id",
        "key_id",
        "key_name",
        "model",
        "outcome",
        "took",
        "used",
        "estimated",
        "price_version",
        "cost_usd",
    ]);
    for row in rows {
        let (at, key, version) = (times::rfc3339(row.at), row.key.to_string(), row.price_version.to_string());
        csv.row([
            Cell::Plain(&at),
            Cell::Plain(&row.id),
            Cell::Plain(&key),
            Cell::Text(&row.key_name),
            Cell::Text(&row.model),
            Cell::Plain(row.outcome.name()),
            Cell::Plain(&row.took),
            Cell::Plain(&row.used),
            Cell::Plain(if row.estimated { "true" } else { "false" }),
            Cell::Plain(&version),
            Cell::Plain(&row.charge.to_string()),
        ]);
    }
    Ok(csv.respond("requests.csv"))
}
