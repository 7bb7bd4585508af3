//! `/operator/workspaces/{id}`: one workspace, with the forms that change it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use lmhaven_actors::domain::entry::{Entry, EntryKind};
use lmhaven_actors::domain::payment::Payment;
use lmhaven_actors::reports::ClosedFilter;
use lmhaven_actors::workspace::{Describe, WorkspaceHandle, WorkspaceView};

use super::shell::{Sent, Shell, Tab, Trouble};
use crate::dashboard::format;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::extract::operator::Operator;
use crate::operations;
use crate::relay::Gateway;
use crate::routes::WorkerData;

/// Rows of each list.
const LATEST: usize = 15;

#[derive(Template)]
#[template(path = "operator/workspace.html")]
struct Page {
    shell: Shell,
    sent: Sent,
    id: String,
    name: String,
    owner_email: String,
    verified: bool,
    suspended: bool,
    created: String,
    balance: String,
    available: String,
    reserved: String,
    tier: String,
    requests_per_minute: String,
    concurrent_streams: u32,
    /// What an operator has set, in digits; empty where the tier decides.
    set_requests: String,
    set_streams: String,
    features: [(&'static str, &'static str, bool); 3],
    keys: Vec<KeyRow>,
    members: Vec<MemberRow>,
    payments: Vec<PaymentRow>,
    events: Vec<EventRow>,
    requests: Vec<RequestRow>,
}

struct KeyRow {
    id: String,
    name: String,
    last_four: String,
    created: String,
    used: String,
    spent: String,
    revoked: bool,
}

struct MemberRow {
    email: String,
    name: String,
    role: &'static str,
}

struct PaymentRow {
    intent: String,
    at: String,
    amount: String,
    returned: String,
    /// What may still go back to the card, in digits; empty where nothing.
    refundable: String,
}

struct EventRow {
    at: String,
    what: &'static str,
    amount: String,
    balance: String,
}

struct RequestRow {
    at: String,
    kind: &'static str,
    request: String,
    model: String,
    cost: String,
}

/// `GET /operator/workspaces/{id}`.
pub async fn workspace(
    worker: WorkerData,
    operator: Operator,
    request: HttpRequest,
    id: web::Path<String>,
) -> HttpResponse {
    let fields = Fields::of_query(&request);
    let shell = Shell::of(&worker.gateway, &operator, Tab::Workspaces, &fields);
    let found = match find(&worker.gateway, &id) {
        Ok(workspace) => show(&worker.gateway, shell, &workspace, StatusCode::OK, Sent::default()).await,
        Err(trouble) => Err(trouble),
    };
    found.unwrap_or_else(Trouble::respond)
}

/// The workspace in the path.
pub(super) fn find(gateway: &Gateway, id: &str) -> Result<WorkspaceHandle, Trouble> {
    operations::workspace_of(gateway, id).map_err(|_| Trouble::Missing)
}

/// The page, with a form that was refused as it was sent.
pub(super) async fn show(
    gateway: &Gateway,
    shell: Shell,
    workspace: &WorkspaceHandle,
    status: StatusCode,
    sent: Sent,
) -> Result<HttpResponse, Trouble> {
    let view = workspace.ask(Describe).await?;
    let id = view.id;
    let (members, payments) = gateway.core.office(|office| {
        let members = office.people.members(id).into_iter();
        let members = members.map(|member| MemberRow {
            email: member.email.to_string(),
            name: member.name,
            role: member.role.name(),
        });
        let payments = office.payments.of_workspace(id).into_iter().rev().take(LATEST).map(payment_row);
        (members.collect(), payments.collect())
    });
    let events = gateway.core.reports.money_events(id);
    let events = events.iter().rev().take(LATEST).map(|event| EventRow {
        at: format::moment(event.at),
        what: kind_name(event.kind),
        amount: format::exact_usd(event.amount),
        balance: format::exact_usd(event.balance),
    });
    let page = Page { events: events.collect(), requests: latest(gateway, &view).await?, ..of(shell, sent, &view) };
    Ok(page::private(status, &Page { members, payments, ..page }))
}

fn of(shell: Shell, sent: Sent, view: &WorkspaceView) -> Page {
    let settings = &view.settings;
    let digits = |set: Option<std::num::NonZeroU32>| set.map(|set| set.to_string()).unwrap_or_default();
    let key = |key: &lmhaven_actors::domain::account::KeyState| KeyRow {
        id: key.created.key.to_string(),
        name: key.created.name.clone(),
        last_four: key.created.last_four.clone(),
        created: format::day(key.created.at),
        used: key.last_used_at.map_or_else(|| "never".to_owned(), format::moment),
        spent: format::usd(key.spent),
        revoked: key.revoked_at.is_some(),
    };
    Page {
        shell,
        sent,
        id: view.id.to_string(),
        name: view.profile.name.clone(),
        owner_email: view.profile.owner_email.clone(),
        verified: settings.email_verified,
        suspended: settings.suspended,
        created: format::day(view.profile.created_at),
        balance: format::exact_usd(view.standing.balance()),
        available: format::exact_usd(view.standing.available),
        reserved: format::exact_usd(view.standing.held),
        tier: view.tier.clone(),
        requests_per_minute: format::thousands(view.limits.requests_per_minute.get().into()),
        concurrent_streams: view.limits.concurrent_streams.get(),
        set_requests: digits(settings.requests_per_minute),
        set_streams: digits(settings.concurrent_streams),
        features: [
            ("text", "Text", settings.features.text),
            ("image", "Images", settings.features.image),
            ("voice", "Voice", settings.features.voice),
        ],
        keys: view.keys.iter().map(key).collect(),
        members: Vec::new(),
        payments: Vec::new(),
        events: Vec::new(),
        requests: Vec::new(),
    }
}

fn payment_row(payment: &Payment) -> PaymentRow {
    let left = payment.refundable();
    PaymentRow {
        intent: payment.paid.intent.to_string(),
        at: format::moment(payment.paid.at),
        amount: format::usd(payment.paid.amount),
        returned: format::usd(payment.returned),
        refundable: if left.is_positive() { left.to_string() } else { String::new() },
    }
}

/// The requests that were closed last, the newest first.
async fn latest(gateway: &Gateway, view: &WorkspaceView) -> Result<Vec<RequestRow>, Trouble> {
    let (core, id) = (gateway.core.clone(), view.id);
    let read = web::block(move || {
        let numbers = core.reports.closed_before(id, &ClosedFilter::default(), u64::MAX, LATEST);
        let one = |seq: u64| core.ledger.entries(id, seq.saturating_sub(1), 1);
        numbers.into_iter().map(|seq| Ok(one(seq)?.pop())).collect::<Result<Vec<Option<Entry>>, _>>()
    });
    let entries =
        read.await.map_err(|_| Trouble::Unavailable)?.map_err(|error: lmhaven_actors::ledger::LedgerError| {
            tracing::error!(%error, "an operators' page could not read the ledger");
            Trouble::Unavailable
        })?;
    Ok(entries.into_iter().flatten().map(|entry| request_row(&entry)).collect())
}

fn request_row(entry: &Entry) -> RequestRow {
    let charged = matches!(entry.kind, EntryKind::Settle | EntryKind::Recover);
    RequestRow {
        at: format::moment(entry.at),
        kind: kind_name(entry.kind),
        request: entry.request.as_ref().map(|detail| detail.request.to_string()).unwrap_or_default(),
        model: entry.request.as_ref().map(|detail| detail.model.to_string()).unwrap_or_default(),
        cost: if charged { format::exact_usd(entry.charge()) } else { "–".to_owned() },
    }
}

const fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Topup => "top-up",
        EntryKind::Credit => "credit",
        EntryKind::Refund => "refund",
        EntryKind::Hold => "hold",
        EntryKind::Extend => "extend",
        EntryKind::Release => "released",
        EntryKind::Expire => "expired",
        EntryKind::Settle => "settled",
        EntryKind::Recover => "recovered",
        EntryKind::Writeoff => "written off",
        EntryKind::Adjust => "correction",
    }
}
