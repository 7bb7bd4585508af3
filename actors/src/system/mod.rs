//! Everything that decides or remembers, put together: opened from a ledger, closed in order.
//!
//! Opening replays the whole journal once: accounts, keys, prices, switches and audit rows come out of it.
//! Holds that a crash left open are closed, durably, before the first request is served.

mod billing;
mod keys;
mod payments;
mod replay;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::clock::Clock;
use crate::directory::{Directory, Placement, RebuildAccount};
use crate::domain::account::Account;
use crate::domain::fact::{
    AuditRow, Fact, PricesPublished, ProviderAccountSwitched, WorkspaceChanged, WorkspaceCreated,
};
use crate::domain::ids::WorkspaceId;
use crate::domain::limits::LimitPolicy;
use crate::domain::mail::MailFact;
use crate::domain::price::PriceBook;
use crate::domain::secret::KeyDigest;
use crate::domain::time::UnixMillis;
use crate::domain::webhook::WebhookFact;
pub use crate::fresh;
use crate::journal::{Class, Journal, JournalLost, JournalOptions, JournalRefusal};
use crate::keyring::Keyring;
use crate::ledger::{Ledger, LedgerError, Record};
use crate::office::Office;
use crate::price_books::PriceBooks;
use crate::reports::Reports;
use crate::workspace::{AskError, ChangeSettings, WorkspaceActor, WorkspaceHandle, WorkspaceView};
pub use billing::CreditRefused;
pub use keys::RotateError;
pub use payments::{PayFailed, Told};
use replay::replay;

/// What the gateway decides with and remembers.
#[derive(Debug)]
pub struct Core {
    /// Every workspace.
    pub directory: Directory,
    /// Every key.
    pub keyring: Keyring,
    /// Every version of the price book.
    pub prices: PriceBooks,
    /// The committer.
    pub journal: Journal,
    /// What was committed, for reports.
    pub reports: Arc<Reports>,
    /// The store, for reading.
    pub ledger: Arc<dyn Ledger>,
    /// Both clocks.
    pub clock: Clock,
    /// Where actors run.
    pub placement: Placement,
    /// A mail is to go out: for the one task that sends them.
    pub mail_waits: tokio::sync::Notify,
    /// The same for webhooks.
    pub webhook_waits: tokio::sync::Notify,
    office: Arc<Mutex<Office>>,
    /// Told whenever entries were committed, for whoever watches balances.
    pub committed: Arc<tokio::sync::Notify>,
    policy: Arc<LimitPolicy>,
    audit: Mutex<Vec<AuditRow>>,
    switches: RwLock<HashMap<(String, usize), bool>>,
    prices_seeded_from: RwLock<Option<String>>,
    /// Held while a version is published: two at once would get one number.
    publishing: tokio::sync::Mutex<()>,
    /// Accounts that wait for a thread to run on.
    waiting: Mutex<Vec<Account>>,
}

/// The system cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An entry does not follow from those before it.
    #[error("the ledger is damaged at position {position}: {reason}")]
    Damaged {
        /// Where.
        position: String,
        /// What is wrong.
        reason: String,
    },
    /// The journal could not take what the start has to write.
    #[error(transparent)]
    Journal(#[from] JournalRefusal),
    /// What the start wrote did not reach the disk.
    #[error(transparent)]
    Lost(#[from] JournalLost),
}

/// An operator's change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The workspace did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The store cannot take it.
    #[error(transparent)]
    Store(#[from] JournalRefusal),
    /// It did not reach the disk.
    #[error(transparent)]
    Lost(#[from] JournalLost),
}

impl Core {
    /// Opens the system: replays the ledger, starts the committer, closes what a crash left open.
    ///
    /// Returns once that is durable. Actors start with [`Core::start_actors`].
    ///
    /// # Errors
    /// [`OpenError`]; nothing may be served then.
    pub async fn open(
        ledger: Arc<dyn Ledger>,
        policy: LimitPolicy,
        options: JournalOptions,
        clock: Clock,
    ) -> Result<Arc<Self>, OpenError> {
        let policy = Arc::new(policy);
        let reports = Arc::new(Reports::default());
        let replayed = replay(ledger.as_ref(), &policy, Some(&reports))?;
        let committed = Arc::new(tokio::sync::Notify::new());
        let on_committed = {
            let (reports, committed) = (reports.clone(), committed.clone());
            Box::new(move |records: &[Record]| {
                reports.note(records);
                committed.notify_one();
            })
        };
        let journal = Journal::start(ledger.clone(), options, on_committed);
        let now = clock.now();
        let mut accounts: Vec<_> = replayed.accounts.into_values().collect();
        accounts.sort_by_key(Account::workspace);
        let mut recovered = Vec::new();
        for account in &mut accounts {
            account.resume(now);
            recovered.extend(account.recover_open_holds(now).into_iter().map(Record::Entry));
        }
        if !recovered.is_empty() {
            tracing::warn!(holds = recovered.len(), "closed holds that were left open");
            let ticket = journal.append(recovered, Class::Must)?;
            journal.durable(ticket).await?;
        }
        let prices = PriceBooks::default();
        let mut prices_seeded_from = None;
        for published in replayed.prices {
            prices_seeded_from = published.seeded_from.clone().or(prices_seeded_from);
            prices.add(book_of(published));
        }
        Ok(Arc::new(Self {
            directory: Directory::default(),
            keyring: Keyring::default(),
            prices,
            journal,
            reports,
            ledger,
            clock,
            placement: Placement::default(),
            mail_waits: tokio::sync::Notify::new(),
            webhook_waits: tokio::sync::Notify::new(),
            office: Arc::new(Mutex::new(replayed.office)),
            committed,
            policy,
            audit: Mutex::new(replayed.audit),
            switches: RwLock::new(replayed.switches),
            prices_seeded_from: RwLock::new(prices_seeded_from),
            publishing: tokio::sync::Mutex::default(),
            waiting: Mutex::new(accounts),
        }))
    }

    /// Starts the actors of all workspaces, on the threads that [`Core::placement`] has by now.
    pub fn start_actors(self: &Arc<Self>) {
        for account in std::mem::take(&mut *self.waiting.lock()) {
            self.start_actor(account);
        }
    }

    fn start_actor(self: &Arc<Self>, account: Account) -> WorkspaceHandle {
        let id = account.workspace();
        let keys: Vec<_> = account
            .keys()
            .into_iter()
            .map(|key| (key.created.clone(), key.expires_at, key.revoked_at.is_some()))
            .collect();
        let addr = self.placement.start(account, self.journal.clone(), self.clock);
        let handle = self.directory.add(id, addr, Arc::new(Rebuilder(self.clone())));
        for (created, expires_at, revoked) in keys {
            if let Some(digest) = digest_of(&created.digest) {
                self.keyring.add(digest, &created, handle.clone(), revoked);
                if let Some(at) = expires_at {
                    self.keyring.retire(created.key, at);
                }
            }
        }
        handle
    }

    /// Looks something up in the office.
    pub fn office<T>(&self, look: impl FnOnce(&Office) -> T) -> T {
        look(&self.office.lock())
    }

    /// Decides in the office what happened, and notes all of it at once: the facts are journalled together, in the order in
    /// which they were decided, and the next decision sees them. Returns once they are durable. Workspaces among them open.
    ///
    /// # Errors
    /// What the decision refuses, or [`ChangeError`]; nothing happened then, save that after [`ChangeError::Lost`] nobody
    /// knows.
    pub async fn decide<T, E: From<ChangeError>>(
        self: &Arc<Self>,
        decide: impl FnOnce(&Office, UnixMillis) -> Result<(T, Vec<Fact>), E>,
    ) -> Result<T, E> {
        let (answer, facts, ticket) = {
            let mut office = self.office.lock();
            let (answer, facts) = decide(&office, self.clock.now().wall)?;
            let records = facts.iter().cloned().map(Record::Fact).collect();
            let ticket = self.journal.append(records, Class::Bounded).map_err(ChangeError::from)?;
            for fact in &facts {
                office.apply(fact);
            }
            (answer, facts, ticket)
        };
        self.journal.durable(ticket).await.map_err(ChangeError::from)?;
        for fact in facts {
            match fact {
                Fact::WorkspaceCreated(created) => {
                    self.start_actor(Account::opened(&created, self.policy.clone(), self.clock.now()));
                }
                Fact::Audited(row) => self.audit.lock().push(row),
                Fact::Mail(MailFact::Queued(_) | MailFact::Resent { .. })
                | Fact::Webhook(WebhookFact::Tested { .. } | WebhookFact::Resent { .. }) => self.wake_senders(),
                _ => {}
            }
        }
        Ok(answer)
    }

    /// Opens a workspace; returns once it is durable.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn create_workspace(
        self: &Arc<Self>,
        created: WorkspaceCreated,
        audit: AuditRow,
    ) -> Result<WorkspaceHandle, ChangeError> {
        let facts = vec![Fact::WorkspaceCreated(created.clone()), Fact::Audited(audit.clone())];
        let ticket = {
            // The office knows who a workspace is opened for, in the order of the journal.
            let mut office = self.office.lock();
            let records = facts.iter().cloned().map(Record::Fact).collect();
            let ticket = self.journal.append(records, Class::Bounded)?;
            for fact in &facts {
                office.apply(fact);
            }
            ticket
        };
        self.journal.durable(ticket).await?;
        self.audit.lock().push(audit);
        Ok(self.start_actor(Account::opened(&created, self.policy.clone(), self.clock.now())))
    }

    /// Changes a workspace's settings or name; returns what it is then, once that is durable.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_workspace(
        &self,
        workspace: &WorkspaceHandle,
        change: WorkspaceChanged,
        audit: AuditRow,
    ) -> Result<WorkspaceView, ChangeError> {
        let message = ChangeSettings { change, audit: audit.clone(), office: self.office.clone() };
        let (view, ticket) = workspace.ask(message).await??;
        self.journal.durable(ticket).await?;
        self.note_audit(audit);
        self.wake_senders();
        Ok(view)
    }

    /// Publishes a price-book version; returns once it is durable. The version's number is given here.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn publish_prices(
        &self,
        mut published: PricesPublished,
        audit: Option<AuditRow>,
    ) -> Result<Arc<PriceBook>, ChangeError> {
        let _publishing = self.publishing.lock().await;
        published.version = self.prices.newest().map_or(1, |book| book.version.saturating_add(1));
        let facts = std::iter::once(Fact::PricesPublished(published.clone())).chain(audit.clone().map(Fact::Audited));
        self.write(facts.collect()).await?;
        self.audit.lock().extend(audit);
        if published.seeded_from.is_some() {
            self.prices_seeded_from.write().clone_from(&published.seeded_from);
        }
        let book = book_of(published);
        self.prices.add(book.clone());
        Ok(Arc::new(book))
    }

    /// The digest of the configuration's prices that last seeded a version.
    pub fn prices_seeded_from(&self) -> Option<String> {
        self.prices_seeded_from.read().clone()
    }

    /// Notes durably that an operator switched a provider account.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn switch_account(&self, switched: ProviderAccountSwitched, audit: AuditRow) -> Result<(), ChangeError> {
        self.write(vec![Fact::ProviderAccountSwitched(switched.clone()), Fact::Audited(audit.clone())]).await?;
        self.audit.lock().push(audit);
        self.switches.write().insert((switched.provider, switched.n), switched.enabled);
        Ok(())
    }

    /// Provider accounts that an operator switched, by provider and number.
    pub fn switches(&self) -> HashMap<(String, usize), bool> {
        self.switches.read().clone()
    }

    /// Adds an audit row that was written with its change by the workspace's actor.
    pub fn note_audit(&self, row: AuditRow) {
        self.audit.lock().push(row);
    }

    /// Audit rows from `after` on, the oldest first.
    pub fn audit(&self, after: usize, limit: usize) -> Vec<AuditRow> {
        self.audit.lock().iter().skip(after).take(limit).cloned().collect()
    }

    /// Audit rows that `wanted` takes, the newest first, of those numbered below `before`; each with its number.
    pub fn audit_newest(
        &self,
        before: usize,
        limit: usize,
        wanted: impl Fn(&AuditRow) -> bool,
    ) -> Vec<(usize, AuditRow)> {
        let audit = self.audit.lock();
        let numbered = audit.iter().enumerate().take(before).rev();
        numbered.filter(|(_, row)| wanted(row)).take(limit).map(|(number, row)| (number, row.clone())).collect()
    }

    /// The policy of limits.
    pub fn policy(&self) -> &LimitPolicy {
        &self.policy
    }

    async fn write(&self, facts: Vec<Fact>) -> Result<(), ChangeError> {
        let ticket = self.journal.append(facts.into_iter().map(Record::Fact).collect(), Class::Bounded)?;
        Ok(self.journal.durable(ticket).await?)
    }
}

/// Builds one workspace anew after its actor ended.
struct Rebuilder(Arc<Core>);

impl RebuildAccount for Rebuilder {
    fn rebuild(
        &self,
        id: WorkspaceId,
    ) -> std::pin::Pin<Box<dyn std::future::Future<Output = Option<actix::Addr<WorkspaceActor>>> + Send + '_>> {
        Box::pin(async move {
            let core = &self.0;
            // What the dead actor handed over has to be in the ledger before the ledger is read.
            core.journal.flush().await.ok()?;
            let (ledger, policy) = (core.ledger.clone(), core.policy.clone());
            let replayed = tokio::task::spawn_blocking(move || replay(ledger.as_ref(), &policy, None)).await.ok()?;
            let mut account = replayed.ok()?.accounts.remove(&id)?;
            account.resume(core.clock.now());
            Some(core.placement.start(account, core.journal.clone(), core.clock))
        })
    }
}

fn book_of(published: PricesPublished) -> PriceBook {
    PriceBook { version: published.version, effective_at: published.effective_at, rows: published.rows }
}

/// The digest that was journalled as this text.
pub fn digest_of(hexadecimal: &str) -> Option<KeyDigest> {
    let hash = blake3::Hash::from_hex(hexadecimal).ok()?;
    Some(KeyDigest(*hash.as_bytes()))
}

/// The hexadecimal text under which a key's digest is journalled.
pub fn digest_text(digest: &KeyDigest) -> String {
    blake3::Hash::from_bytes(digest.0).to_hex().to_string()
}
