//! What the journal costs: tasks that each append a hold and wait until it is durable, on sled and, as the plain
//! baseline, in memory.
//!
//! `cargo bench -p lmhaven-actors --bench journal`. Criterion reports the time for each append with all tasks
//! running; beside it stand the p50 and p99 of the waits and the CPU of the whole process for each append, which
//! is what a request pays (a request appends a hold and a settlement, and waits for the first).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lmhaven_actors::domain::entry::{AccountName, Entry, EntryKind, Postings, RequestDetail, RequestStep, TxId};
use lmhaven_actors::domain::ids::{KeyId, RequestId, WorkspaceId};
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::domain::usage::{Bucket, Usage};
use lmhaven_actors::journal::{Class, Journal, JournalOptions};
use lmhaven_actors::ledger::memory::MemoryLedger;
use lmhaven_actors::ledger::sled::SledLedger;
use lmhaven_actors::ledger::{Ledger, Record};
use lmhaven_actors::reports::Reports;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// One workspace for each task, as an actor has it: its entries carry gapless numbers.
struct Task {
    workspace: WorkspaceId,
    seq: u64,
    requests: u64,
    model: Arc<str>,
}

impl Task {
    fn entry(&mut self, step: RequestStep, kind: EntryKind, postings: Postings, usage: Option<Usage>) -> Record {
        self.seq += 1;
        let request = RequestId::from_bits(self.workspace.bits() << 64 | u128::from(self.requests));
        Record::Entry(Entry {
            workspace: self.workspace,
            seq: self.seq,
            txid: TxId::Request(request, step),
            kind,
            at: UnixMillis(1_795_348_800_000),
            postings,
            request: Some(RequestDetail {
                request,
                key: KeyId::from_bits(1),
                model: self.model.clone(),
                price_version: 1,
                streamed: false,
                expires_at: UnixMillis(1_795_349_400_000),
            }),
            usage,
            reason: None,
        })
    }

    fn transfer(from: AccountName, to: AccountName) -> Postings {
        Postings::transfer(from, to, NanoUsd::from_nano(70_000)).unwrap_or_default()
    }

    /// A request's life in the journal: a hold that is awaited and a settlement that is not.
    async fn request(&mut self, journal: &Journal, waits: &mut Vec<Duration>) {
        self.requests += 1;
        let held = Self::transfer(AccountName::Available, AccountName::Held);
        let hold = self.entry(RequestStep::Hold, EntryKind::Hold, held, None);
        let start = Instant::now();
        if let Ok(ticket) = journal.append(vec![hold], Class::Bounded) {
            let _ = journal.durable(ticket).await;
            waits.push(start.elapsed());
        }
        let usage = Usage::default().with(Bucket::Input, 300).with(Bucket::Output, 150);
        let charged = Self::transfer(AccountName::Held, AccountName::Revenue);
        let settle = self.entry(RequestStep::Close, EntryKind::Settle, charged, Some(usage));
        let _ = journal.append(vec![settle], Class::Must);
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What a run took.
#[derive(Default)]
struct Run {
    elapsed: Duration,
    cpu: Duration,
    commits: u64,
    waits: Vec<Duration>,
}

/// Runs `requests` requests on `tasks` tasks of one single-threaded runtime, as an actix worker has it.
fn run(ledger: Arc<dyn Ledger>, tasks: u64, requests: u64) -> Run {
    let reports = Arc::new(Reports::default());
    let commits = Arc::new(AtomicU64::new(0));
    let on_committed = {
        let commits = commits.clone();
        Box::new(move |records: &[Record]| {
            commits.fetch_add(1, Relaxed);
            reports.note(records);
        })
    };
    let journal = Journal::start(ledger, JournalOptions::default(), on_committed);
    let Ok(runtime) = Builder::new_current_thread().build() else { return Run::default() };
    let (start, cpu_start) = (Instant::now(), cpu());
    let waits = LocalSet::new().block_on(&runtime, async {
        let running: Vec<_> = (0..tasks)
            .map(|n| {
                let journal = journal.clone();
                let share = requests / tasks + u64::from(n < requests % tasks);
                tokio::task::spawn_local(async move {
                    let workspace = WorkspaceId::from_bits(u128::from(n) + 1);
                    let mut task = Task { workspace, seq: 0, requests: 0, model: Arc::from("claude-haiku-4-5") };
                    let mut waits = Vec::with_capacity(usize::try_from(share).unwrap_or(0));
                    for _ in 0..share {
                        task.request(&journal, &mut waits).await;
                    }
                    waits
                })
            })
            .collect();
        let mut waits = Vec::new();
        for task in running {
            waits.append(&mut task.await.unwrap_or_default());
        }
        let _ = journal.flush().await;
        waits
    });
    Run { elapsed: start.elapsed(), cpu: cpu().saturating_sub(cpu_start), commits: commits.load(Relaxed), waits }
}

fn journal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(4));
    for tasks in [1, 32, 256] {
        for store in ["memory", "sled"] {
            let (mut total, mut done) = (Run::default(), 0_u64);
            group.bench_with_input(BenchmarkId::new(store, tasks), &tasks, |bencher, tasks| {
                bencher.iter_custom(|requests| {
                    let directory = tempfile::tempdir().ok();
                    let ledger: Arc<dyn Ledger> = match directory.as_ref().filter(|_| store == "sled") {
                        Some(directory) => match SledLedger::open(directory.path()) {
                            Ok(ledger) => Arc::new(ledger),
                            Err(_) => return Duration::ZERO,
                        },
                        None => Arc::new(MemoryLedger::new()),
                    };
                    let mut one = run(ledger, *tasks, requests);
                    total.waits.append(&mut one.waits);
                    total.cpu += one.cpu;
                    total.commits += one.commits;
                    done += requests;
                    one.elapsed
                });
            });
            let Run { cpu, commits, mut waits, .. } = total;
            waits.sort_unstable();
            let at = |share: usize| waits.get(waits.len() * share / 100).copied().unwrap_or_default();
            let per = |count: u64| f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX));
            eprintln!(
                "{store}/{tasks}: wait p50 {:?}, p99 {:?}; CPU {:.1} µs a request, {:.0} µs a commit of {:.1} requests",
                at(50),
                at(99),
                cpu.as_secs_f64() * 1e6 / per(done),
                cpu.as_secs_f64() * 1e6 / per(commits),
                per(done) / per(commits),
            );
        }
    }
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
