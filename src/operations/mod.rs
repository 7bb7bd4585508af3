//! What operators do, whichever way they come: the admin API's routes and the operators' pages are both thin around this.
//!
//! Each function checks what it is given, does it through the one place that can (the workspace's actor, the price book, the
//! pools), and writes its audit row in the same batch. Who may is not decided here: a route checks the token, a page the
//! session. Reading needs nothing of this.

pub mod credit;
pub mod mail;
pub mod prices;
pub mod providers;
pub mod refund;
pub mod webhooks;
pub mod workspace;

use lmhaven_actors::domain::fact::AuditRow;
use lmhaven_actors::domain::ids::WorkspaceId;
use lmhaven_actors::workspace::WorkspaceHandle;
use serde_json::Value;

use crate::error::{ApiError, Code};
use crate::relay::Gateway;

/// Who whoever has the admin token is, in audit rows.
pub const BY_TOKEN: &str = "admin";
/// Bytes of a reason.
pub const REASON_MAX: usize = 500;
/// Bytes of an idempotency key.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// A field's error.
pub fn invalid(param: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(Code::InvalidRequest, message).at(param)
}

/// The workspace with this id.
///
/// # Errors
/// There is none.
pub fn workspace_of(gateway: &Gateway, id: &str) -> Result<WorkspaceHandle, ApiError> {
    let missing = || ApiError::new(Code::NotFound, "there is no such workspace");
    let id: WorkspaceId = id.parse().map_err(|_| missing())?;
    gateway.core.directory.find(id).ok_or_else(missing)
}

/// Whether a reason says something, and not too much.
///
/// # Errors
/// It does not.
pub fn check_reason(reason: &str) -> Result<(), ApiError> {
    if reason.trim().is_empty() || reason.len() > REASON_MAX {
        return Err(invalid("reason", format!("a reason has 1 to {REASON_MAX} characters")));
    }
    Ok(())
}

fn check_idempotency_key(key: &str) -> Result<(), ApiError> {
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_MAX {
        let message = format!("an idempotency key has 1 to {IDEMPOTENCY_KEY_MAX} characters");
        return Err(invalid("idempotency_key", message));
    }
    Ok(())
}

/// An audit row of a change that `actor` makes now.
pub fn audit_row(
    gateway: &Gateway,
    actor: &str,
    action: &str,
    target: impl std::fmt::Display,
    reason: Option<&str>,
    (before, after): (Option<Value>, Option<Value>),
) -> AuditRow {
    AuditRow {
        at: gateway.core.clock.now().wall,
        actor: actor.to_owned(),
        action: action.to_owned(),
        target: target.to_string(),
        reason: reason.map(str::to_owned),
        before,
        after,
    }
}
