//! Waking those who wait, one wake-up for each thread.
//!
//! Waking a task of another thread's runtime costs a write to its event descriptor. A commit is awaited by
//! dozens of tasks on a few threads, so the committer wakes one task on each thread, its gate, and the gate wakes
//! the waiters beside it, which costs a push to a local queue each. A gate is a task of its own, so it does not
//! depend on any waiter being polled. Where there is no tokio runtime, the committer wakes the waiters itself.
//!
//! What a thread appends while the committer sleeps lingers here, too, and the gate rouses the committer when it is due.
//! A runtime in which records are awaited needs its timers for that.
//!
//! No wake-up is lost: a waiter leaves its waker and then looks at the durable ticket; the committer sets the
//! durable ticket and then looks for waiters. Both sides are sequentially consistent, so one of them sees the other.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::runtime::{self, Handle};
use tokio::time::{Sleep, sleep};

use super::queue::Shared;

/// All gates of one journal.
pub(super) struct Gates {
    /// Tells journals apart in the threads' lists.
    journal: u64,
    list: Mutex<Vec<Arc<Gate>>>,
    /// For waiters outside of any runtime.
    direct: Arc<Gate>,
}

/// Where the waiters of one thread and runtime leave their wakers.
pub(super) struct Gate {
    journal: u64,
    runtime: Option<runtime::Id>,
    waiters: Mutex<Vec<(u64, Waker)>>,
    /// The lowest ticket among them; `u64::MAX` where there is none.
    first: AtomicU64,
    /// Cleared under the lock of `waiters` when the gate's task ends, with its runtime or with the journal.
    open: AtomicBool,
    task: AtomicWaker,
}

thread_local! {
    /// This thread's gates: one for each journal and runtime it met, usually one.
    static GATES: RefCell<Vec<Arc<Gate>>> = const { RefCell::new(Vec::new()) };
}

impl Gates {
    pub(super) fn new() -> Self {
        static JOURNALS: AtomicU64 = AtomicU64::new(0);
        let journal = JOURNALS.fetch_add(1, Relaxed);
        Self { journal, list: Mutex::default(), direct: Arc::new(Gate::new(journal, None)) }
    }

    /// Wakes the gates at which somebody waits for a ticket up to this one.
    pub(super) fn wake_up_to(&self, durable: u64) {
        let mut list = self.list.lock();
        let before = list.len();
        list.retain(|gate| {
            if gate.first.load(SeqCst) <= durable {
                gate.task.wake();
            }
            gate.is_open()
        });
        debug_assert!(list.len() <= before, "gates only leave here");
        drop(list);
        if self.direct.first.load(SeqCst) <= durable {
            self.direct.release(durable);
        }
    }

    /// Wakes every gate, for the last time.
    pub(super) fn wake_all(&self) {
        for gate in self.list.lock().drain(..) {
            gate.task.wake();
        }
        self.direct.release(u64::MAX);
    }
}

impl Gate {
    const fn new(journal: u64, runtime: Option<runtime::Id>) -> Self {
        Self {
            journal,
            runtime,
            waiters: Mutex::new(Vec::new()),
            first: AtomicU64::new(u64::MAX),
            open: AtomicBool::new(true),
            task: AtomicWaker::new(),
        }
    }

    /// Rouses the committer when what this thread appended has lingered; at once where it has no gate.
    pub(super) fn linger(shared: &Shared) {
        let gate = Handle::try_current().ok().and_then(|runtime| Self::of_thread(shared, runtime.id()));
        match gate {
            Some(gate) if gate.is_open() => gate.task.wake(),
            Some(_) | None => shared.rouse(),
        }
    }

    /// This thread's gate, where it has one.
    fn of_thread(shared: &Shared, runtime: runtime::Id) -> Option<Arc<Self>> {
        let journal = shared.gates.journal;
        let found = GATES.try_with(|gates| {
            let gates = gates.borrow();
            gates.iter().find(|gate| gate.journal == journal && gate.runtime == Some(runtime)).cloned()
        });
        // The thread may be ending.
        found.ok().flatten()
    }

    /// Leaves a waker at this thread's gate.
    pub(super) fn wait(shared: &Arc<Shared>, ticket: u64, waker: &Waker) -> Arc<Self> {
        let Ok(runtime) = Handle::try_current() else {
            return Self::wait_directly(shared, ticket, waker);
        };
        match Self::of_thread(shared, runtime.id()) {
            Some(gate) if gate.leave(ticket, waker) => gate,
            Some(_) | None => Self::build(shared, &runtime, ticket, waker),
        }
    }

    fn wait_directly(shared: &Shared, ticket: u64, waker: &Waker) -> Arc<Self> {
        let gate = shared.gates.direct.clone();
        gate.leave(ticket, waker);
        gate
    }

    fn build(shared: &Arc<Shared>, runtime: &Handle, ticket: u64, waker: &Waker) -> Arc<Self> {
        let gate = Arc::new(Self::new(shared.gates.journal, Some(runtime.id())));
        gate.leave(ticket, waker);
        shared.gates.list.lock().push(gate.clone());
        // Where the thread is ending the gate still serves this waiter.
        let _ = GATES.try_with(|gates| {
            let mut gates = gates.borrow_mut();
            gates.retain(|gate| gate.is_open());
            gates.push(gate.clone());
        });
        runtime.spawn(GateTask::new(shared.clone(), gate.clone()));
        gate
    }

    /// Leaves a waker; `false` where the gate is closed.
    fn leave(&self, ticket: u64, waker: &Waker) -> bool {
        let mut waiters = self.waiters.lock();
        if !self.is_open() {
            return false;
        }
        waiters.push((ticket, waker.clone()));
        self.first.fetch_min(ticket, SeqCst);
        true
    }

    /// Wakes those who wait for a ticket up to this one.
    fn release(&self, durable: u64) {
        let mut waiters = self.waiters.lock();
        let ready: Vec<_> = waiters.extract_if(.., |(ticket, _)| *ticket <= durable).collect();
        let first = waiters.iter().map(|(ticket, _)| *ticket).min().unwrap_or(u64::MAX);
        self.first.store(first, SeqCst);
        drop(waiters);
        for (_, waker) in ready {
            waker.wake();
        }
    }

    /// Takes no more waiters; those who are here leave their wakers at another gate.
    fn close(&self) {
        let waiters = {
            let mut waiters = self.waiters.lock();
            self.open.store(false, SeqCst);
            self.first.store(u64::MAX, SeqCst);
            std::mem::take(&mut *waiters)
        };
        for (_, waker) in waiters {
            waker.wake();
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(SeqCst)
    }
}

/// The task that stands at a gate.
struct GateTask {
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    /// Rings when what was appended has lingered.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl GateTask {
    const fn new(shared: Arc<Shared>, gate: Arc<Gate>) -> Self {
        Self { shared, gate, alarm: None }
    }

    /// Rouses the committer in time, where it sleeps over records.
    fn linger(&mut self, context: &mut Context<'_>) {
        if !self.shared.is_untold() {
            self.alarm = None;
            return;
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(self.shared.linger)));
        if alarm.as_mut().poll(context).is_ready() {
            self.alarm = None;
            self.shared.rouse();
        }
    }
}

impl Future for GateTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.gate.task.register(context.waker());
        let over = self.shared.is_over();
        self.gate.release(self.shared.released());
        self.linger(context);
        if over { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for GateTask {
    fn drop(&mut self) {
        self.gate.close();
        self.shared.rouse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;
    use std::time::Duration;

    use crate::journal::{Class, Ticket};
    use crate::ledger::samples::fact;

    const LINGER: Duration = Duration::from_millis(2);

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn counted() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), count.into())
    }

    #[test]
    fn a_commit_wakes_one_task_and_that_wakes_the_others() {
        let shared = Arc::new(Shared::new(10, LINGER));
        let gate = Arc::new(Gate::new(shared.gates.journal, None));
        shared.gates.list.lock().push(gate.clone());
        let (waiters, waker) = counted();
        for ticket in 1..=100 {
            assert!(gate.leave(ticket, &waker));
        }
        let (gates, gate_waker) = counted();
        let mut task = Box::pin(GateTask::new(shared.clone(), gate.clone()));
        let mut context = Context::from_waker(&gate_waker);
        assert!(task.as_mut().poll(&mut context).is_pending());

        shared.publish(60);
        assert_eq!((gates.0.load(SeqCst), waiters.0.load(SeqCst)), (1, 0), "one wake-up leaves the committer");
        assert!(task.as_mut().poll(&mut context).is_pending());
        assert_eq!(waiters.0.load(SeqCst), 60);
        assert_eq!(gate.first.load(SeqCst), 61);

        drop(task);
        assert_eq!(waiters.0.load(SeqCst), 100, "a gate that closes sends its waiters elsewhere");
        assert!(!gate.leave(200, &waker));
        shared.publish(1);
        assert_eq!(shared.gates.list.lock().len(), 0, "closed gates are forgotten");
    }

    #[test]
    fn nobody_is_woken_where_nobody_waits_for_what_was_committed() {
        let shared = Arc::new(Shared::new(10, LINGER));
        let gate = Arc::new(Gate::new(shared.gates.journal, None));
        shared.gates.list.lock().push(gate.clone());
        let (gates, gate_waker) = counted();
        gate.task.register(&gate_waker);
        let (_, waker) = counted();
        gate.leave(5, &waker);
        shared.publish(4);
        assert_eq!(gates.0.load(SeqCst), 0);
        shared.publish(1);
        assert_eq!(gates.0.load(SeqCst), 1);
    }

    /// A journal whose committer sleeps over an empty queue, and this thread's gate before it.
    fn asleep() -> (Arc<Shared>, Arc<Gate>) {
        let shared = Arc::new(Shared::new(10, LINGER));
        let gate = Gate::wait(&shared, 1, Waker::noop());
        shared.lock().parked = true;
        (shared, gate)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_appended_over_a_sleeping_committer_lingers_at_the_gate() {
        let (shared, _gate) = asleep();
        shared.push(vec![fact(1)], Class::Must).unwrap();
        sleep(LINGER / 2).await;
        assert!(shared.is_untold(), "it is not roused early");
        sleep(LINGER * 2).await;
        assert!(!shared.is_untold(), "and not forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_rouses_the_committer_at_once() {
        let (shared, _gate) = asleep();
        let ticket = shared.push(vec![fact(1)], Class::Must).unwrap();
        shared.await_ticket(ticket);
        assert!(!shared.is_untold());
        shared.lock().parked = true;
        shared.push(vec![fact(2)], Class::Must).unwrap();
        shared.await_ticket(Ticket::default());
        assert!(!shared.is_untold(), "for whichever record");
    }

    #[test]
    fn a_runtime_that_ends_and_a_thread_without_one_rouse_the_committer() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (shared, gate) = runtime.block_on(async { asleep() });
        runtime.block_on(async { shared.push(vec![fact(1)], Class::Must).unwrap() });
        assert!(shared.is_untold());
        drop(runtime);
        assert!(!shared.is_untold() && !gate.is_open());
        shared.lock().parked = true;
        shared.push(vec![fact(2)], Class::Must).unwrap();
        assert!(!shared.is_untold());
    }
}
