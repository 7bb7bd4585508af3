//! `/operator/prices`: versions with their ages, the import of new ones as a difference before they are published, and the way
//! back to an earlier one.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use lmhaven_actors::domain::price::{PriceBook, PriceRow};
use lmhaven_actors::domain::time::UnixMillis;
use serde_json::{Value, json};

use super::diff::{self, Diff, DiffLine};
use super::fresh;
use super::shell::{Sent, Shell, Tab, Trouble, refused};
use crate::dashboard::format;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::error::ApiError;
use crate::extract::operator::Operator;
use crate::operations::prices::import;
use crate::operations::prices::{self as books, NewRow};
use crate::operations::{check_reason, invalid};
use crate::relay::Gateway;
use crate::routes::{WorkerData, list_price};
use crate::times;

const DAY: i64 = 24 * 60 * 60_000;
/// Versions that are listed: two years of weeks.
const LISTED: usize = 104;

#[derive(Template)]
#[template(path = "operator/prices.html")]
struct Prices {
    shell: Shell,
    sent: Sent,
    versions: Vec<VersionRow>,
    book: String,
}

struct VersionRow {
    version: u32,
    effective: String,
    age: String,
    models: usize,
    in_force: bool,
    /// It is the newest: there is nothing to go back to.
    newest: bool,
}

#[derive(Template)]
#[template(path = "operator/price_diff.html")]
struct Difference {
    shell: Shell,
    sent: Sent,
    /// What is compared, in words.
    title: String,
    diff: Diff,
    /// Models of the import that are in no configuration: nothing is published while there are any.
    unknown: Vec<String>,
    /// Why nothing can be published; empty where it can.
    obstacle: String,
    form: Form,
}

/// What is published where the operator agrees.
enum Form {
    /// What was pasted, compared with this version.
    Import { book: String, base: u32 },
    /// An earlier version again.
    RollBack { version: u32, base: u32 },
}

impl Form {
    /// Where it is sent.
    fn action(&self) -> String {
        match self {
            Self::Import { .. } => "/operator/prices/publish".to_owned(),
            Self::RollBack { version, .. } => format!("/operator/prices/{version}/roll-back"),
        }
    }

    /// The version that the difference is to: another one that came meanwhile is not what the operator agreed to.
    const fn base(&self) -> u32 {
        match self {
            Self::Import { base, .. } | Self::RollBack { base, .. } => *base,
        }
    }
}

/// `GET /operator/prices`.
pub async fn prices(worker: WorkerData, operator: Operator, request: HttpRequest) -> HttpResponse {
    let fields = Fields::of_query(&request);
    let shell = Shell::of(&worker.gateway, &operator, Tab::Prices, &fields);
    overview(&worker.gateway, shell, StatusCode::OK, Sent::default(), String::new())
}

fn overview(gateway: &Gateway, shell: Shell, status: StatusCode, sent: Sent, book: String) -> HttpResponse {
    let now = gateway.core.clock.now().wall;
    let in_force = gateway.core.prices.in_force(now).map(|book| book.version);
    let newest = gateway.core.prices.newest().map(|book| book.version);
    let row = |book: &Arc<PriceBook>| VersionRow {
        version: book.version,
        effective: format::moment(book.effective_at),
        age: age(book.effective_at, now),
        models: book.rows.len(),
        in_force: Some(book.version) == in_force,
        newest: Some(book.version) == newest,
    };
    let versions = gateway.core.prices.all().iter().rev().take(LISTED).map(row).collect();
    page::private(status, &Prices { shell, sent, versions, book })
}

/// How long ago, or in how long, in whole days.
fn age(at: UnixMillis, now: UnixMillis) -> String {
    let passed = now.0.saturating_sub(at.0);
    let days = match (passed.unsigned_abs() / DAY.unsigned_abs(), passed < 0) {
        (0, false) => return "today".to_owned(),
        (0, true) => return "within a day".to_owned(),
        (1, _) => "1 day".to_owned(),
        (days, _) => format!("{days} days"),
    };
    if passed < 0 { format!("in {days}") } else { days }
}

/// `POST /operator/prices/preview`.
pub async fn preview(worker: WorkerData, operator: Operator, body: web::Bytes) -> HttpResponse {
    let (gateway, fields) = (&worker.gateway, Fields::of_form(&body));
    let shell = Shell::of(gateway, &operator, Tab::Prices, &Fields::default());
    let text = fields.raw("book").unwrap_or_default().to_owned();
    show_import(gateway, shell, StatusCode::OK, Sent::default(), text)
}

fn show_import(gateway: &Gateway, shell: Shell, status: StatusCode, sent: Sent, text: String) -> HttpResponse {
    let rows = match import::read(&text) {
        Ok(rows) => rows,
        Err(error) => {
            let sent = Sent::refused("import", error.to_string(), Fields::default());
            return overview(gateway, shell, StatusCode::UNPROCESSABLE_ENTITY, sent, text);
        }
    };
    let newest = gateway.core.prices.newest();
    let before = newest.as_ref().map(|book| book.rows.clone()).unwrap_or_default();
    let base = newest.map_or(0, |book| book.version);
    let (known, unknown): (Vec<NewRow>, Vec<NewRow>) =
        rows.into_iter().partition(|row| gateway.catalogue.find(&row.id).is_some());
    let unknown: Vec<String> = unknown.into_iter().map(|row| row.id).collect();
    let (diff, mut obstacle) = match books::merge(gateway, known) {
        Ok(rows) => (diff::compare(&before, &rows), String::new()),
        Err(error) => (Diff::default(), error.message),
    };
    if obstacle.is_empty() && !unknown.is_empty() {
        obstacle =
            "Models are named that the configuration does not have. Take them out, or add them there first.".into();
    }
    if obstacle.is_empty() && diff.lines.is_empty() {
        obstacle = "Nothing would change.".into();
    }
    let status = if obstacle.is_empty() { status } else { StatusCode::UNPROCESSABLE_ENTITY };
    let title = format!("Import against version {base}");
    page::private(
        status,
        &Difference { shell, sent, title, diff, unknown, obstacle, form: Form::Import { book: text, base } },
    )
}

/// `POST /operator/prices/publish`.
pub async fn publish(worker: WorkerData, operator: Operator, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let (gateway, fields) = (&worker.gateway, Fields::of_form(&body));
    publish_inner(gateway, &operator, &request, fields).await.unwrap_or_else(Trouble::respond)
}

async fn publish_inner(
    gateway: &Gateway,
    operator: &Operator,
    request: &HttpRequest,
    fields: Fields,
) -> Result<HttpResponse, Trouble> {
    let text = fields.raw("book").unwrap_or_default().to_owned();
    let (status, error) = match fresh::check(gateway, request, operator, &fields).await? {
        Err(why) => (StatusCode::FORBIDDEN, why.to_owned()),
        Ok(()) => match publish_import(gateway, operator, &text, &fields).await {
            Ok(()) => return Ok(page::see_other("/operator/prices?done=published")),
            Err(error) => refused(error)?,
        },
    };
    let shell = shell_again(gateway, operator, request);
    Ok(show_import(gateway, shell, status, Sent::refused("publish", error, fields), text))
}

async fn publish_import(gateway: &Gateway, operator: &Operator, text: &str, fields: &Fields) -> Result<(), ApiError> {
    let (effective_at, reason) = agreed(gateway, fields)?;
    let rows = import::read(text).map_err(|error| invalid("models", error.to_string()))?;
    let rows = books::merge(gateway, rows)?;
    let before = gateway.core.prices.newest().map(|book| book.rows.clone()).unwrap_or_default();
    let asked = json!({ "effective_at": times::rfc3339(effective_at), "models": changed(&before, &rows) });
    books::publish(gateway, operator.email.as_str(), rows, effective_at, reason, asked).await.map(drop)
}

/// The rows that differ, as the admin API writes them.
fn changed(before: &BTreeMap<String, PriceRow>, after: &BTreeMap<String, PriceRow>) -> Vec<Value> {
    let differs = after.iter().filter(|(id, row)| before.get(*id) != Some(row));
    differs.map(|(id, row)| json!({ "id": id, "ratio": row.ratio, "list_price": list_price(&row.list) })).collect()
}

/// The time and the reason of a form that publishes, where what it was shown is what is there still.
fn agreed(gateway: &Gateway, fields: &Fields) -> Result<(UnixMillis, String), ApiError> {
    let reason = fields.get("reason").unwrap_or_default();
    check_reason(reason)?;
    let base = gateway.core.prices.newest().map_or(0, |book| book.version);
    if fields.get("base") != Some(base.to_string().as_str()) {
        let why = "another version was published meanwhile: this is the difference to that one";
        return Err(invalid("base", why));
    }
    let now = gateway.core.clock.now().wall;
    // What a browser's field for times sends has no zone, and the page says that it is UTC.
    let text = fields.get("effective_at").map(|text| match text.len() {
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    });
    let effective_at = books::moment(text.as_deref(), now)?;
    Ok((effective_at, reason.to_owned()))
}

/// `GET /operator/prices/{version}`: what going back to it would change.
pub async fn compare(
    worker: WorkerData,
    operator: Operator,
    request: HttpRequest,
    path: web::Path<String>,
) -> HttpResponse {
    let shell = Shell::of(&worker.gateway, &operator, Tab::Prices, &Fields::of_query(&request));
    let shown = show_version(&worker.gateway, shell, StatusCode::OK, Sent::default(), &path);
    shown.unwrap_or_else(Trouble::respond)
}

fn show_version(
    gateway: &Gateway,
    shell: Shell,
    status: StatusCode,
    sent: Sent,
    version: &str,
) -> Result<HttpResponse, Trouble> {
    let version: u32 = version.parse().map_err(|_| Trouble::Missing)?;
    let all = gateway.core.prices.all();
    let book = all.iter().find(|book| book.version == version).ok_or(Trouble::Missing)?;
    let newest = all.last().ok_or(Trouble::Missing)?;
    let diff = diff::compare(&newest.rows, &book.rows);
    let obstacle = if diff.lines.is_empty() && diff.gone.is_empty() { "Nothing would change." } else { "" };
    let page = Difference {
        shell,
        sent,
        title: format!("From version {} back to version {version}", newest.version),
        diff,
        unknown: Vec::new(),
        obstacle: obstacle.to_owned(),
        form: Form::RollBack { version, base: newest.version },
    };
    Ok(page::private(status, &page))
}

/// `POST /operator/prices/{version}/roll-back`.
pub async fn roll_back(
    worker: WorkerData,
    operator: Operator,
    request: HttpRequest,
    path: web::Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let (gateway, fields) = (&worker.gateway, Fields::of_form(&body));
    roll_back_inner(gateway, &operator, &request, &path, fields).await.unwrap_or_else(Trouble::respond)
}

async fn roll_back_inner(
    gateway: &Gateway,
    operator: &Operator,
    request: &HttpRequest,
    version: &str,
    fields: Fields,
) -> Result<HttpResponse, Trouble> {
    let number: u32 = version.parse().map_err(|_| Trouble::Missing)?;
    let (status, error) = match fresh::check(gateway, request, operator, &fields).await? {
        Err(why) => (StatusCode::FORBIDDEN, why.to_owned()),
        Ok(()) => match publish_again(gateway, operator, number, &fields).await {
            Ok(()) => return Ok(page::see_other("/operator/prices?done=rolled-back")),
            Err(error) => refused(error)?,
        },
    };
    let shell = shell_again(gateway, operator, request);
    show_version(gateway, shell, status, Sent::refused("publish", error, fields), version)
}

async fn publish_again(gateway: &Gateway, operator: &Operator, version: u32, fields: &Fields) -> Result<(), ApiError> {
    let (effective_at, reason) = agreed(gateway, fields)?;
    books::roll_back(gateway, operator.email.as_str(), version, effective_at, reason).await.map(drop)
}

/// The shell of a page whose form was refused: the password may have been right, and is then not asked for again.
fn shell_again(gateway: &Gateway, operator: &Operator, request: &HttpRequest) -> Shell {
    let operator = Operator::of(gateway, request.headers()).unwrap_or_else(|| operator.clone());
    Shell::of(gateway, &operator, Tab::Prices, &Fields::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_whole_days() {
        let at = |days: i64, millis: i64| age(UnixMillis(0), UnixMillis(days * DAY + millis));
        assert_eq!([at(0, 5), at(1, 0), at(8, 1)], ["today", "1 day", "8 days"]);
        assert_eq!([at(0, -5), at(-1, 0), at(-2, -1)], ["within a day", "in 1 day", "in 2 days"]);
    }
}
