//! Mails that an operator has sent again.

use std::sync::Arc;

use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::MailId;
use lmhaven_actors::domain::mail::ResendRefusal;
use lmhaven_actors::system::ChangeError;
use serde_json::json;

use super::{audit_row, check_reason};
use crate::error::{ApiError, Code};
use crate::relay::Gateway;

/// Sends a mail again, or one that waits at once; queued when this returns.
///
/// # Errors
/// There is no such mail, its link is over, or a reason is missing.
pub async fn resend(gateway: &Arc<Gateway>, actor: &str, id: MailId, reason: &str) -> Result<(), ApiError> {
    check_reason(reason)?;
    let queued = gateway.core.decide(|office, at| {
        let fact = office.outbox.resend(id, at)?;
        let before = office.outbox.get(id).map(|known| {
            json!({ "kind": known.mail.content.kind(), "failed_attempts": known.failed, "failure": known.last_failure })
        });
        let audit = audit_row(gateway, actor, "mail.resend", id, Some(reason), (before, None));
        Ok(((), vec![Fact::Mail(fact), Fact::Audited(audit)]))
    });
    queued.await.map_err(|error| match error {
        Refused::Mail(ResendRefusal::Unknown) => ApiError::new(Code::NotFound, "there is no such mail"),
        Refused::Mail(ResendRefusal::LinkOver) => {
            ApiError::new(Code::InvalidRequest, "its link is over: have the person ask for another one")
        }
        Refused::Store(error) => error.into(),
    })
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Mail(#[from] ResendRefusal),
    #[error(transparent)]
    Store(#[from] ChangeError),
}
