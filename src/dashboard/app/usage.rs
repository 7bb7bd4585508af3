//! `/app/usage`: what was used and spent by day, model, key and modality; the same as CSV.
//!
//! One definition of "spent" for all of it: the charges of the ledger, by the day on which a request ended (UTC).

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use lmhaven_actors::domain::ids::KeyId;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::usage::Usage;
use lmhaven_actors::reports::{GroupBy, UsageRow};

use super::Visit;
use super::requests::{Choice, used};
use crate::dashboard::chart::{self, Chart, Point};
use crate::dashboard::csv::{Cell, Csv};
use crate::dashboard::page::{self, Shell, Tab};
use crate::dashboard::query::Fields;
use crate::dashboard::{charges, format};
use crate::relay::Worker;
use crate::times;

/// The longest range: a leap year.
const DAYS_MAX: i32 = 366;

#[derive(Template)]
#[template(path = "app/usage.html")]
struct UsagePage {
    shell: Shell,
    from: String,
    to: String,
    keys: Vec<Choice>,
    models: Vec<Choice>,
    total: Line,
    chart: Option<Chart>,
    tables: Vec<Table>,
    csv: String,
}

/// One grouping of the same charges.
struct Table {
    id: &'static str,
    title: &'static str,
    column: &'static str,
    lines: Vec<Line>,
}

/// One line of it.
struct Line {
    name: String,
    requests: String,
    used: String,
    estimated: bool,
    cost: String,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    requests: u64,
    usage: Usage,
    cost: NanoUsd,
}

impl Sum {
    fn add(&mut self, row: &UsageRow) {
        self.requests += row.requests;
        self.usage = self.usage.saturating_add(&row.usage);
        self.cost = self.cost.checked_add(row.cost).unwrap_or(NanoUsd::MAX);
    }

    fn line(self, name: String) -> Line {
        Line {
            name,
            requests: format::thousands(self.requests),
            used: charges::used(&self.usage),
            estimated: self.usage.estimated,
            cost: format::exact_usd(self.cost),
        }
    }
}

/// What was asked for.
struct Asked {
    from: i32,
    to: i32,
    key: Option<String>,
    model: Option<String>,
}

impl Asked {
    /// The last thirty days unless told; a range that is wrong or too long is made one that is not.
    fn of(fields: &Fields, today: i32) -> Self {
        let day = |name| fields.get(name).and_then(times::parse_day);
        let to = day("to").unwrap_or(today).min(today);
        let from = day("from").unwrap_or(to.saturating_sub(29)).min(to).max(to.saturating_sub(DAYS_MAX - 1));
        let text = |name| fields.get(name).map(str::to_owned);
        Self { from, to, key: text("key"), model: text("model") }
    }

    fn rows(&self, worker: &Worker, visit: &Visit) -> Vec<UsageRow> {
        let all = GroupBy { day: true, model: true, key: true };
        let mut rows = worker.gateway.core.reports.usage(visit.workspace.id(), self.from, self.to, all);
        rows.retain(|row| {
            let key = self.key.as_ref().is_none_or(|wanted| row.key.is_some_and(|key| key.to_string() == *wanted));
            key && self.model.as_ref().is_none_or(|wanted| row.model.as_deref() == Some(wanted))
        });
        rows
    }
}

fn grouped<K: Ord>(rows: &[UsageRow], by: impl Fn(&UsageRow) -> K) -> BTreeMap<K, Sum> {
    let mut groups = BTreeMap::<K, Sum>::new();
    for row in rows {
        groups.entry(by(row)).or_default().add(row);
    }
    groups
}

/// The dearest first.
fn dearest<K>(groups: BTreeMap<K, Sum>, name: impl Fn(K) -> String) -> Vec<Line> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.cost));
    groups.into_iter().map(|(group, sum)| sum.line(name(group))).collect()
}

/// The page.
pub(super) fn usage(worker: &Worker, visit: &Visit, fields: &Fields) -> HttpResponse {
    let core = &worker.gateway.core;
    let asked = Asked::of(fields, core.clock.now().wall.day());
    let rows = asked.rows(worker, visit);
    let known = visit.known(core);
    let mut total = Sum::default();
    for row in &rows {
        total.add(row);
    }
    let days = grouped(&rows, |row| row.day.unwrap_or_default());
    let points: Vec<_> = (asked.from..=asked.to)
        .map(|day| {
            let cost = days.get(&day).map_or(NanoUsd::ZERO, |sum| sum.cost);
            Point { label: times::day(day), value: cost.nano(), words: format::usd(cost) }
        })
        .collect();
    let title = format!("Spent by day, {} to {}", times::day(asked.from), times::day(asked.to));
    let modality = |row: &UsageRow| {
        let model = row.model.as_deref().and_then(|model| worker.gateway.catalogue.find(model));
        model.map_or("other", |model| model.modality.name())
    };
    let by_day = days.into_iter().rev().map(|(day, sum)| sum.line(times::day(day))).collect();
    let tables = vec![
        Table { id: "by-day", title: "By day", column: "Day (UTC)", lines: by_day },
        Table {
            id: "by-model",
            title: "By model",
            column: "Model",
            lines: dearest(grouped(&rows, |row| row.model.clone()), |model| {
                model.map(|model: Arc<str>| model.to_string()).unwrap_or_default()
            }),
        },
        Table {
            id: "by-key",
            title: "By key",
            column: "Key",
            lines: dearest(grouped(&rows, |row| row.key), |key: Option<KeyId>| {
                key.map(|key| known.key_name(key)).unwrap_or_default()
            }),
        },
        Table {
            id: "by-modality",
            title: "By modality",
            column: "Modality",
            lines: dearest(grouped(&rows, modality), str::to_owned),
        },
    ];
    let (keys, models) = used(worker, visit, fields);
    let page = UsagePage {
        shell: visit.shell(Tab::Usage),
        from: times::day(asked.from),
        to: times::day(asked.to),
        keys,
        models,
        total: total.line("Total".to_owned()),
        chart: chart::bars(title, &points),
        tables: if rows.is_empty() { Vec::new() } else { tables },
        csv: format!("/app/usage.csv?{}", fields.query_without(&[])),
    };
    page::private(StatusCode::OK, &page)
}

/// The same by day, model and key, as CSV.
pub(super) fn usage_csv(worker: &Worker, visit: &Visit, fields: &Fields) -> HttpResponse {
    let core = &worker.gateway.core;
    let asked = Asked::of(fields, core.clock.now().wall.day());
    let known = visit.known(core);
    let mut csv = Csv::new(&["day", "model", "key_id", "key_name", "requests", "used", "estimated", "cost_usd"]);
    for row in asked.rows(worker, visit) {
        let (Some(day), Some(model), Some(key)) = (row.day, &row.model, row.key) else { continue };
        csv.row([
            Cell::Plain(&times::day(day)),
            Cell::Text(model),
            Cell::Plain(&key.to_string()),
            Cell::Text(&known.key_name(key)),
            Cell::Plain(&row.requests.to_string()),
            Cell::Plain(&charges::used(&row.usage)),
            Cell::Plain(if row.usage.estimated { "true" } else { "false" }),
            Cell::Plain(&row.cost.to_string()),
        ]);
    }
    csv.respond("usage.csv")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(query: &str) -> (i32, i32) {
        let request = TestRequest::with_uri(&format!("/app/usage?{query}")).to_http_request();
        let asked = Asked::of(&Fields::of_query(&request), 20_000);
        (asked.from, asked.to)
    }

    #[test]
    fn a_range_is_never_wrong_nor_endless() {
        assert_eq!(asked(""), (19_971, 20_000), "thirty days");
        assert_eq!(asked("from=nonsense&to=1999-99-99"), (19_971, 20_000));
        let day = times::day(19_000);
        assert_eq!(asked(&format!("from={day}&to={day}")), (19_000, 19_000));
        assert_eq!(asked("from=1970-01-01"), (20_000 - DAYS_MAX + 1, 20_000));
        assert_eq!(asked(&format!("from={}&to={day}", times::day(19_500))), (19_000, 19_000), "from is after to");
        assert_eq!(asked("to=2999-01-01").1, 20_000);
    }
}
