//! What a running request owns: its hold, to be closed exactly once.
//!
//! Closing takes the lease. A lease that is dropped instead (the caller left, the task was cancelled)
//! closes its hold by what was last noted on it.

use std::cell::Cell;

use super::actor::{Admit, AdmitReply, Close, Extend, Granted, How, NotAdmitted, NoteProgress};
use super::handle::{AskError, WorkspaceHandle};
use crate::domain::account::{Admission, Charge, Standing};
use crate::domain::hold::Progress;
use crate::domain::ids::RequestId;
use crate::domain::money::NanoUsd;
use crate::journal::Ticket;

/// A request's claim on its workspace.
#[derive(Debug)]
pub struct Lease {
    workspace: WorkspaceHandle,
    request: RequestId,
    held: Cell<NanoUsd>,
    ticket: Ticket,
    /// What a drop charges; `None` releases.
    fallback: Cell<Option<Charge>>,
    open: bool,
}

/// A request that was paid for.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    /// What was charged.
    pub charged: NanoUsd,
    /// What the workspace has after it; `None` where the workspace could not say.
    pub standing: Option<Standing>,
}

impl Lease {
    /// Asks for admission.
    ///
    /// # Errors
    /// Outer: the workspace did not answer. Inner: why it refused. The standing comes with either answer.
    pub async fn admit(
        workspace: &WorkspaceHandle,
        admission: Admission,
    ) -> Result<(Result<Self, NotAdmitted>, Standing), AskError> {
        let request = admission.request;
        let AdmitReply { result, standing } = match workspace.ask(Admit(admission)).await {
            Ok(reply) => reply,
            Err(AskError::Gone) => {
                // The hold may have reached the journal before the actor ended: close it in the one that follows.
                workspace.insist(Close { request, how: How::Release });
                return Err(AskError::Gone);
            }
            Err(overloaded) => return Err(overloaded),
        };
        let lease = result.map(|Granted { held, ticket }| Self {
            workspace: workspace.clone(),
            request,
            held: Cell::new(held),
            ticket,
            fallback: Cell::new(None),
            open: true,
        });
        Ok((lease, standing))
    }

    /// The request.
    pub const fn request(&self) -> RequestId {
        self.request
    }

    /// What is held.
    pub fn held(&self) -> NanoUsd {
        self.held.get()
    }

    /// The hold's place in the journal: no byte goes to the caller before it is durable.
    pub const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Sets what a drop charges from here on.
    pub fn note(&self, charge: Charge) {
        self.fallback.set(Some(charge));
    }

    /// Journals how far the stream has come, lazily; a drop charges the same.
    pub fn journal_progress(&self, charge: Charge) {
        self.note(charge);
        let progress = Progress { usage: charge.usage, charge: charge.amount };
        self.workspace.tell(NoteProgress { request: self.request, progress });
    }

    /// Holds up to `more` on top. Tells how much; zero where no money is left or nobody answered.
    pub async fn extend(&self, more: NanoUsd) -> NanoUsd {
        let ask = || self.workspace.ask(Extend { request: self.request, more });
        let mut extended = ask().await;
        if matches!(extended, Err(AskError::Gone)) {
            // Whether the actor that ended had extended it or not: a hold that is too large comes back in the end.
            extended = ask().await;
        }
        let amount = extended.ok().and_then(Result::ok).unwrap_or_default();
        self.held.set(self.held.get().checked_add(amount).unwrap_or(NanoUsd::MAX));
        amount
    }

    /// Closes the hold with its charge.
    pub fn settle(self, charge: Charge) -> impl Future<Output = Settled> {
        self.close(How::Settle(charge))
    }

    /// Closes the hold without a charge.
    pub fn release(self) -> impl Future<Output = Settled> {
        self.close(How::Release)
    }

    async fn close(mut self, how: How) -> Settled {
        // Until the actor has answered, a cancelled task still closes the hold the same way.
        if let How::Settle(charge) = how {
            self.fallback.set(Some(charge));
        } else {
            self.fallback.set(None);
        }
        let message = Close { request: self.request, how };
        let mut reply = self.workspace.ask(message).await;
        if matches!(reply, Err(AskError::Gone)) {
            // The actor ended with the message: the one that follows knows whether the hold is still open.
            // In a box: it is rare, and every request would carry its room otherwise.
            reply = Box::pin(self.workspace.ask(message)).await;
        }
        match reply {
            Ok(Ok(closed)) => {
                self.open = false;
                Settled { charged: closed.charged, standing: Some(closed.standing) }
            }
            Ok(Err(_)) => {
                self.open = false;
                tracing::error!(request = %self.request, "a hold was closed before its request ended");
                Settled { charged: NanoUsd::ZERO, standing: None }
            }
            Err(error) => {
                tracing::error!(request = %self.request, %error, "a hold could not be closed; dropping it closes it");
                let charged = if let How::Settle(charge) = how { charge.amount } else { NanoUsd::ZERO };
                Settled { charged, standing: None }
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.open {
            let how = self.fallback.get().map_or(How::Release, How::Settle);
            self.workspace.insist(Close { request: self.request, how });
        }
    }
}
