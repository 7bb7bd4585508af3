//! Payments through the office and the workspaces: what happened is decided once, carried out at once, and durable when
//! these functions return.

use std::sync::Arc;

use super::{ChangeError, Core};
use crate::domain::account::CreditError;
use crate::domain::fact::{AuditRow, Fact};
use crate::domain::ids::{AttemptId, RefundId, WorkspaceId};
use crate::domain::money::NanoUsd;
use crate::domain::payment::{
    AttemptStarted, CheckoutOpened, Decision, NotApplied, NotNow, PaymentEvent, PaymentFact, RefundRefused,
    RefundStarted,
};
use crate::domain::time::UnixMillis;
use crate::workspace::{Carried, Pay, PayError};

/// Events that wait for what they are about; a provider's account that is shared with others must not fill the journal.
const PARKED_MAX: usize = 10_000;

/// What came of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was carried out.
    Applied(Decision),
    /// It waits for what it is about.
    Parked,
    /// It changes nothing.
    Ignored(NotApplied),
}

/// A payment could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PayFailed<E: std::error::Error> {
    /// It is not allowed.
    #[error("{0}")]
    Refused(E),
    /// The account does not take it.
    #[error(transparent)]
    Account(CreditError),
    /// There is no such workspace.
    #[error("there is no such workspace")]
    NoWorkspace,
    /// The store or the workspace does not answer.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// What may be decided in the office alone.
#[derive(Debug, thiserror::Error)]
enum Alone {
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("it is known by now")]
    Known,
    #[error("too many events wait")]
    TooMany,
}

impl Core {
    /// Takes in what the payment provider said: in any order, any number of times. Durable when it returns.
    ///
    /// # Errors
    /// [`PayFailed`]: it has to be told again.
    pub async fn tell_payment(self: &Arc<Self>, event: &PaymentEvent) -> Result<Told, PayFailed<NotApplied>> {
        let told = self.tell_one(event).await?;
        if matches!(told, Told::Applied(_)) {
            self.tell_due().await?;
        }
        Ok(told)
    }

    /// Takes in events whose time has come: at the start, and after what they wait for.
    ///
    /// # Errors
    /// [`PayFailed`].
    pub async fn tell_due(self: &Arc<Self>) -> Result<(), PayFailed<NotApplied>> {
        let mut before = usize::MAX;
        loop {
            let due = self.office(|office| office.payments.due());
            // Every one that is told is parked no longer; one that stays would be told for ever.
            let Some(event) = due.first().filter(|_| due.len() < before) else { return Ok(()) };
            before = due.len();
            self.tell_one(event).await?;
        }
    }

    async fn tell_one(self: &Arc<Self>, event: &PaymentEvent) -> Result<Told, PayFailed<NotApplied>> {
        // A row that comes between the look and the parking is found by the second look.
        for _ in 0..3 {
            let Some(workspace) = self.office(|office| office.payments.workspace_of(event)) else {
                let parked = self.decide(|office, at| {
                    if office.payments.workspace_of(event).is_some() {
                        return Err(Alone::Known);
                    }
                    if office.payments.parked().contains(event) {
                        return Ok(((), Vec::new()));
                    }
                    if office.payments.parked().len() >= PARKED_MAX {
                        return Err(Alone::TooMany);
                    }
                    Ok(((), vec![Fact::Payment(PaymentFact::Parked { event: event.clone(), at })]))
                });
                match parked.await {
                    Ok(()) => return Ok(Told::Parked),
                    Err(Alone::Known) => continue,
                    Err(Alone::TooMany) => return Ok(Told::Ignored(NotApplied::Unknown)),
                    Err(Alone::Change(error)) => return Err(error.into()),
                }
            };
            let asked = event.clone();
            let carried =
                self.pay(workspace, None, move |office, available, at| office.payments.decide(&asked, available, at));
            return match carried.await {
                Ok(decision) => Ok(Told::Applied(decision)),
                Err(PayFailed::Refused(refused)) => Ok(Told::Ignored(refused)),
                Err(error) => Err(error),
            };
        }
        Ok(Told::Ignored(NotApplied::Unknown))
    }

    /// Has a payment decided and carried out by its workspace; returns once it, or what it was refused for, is durable.
    async fn pay<E: std::error::Error + Send + 'static>(
        &self,
        workspace: WorkspaceId,
        audit: Option<AuditRow>,
        decide: impl FnOnce(&crate::office::Office, NanoUsd, UnixMillis) -> Result<Decision, E> + Send + 'static,
    ) -> Result<Decision, PayFailed<E>> {
        let handle = self.directory.find(workspace).ok_or(PayFailed::NoWorkspace)?;
        let message = Pay { office: self.office.clone(), decide: Box::new(decide), audit: audit.clone() };
        let answer = handle.ask(message).await.map_err(ChangeError::from)?;
        let Carried { outcome, ticket } = answer.map_err(ChangeError::from)?;
        self.journal.durable(ticket).await.map_err(ChangeError::from)?;
        match outcome {
            Ok(decision) => {
                self.wake_senders();
                if let Some(row) = audit {
                    self.note_audit(row);
                }
                Ok(decision)
            }
            Err(PayError::Refused(refused)) => Err(PayFailed::Refused(refused)),
            Err(PayError::Account(error)) => Err(PayFailed::Account(error)),
        }
    }

    /// Notes that a customer is sent to pay; the provider may be asked when this returns.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn open_checkout(self: &Arc<Self>, opened: CheckoutOpened) -> Result<(), ChangeError> {
        self.note_payment(PaymentFact::CheckoutOpened(opened)).await
    }

    /// Notes something that moves no money.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn note_payment(self: &Arc<Self>, fact: PaymentFact) -> Result<(), ChangeError> {
        self.decide(|_, _| Ok::<_, ChangeError>(((), vec![Fact::Payment(fact)]))).await
    }

    /// Begins a refund: the money is taken when this returns. `false` where it was begun before.
    ///
    /// # Errors
    /// [`PayFailed`].
    pub async fn start_refund(
        &self,
        started: RefundStarted,
        audit: AuditRow,
    ) -> Result<bool, PayFailed<RefundRefused>> {
        #[derive(Debug, thiserror::Error)]
        enum No {
            #[error("begun before")]
            Begun,
            #[error(transparent)]
            Refused(RefundRefused),
        }
        let begun = self.pay(started.workspace, Some(audit), move |office, available, _| {
            match office.payments.start_refund(started, available) {
                Ok(Some(decision)) => Ok(decision),
                Ok(None) => Err(No::Begun),
                Err(refused) => Err(No::Refused(refused)),
            }
        });
        match begun.await {
            Ok(_) => Ok(true),
            Err(PayFailed::Refused(No::Begun)) => Ok(false),
            Err(PayFailed::Refused(No::Refused(refused))) => Err(PayFailed::Refused(refused)),
            Err(PayFailed::Account(error)) => Err(PayFailed::Account(error)),
            Err(PayFailed::NoWorkspace) => Err(PayFailed::NoWorkspace),
            Err(PayFailed::Change(error)) => Err(PayFailed::Change(error)),
        }
    }

    /// Gives back what a refund took that the provider will not make.
    ///
    /// # Errors
    /// [`PayFailed`].
    pub async fn fail_refund(&self, refund: RefundId, reason: &str) -> Result<(), PayFailed<NotApplied>> {
        let known = self.office(|office| office.payments.refund(refund).map(|known| known.started.workspace));
        let workspace = known.ok_or(PayFailed::Refused(NotApplied::Unknown))?;
        let reason = reason.to_owned();
        self.pay(workspace, None, move |office, _, at| office.payments.fail_refund(refund, &reason, at)).await?;
        Ok(())
    }

    /// Begins an attempt of auto top-up, where one may begin; the provider may be asked when this returns.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn start_attempt(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        balance: NanoUsd,
        attempt: AttemptId,
    ) -> Result<Result<AttemptStarted, NotNow>, ChangeError> {
        self.decide(|office, at| match office.payments.start_attempt(workspace, balance, attempt, at) {
            Ok(started) => Ok((Ok(started.clone()), vec![Fact::Payment(PaymentFact::AttemptStarted(started))])),
            Err(not_now) => Ok((Err(not_now), Vec::new())),
        })
        .await
    }
}
