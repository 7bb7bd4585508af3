//! What appenders, waiters and the committer share: the queue, the durable ticket, and how to wake the committer.
//!
//! Appenders hold the lock for a push. The committer is woken by a waiter only where it sleeps over an empty queue or
//! lets records linger; under load neither happens more than once a commit. An append alone wakes nobody at once: to
//! wake a sleeping processor takes longer than most of what a request does here, and would be done while its answer
//! waits. So the records linger at the thread's gate, which rouses the committer when they are due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::gate::{Gate, Gates};
use super::{Class, JournalLost, JournalRefusal, Ticket};
use crate::ledger::Record;

/// Everything that is not the committer's own.
pub(super) struct Shared {
    queue: Mutex<Queue>,
    /// The committer sleeps here.
    work: Condvar,
    limit: usize,
    /// How long a gate lets records linger.
    pub(super) linger: Duration,
    /// The last record that is on the disk.
    durable: AtomicU64,
    /// The last record that somebody waits for.
    awaited: AtomicU64,
    /// The committer sleeps over records that nobody waits for.
    lingering: AtomicBool,
    /// Records came while the committer slept over an empty queue, and it has not been told.
    untold: AtomicBool,
    /// The ledger failed.
    lost: AtomicBool,
    /// The committer has ended.
    over: AtomicBool,
    pub(super) gates: Gates,
}

/// Under the lock.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) records: Vec<Record>,
    /// When the first of them came.
    pub(super) first_at: Option<Instant>,
    /// The number of the last record ever taken.
    last: u64,
    /// The committer sleeps over an empty queue.
    pub(super) parked: bool,
    unavailable: bool,
    no_space: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// Nothing begins any more.
    Closing,
    /// Nothing that is pushed would be committed.
    Ended,
}

impl Queue {
    fn accepts(&self, class: Class, limit: usize) -> Result<(), JournalRefusal> {
        match (self.phase, class) {
            (Phase::Ended, _) | (Phase::Closing, Class::Bounded) => Err(JournalRefusal::Closed),
            (Phase::Open, Class::Bounded) if self.unavailable => Err(JournalRefusal::Unavailable),
            (Phase::Open, Class::Bounded) if self.no_space => Err(JournalRefusal::NoSpace),
            (Phase::Open, Class::Bounded) if self.records.len() >= limit => Err(JournalRefusal::Full),
            (Phase::Open, Class::Bounded) | (Phase::Open | Phase::Closing, Class::Must) => Ok(()),
        }
    }

    /// The process is ending: what is queued is committed whether or not somebody waits for it.
    pub(super) fn is_closing(&self) -> bool {
        self.phase != Phase::Open
    }

    /// From now on nothing is taken.
    pub(super) const fn refuse_all(&mut self) {
        self.phase = Phase::Ended;
    }
}

impl Shared {
    pub(super) fn new(limit: usize, linger: Duration) -> Self {
        Self {
            queue: Mutex::default(),
            work: Condvar::new(),
            limit,
            linger,
            durable: AtomicU64::new(0),
            awaited: AtomicU64::new(0),
            lingering: AtomicBool::new(false),
            untold: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            over: AtomicBool::new(false),
            gates: Gates::new(),
        }
    }

    pub(super) fn push(self: &Arc<Self>, mut records: Vec<Record>, class: Class) -> Result<Ticket, JournalRefusal> {
        let mut queue = self.queue.lock();
        queue.accepts(class, self.limit)?;
        if records.is_empty() {
            return Ok(Ticket(queue.last));
        }
        if queue.records.is_empty() {
            queue.first_at = Some(Instant::now());
        }
        queue.last += records.len() as u64;
        queue.records.append(&mut records);
        let ticket = Ticket(queue.last);
        let parked = std::mem::take(&mut queue.parked);
        if parked {
            self.untold.store(true, SeqCst);
        }
        drop(queue);
        if parked {
            Gate::linger(self);
        }
        Ok(ticket)
    }

    pub(super) fn accepts(&self, class: Class) -> Result<(), JournalRefusal> {
        self.queue.lock().accepts(class, self.limit)
    }

    pub(super) fn last(&self) -> Ticket {
        Ticket(self.queue.lock().last)
    }

    pub(super) fn is_durable(&self, ticket: Ticket) -> bool {
        ticket.0 <= self.durable.load(SeqCst)
    }

    /// What is known about the record; `None` while it is under way.
    pub(super) fn outcome(&self, ticket: Ticket) -> Option<Result<(), JournalLost>> {
        if self.is_durable(ticket) {
            return Some(Ok(()));
        }
        self.lost.load(SeqCst).then_some(Err(JournalLost))
    }

    /// Whether there are records that the committer sleeps over without knowing.
    pub(super) fn is_untold(&self) -> bool {
        self.untold.load(SeqCst)
    }

    /// Tells the committer of records that came while it slept over an empty queue.
    pub(super) fn rouse(&self) {
        // Looked at first: under load this is asked for every record, and a write would take the line from the committer.
        if self.is_untold() && self.untold.swap(false, SeqCst) {
            self.work.notify_one();
        }
    }

    /// Tells the committer that somebody waits for the record.
    pub(super) fn await_ticket(&self, ticket: Ticket) {
        self.awaited.fetch_max(ticket.0, SeqCst);
        self.rouse();
        // Either this sees that the committer lingers, or the committer sees the ticket before it sleeps.
        if self.lingering.swap(false, SeqCst) {
            // With the lock the committer is asleep for certain.
            drop(self.queue.lock());
            self.work.notify_one();
        }
    }

    pub(super) fn is_healthy(&self) -> bool {
        !self.lost.load(SeqCst) && !self.queue.lock().unavailable
    }

    /// Refuses what begins from now on; the committer ends when its queue is empty.
    pub(super) fn close(&self) {
        let mut queue = self.queue.lock();
        if queue.phase == Phase::Open {
            queue.phase = Phase::Closing;
        }
        drop(queue);
        self.work.notify_one();
    }

    pub(super) fn set_unavailable(&self, unavailable: bool) {
        self.queue.lock().unavailable = unavailable;
    }

    pub(super) fn set_no_space(&self, no_space: bool) -> bool {
        std::mem::replace(&mut self.queue.lock().no_space, no_space)
    }
}

/// The committer's side.
impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    /// Somebody waits for a record that is not on the disk.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(SeqCst) > self.durable.load(SeqCst)
    }

    /// Sleeps until `until`, or until it is told of a push into the empty queue or of the end.
    pub(super) fn park(&self, queue: &mut MutexGuard<'_, Queue>, until: Instant) {
        queue.parked = true;
        self.work.wait_until(queue, until);
        queue.parked = false;
        self.untold.store(false, SeqCst);
    }

    /// Sleeps until `until`, a waiter, or the end.
    pub(super) fn linger(&self, queue: &mut MutexGuard<'_, Queue>, until: Instant) {
        self.lingering.store(true, SeqCst);
        if !self.is_awaited() {
            self.work.wait_until(queue, until);
        }
        self.lingering.store(false, SeqCst);
    }

    /// Sleeps until `until` or the end.
    pub(super) fn pause(&self, queue: &mut MutexGuard<'_, Queue>, until: Instant) {
        self.work.wait_until(queue, until);
    }

    /// The next `count` records are on the disk.
    pub(super) fn publish(&self, count: usize) {
        let durable = self.durable.fetch_add(count as u64, SeqCst) + count as u64;
        self.gates.wake_up_to(durable);
    }

    /// The ledger failed: nothing more is taken, and nobody need wait.
    pub(super) fn lose(&self) {
        self.queue.lock().refuse_all();
        self.lost.store(true, SeqCst);
        self.end();
    }

    /// The committer will publish no more.
    pub(super) fn end(&self) {
        self.over.store(true, SeqCst);
        self.gates.wake_all();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// What the gates compare their tickets with.
    pub(super) fn released(&self) -> u64 {
        if self.is_over() { u64::MAX } else { self.durable.load(SeqCst) }
    }
}
