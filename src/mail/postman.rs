//! The task that takes mails out of the outbox: sends what is due and notes what became of it.
//!
//! There is one per process. It wakes where a mail is queued and where one is due. A mail that a server took and whose
//! outcome could not be noted is not sent again: the outcome is kept until the journal takes it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::MailId;
use lmhaven_actors::domain::mail::{Delivery, MailFact, MailFailure, Outbox};
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::ChangeError;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::transport::{AT_ONCE, OpenError, Transport};
use super::{Links, compose, notices};
use crate::relay::Gateway;

/// Mails that one round takes from the outbox.
const ROUND_MAX: usize = 100;
/// The clock may be set meanwhile, so due times are looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long a mail that is leaving may take when the gateway stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The running task.
#[derive(Debug)]
pub struct Postman {
    task: tokio::task::JoinHandle<()>,
    stop: Arc<Notify>,
}

/// What became of an attempt.
type Outcome = Result<(), MailFailure>;

struct Round {
    gateway: Arc<Gateway>,
    transport: Transport,
    links: Links,
    /// Outcomes that the journal did not take yet.
    unnoted: Mutex<HashMap<MailId, Outcome>>,
}

impl Postman {
    /// Starts it.
    ///
    /// # Errors
    /// Mails cannot leave as the configuration says.
    pub fn start(gateway: Arc<Gateway>, links: Links) -> Result<Self, OpenError> {
        let transport = Transport::open(&gateway.config.mail.transport)?;
        let stop = Arc::new(Notify::new());
        let round = Round { gateway, transport, links, unnoted: Mutex::default() };
        let task = actix_web::rt::spawn(round.run(stop.clone()));
        Ok(Self { task, stop })
    }

    /// Ends it after the mails that are leaving. What waits goes out after the next start.
    pub async fn stop(self) {
        let Self { mut task, stop } = self;
        stop.notify_one();
        if tokio::time::timeout(STOP_WITHIN, &mut task).await.is_err() {
            task.abort();
        }
    }
}

impl Round {
    async fn run(self, stop: Arc<Notify>) {
        let core = &self.gateway.core;
        loop {
            notices::look(core).await;
            let now = core.clock.now().wall;
            let (due, next) = core.office(|office| (office.outbox.due(now, ROUND_MAX), office.outbox.next_due()));
            let round = stream::iter(due).map(|delivery| self.deliver(delivery)).buffer_unordered(AT_ONCE);
            let noted = round.fold(true, |all, noted| async move { all && noted }).await;
            let wait = if noted { until(next, core.clock.now().wall) } else { LOOK_AGAIN };
            tokio::select! {
                () = stop.notified() => return,
                () = core.mail_waits.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Sends one mail and notes the outcome; tells whether it could be noted.
    async fn deliver(&self, delivery: Delivery) -> bool {
        let id = delivery.mail.id;
        let known = self.unnoted.lock().get(&id).copied();
        let outcome = match known {
            Some(outcome) => outcome,
            None => self.send(&delivery).await,
        };
        self.unnoted.lock().insert(id, outcome);
        let noted = self.gateway.core.decide(|office, now| {
            let fact = fact_of(&office.outbox, id, now, outcome);
            Ok::<_, ChangeError>((fact.clone(), fact.map(Fact::Mail).into_iter().collect()))
        });
        match noted.await {
            Ok(fact) => {
                self.unnoted.lock().remove(&id);
                count(delivery.mail.content.kind(), fact.as_ref());
                true
            }
            Err(error) => {
                tracing::warn!(mail = %id, %error, "what became of a mail could not be noted");
                false
            }
        }
    }

    async fn send(&self, delivery: &Delivery) -> Outcome {
        let (mail, config) = (&delivery.mail, &self.gateway.config);
        let message = compose(mail, &config.mail, &config.server.public_url, &self.links);
        let outcome = match message {
            Ok(message) => self.transport.send(mail.id, message).await,
            Err(error) => {
                tracing::warn!(mail = %mail.id, %error, "a mail cannot be written");
                Err(MailFailure::Unusable)
            }
        };
        match outcome {
            Ok(()) => tracing::info!(mail = %mail.id, kind = mail.content.kind(), "a mail left"),
            Err(failure) => {
                tracing::warn!(mail = %mail.id, kind = mail.content.kind(), ?failure, "a mail did not leave");
            }
        }
        outcome
    }
}

fn fact_of(outbox: &Outbox, id: MailId, now: UnixMillis, outcome: Outcome) -> Option<MailFact> {
    match outcome {
        Ok(()) => outbox.sent(id, now),
        Err(failure) => outbox.failed(id, now, failure),
    }
}

fn count(kind: &'static str, fact: Option<&MailFact>) {
    let outcome = match fact {
        Some(MailFact::Sent { .. }) => "sent",
        Some(MailFact::AttemptFailed { .. }) => "deferred",
        Some(MailFact::GivenUp { .. }) => "given_up",
        _ => return,
    };
    metrics::counter!("lmhaven_emails_total", "kind" => kind, "outcome" => outcome).increment(1);
}

/// How long to wait for the next mail that is due.
fn until(next: Option<UnixMillis>, now: UnixMillis) -> Duration {
    let millis = next.map_or(i64::MAX, |next| next.0.saturating_sub(now.0));
    Duration::from_millis(u64::try_from(millis).unwrap_or(0)).min(LOOK_AGAIN)
}
