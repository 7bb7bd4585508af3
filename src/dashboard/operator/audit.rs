//! `/operator/audit`: who did what to what, when and why, the newest first.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use lmhaven_actors::domain::fact::AuditRow;

use super::shell::{Shell, Tab};
use crate::dashboard::format;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::extract::operator::Operator;
use crate::routes::WorkerData;
use crate::times;

const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "operator/audit.html")]
struct Audit {
    shell: Shell,
    actor: String,
    action: String,
    target: String,
    from: String,
    to: String,
    filtered: bool,
    rows: Vec<Row>,
    older: Option<String>,
    newest: Option<String>,
}

struct Row {
    at: String,
    actor: String,
    action: String,
    target: String,
    /// The target is a workspace, which has a page.
    is_workspace: bool,
    reason: String,
    before: String,
    after: String,
}

impl Row {
    fn of(row: &AuditRow) -> Self {
        let text = |value: &Option<serde_json::Value>| {
            value.as_ref().map(|value| serde_json::to_string_pretty(value).unwrap_or_default()).unwrap_or_default()
        };
        Self {
            at: format::second(row.at),
            actor: row.actor.clone(),
            action: row.action.clone(),
            is_workspace: row.target.starts_with("ws_"),
            target: row.target.clone(),
            reason: row.reason.clone().unwrap_or_default(),
            before: text(&row.before),
            after: text(&row.after),
        }
    }
}

/// `GET /operator/audit?actor&action&target&from&to&before`.
pub async fn audit(worker: WorkerData, operator: Operator, request: HttpRequest) -> HttpResponse {
    let fields = Fields::of_query(&request);
    let shell = Shell::of(&worker.gateway, &operator, Tab::Audit, &fields);
    let text = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    let [actor, action, target, from, to] = ["actor", "action", "target", "from", "to"].map(text);
    let (first_day, last_day) = (times::parse_day(&from), times::parse_day(&to));
    let before = fields.get("before").and_then(|text| text.parse().ok());
    let has = |whole: &str, part: &str| part.is_empty() || whole.to_lowercase().contains(&part.to_lowercase());
    let wanted = |row: &AuditRow| {
        has(&row.actor, &actor)
            && has(&row.action, &action)
            && has(&row.target, &target)
            && first_day.is_none_or(|day| row.at.day() >= day)
            && last_day.is_none_or(|day| row.at.day() <= day)
    };
    let filtered = [&actor, &action, &target, &from, &to].into_iter().any(|text| !text.is_empty());
    let mut found = worker.gateway.core.audit_newest(before.unwrap_or(usize::MAX), PAGE + 1, wanted);
    let has_more = found.len() > PAGE;
    found.truncate(PAGE);
    let kept = fields.query_without(&["before", "done"]);
    let older = found.last().filter(|_| has_more);
    let older = older.map(|(number, _)| format!("/operator/audit?{kept}&before={number}"));
    let page = Audit {
        shell,
        filtered,
        actor,
        action,
        target,
        from,
        to,
        rows: found.iter().map(|(_, row)| Row::of(row)).collect(),
        older,
        newest: before.map(|_| format!("/operator/audit?{kept}")),
    };
    page::private(StatusCode::OK, &page)
}
