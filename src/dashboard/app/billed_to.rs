//! `/app/settings/billed-to`: the company, address and tax id that receipts name. A section of the settings page.

use actix_web::HttpResponse;
use lmhaven_actors::domain::billing::{ADDRESS_CHARS_MAX, BadBilledTo, BilledTo, COMPANY_CHARS_MAX, TAX_ID_CHARS_MAX};
use lmhaven_actors::domain::fact::{AuditRow, WorkspaceChanged};
use serde_json::json;

use super::{Trouble, Visit, settings};
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::relay::Worker;

/// What was typed, or is kept, and which of it is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) company: String,
    pub(super) address: String,
    pub(super) tax_id: String,
    pub(super) wrong: BadBilledTo,
}

impl Form {
    /// What is kept.
    pub(super) fn of(billed_to: Option<&BilledTo>) -> Self {
        billed_to.map_or_else(Self::default, |BilledTo { company, address, tax_id }| Self {
            company: company.clone(),
            address: address.join("\n"),
            tax_id: tax_id.clone(),
            wrong: BadBilledTo::default(),
        })
    }

    pub(super) const COMPANY_MAX: usize = COMPANY_CHARS_MAX;
    pub(super) const ADDRESS_MAX: usize = ADDRESS_CHARS_MAX;
    pub(super) const TAX_ID_MAX: usize = TAX_ID_CHARS_MAX;
}

/// Sets whom receipts name.
///
/// # Errors
/// [`Trouble::Forbidden`] for whoever is not in charge of money. What cannot be kept is said on the settings page.
pub(super) async fn set(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    if !visit.may.money {
        return Err(Trouble::Forbidden);
    }
    let text = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    let (company, address, tax_id) = (text("company"), text("address"), text("tax_id"));
    let billed_to = match BilledTo::written(&company, &address, &tax_id) {
        Ok(billed_to) => billed_to,
        Err(wrong) => {
            return Ok(settings::billed_to_refused(worker, &visit, Form { company, address, tax_id, wrong }));
        }
    };
    let core = &worker.gateway.core;
    let (workspace, at) = (visit.workspace.id(), core.clock.now().wall);
    let before = core.office(|office| office.billing.billed_to(workspace).cloned());
    let audit = AuditRow {
        at,
        actor: visit.shell.email.clone(),
        action: "workspace.change".to_owned(),
        target: workspace.to_string(),
        reason: None,
        before: Some(json!({ "billed_to": before })),
        after: Some(json!({ "billed_to": billed_to })),
    };
    let change = WorkspaceChanged { billed_to: Some(billed_to), ..WorkspaceChanged::nothing(workspace, at) };
    core.change_workspace(&visit.workspace, change, audit).await.map_err(|error| {
        tracing::error!(%error, "whom receipts name could not be changed");
        Trouble::Unavailable
    })?;
    Ok(page::see_other("/app/settings?saved=1"))
}
