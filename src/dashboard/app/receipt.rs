//! `/app/billing/receipts/{number}`: one payment, credit or refund, as a page that prints well.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use lmhaven_actors::domain::billing::BilledTo;
use lmhaven_actors::domain::entry::{Entry, EntryKind, TxId};

use super::{Trouble, Visit, billing, log};
use crate::dashboard::format;
use crate::dashboard::page::{self, Shell, Tab};
use crate::relay::Worker;
use crate::times;

/// What the id of a card payment's entry begins with.
const PROVIDER: &str = "stripe:";

#[derive(Template)]
#[template(path = "app/receipt.html")]
struct Receipt {
    shell: Shell,
    what: &'static str,
    entry: String,
    /// The number of a card payment among all of them.
    number: Option<u64>,
    at: String,
    at_rfc3339: String,
    amount: String,
    reference: String,
    note: &'static str,
    workspace_name: String,
    workspace_id: String,
    owner_email: String,
    billed_to: Arc<BilledTo>,
}

/// The receipt of one payment, credit or refund of this workspace, by its number.
///
/// # Errors
/// [`Trouble::Missing`] for anything else.
pub(super) async fn receipt(worker: &Worker, visit: Visit, number: &str) -> Result<HttpResponse, Trouble> {
    let (core, workspace) = (&worker.gateway.core, visit.workspace.id());
    let number: u64 = number.parse().map_err(|_| Trouble::Missing)?;
    let known = core.reports.money_events(workspace).iter().any(|event| event.seq == number);
    let entry: Option<Entry> = if known { log::one(core, workspace, number).await? } else { None };
    let entry = entry.ok_or(Trouble::Missing)?;
    let reference = match &entry.txid {
        TxId::Payment(id) => id.to_string(),
        TxId::Credit(_) | TxId::Request(..) => String::new(),
    };
    let intent = reference.strip_prefix(PROVIDER).unwrap_or_default();
    let (number, billed_to) = core.office(|office| {
        let payment = office.payments.payment(intent).map(|payment| payment.paid.receipt);
        (payment, office.billing.billed_to(workspace).cloned().unwrap_or_default())
    });
    let page = Receipt {
        shell: visit.shell(Tab::Billing),
        what: billing::name(entry.kind),
        entry: entry.id().to_string(),
        number,
        at: format::moment(entry.at),
        at_rfc3339: times::rfc3339(entry.at),
        amount: format::exact_usd(entry.amount()),
        reference,
        note: note(&entry),
        workspace_name: visit.view.profile.name.clone(),
        workspace_id: visit.view.id.to_string(),
        owner_email: visit.view.profile.owner_email.clone(),
        billed_to,
    };
    Ok(page::private(StatusCode::OK, &page))
}

/// What a customer reads beside an amount. An operator's own words are for the audit log, and stay there.
fn note(entry: &Entry) -> &'static str {
    match (&entry.txid, entry.kind) {
        (TxId::Credit(_), EntryKind::Credit) => "Credit from LMHaven",
        (TxId::Credit(_), _) => "Taken off the balance by LMHaven",
        (TxId::Payment(_), EntryKind::Topup) => "Paid by card",
        (TxId::Payment(_), EntryKind::Refund) => "Sent back to the card or account that paid",
        (TxId::Payment(_), _) if entry.amount().is_negative() => "A payment that the bank asked back",
        (TxId::Payment(_), _) => "Back on the balance: a refund that did not go through, or a dispute that was won",
        (TxId::Request(..), _) => "",
    }
}
