//! What operators do to a workspace's money and limits, with what its people are told of it. Durable when these return.

use std::sync::Arc;

use super::{ChangeError, Core};
use crate::domain::account::CreditError;
use crate::domain::entry::Entry;
use crate::domain::fact::{AuditRow, WorkspaceChanged};
use crate::domain::money::NanoUsd;
use crate::workspace::{ChangeSettings, Credit, CreditFailed, WorkspaceHandle, WorkspaceView};

/// A credit was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreditRefused {
    /// The account refuses it.
    #[error(transparent)]
    Account(CreditError),
    /// The store or the workspace does not answer.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl Core {
    /// Somebody is to be told something: for the tasks that send it.
    pub(super) fn wake_senders(&self) {
        self.mail_waits.notify_one();
        self.webhook_waits.notify_one();
    }

    /// Gives credit, or takes some back where it is negative. The same key twice answers the same entry; the flag is false
    /// then.
    ///
    /// # Errors
    /// [`CreditRefused`].
    pub async fn credit(
        &self,
        workspace: &WorkspaceHandle,
        amount: NanoUsd,
        reason: Arc<str>,
        idempotency_key: Arc<str>,
        audit: AuditRow,
    ) -> Result<(Entry, bool), CreditRefused> {
        let message = Credit { amount, reason, idempotency_key, audit: audit.clone(), office: self.office.clone() };
        let (entry, ticket, fresh) =
            workspace.ask(message).await.map_err(ChangeError::from)?.map_err(|failed| match failed {
                CreditFailed::Refused(refused) => CreditRefused::Account(refused),
                CreditFailed::Store(refused) => CreditRefused::Change(refused.into()),
            })?;
        self.journal.durable(ticket).await.map_err(ChangeError::from)?;
        if fresh {
            self.note_audit(audit);
            self.wake_senders();
        }
        Ok((entry, fresh))
    }

    /// Changes a workspace's settings.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_settings(
        &self,
        workspace: &WorkspaceHandle,
        change: WorkspaceChanged,
        audit: AuditRow,
    ) -> Result<WorkspaceView, ChangeError> {
        let message = ChangeSettings { change, audit: audit.clone(), office: self.office.clone() };
        let (view, ticket) = workspace.ask(message).await??;
        self.journal.durable(ticket).await?;
        self.note_audit(audit);
        self.wake_senders();
        Ok(view)
    }
}
