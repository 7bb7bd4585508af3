//! Credit that an operator gives, and takes back.

use lmhaven_actors::domain::account::CreditError;
use lmhaven_actors::domain::entry::Entry;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::system::CreditRefused;
use lmhaven_actors::workspace::{Describe, WorkspaceHandle};
use serde::Deserialize;
use serde_json::json;

use super::{audit_row, check_idempotency_key, check_reason, invalid};
use crate::error::{ApiError, Code};
use crate::relay::Gateway;

/// What is given; a negative amount is taken back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCredit {
    /// How much.
    pub amount_usd: NanoUsd,
    /// Why.
    pub reason: String,
    /// The same key in the same workspace credits once.
    pub idempotency_key: String,
}

/// Gives it; answers the entry once that is durable, and the same entry for the same key again.
///
/// # Errors
/// A field is wrong, the key was used for another amount, or more would be taken than there is.
pub async fn give(
    gateway: &Gateway,
    actor: &str,
    workspace: &WorkspaceHandle,
    credit: NewCredit,
) -> Result<Entry, ApiError> {
    let NewCredit { amount_usd, reason, idempotency_key } = credit;
    check_reason(&reason)?;
    check_idempotency_key(&idempotency_key)?;
    let standing = workspace.ask(Describe).await?.standing;
    let before = json!({ "balance_usd": standing.balance(), "available_usd": standing.available });
    let after = json!({ "amount_usd": amount_usd, "idempotency_key": idempotency_key });
    let action = if amount_usd.is_negative() { "credit.refund" } else { "credit.add" };
    let audit = audit_row(gateway, actor, action, workspace.id(), Some(&reason), (Some(before), Some(after)));
    let credited = gateway.core.credit(workspace, amount_usd, reason.into(), idempotency_key.into(), audit).await;
    let (entry, fresh) = credited.map_err(refused)?;
    if fresh {
        crate::telemetry::credited(amount_usd);
    }
    Ok(entry)
}

fn refused(error: CreditRefused) -> ApiError {
    match error {
        CreditRefused::Account(refusal) => match refusal {
            CreditError::Conflict => {
                ApiError::new(Code::IdempotencyConflict, refusal.to_string()).at("idempotency_key")
            }
            CreditError::InsufficientBalance => {
                ApiError::new(Code::RefundTooLarge, refusal.to_string()).at("amount_usd")
            }
            CreditError::BadAmount => invalid("amount_usd", refusal.to_string()),
        },
        CreditRefused::Change(error) => error.into(),
    }
}
