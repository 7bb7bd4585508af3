//! The journal: takes records from every actor at once and commits them in groups.
//!
//! Actors append and go on; whoever may not go on before a record is on the disk awaits its [`Ticket`]. One
//! thread, the committer, owns the ledger's appends, so the order of the queue is the order of the ledger. What
//! is decided about money is decided before it comes here, and what a record looks like is the ledger's business.
//!
//! The path of a record: `queue.rs` takes it, `pace.rs` says when a commit is due, `committer.rs` commits, and
//! `gate.rs` wakes those who wait, at the price of one wake-up for each thread instead of one for each of them.

mod committer;
mod durable;
mod gate;
mod metrics;
mod options;
mod pace;
mod queue;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

pub use committer::OnCommitted;
pub use durable::Durable;
pub use options::{FreeSpace, JournalOptions};

use crate::ledger::{Ledger, Record};
use committer::Committer;
use queue::Shared;

/// How badly a record has to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Begins something: a hold, an extension, a credit, a fact. Refused where the journal is in trouble.
    Bounded,
    /// Ends something that began: a settlement, a release, progress. Taken as long as there is a journal; how
    /// many there can be is bounded by what was admitted.
    Must,
}

/// A record's place in the order of commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// The journal does not take a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalRefusal {
    /// Too many records wait already.
    #[error("the journal's queue is full")]
    Full,
    /// The disk is nearly full: what is left is kept for settlements.
    #[error("the disk of the store is nearly full")]
    NoSpace,
    /// The ledger does not answer at the moment.
    #[error("the ledger does not answer")]
    Unavailable,
    /// The process is ending.
    #[error("the journal is closed")]
    Closed,
}

/// The ledger failed, and it is not known what was written. Outside of tests the process is gone by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger failed; whether the record was written is not known")]
pub struct JournalLost;

/// A handle on the journal. When the last one goes, what is queued is committed and the thread ends.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    runner: Runner,
}

/// Who commits.
enum Runner {
    /// A thread of its own.
    Thread(Mutex<Option<JoinHandle<()>>>),
    /// Whoever appends.
    Caller(Box<Mutex<Committer>>),
}

impl Journal {
    /// Starts the committer. It tells `on_committed` what became durable, in order, before any waiter learns of it.
    pub fn start(ledger: Arc<dyn Ledger>, options: JournalOptions, on_committed: OnCommitted) -> Self {
        let shared = Arc::new(Shared::new(options.queue, options.linger));
        let on_fatal = options.on_fatal.clone();
        let mut committer = Committer::new(shared.clone(), ledger, options, on_committed);
        committer.check();
        let thread = std::thread::Builder::new().name("lmhaven-journal".to_owned()).spawn(move || committer.run());
        let thread = thread
            .inspect_err(|error| {
                tracing::error!(%error, "the journal's thread could not be started");
                shared.lose();
                on_fatal();
            })
            .ok();
        Self { inner: Arc::new(Inner { shared, runner: Runner::Thread(Mutex::new(thread)) }) }
    }

    /// A journal without a thread: every append commits before it returns, on the caller's thread. For tests and
    /// simulations under a paused clock, which would run away while another thread commits.
    pub fn inline(ledger: Arc<dyn Ledger>, options: JournalOptions, on_committed: OnCommitted) -> Self {
        let shared = Arc::new(Shared::new(options.queue, options.linger));
        let mut committer = Committer::new(shared.clone(), ledger, options, on_committed);
        committer.check();
        Self { inner: Arc::new(Inner { shared, runner: Runner::Caller(Box::new(Mutex::new(committer))) }) }
    }

    /// Queues records, together and in order, and answers the ticket of the last. Blocks for a short lock at most.
    ///
    /// # Errors
    /// [`JournalRefusal`]; none of them is queued then.
    pub fn append(&self, records: Vec<Record>, class: Class) -> Result<Ticket, JournalRefusal> {
        match &self.inner.runner {
            Runner::Thread(_) => self.inner.shared.push(records, class),
            Runner::Caller(committer) => {
                let mut committer = committer.lock();
                let ticket = self.inner.shared.push(records, class)?;
                committer.check();
                committer.commit_queued();
                Ok(ticket)
            }
        }
    }

    /// Whether a record of this class would be taken now.
    ///
    /// # Errors
    /// The [`JournalRefusal`] that it would meet.
    pub fn accepts(&self, class: Class) -> Result<(), JournalRefusal> {
        self.inner.shared.accepts(class)
    }

    /// Whether the record is on the disk.
    pub fn is_durable(&self, ticket: Ticket) -> bool {
        self.inner.shared.is_durable(ticket)
    }

    /// Waits until the record is on the disk. Waiting is what makes the commit happen at once.
    pub fn durable(&self, ticket: Ticket) -> Durable {
        Durable::new(self.inner.shared.clone(), ticket)
    }

    /// Has the record committed at once, as if somebody waited for it: for what will be awaited soon.
    pub fn hurry(&self, ticket: Ticket) {
        if !self.is_durable(ticket) {
            self.inner.shared.await_ticket(ticket);
        }
    }

    /// Waits until everything that was appended so far is on the disk.
    ///
    /// # Errors
    /// [`JournalLost`].
    pub async fn flush(&self) -> Result<(), JournalLost> {
        self.durable(self.inner.shared.last()).await
    }

    /// Whether the ledger answers: for readiness.
    pub fn healthy(&self) -> bool {
        self.inner.shared.is_healthy()
    }

    /// Refuses what begins, commits what is queued and what ends meanwhile, and returns when the thread is gone.
    ///
    /// # Errors
    /// [`JournalLost`].
    pub async fn shutdown(self) -> Result<(), JournalLost> {
        self.inner.shared.close();
        let drained = self.flush().await;
        // The thread ends as soon as its queue is empty: a commit's time away at most.
        self.inner.join();
        drained
    }
}

impl Inner {
    fn join(&self) {
        let Runner::Thread(thread) = &self.runner else { return };
        let thread = thread.lock().take();
        // Its own callback may hold the last handle; a thread does not wait for itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // It catches panics and reports them itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close();
        self.join();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("last", &self.inner.shared.last()).finish_non_exhaustive()
    }
}
