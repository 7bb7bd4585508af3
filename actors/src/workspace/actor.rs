//! The workspace actor: receives, lets the account decide, hands the facts to the journal, replies.
//!
//! Handlers never wait. An entry is in the account before it is in the journal, so two requests never see
//! the same money; who needs it on disk waits for the ticket in the reply.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::domain::account::{
    Account, Admission, Charge, CreditError, Credited, ExtendRefused, HoldClosed, KeyView, Profile, Settings, Standing,
};
use crate::domain::billing::Happened;
use crate::domain::entry::Entry;
use crate::domain::fact::{AuditRow, Fact, WorkspaceChanged};
use crate::domain::hold::Progress;
use crate::domain::ids::{KeyId, RequestId, WorkspaceId};
use crate::domain::limits::Limits;
use crate::domain::money::NanoUsd;
use crate::domain::refusal::{Feature, Refusal};
use crate::domain::time::{Now, UnixMillis};
use crate::journal::{Class, Journal, JournalRefusal, Ticket};
use crate::ledger::Record;
use crate::office::Office;

/// How often holds are looked through for ones whose time is over.
const EXPIRY_SWEEP: Duration = Duration::from_mins(1);

/// One workspace.
#[derive(Debug)]
pub struct WorkspaceActor {
    pub(super) account: Account,
    pub(super) journal: Journal,
    pub(super) clock: Clock,
}

impl WorkspaceActor {
    /// The actor of an account that was just opened or rebuilt from the ledger.
    pub const fn new(account: Account, journal: Journal, clock: Clock) -> Self {
        Self { account, journal, clock }
    }

    /// Hands entries to the journal. They are already in the account, so they are taken whatever the queue.
    pub(super) fn record(&self, entries: impl IntoIterator<Item = Entry>) -> Ticket {
        self.record_all(entries.into_iter().map(Record::Entry).collect())
    }

    /// Hands records to the journal together with what people are told of them; the office knows it in the same order.
    fn record_told(
        &self,
        office: &Mutex<Office>,
        mut records: Vec<Record>,
        happened: Vec<Happened>,
        entry: Option<&Entry>,
        now: Now,
    ) -> Ticket {
        let mut office = office.lock();
        records.extend(self.told(&office, happened, entry, now).into_iter().map(Record::Fact));
        let facts: Vec<Fact> = records
            .iter()
            .filter_map(|record| match record {
                Record::Fact(fact) => Some(fact.clone()),
                Record::Entry(_) | Record::Progress { .. } => None,
            })
            .collect();
        let ticket = self.record_all(records);
        for fact in &facts {
            office.apply(fact);
        }
        ticket
    }

    pub(super) fn record_all(&self, records: Vec<Record>) -> Ticket {
        match self.journal.append(records, Class::Must) {
            Ok(ticket) => ticket,
            // The journal is closed: the process is ending, and what is open now is recovered at the next start.
            Err(refusal) => {
                tracing::error!(workspace = %self.account.workspace(), %refusal, "an entry came after the journal closed");
                Ticket::default()
            }
        }
    }
}

impl Actor for WorkspaceActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(EXPIRY_SWEEP, |actor, _| {
            let expired = actor.account.expire_due(actor.clock.now());
            if !expired.is_empty() {
                tracing::warn!(workspace = %actor.account.workspace(), holds = expired.len(), "holds expired");
                actor.record(expired);
            }
        });
    }
}

/// Asks for a request to be admitted.
#[derive(Debug, Message)]
#[rtype(result = "AdmitReply")]
pub struct Admit(pub Admission);

/// Whether it was, and what the workspace has now.
#[derive(Debug)]
pub struct AdmitReply {
    /// The hold, or why not.
    pub result: Result<Granted, NotAdmitted>,
    /// For the headers of either answer.
    pub standing: Standing,
}

/// An admitted request.
#[derive(Clone, Copy, Debug)]
pub struct Granted {
    /// What is held.
    pub held: NanoUsd,
    /// The hold's place in the journal.
    pub ticket: Ticket,
}

/// Why a request was not admitted.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// The workspace does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store cannot take the hold.
    #[error(transparent)]
    Store(#[from] JournalRefusal),
}

impl Handler<Admit> for WorkspaceActor {
    type Result = MessageResult<Admit>;

    fn handle(&mut self, Admit(admission): Admit, _: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        let result = match self.journal.accepts(Class::Bounded) {
            Err(refusal) => Err(NotAdmitted::Store(refusal)),
            Ok(()) => match self.account.admit(&admission, now) {
                Err(refusal) => Err(NotAdmitted::Refused(refusal)),
                Ok(admitted) => Ok(Granted { held: admitted.held, ticket: self.record([admitted.entry]) }),
            },
        };
        MessageResult(AdmitReply { result, standing: self.account.standing(now) })
    }
}

/// Asks for a request that costs nothing to be admitted.
#[derive(Debug, Message)]
#[rtype(result = "(Result<(), Refusal>, Standing)")]
pub struct AdmitFree {
    /// The key that asks.
    pub key: KeyId,
    /// The model.
    pub model: Arc<str>,
    /// The feature it needs.
    pub feature: Feature,
}

impl Handler<AdmitFree> for WorkspaceActor {
    type Result = MessageResult<AdmitFree>;

    fn handle(&mut self, message: AdmitFree, _: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        let result = self.account.admit_free(message.key, &message.model, message.feature, now);
        MessageResult((result, self.account.standing(now)))
    }
}

/// Asks for more money for a running stream.
#[derive(Debug, Message)]
#[rtype(result = "Result<NanoUsd, ExtendRefused>")]
pub struct Extend {
    /// The request.
    pub request: RequestId,
    /// At most this much.
    pub more: NanoUsd,
}

impl Handler<Extend> for WorkspaceActor {
    type Result = Result<NanoUsd, ExtendRefused>;

    fn handle(&mut self, message: Extend, _: &mut Self::Context) -> Self::Result {
        let entry = self.account.extend(message.request, message.more, self.clock.now())?;
        let amount = entry.amount();
        self.record([entry]);
        Ok(amount)
    }
}

/// Notes how far a stream has come.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct NoteProgress {
    /// The request.
    pub request: RequestId,
    /// What a crash would charge.
    pub progress: Progress,
}

impl Handler<NoteProgress> for WorkspaceActor {
    type Result = ();

    fn handle(&mut self, NoteProgress { request, progress }: NoteProgress, _: &mut Self::Context) {
        if self.account.progress(request, progress).is_ok() {
            self.record_all(vec![Record::Progress { workspace: self.account.workspace(), request, progress }]);
        }
    }
}

/// Ends a hold.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<CloseReply, HoldClosed>")]
pub struct Close {
    /// The request.
    pub request: RequestId,
    /// How.
    pub how: How,
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// With a charge.
    Settle(Charge),
    /// Without: nothing was delivered.
    Release,
}

/// A hold that ended.
#[derive(Clone, Copy, Debug)]
pub struct CloseReply {
    /// What the customer paid.
    pub charged: NanoUsd,
    /// What nobody paid.
    pub written_off: NanoUsd,
    /// What the workspace has now.
    pub standing: Standing,
}

impl Handler<Close> for WorkspaceActor {
    type Result = Result<CloseReply, HoldClosed>;

    fn handle(&mut self, Close { request, how }: Close, _: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        let closed = match how {
            How::Settle(charge) => self.account.settle(request, charge, now),
            How::Release => self.account.release(request, now),
        }?;
        if closed.written_off.is_positive() {
            tracing::error!(workspace = %self.account.workspace(), %request, amount = %closed.written_off, "a charge was written off");
        }
        self.record(closed.entries);
        let (charged, written_off) = (closed.charged, closed.written_off);
        Ok(CloseReply { charged, written_off, standing: self.account.standing(now) })
    }
}

/// Gives or takes back money.
#[derive(Debug, Message)]
#[rtype(result = "Result<(Entry, Ticket, bool), CreditFailed>")]
pub struct Credit {
    /// How much; negative is a refund.
    pub amount: NanoUsd,
    /// Why.
    pub reason: Arc<str>,
    /// The same one twice credits once.
    pub idempotency_key: Arc<str>,
    /// Written with the entry.
    pub audit: AuditRow,
    /// Where it is known who is told.
    pub office: Arc<Mutex<Office>>,
}

/// A credit was not made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum CreditFailed {
    /// The account refuses it.
    #[error(transparent)]
    Refused(#[from] CreditError),
    /// The store cannot take it.
    #[error(transparent)]
    Store(#[from] JournalRefusal),
}

impl Handler<Credit> for WorkspaceActor {
    /// The entry, its place in the journal, and whether it is new.
    type Result = Result<(Entry, Ticket, bool), CreditFailed>;

    fn handle(&mut self, message: Credit, _: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        self.journal.accepts(Class::Bounded)?;
        let before = self.account.limits();
        let happened = Happened::Credit { amount_usd: message.amount };
        match self.account.credit(message.amount, message.reason, message.idempotency_key, now)? {
            // The first one may still be on its way to the disk: who waits for an empty append waits for it.
            Credited::Replayed(entry) => Ok((entry, self.record([]), false)),
            Credited::New(entry) => {
                let changed = Happened::of_limits(before, self.account.limits());
                let happened = std::iter::once(happened).chain(changed).collect();
                let records = vec![Record::Entry(entry.clone()), Record::Fact(Fact::Audited(message.audit))];
                let ticket = self.record_told(&message.office, records, happened, Some(&entry), now);
                Ok((entry, ticket, true))
            }
        }
    }
}

/// Changes settings.
#[derive(Debug, Message)]
#[rtype(result = "Result<(WorkspaceView, Ticket), JournalRefusal>")]
pub struct ChangeSettings {
    /// What changes.
    pub change: WorkspaceChanged,
    /// Written with it.
    pub audit: AuditRow,
    /// Where it is known who is told.
    pub office: Arc<Mutex<Office>>,
}

impl Handler<ChangeSettings> for WorkspaceActor {
    type Result = Result<(WorkspaceView, Ticket), JournalRefusal>;

    fn handle(
        &mut self,
        ChangeSettings { change, audit, office }: ChangeSettings,
        _: &mut Self::Context,
    ) -> Self::Result {
        self.journal.accepts(Class::Bounded)?;
        let (now, before) = (self.clock.now(), self.account.limits());
        self.account.change(&change, now);
        let happened = Happened::of_limits(before, self.account.limits()).into_iter().collect();
        let records = vec![Record::Fact(Fact::WorkspaceChanged(change)), Record::Fact(Fact::Audited(audit))];
        let ticket = self.record_told(&office, records, happened, None, now);
        Ok((self.view(), ticket))
    }
}

/// Asks what the workspace has now.
#[derive(Debug, Message)]
#[rtype(result = "(Standing, Limits, String)")]
pub struct ReadStanding;

impl Handler<ReadStanding> for WorkspaceActor {
    type Result = MessageResult<ReadStanding>;

    fn handle(&mut self, _: ReadStanding, _: &mut Self::Context) -> Self::Result {
        let standing = self.account.standing(self.clock.now());
        MessageResult((standing, self.account.limits(), self.account.tier_name()))
    }
}

/// Asks for everything that operators see.
#[derive(Debug, Message)]
#[rtype(result = "WorkspaceView")]
pub struct Describe;

/// Everything that operators see of a workspace.
#[derive(Clone, Debug)]
pub struct WorkspaceView {
    /// Its id.
    pub id: WorkspaceId,
    /// Name and owner.
    pub profile: Profile,
    /// What operators set.
    pub settings: Settings,
    /// Money, requests and slots.
    pub standing: Standing,
    /// The limits in force.
    pub limits: Limits,
    /// The tier's name.
    pub tier: String,
    /// Its keys, the oldest first.
    pub keys: Vec<KeyView>,
    /// Open holds.
    pub holds_open: usize,
    /// When the oldest open hold was opened.
    pub oldest_hold_at: Option<UnixMillis>,
}

impl WorkspaceActor {
    fn view(&mut self) -> WorkspaceView {
        let now = self.clock.now();
        WorkspaceView {
            id: self.account.workspace(),
            profile: self.account.profile().clone(),
            settings: *self.account.settings(),
            standing: self.account.standing(now),
            limits: self.account.limits(),
            tier: self.account.tier_name(),
            keys: self.account.key_views(now.wall),
            holds_open: self.account.holds().count(),
            oldest_hold_at: self.account.holds().map(|hold| hold.opened_at).min(),
        }
    }
}

impl Handler<Describe> for WorkspaceActor {
    type Result = MessageResult<Describe>;

    fn handle(&mut self, _: Describe, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.view())
    }
}
