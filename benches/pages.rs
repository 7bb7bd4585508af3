//! How quick the dashboard is with a million ledger entries: a store is filled through the ledger's trait, a gateway is
//! started on it, and every page is opened many times over loopback.
//!
//! `cargo bench --bench pages` prints p50, p95 and the slowest of each page, the time to start and the memory. It ends with 1
//! where a page's p95 is not below its bar of 100 ms. `LMHAVEN_BENCH_ENTRIES` fills another number.

#![allow(clippy::print_stdout, reason = "a bench reports on stdout")]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lmhaven::accounts::token::SessionToken;
use lmhaven::config::{Config, FixedEnvironment};
use lmhaven::server::Server;
use lmhaven_actors::domain::entry::{AccountName, Entry, EntryKind, Postings, RequestDetail, RequestStep, TxId};
use lmhaven_actors::domain::fact::{Fact, KeyCreated, KeyPurpose, WorkspaceCreated};
use lmhaven_actors::domain::ids::{KeyId, RequestId, WorkspaceId};
use lmhaven_actors::domain::key::{KeyKind, SpendReset};
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::people::{PasswordHash, PeopleFact, Realm, Role};
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::domain::usage::{Bucket, Usage};
use lmhaven_actors::ledger::sled::SledLedger;
use lmhaven_actors::ledger::{Ledger, Record};
use lmhaven_actors::system::{digest_text, fresh};

type Failure = Box<dyn Error>;

const BAR: Duration = Duration::from_millis(100);
const ENTRIES: u64 = 1_000_000;
/// Records of one append, which is one sync of the disk.
const BATCH: usize = 20_000;
const TIMES: usize = 60;
const DAY_MILLIS: i64 = 86_400_000;
/// The history reaches this far back.
const DAYS: i64 = 120;
const KEYS: usize = 12;
const MODELS: [&str; 6] =
    ["claude-opus-4-7", "claude-sonnet-4-6", "claude-haiku-4-5", "gemini-3-1-pro", "gemini-3-flash", "seedream-5"];
const PAGES: [&str; 18] = [
    "/app",
    "/app/keys",
    "/app/usage",
    "/app/usage?from=2026-08-01&to=2026-11-23",
    "/app/usage.csv",
    "/app/requests",
    "/app/requests?model=claude-haiku-4-5",
    "/app/requests?model=seedream-5",
    "/app/billing",
    "/app/billing.csv",
    "/app/limits",
    "/app/models",
    "/app/playground",
    "/app/settings",
    "/app/members",
    "/app/account",
    "/models",
    "/status",
];

#[actix_web::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("a page misses its bar of {BAR:?}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool, Failure> {
    let entries = std::env::var("LMHAVEN_BENCH_ENTRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(ENTRIES);
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    let (token, started) = (SessionToken::fresh(), Instant::now());
    fill(&store, &token, entries)?;
    println!("{entries} entries written in {:.1?}", started.elapsed());
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\npublic_url = \"https://lmhaven.test\"\n\
         admin_token = \"the-admin-token-of-the-bench\"\n[store]\npath = \"{}\"\nmin_free = \"1 MiB\"\n",
        store.display()
    );
    let config =
        Config::parse(Some(("bench", &text)), &FixedEnvironment::default()).map_err(|error| error.to_string())?;
    let (before, started) = (resident_mib(), Instant::now());
    let server = Server::start(config).await?;
    println!("started in {:.1?}; memory {before} MiB before, {} MiB after", started.elapsed(), resident_mib());
    let cookie = server.gateway.accounts.cookies.keep_session(&token);
    let cookie = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
    let base = format!("http://{}", server.public_address);
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let mut all_met = true;
    println!("{:<45} {:>9} {:>9} {:>9} {:>9}", "page", "p50", "p95", "slowest", "KiB");
    for page in PAGES {
        let mut times = Vec::with_capacity(TIMES);
        let mut bytes = 0;
        for _ in 0..TIMES {
            let started = Instant::now();
            let request = client.get(format!("{base}{page}")).header("cookie", &cookie).header("accept", "text/html");
            let answer = request.send().await?;
            let status = answer.status();
            bytes = answer.bytes().await?.len();
            times.push(started.elapsed());
            if status != 200 {
                return Err(format!("{page} answered {status}").into());
            }
        }
        times.sort_unstable();
        let at =
            |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or_default();
        println!("{page:<45} {:>9.1?} {:>9.1?} {:>9.1?} {:>9}", at(50), at(95), at(100), bytes / 1024);
        all_met &= at(95) < BAR;
    }
    println!("memory at the end {} MiB", resident_mib());
    server.stop().await?;
    Ok(all_met)
}

/// One workspace with a person, keys, a credit and requests of the last days, two entries each.
fn fill(store: &std::path::Path, token: &SessionToken, entries: u64) -> Result<(), Failure> {
    let ledger = SledLedger::open(store)?;
    let now = UnixMillis(jiff::Timestamp::now().as_millisecond());
    let start = now.plus_millis(-DAYS * DAY_MILLIS);
    let workspace = fresh::workspace_id(start);
    let (person, session) = (fresh::person_id(start), fresh::session_id(now));
    let keys: Vec<KeyId> = (0..KEYS).map(|_| fresh::key_id(start)).collect();
    let mut facts = vec![
        Fact::WorkspaceCreated(WorkspaceCreated {
            workspace,
            at: start,
            name: "A million".to_owned(),
            owner_email: "bench@example.com".to_owned(),
            email_verified: true,
        }),
        Fact::People(PeopleFact::Registered {
            person,
            at: start,
            email: "bench@example.com".parse()?,
            password: PasswordHash("none".to_owned()),
        }),
        Fact::People(PeopleFact::Verified { person, at: start }),
        Fact::People(PeopleFact::MemberJoined { workspace, person, role: Role::Owner, at: start }),
        Fact::People(PeopleFact::SessionOpened {
            session,
            person,
            at: now,
            digest: token.digest(),
            address: "127.0.0.0/24".to_owned(),
            client: "a bench".to_owned(),
            realm: Realm::Customers,
        }),
    ];
    for (n, key) in keys.iter().enumerate() {
        let secret = fresh::secret();
        facts.push(Fact::KeyCreated(KeyCreated {
            workspace,
            key: *key,
            at: start,
            name: format!("key {n}"),
            digest: digest_text(&secret.digest()),
            last_four: secret.last_four().to_owned(),
            expires_at: None,
            spend_limit: None,
            models: None,
            ip_allow: None,
            purpose: KeyPurpose::Requests,
            spend_limit_reset: SpendReset::default(),
            kind: KeyKind::default(),
            rotated_from: None,
            made_by: None,
        }));
    }
    let facts: Vec<Record> = facts.into_iter().map(Record::Fact).collect();
    let _ = ledger.append(&facts)?;
    let _ = ledger.claim(workspace)?;
    let mut writer = Writer { workspace, keys, start, now, seq: 0, entries };
    let mut batch = vec![writer.credit()?];
    while writer.seq < entries {
        batch.extend(writer.request()?);
        if batch.len() >= BATCH {
            let _ = ledger.append(&std::mem::take(&mut batch))?;
        }
    }
    let _ = ledger.append(&batch)?;
    Ok(())
}

/// The entries of one workspace, in order.
struct Writer {
    workspace: WorkspaceId,
    keys: Vec<KeyId>,
    start: UnixMillis,
    now: UnixMillis,
    seq: u64,
    entries: u64,
}

impl Writer {
    fn entry(&mut self, txid: TxId, kind: EntryKind, postings: Postings) -> Result<Entry, Failure> {
        self.seq += 1;
        // Spread evenly from the first day to now.
        let span = i128::from(self.now.0 - self.start.0) * i128::from(self.seq) / i128::from(self.entries + 1);
        Ok(Entry {
            workspace: self.workspace,
            seq: self.seq,
            txid,
            kind,
            at: self.start.plus_millis(i64::try_from(span)?),
            postings,
            request: None,
            usage: None,
            reason: None,
        })
    }

    fn credit(&mut self) -> Result<Record, Failure> {
        let amount = NanoUsd::from_nano(1_000_000_000_000_000);
        let postings = Postings::transfer(AccountName::Adjustment, AccountName::Available, amount)?;
        let txid = TxId::Credit("the first".into());
        let entry = self.entry(txid, EntryKind::Credit, postings)?;
        Ok(Record::Entry(Entry { reason: Some("a bench".into()), ..entry }))
    }

    /// A hold and its settlement.
    fn request(&mut self) -> Result<[Record; 2], Failure> {
        let n = usize::try_from(self.seq / 2)?;
        let request = RequestId::from_bits(u128::from(self.seq) + 1);
        let key = self.keys.get(n % self.keys.len()).copied().ok_or("no key")?;
        let model: Arc<str> = (*MODELS.get(n % MODELS.len()).ok_or("no model")?).into();
        let cost = NanoUsd::from_nano(70_000);
        let detail = RequestDetail {
            request,
            key,
            model,
            price_version: 1,
            streamed: false,
            expires_at: self.now.plus_millis(DAY_MILLIS),
        };
        let held = Postings::transfer(AccountName::Available, AccountName::Held, cost)?;
        let hold = self.entry(TxId::Request(request, RequestStep::Hold), EntryKind::Hold, held)?;
        let charged = Postings::transfer(AccountName::Held, AccountName::Revenue, cost)?;
        let settle = self.entry(TxId::Request(request, RequestStep::Close), EntryKind::Settle, charged)?;
        let usage = Usage::default().with(Bucket::Input, 300).with(Bucket::Output, 150);
        Ok([
            Record::Entry(Entry { request: Some(detail.clone()), ..hold }),
            Record::Entry(Entry { request: Some(detail), usage: Some(usage), ..settle }),
        ])
    }
}

/// What the process holds in memory; 0 where the system does not tell.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}
