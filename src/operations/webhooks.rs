//! Webhooks to customers that an operator has sent again.

use std::sync::Arc;

use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::EventId;
use lmhaven_actors::domain::webhook::ResendRefused;
use lmhaven_actors::system::ChangeError;
use serde_json::json;

use super::{audit_row, check_reason};
use crate::error::{ApiError, Code};
use crate::relay::Gateway;

/// Sends a message again under its id, or one that waits at once; queued when this returns.
///
/// # Errors
/// There is no such message, its workspace's webhooks are off, or a reason is missing.
pub async fn resend(gateway: &Arc<Gateway>, actor: &str, id: EventId, reason: &str) -> Result<(), ApiError> {
    check_reason(reason)?;
    let queued = gateway.core.decide(|office, at| {
        let known = office.webhooks.get(id).ok_or(ResendRefused::Unknown)?;
        let fact = office.webhooks.resend(known.workspace, id, at)?;
        let last = known.log.back().map(|(_, outcome, _)| *outcome);
        let before = json!({
            "workspace": known.workspace, "type": known.content.name(), "failed_attempts": known.failed,
            "last_outcome": last,
        });
        let audit = audit_row(gateway, actor, "webhook.resend", id, Some(reason), (Some(before), None));
        Ok(((), vec![Fact::Webhook(fact), Fact::Audited(audit)]))
    });
    queued.await.map_err(|error| match error {
        Refused::Webhook(ResendRefused::Unknown) => ApiError::new(Code::NotFound, "there is no such message"),
        Refused::Webhook(ResendRefused::Off) => {
            ApiError::new(Code::InvalidRequest, "the workspace's webhooks are off: its owner switches them on")
        }
        Refused::Store(error) => error.into(),
    })
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Webhook(#[from] ResendRefused),
    #[error(transparent)]
    Store(#[from] ChangeError),
}
