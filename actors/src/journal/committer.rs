//! The committer: takes what is queued and brings it to the disk, for ever.
//!
//! It is the only caller of the ledger's `append`. A ledger that is not available is asked again, while what
//! begins is refused; any other failure, a panic included, ends the journal and with it the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::metrics::StoreMetrics;
use super::options::JournalOptions;
use super::pace::Pace;
use super::queue::{Queue, Shared};
use crate::ledger::{Appended, Ledger, LedgerError, Record};

/// Told what became durable, in order, on the committer's thread.
pub type OnCommitted = Box<dyn FnMut(&[Record]) + Send>;

/// Records in one append: a bound on the time that the first of them waits for the last.
const GROUP_MAX: usize = 4096;
/// How often the size of the store is measured.
const BYTES_EVERY: Duration = Duration::from_mins(1);
/// The longest wait before the ledger is asked again.
const RETRY_MAX: Duration = Duration::from_secs(1);

pub(super) struct Committer {
    shared: Arc<Shared>,
    ledger: Arc<dyn Ledger>,
    on_committed: OnCommitted,
    options: JournalOptions,
    pace: Pace,
    /// What is being committed; trades places with the queue's buffer, so that neither is allocated again.
    batch: Vec<Record>,
    metrics: StoreMetrics,
    space_checked: Option<Instant>,
    bytes_measured: Option<Instant>,
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        ledger: Arc<dyn Ledger>,
        options: JournalOptions,
        on_committed: OnCommitted,
    ) -> Self {
        let pace = Pace { linger: options.linger, rest: options.rest, last_end: None };
        Self {
            shared,
            ledger,
            on_committed,
            options,
            pace,
            batch: Vec::new(),
            metrics: StoreMetrics::new(),
            space_checked: None,
            bytes_measured: None,
        }
    }

    /// The life of the thread.
    pub(super) fn run(mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| while self.wait_for_work() && self.commit_taken() {}));
        if ended.is_err() {
            self.fail("it panicked");
        }
        self.shared.end();
    }

    /// Commits what is queued, at once: for a journal without a thread.
    pub(super) fn commit_queued(&mut self) {
        self.take(&mut self.shared.clone().lock());
        self.commit_taken();
    }

    /// Sleeps until a commit is due and takes its records; `false` at the end.
    fn wait_for_work(&mut self) -> bool {
        let shared = self.shared.clone();
        let mut queue = shared.lock();
        loop {
            let now = Instant::now();
            let Some(first_at) = queue.first_at else {
                if queue.is_closing() {
                    queue.refuse_all();
                    return false;
                }
                let next_check = self.next_check(now);
                if next_check > now {
                    shared.park(&mut queue, next_check);
                    continue;
                }
                MutexGuard::unlocked(&mut queue, || self.check());
                continue;
            };
            let awaited = shared.is_awaited() || queue.is_closing();
            let due = self.pace.due(first_at, awaited);
            if due <= now {
                self.take(&mut queue);
                drop(queue);
                self.check();
                return true;
            }
            if awaited {
                shared.pause(&mut queue, due);
            } else {
                shared.linger(&mut queue, due);
            }
        }
    }

    fn take(&mut self, queue: &mut MutexGuard<'_, Queue>) {
        queue.first_at = None;
        std::mem::swap(&mut queue.records, &mut self.batch);
    }

    /// Commits what was taken; `false` where the journal ended over it.
    fn commit_taken(&mut self) -> bool {
        let mut batch = std::mem::take(&mut self.batch);
        let committed = batch.chunks(GROUP_MAX).all(|group| self.commit(group));
        batch.clear();
        self.batch = batch;
        committed
    }

    fn commit(&mut self, group: &[Record]) -> bool {
        let (mut retry, mut refused) = (self.options.retry, false);
        let outcomes = loop {
            let start = Instant::now();
            let appended = catch_unwind(AssertUnwindSafe(|| self.ledger.append(group)));
            match appended {
                Ok(Ok(outcomes)) => {
                    self.metrics.flush.record(start.elapsed());
                    break outcomes;
                }
                Ok(Err(LedgerError::Unavailable(cause))) => {
                    self.metrics.unavailable.increment(1);
                    tracing::error!(%cause, records = group.len(), "the ledger is not available; trying again");
                    self.shared.set_unavailable(true);
                    refused = true;
                    self.shared.pause(&mut self.shared.lock(), start + retry);
                    retry = (retry * 2).min(RETRY_MAX);
                }
                Ok(Err(LedgerError::Unknown(cause))) => {
                    self.metrics.unknown.increment(1);
                    return self.fail(&cause.to_string());
                }
                Ok(Err(LedgerError::Fatal(cause))) => {
                    self.metrics.fatal.increment(1);
                    return self.fail(&cause.to_string());
                }
                Err(_) => {
                    self.metrics.unknown.increment(1);
                    return self.fail("it panicked");
                }
            }
        };
        if refused {
            tracing::info!("the ledger is available again");
            self.shared.set_unavailable(false);
        }
        self.report(group, &outcomes);
        self.shared.publish(group.len());
        self.pace.rest = self.options.rest_after(group.len());
        self.pace.last_end = Some(Instant::now());
        true
    }

    /// Tells what was written. Fenced and repeated records mean a mistake of ours, and nothing was written for them.
    fn report(&mut self, group: &[Record], outcomes: &[Appended]) {
        if outcomes.iter().all(|outcome| *outcome == Appended::Committed) {
            return (self.on_committed)(group);
        }
        for (record, outcome) in group.iter().zip(outcomes) {
            match outcome {
                Appended::Committed => (self.on_committed)(std::slice::from_ref(record)),
                Appended::Fenced => self.metrics.fenced.increment(1),
                Appended::Duplicate => self.metrics.duplicate.increment(1),
            }
            if *outcome != Appended::Committed {
                let entry = match record {
                    Record::Entry(entry) => Some((entry.workspace, entry.seq)),
                    Record::Progress { .. } | Record::Fact(_) => None,
                };
                tracing::error!(?outcome, ?entry, "the ledger did not take a record");
            }
        }
    }

    /// The end: nothing is known about the disk any more.
    fn fail(&self, cause: &str) -> bool {
        tracing::error!(cause, "the ledger failed; the process has to end and read what was written");
        self.shared.lose();
        (self.options.on_fatal)();
        false
    }

    /// Looks at the disk where it is time to.
    pub(super) fn check(&mut self) {
        let now = Instant::now();
        if is_due(self.space_checked, self.options.check_every, now) {
            self.space_checked = Some(now);
            self.check_space();
        }
        if is_due(self.bytes_measured, BYTES_EVERY, now) {
            self.bytes_measured = Some(now);
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            self.metrics.bytes.set(self.ledger.disk_bytes() as f64);
        }
    }

    fn check_space(&self) {
        let Some(free_space) = &self.options.free_space else { return };
        match free_space() {
            Ok(free) => {
                let short = free < self.options.min_free;
                if self.shared.set_no_space(short) != short {
                    tracing::warn!(free, short, "the disk of the store crossed its limit of free bytes");
                }
            }
            Err(error) => tracing::warn!(%error, "the disk of the store does not tell its free bytes"),
        }
    }

    /// When to look at the disk next though there is nothing to commit.
    fn next_check(&self, now: Instant) -> Instant {
        let next = |last: Option<Instant>, every| last.map_or(now, |last| last + every);
        let bytes = next(self.bytes_measured, BYTES_EVERY);
        if self.options.free_space.is_none() {
            return bytes;
        }
        // An idle journal is not woken more often than this, however often it looks while it commits.
        bytes.min(next(self.space_checked, self.options.check_every.max(Duration::from_millis(100))))
    }
}

fn is_due(last: Option<Instant>, every: Duration, now: Instant) -> bool {
    last.is_none_or(|last| now >= last + every)
}
