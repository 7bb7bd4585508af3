//! The journal as its callers see it. No test waits for a time to pass: records linger for an hour unless
//! somebody waits for them, and ledgers stop at each append until they are told to go on.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::*;
use crate::domain::entry::{Entry, TxId};
use crate::domain::ids::WorkspaceId;
use crate::ledger::faults::{Fault, FaultyLedger};
use crate::ledger::memory::MemoryLedger;
use crate::ledger::samples::{credit, fact, hold, request, workspace};
use crate::ledger::{Appended, Claim, LedgerError, Position};

fn options() -> JournalOptions {
    JournalOptions {
        linger: Duration::from_hours(1),
        rest: Duration::ZERO,
        retry: Duration::ZERO,
        on_fatal: Arc::new(|| {}),
        ..JournalOptions::default()
    }
}

fn memory() -> (Arc<MemoryLedger>, Journal) {
    let ledger = Arc::new(MemoryLedger::new());
    (ledger.clone(), Journal::start(ledger, options(), Box::new(|_| {})))
}

/// A ledger that announces each append and then stops until it may go on.
#[derive(Debug)]
struct Stepped {
    inner: MemoryLedger,
    announce: Mutex<Sender<usize>>,
    go_on: Mutex<Receiver<()>>,
}

impl Stepped {
    fn start(options: JournalOptions) -> (Journal, Receiver<usize>, Sender<()>) {
        let (announce, announced) = channel();
        let (go, go_on) = channel();
        let (announce, go_on) = (Mutex::new(announce), Mutex::new(go_on));
        let ledger = Arc::new(Self { inner: MemoryLedger::new(), announce, go_on });
        (Journal::start(ledger, options, Box::new(|_| {})), announced, go)
    }
}

impl Ledger for Stepped {
    fn claim(&self, workspace: WorkspaceId) -> Result<Claim, LedgerError> {
        self.inner.claim(workspace)
    }

    fn append(&self, batch: &[Record]) -> Result<Vec<Appended>, LedgerError> {
        self.announce.lock().send(batch.len()).unwrap();
        self.go_on.lock().recv().unwrap();
        self.inner.append(batch)
    }

    fn lookup(&self, workspace: WorkspaceId, txid: &TxId) -> Result<Option<Entry>, LedgerError> {
        self.inner.lookup(workspace, txid)
    }

    fn replay(
        &self,
        from: Position,
        visit: &mut dyn FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        self.inner.replay(from, visit)
    }

    fn entries(&self, workspace: WorkspaceId, after_seq: u64, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        self.inner.entries(workspace, after_seq, limit)
    }

    fn head(&self) -> Position {
        self.inner.head()
    }
}

#[tokio::test]
async fn what_is_awaited_is_in_the_ledger_and_was_reported() {
    let ledger = Arc::new(MemoryLedger::new());
    let reported = Arc::new(AtomicUsize::new(0));
    let on_committed = {
        let (ledger, reported) = (ledger.clone(), reported.clone());
        Box::new(move |records: &[Record]| {
            assert!(ledger.head().0 >= records.len() as u64, "durable before it is reported");
            reported.fetch_add(records.len(), SeqCst);
        })
    };
    let journal = Journal::start(ledger.clone(), options(), on_committed);
    let ticket = journal.append(vec![fact(1), fact(2)], Class::Bounded).unwrap();
    assert!(!journal.is_durable(ticket), "nobody waits, so it lingers");
    journal.durable(ticket).await.unwrap();
    assert!(journal.is_durable(ticket));
    assert_eq!((ledger.head(), reported.load(SeqCst)), (Position(2), 2));
    assert_eq!(journal.append(Vec::new(), Class::Must).unwrap(), ticket, "nothing appended waits for what was before");
    journal.durable(Ticket::default()).await.unwrap();
    journal.flush().await.unwrap();
    journal.shutdown().await.unwrap();
}

#[test]
fn what_is_hurried_is_committed_though_nobody_waits_yet() {
    let (journal, announced, go) = Stepped::start(options());
    let ticket = journal.append(vec![fact(1), fact(2)], Class::Bounded).unwrap();
    journal.hurry(ticket);
    assert_eq!(announced.recv().unwrap(), 2);
    go.send(()).unwrap();
    drop(journal);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn many_tasks_on_many_threads_all_hear_of_their_records() {
    let (ledger, journal) = memory();
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let journal = journal.clone();
            tokio::spawn(async move {
                for seq in 1..=50 {
                    let record = credit(workspace(n), seq, &seq.to_string(), 5);
                    let ticket = journal.append(vec![record], Class::Bounded).unwrap();
                    journal.durable(ticket).await.unwrap();
                    if seq % 7 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(ledger.head(), Position(32 * 50));
    for n in 0..32 {
        assert_eq!(ledger.claim(workspace(n)).unwrap().head, 50);
    }
    journal.shutdown().await.unwrap();
}

#[tokio::test]
async fn records_that_come_during_a_commit_share_the_next_one() {
    let (journal, announced, go) = Stepped::start(options());
    let first = journal.append(vec![fact(1)], Class::Bounded).unwrap();
    let waiting = tokio::spawn(journal.durable(first));
    tokio::task::yield_now().await;
    assert_eq!(announced.recv().unwrap(), 1);
    let rest: Vec<_> = (2..9).map(|n| journal.append(vec![fact(n)], Class::Bounded).unwrap()).collect();
    let others: Vec<_> = rest.into_iter().map(|ticket| tokio::spawn(journal.durable(ticket))).collect();
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    waiting.await.unwrap().unwrap();
    go.send(()).unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(announced.try_iter().collect::<Vec<_>>(), [7]);
    journal.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_what_begins_and_takes_what_ends() {
    let (journal, announced, go) = Stepped::start(JournalOptions { queue: 4, ..options() });
    let ticket = journal.append(vec![fact(0)], Class::Bounded).unwrap();
    let waiting = tokio::spawn(journal.durable(ticket));
    tokio::task::yield_now().await;
    announced.recv().unwrap();
    for n in 1..=4 {
        journal.append(vec![fact(n)], Class::Bounded).unwrap();
    }
    assert_eq!(journal.accepts(Class::Bounded), Err(JournalRefusal::Full));
    assert_eq!(journal.append(vec![fact(5)], Class::Bounded), Err(JournalRefusal::Full));
    assert_eq!(journal.accepts(Class::Must), Ok(()));
    journal.append(vec![fact(5)], Class::Must).unwrap();
    go.send(()).unwrap();
    waiting.await.unwrap().unwrap();
    go.send(()).unwrap();
    journal.flush().await.unwrap();
    assert_eq!(journal.accepts(Class::Bounded), Ok(()));
    assert_eq!(announced.try_iter().sum::<usize>(), 5);
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_refuses_what_begins() {
    let free = Arc::new(AtomicU64::new(99));
    let told = free.clone();
    let options = JournalOptions {
        min_free: 100,
        free_space: Some(Box::new(move || Ok(told.load(SeqCst)))),
        check_every: Duration::ZERO,
        ..options()
    };
    let ledger = Arc::new(MemoryLedger::new());
    let journal = Journal::start(ledger, options, Box::new(|_| {}));
    assert_eq!(journal.append(vec![fact(1)], Class::Bounded), Err(JournalRefusal::NoSpace));
    journal.append(vec![fact(1)], Class::Must).unwrap();
    assert!(journal.healthy(), "the ledger does answer");
    free.store(100, SeqCst);
    journal.flush().await.unwrap();
    journal.append(vec![fact(2)], Class::Bounded).unwrap();
}

#[tokio::test]
async fn a_ledger_that_is_not_available_is_asked_again() {
    let memory = Arc::new(MemoryLedger::new());
    let (step, stepped) = channel();
    let ledger = Arc::new(FaultyLedger::new(memory.clone(), [Fault::Unavailable, Fault::Unavailable]));
    let on_committed = Box::new(move |_: &[Record]| step.send(()).unwrap());
    let journal = Journal::start(ledger, options(), on_committed);
    journal.append(vec![fact(1)], Class::Bounded).unwrap();
    journal.flush().await.unwrap();
    assert_eq!(stepped.try_iter().count(), 1, "committed once");
    assert_eq!(memory.head(), Position(1));
    assert!(journal.healthy());
    assert_eq!(journal.accepts(Class::Bounded), Ok(()));
}

#[tokio::test]
async fn while_the_ledger_is_not_available_nothing_begins() {
    let ledger = Arc::new(FaultyLedger::new(Arc::new(MemoryLedger::new()), [Fault::Unavailable]));
    // The second try comes when the journal closes, which wakes the committer.
    let options = JournalOptions { retry: Duration::from_hours(1), ..options() };
    let journal = Journal::start(ledger, options, Box::new(|_| {}));
    let ticket = journal.append(vec![fact(1)], Class::Bounded).unwrap();
    let waiting = tokio::spawn(journal.durable(ticket));
    while journal.healthy() {
        tokio::task::yield_now().await;
    }
    assert_eq!(journal.append(vec![fact(2)], Class::Bounded), Err(JournalRefusal::Unavailable));
    journal.append(vec![fact(2)], Class::Must).unwrap();
    journal.shutdown().await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_ledger_that_failed_ends_the_journal() {
    for fault in [Fault::UnknownWritten, Fault::UnknownNotWritten, Fault::Fatal, Fault::Panic] {
        let ledger = Arc::new(FaultyLedger::new(Arc::new(MemoryLedger::new()), [fault]));
        let ended = Arc::new(AtomicUsize::new(0));
        let on_fatal = {
            let ended = ended.clone();
            Arc::new(move || {
                ended.fetch_add(1, SeqCst);
            })
        };
        let journal = Journal::start(ledger, JournalOptions { on_fatal, ..options() }, Box::new(|_| {}));
        let ticket = journal.append(vec![fact(1)], Class::Must).unwrap();
        assert_eq!(journal.durable(ticket).await, Err(JournalLost), "{fault:?}");
        assert!(!journal.healthy() && !journal.is_durable(ticket));
        assert_eq!(journal.append(vec![fact(2)], Class::Must), Err(JournalRefusal::Closed));
        assert_eq!(journal.shutdown().await, Err(JournalLost));
        assert_eq!(ended.load(SeqCst), 1, "{fault:?}: told once");
    }
}

#[tokio::test]
async fn records_that_were_not_written_are_not_reported() {
    let memory = Arc::new(MemoryLedger::new());
    let fenced = FaultyLedger::new(memory.clone(), [Fault::Answer(Appended::Fenced)]);
    let reported = Arc::new(Mutex::new(Vec::new()));
    let on_committed = {
        let reported = reported.clone();
        Box::new(move |records: &[Record]| reported.lock().extend_from_slice(records))
    };
    let journal = Journal::start(Arc::new(fenced), options(), on_committed);
    journal.append(vec![credit(workspace(1), 1, "a", 5)], Class::Must).unwrap();
    journal.flush().await.unwrap();
    assert!(reported.lock().is_empty(), "fenced");
    let (first, second) = (hold(workspace(1), 1, request(1), 5), hold(workspace(1), 2, request(2), 5));
    journal.append(vec![first.clone(), first.clone(), second.clone()], Class::Must).unwrap();
    journal.flush().await.unwrap();
    assert_eq!(*reported.lock(), [first, second], "the repeated one is left out");
    assert!(journal.healthy());
}

#[tokio::test]
async fn shutting_down_commits_what_is_queued_and_refuses_the_rest() {
    let (ledger, journal) = memory();
    for n in 0..10_000 {
        journal.append(vec![fact(n)], Class::Must).unwrap();
    }
    let handle = journal.clone();
    journal.shutdown().await.unwrap();
    assert_eq!(ledger.head(), Position(10_000));
    assert_eq!(handle.append(vec![fact(1)], Class::Bounded), Err(JournalRefusal::Closed));
    assert_eq!(handle.append(vec![fact(1)], Class::Must), Err(JournalRefusal::Closed));
    handle.flush().await.unwrap();
    assert_eq!(Arc::strong_count(&ledger), 1, "the committer is gone");
}

#[test]
fn the_last_handle_takes_the_thread_with_it() {
    let (ledger, journal) = memory();
    journal.append(vec![fact(1)], Class::Must).unwrap();
    drop(journal);
    assert_eq!(ledger.head(), Position(1), "what was queued is committed");
    assert_eq!(Arc::strong_count(&ledger), 1);
}

#[tokio::test]
async fn a_waiter_that_leaves_takes_nobody_with_it() {
    let (journal, announced, go) = Stepped::start(options());
    let ticket = journal.append(vec![fact(1)], Class::Bounded).unwrap();
    let leaver = tokio::spawn(journal.durable(ticket));
    let stayer = tokio::spawn(journal.durable(ticket));
    tokio::task::yield_now().await;
    announced.recv().unwrap();
    leaver.abort();
    assert!(leaver.await.unwrap_err().is_cancelled());
    go.send(()).unwrap();
    stayer.await.unwrap().unwrap();
}

#[test]
fn a_waiter_outlives_the_runtime_it_waited_on_first() {
    let (journal, announced, go) = Stepped::start(options());
    let ticket = journal.append(vec![fact(1)], Class::Bounded).unwrap();
    let mut durable = Box::pin(journal.durable(ticket));
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let first = runtime();
    first.block_on(async {
        let once = std::future::poll_fn(|context| Poll::Ready(durable.as_mut().poll(context).is_pending()));
        assert!(once.await);
    });
    drop(first);
    announced.recv().unwrap();
    let second = runtime();
    second.block_on(async {
        let other = tokio::spawn(journal.durable(ticket));
        tokio::task::yield_now().await;
        go.send(()).unwrap();
        durable.await.unwrap();
        other.await.unwrap().unwrap();
    });
}

#[test]
fn waiting_needs_no_runtime() {
    struct Unpark(std::thread::Thread, AtomicBool);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.store(true, SeqCst);
            self.0.unpark();
        }
    }
    let (_, journal) = memory();
    let ticket = journal.append(vec![fact(1)], Class::Bounded).unwrap();
    let unpark = Arc::new(Unpark(std::thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(unpark.clone());
    let mut durable = Box::pin(journal.durable(ticket));
    while durable.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        while !unpark.1.swap(false, SeqCst) {
            std::thread::park();
        }
    }
    assert!(journal.is_durable(ticket));
}

#[tokio::test(start_paused = true)]
async fn an_inline_journal_commits_before_the_append_returns() {
    let ledger = Arc::new(MemoryLedger::new());
    let journal = Journal::inline(ledger.clone(), options(), Box::new(|_| {}));
    let ticket = journal.append(vec![fact(1), fact(2)], Class::Bounded).unwrap();
    assert!(journal.is_durable(ticket));
    assert_eq!(ledger.head(), Position(2));
    let before = tokio::time::Instant::now();
    journal.durable(ticket).await.unwrap();
    assert_eq!(tokio::time::Instant::now(), before);
    let handle = journal.clone();
    journal.shutdown().await.unwrap();
    assert_eq!(handle.append(vec![fact(1)], Class::Bounded), Err(JournalRefusal::Closed));
}
