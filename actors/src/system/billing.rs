//! Credit that operators give, with what a workspace's people are told of it. Durable when it returns.

use std::sync::Arc;

use super::{ChangeError, Core};
use crate::domain::account::CreditError;
use crate::domain::entry::Entry;
use crate::domain::fact::AuditRow;
use crate::domain::money::NanoUsd;
use crate::workspace::{Credit, CreditFailed, WorkspaceHandle};

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
}
