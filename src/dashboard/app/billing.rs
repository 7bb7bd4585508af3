//! `/app/billing`: the balance, how money comes in, and everything that moved it: payments, credits and refunds one by one,
//! charges a day at a time, each with the balance after it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use lmhaven_actors::domain::billing::{BillingEvent, Happened};
use lmhaven_actors::domain::entry::EntryKind;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::reports::{GroupBy, MoneyEvent, UsageRow};
use lmhaven_actors::system::Core;

use super::auto_top_up::{Form as AutoTopUpForm, Section as AutoTopUp};
use super::{May, Visit};
use crate::dashboard::csv::{Cell, Csv};
use crate::dashboard::format;
use crate::dashboard::page::{self, Shell, Tab};
use crate::dashboard::query::Fields;
use crate::relay::Worker;
use crate::times;

const PAGE: usize = 40;

#[derive(Template)]
#[template(path = "app/billing.html")]
struct Billing {
    shell: Shell,
    may: May,
    /// What can be paid by card; empty where it cannot.
    amounts: Vec<String>,
    bounds: String,
    refused: String,
    auto: AutoTopUp,
    balance: String,
    available: String,
    reserved: String,
    workspace_id: String,
    events: Vec<EventRow>,
    older: Option<String>,
    newest: bool,
    /// What people were told, the newest first, in pages of their own.
    told: Vec<ToldRow>,
    told_older: Option<String>,
}

/// One thing that people were told.
struct ToldRow {
    at: String,
    what: &'static str,
    detail: String,
    amount: String,
    balance: String,
    receipt: Option<u64>,
}

/// One line of the history.
struct EventRow {
    at: String,
    what: String,
    amount: String,
    balance: String,
    receipt: Option<u64>,
}

/// Something that moved the balance.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Movement {
    /// Money came in or went back.
    Event(MoneyEvent),
    /// All charges of a day.
    Day {
        /// Which, since the epoch.
        day: i32,
        /// How many requests.
        requests: u64,
        /// What they cost.
        cost: NanoUsd,
        /// The balance at its end.
        balance: NanoUsd,
    },
}

/// Every movement, the newest first. `balance` is the balance now; all of it is of the same moment.
fn movements(events: &[MoneyEvent], days: &[UsageRow], balance: NanoUsd) -> Vec<Movement> {
    let mut movements = Vec::with_capacity(events.len() + days.len());
    let mut events = events.iter().rev().peekable();
    // The balance at the end of a day is what is there now, with everything undone that came after the day.
    let mut at_end = balance;
    for row in days.iter().rev() {
        let day = row.day.unwrap_or_default();
        while let Some(event) = events.next_if(|event| event.at.day() > day) {
            at_end = at_end.checked_sub(event.amount).unwrap_or_default();
            movements.push(Movement::Event(*event));
        }
        movements.push(Movement::Day { day, requests: row.requests, cost: row.cost, balance: at_end });
        at_end = at_end.checked_add(row.cost).unwrap_or(NanoUsd::MAX);
        while let Some(event) = events.next_if(|event| event.at.day() == day) {
            at_end = at_end.checked_sub(event.amount).unwrap_or_default();
            movements.push(Movement::Event(*event));
        }
    }
    movements.extend(events.copied().map(Movement::Event));
    movements
}

fn read(core: &Core, visit: &Visit) -> Vec<Movement> {
    let workspace = visit.workspace.id();
    let by_day = GroupBy { day: true, model: false, key: false };
    let days = core.reports.usage(workspace, i32::MIN, i32::MAX, by_day);
    movements(&core.reports.money_events(workspace), &days, core.reports.balance(workspace))
}

pub(super) const fn name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Topup => "Top-up",
        EntryKind::Credit => "Credit",
        EntryKind::Refund => "Refund",
        _ => "Correction",
    }
}

/// With its sign: what comes in and what goes out are told apart at a glance.
fn signed(amount: NanoUsd) -> String {
    let text = format::exact_usd(amount);
    if amount.is_positive() { format!("+{text}") } else { text }
}

impl EventRow {
    fn of(movement: &Movement) -> Self {
        match movement {
            Movement::Event(event) => Self {
                at: format::moment(event.at),
                what: name(event.kind).to_owned(),
                amount: signed(event.amount),
                balance: format::exact_usd(event.balance),
                receipt: Some(event.seq),
            },
            Movement::Day { day, requests, cost, balance } => Self {
                at: times::day(*day),
                what: format!(
                    "{} {}",
                    format::thousands(*requests),
                    if *requests == 1 { "request" } else { "requests" }
                ),
                amount: signed(cost.checked_neg().unwrap_or_default()),
                balance: format::exact_usd(*balance),
                receipt: None,
            },
        }
    }
}

impl ToldRow {
    fn of(event: &BillingEvent) -> Self {
        let detail = match &event.happened {
            Happened::LimitsChanged { requests_per_minute, concurrent_streams } => {
                format!("{requests_per_minute} requests per minute, {concurrent_streams} streams at once")
            }
            Happened::DisputeClosed { won, .. } => {
                if *won { "the payment stands" } else { "the payment was returned" }.to_owned()
            }
            Happened::AutoTopUpFailed { switched_off: true, .. } => "auto top-up is off".to_owned(),
            _ => String::new(),
        };
        Self {
            at: format::moment(event.at),
            what: told_as(&event.happened),
            detail,
            amount: event.happened.amount().map(format::exact_usd).unwrap_or_default(),
            balance: format::exact_usd(event.balance_usd),
            receipt: event.receipt,
        }
    }
}

const fn told_as(happened: &Happened) -> &'static str {
    match happened {
        Happened::TopUp { .. } => "Top-up",
        Happened::AutoTopUp { .. } => "Auto top-up",
        Happened::AutoTopUpFailed { .. } => "Auto top-up failed",
        Happened::Refund { .. } => "Refund",
        Happened::RefundFailed { .. } => "Refund failed",
        Happened::DisputeOpened { .. } => "Dispute opened",
        Happened::DisputeClosed { .. } => "Dispute closed",
        Happened::Credit { .. } => "Credit",
        Happened::LimitsChanged { .. } => "Limits changed",
    }
}

/// All events as CSV.
pub(super) fn events_csv(worker: &Worker, visit: &Visit) -> HttpResponse {
    let mut csv = Csv::new(&["at", "event", "type", "amount_usd", "balance_usd", "receipt", "detail"]);
    let id = visit.workspace.id();
    for event in worker.gateway.core.office(|office| office.billing.newest(id, 0, usize::MAX)) {
        let row = ToldRow::of(&event);
        csv.row([
            Cell::Plain(&times::rfc3339(event.at)),
            Cell::Plain(&event.id.to_string()),
            Cell::Plain(event.happened.name()),
            Cell::Plain(&event.happened.amount().map(|amount| amount.to_string()).unwrap_or_default()),
            Cell::Plain(&event.balance_usd.to_string()),
            Cell::Plain(&event.receipt.map(|number| number.to_string()).unwrap_or_default()),
            Cell::Text(&row.detail),
        ]);
    }
    csv.respond("billing-events.csv")
}

/// Amounts that are offered, where they are within the bounds.
const AMOUNTS: [i64; 4] = [10, 25, 100, 500];

/// The page.
pub(super) fn billing(worker: &Worker, visit: &Visit, fields: &Fields) -> HttpResponse {
    show(worker, visit, fields, StatusCode::OK, Refused::default())
}

/// The page after a payment that could not begin.
pub(super) fn refused(worker: &Worker, visit: &Visit, words: &str) -> HttpResponse {
    let refused = Refused { top_up: words.to_owned(), ..Refused::default() };
    show(worker, visit, &Fields::default(), StatusCode::BAD_REQUEST, refused)
}

/// The page after auto top-up was not changed.
pub(super) fn auto_top_up_refused(worker: &Worker, visit: &Visit, form: AutoTopUpForm) -> HttpResponse {
    let refused = Refused { auto_top_up: Some(form), ..Refused::default() };
    show(worker, visit, &Fields::default(), StatusCode::UNPROCESSABLE_ENTITY, refused)
}

/// What was wrong with a form of the page.
#[derive(Default)]
struct Refused {
    top_up: String,
    auto_top_up: Option<AutoTopUpForm>,
}

fn show(worker: &Worker, visit: &Visit, fields: &Fields, status: StatusCode, refused: Refused) -> HttpResponse {
    let payments = &worker.gateway.payments;
    let (min, max) = payments.bounds();
    let offered = AMOUNTS.into_iter().map(|dollars| NanoUsd::from_nano(dollars * 1_000_000_000));
    let mut offered: Vec<_> = offered.filter(|amount| (min..=max).contains(amount)).collect();
    if offered.is_empty() {
        offered.push(min);
    }
    offered.retain(|_| payments.configured());
    let all = read(&worker.gateway.core, visit);
    let skipped: usize = fields.get("skip").and_then(|text| text.parse().ok()).unwrap_or(0);
    let events: Vec<_> = all.iter().skip(skipped).take(PAGE).map(EventRow::of).collect();
    let shown = skipped.saturating_add(events.len());
    let told_skipped: usize = fields.get("told").and_then(|text| text.parse().ok()).unwrap_or(0);
    let workspace = visit.workspace.id();
    let (told, told_count) = worker
        .gateway
        .core
        .office(|office| (office.billing.newest(workspace, told_skipped, PAGE), office.billing.count(workspace)));
    let told_shown = told_skipped.saturating_add(told.len());
    let standing = &visit.view.standing;
    let page = Billing {
        shell: visit.shell(Tab::Billing),
        may: visit.may,
        amounts: offered.iter().map(ToString::to_string).collect(),
        bounds: format!("{} to {}", format::usd(min), format::usd(max)),
        refused: refused.top_up,
        auto: AutoTopUp::of(worker, visit, fields.get("saved"), refused.auto_top_up),
        balance: format::usd(standing.balance()),
        available: format::usd(standing.available),
        reserved: format::usd(standing.held),
        workspace_id: visit.view.id.to_string(),
        events,
        older: (shown < all.len()).then(|| format!("/app/billing?skip={shown}")),
        newest: skipped > 0 || told_skipped > 0,
        told_older: (told_shown < told_count).then(|| format!("/app/billing?told={told_shown}#told")),
        told: told.iter().map(ToldRow::of).collect(),
    };
    page::private_with_forms_to(status, &page, payments.checkout_origin())
}

/// The whole history as CSV.
pub(super) fn billing_csv(worker: &Worker, visit: &Visit) -> HttpResponse {
    let mut csv = Csv::new(&["at", "what", "requests", "amount_usd", "balance_usd"]);
    for movement in read(&worker.gateway.core, visit) {
        let (at, what, requests, amount, balance) = match movement {
            Movement::Event(event) => {
                (times::rfc3339(event.at), name(event.kind), String::new(), event.amount, event.balance)
            }
            Movement::Day { day, requests, cost, balance } => {
                let amount = cost.checked_neg().unwrap_or_default();
                (times::day(day), "Requests", requests.to_string(), amount, balance)
            }
        };
        csv.row([
            Cell::Plain(&at),
            Cell::Plain(what),
            Cell::Plain(&requests),
            Cell::Plain(&amount.to_string()),
            Cell::Plain(&balance.to_string()),
        ]);
    }
    csv.respond("billing.csv")
}

#[cfg(test)]
mod tests {
    use lmhaven_actors::domain::time::UnixMillis;
    use lmhaven_actors::domain::usage::Usage;

    use super::*;

    fn nano(nano: i64) -> NanoUsd {
        NanoUsd::from_nano(nano)
    }

    fn event(seq: u64, day: i64, amount: i64, balance: i64) -> MoneyEvent {
        let at = UnixMillis(day * 86_400_000 + 40_000_000);
        MoneyEvent { seq, at, kind: EntryKind::Credit, amount: nano(amount), balance: nano(balance) }
    }

    fn charges(day: i32, cost: i64) -> UsageRow {
        UsageRow { day: Some(day), model: None, key: None, requests: 2, usage: Usage::default(), cost: nano(cost) }
    }

    #[test]
    fn every_line_carries_the_balance_after_it() {
        // Day 1: +100, −10. Day 2: −20. Day 3: −5, +50 in the middle of it. Day 5: −15 refunded.
        let events = [event(1, 1, 100, 100), event(9, 3, 50, 117), event(20, 5, -15, 100)];
        let days = [charges(1, 10), charges(2, 20), charges(3, 5)];
        let movements = movements(&events, &days, nano(100));
        let lines: Vec<_> = movements
            .iter()
            .map(|movement| match movement {
                Movement::Event(event) => (event.at.day(), event.balance.nano()),
                Movement::Day { day, balance, .. } => (*day, balance.nano()),
            })
            .collect();
        assert_eq!(lines, [(5, 100), (3, 115), (3, 117), (2, 70), (1, 90), (1, 100)]);
    }

    #[test]
    fn days_without_money_events_and_events_without_days_are_listed_too() {
        assert_eq!(movements(&[event(1, 1, 100, 100)], &[], nano(100)).len(), 1);
        let alone = movements(&[], &[charges(4, 7)], nano(0));
        assert_eq!(alone, [Movement::Day { day: 4, requests: 2, cost: nano(7), balance: nano(0) }]);
    }
}
