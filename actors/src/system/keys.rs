//! Keys made, rotated and revoked: decided by the workspace's actor, then in force in the keyring.

use std::sync::Arc;

use super::{ChangeError, Core};
use crate::domain::account::{RotateRefused, Rotation};
use crate::domain::fact::{AuditRow, Fact, KeyCreated};
use crate::domain::secret::Secret;
use crate::workspace::{AskError, CreateKey, RevokeKey, RotateFailed, RotateKey, WorkspaceHandle};

/// A key was not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// It cannot be.
    #[error(transparent)]
    Refused(#[from] RotateRefused),
    /// The workspace did not answer, or the store failed.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<AskError> for RotateError {
    fn from(error: AskError) -> Self {
        Self::Change(error.into())
    }
}

impl From<RotateFailed> for RotateError {
    fn from(error: RotateFailed) -> Self {
        match error {
            RotateFailed::Refused(refused) => Self::Refused(refused),
            RotateFailed::Store(refusal) => Self::Change(refusal.into()),
        }
    }
}

impl Core {
    /// Makes a key; returns once it is durable.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn create_key(
        &self,
        workspace: &WorkspaceHandle,
        secret: &Secret,
        created: KeyCreated,
        audit: AuditRow,
    ) -> Result<(), ChangeError> {
        let ticket = workspace.ask(CreateKey { created: created.clone(), audit: audit.clone() }).await??;
        self.journal.durable(ticket).await?;
        self.audit.lock().push(audit);
        self.keyring.add(secret.digest(), &created, workspace.clone(), false);
        Ok(())
    }

    /// Revokes a key: it is refused before this returns, and the revocation is durable when it does.
    /// Tells whether the key was there and not revoked before.
    ///
    /// # Errors
    /// [`ChangeError`]; the key is refused all the same.
    pub async fn revoke_key(&self, workspace: &WorkspaceHandle, message: RevokeKey) -> Result<bool, ChangeError> {
        let audit = message.audit.clone();
        self.keyring.revoke(message.revoked.key);
        let (revoked, ticket) = workspace.ask(message).await??;
        self.journal.durable(ticket).await?;
        if revoked {
            self.audit.lock().push(audit);
        }
        Ok(revoked)
    }

    /// Gives a key's place to a new one with this secret. When this returns it is durable, the new key is taken, and the old one
    /// is refused from the end of its window on: at once where there is none.
    ///
    /// It runs to its end even where nobody waits for it any more: else an old key that the books call revoked were still taken.
    ///
    /// # Errors
    /// [`RotateError`].
    pub async fn rotate_key(
        self: &Arc<Self>,
        workspace: &WorkspaceHandle,
        secret: &Secret,
        rotation: Rotation,
        audit: AuditRow,
    ) -> Result<(), RotateError> {
        let (core, workspace, digest) = (self.clone(), workspace.clone(), secret.digest());
        let rotated = tokio::spawn(async move {
            let (facts, ticket) = workspace.ask(RotateKey { rotation, audit: audit.clone() }).await??;
            core.journal.durable(ticket).await.map_err(ChangeError::from)?;
            for fact in facts {
                match fact {
                    Fact::KeyCreated(created) => core.keyring.add(digest, &created, workspace.clone(), false),
                    Fact::KeyRevoked(revoked) => core.keyring.revoke(revoked.key),
                    Fact::KeyRetired(retired) => core.keyring.retire(retired.key, retired.expires_at),
                    _ => {}
                }
            }
            core.note_audit(audit);
            Ok(())
        });
        rotated.await.unwrap_or_else(|_| Err(AskError::Gone.into()))
    }
}
