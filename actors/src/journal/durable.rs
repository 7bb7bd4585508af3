//! The future that resolves when a record is on the disk.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::gate::Gate;
use super::queue::Shared;
use super::{JournalLost, Ticket};

/// Resolves when the record is on the disk. Dropping it changes nothing for the record.
#[must_use = "a record is waited for only while this is awaited"]
pub struct Durable {
    shared: Arc<Shared>,
    ticket: Ticket,
    /// The gate at which the last poll left its waker.
    waiting: Option<(Arc<Gate>, Waker)>,
}

impl Durable {
    pub(super) const fn new(shared: Arc<Shared>, ticket: Ticket) -> Self {
        Self { shared, ticket, waiting: None }
    }
}

impl Future for Durable {
    type Output = Result<(), JournalLost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.shared.outcome(self.ticket) {
            return Poll::Ready(outcome);
        }
        let waker = context.waker();
        let waits = self.waiting.as_ref().is_some_and(|(gate, left)| left.will_wake(waker) && gate.is_open());
        if !waits {
            let gate = Gate::wait(&self.shared, self.ticket.0, waker);
            self.waiting = Some((gate, waker.clone()));
            self.shared.await_ticket(self.ticket);
        }
        // The commit may have been published between the first look and the waker's arrival.
        self.shared.outcome(self.ticket).map_or(Poll::Pending, Poll::Ready)
    }
}

impl std::fmt::Debug for Durable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Durable").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
