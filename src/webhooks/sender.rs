//! The task that sends webhooks that are due and notes what came of each.
//!
//! There is one per process. A crash between an attempt and its note sends the message once more, under the same id. A
//! receiver that is slow holds up its own messages only.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::{EventId, WorkspaceId};
use lmhaven_actors::domain::mail::{Mail, MailContent, MailFact};
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::domain::webhook::{Delivery, Endpoint, Outcome, WebhookFact};
use lmhaven_actors::system::{ChangeError, fresh};
use lmhaven_actors::workspace::Describe;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::client::Client;
use super::message::{body, sign};
use crate::relay::Gateway;

/// Messages that leave at once, in all and to one workspace.
const AT_ONCE: usize = 32;
const AT_ONCE_PER_WORKSPACE: usize = 2;
/// Due messages that one look takes from the office.
const LOOK_MAX: usize = 500;
/// The clock may be set meanwhile, so due times are looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long a message that is leaving may take when the gateway stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The running task.
#[derive(Debug)]
pub struct Sender {
    task: tokio::task::JoinHandle<()>,
    stop: Arc<Notify>,
}

impl Sender {
    /// Starts it.
    pub fn start(gateway: Arc<Gateway>, client: Client) -> Self {
        let stop = Arc::new(Notify::new());
        let task = actix_web::rt::spawn(run(gateway, client, stop.clone()));
        Self { task, stop }
    }

    /// Ends it after the messages that are leaving. What waits goes out after the next start.
    pub async fn stop(self) {
        let Self { mut task, stop } = self;
        stop.notify_one();
        if tokio::time::timeout(STOP_WITHIN, &mut task).await.is_err() {
            task.abort();
        }
    }
}

async fn run(gateway: Arc<Gateway>, client: Client, stop: Arc<Notify>) {
    let core = gateway.core.clone();
    let mut leaving: HashMap<EventId, WorkspaceId> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let now = core.clock.now().wall;
        let due = core.office(|office| office.webhooks.due(now, LOOK_MAX));
        for (delivery, endpoint) in due {
            let here = leaving.values().filter(|workspace| **workspace == delivery.workspace).count();
            if leaving.contains_key(&delivery.id) || here >= AT_ONCE_PER_WORKSPACE || leaving.len() >= AT_ONCE {
                continue;
            }
            leaving.insert(delivery.id, delivery.workspace);
            tasks.spawn(deliver(gateway.clone(), client.clone(), delivery, endpoint));
        }
        let next = core.office(|office| office.webhooks.next_due());
        let wait = next.map_or(LOOK_AGAIN, |next| until(next, core.clock.now().wall));
        // What is due and is leaving already is heard of at its end.
        let wait = if leaving.is_empty() { wait } else { LOOK_AGAIN };
        tokio::select! {
            () = stop.notified() => break,
            () = core.webhook_waits.notified() => {}
            Some(ended) = tasks.join_next(), if !leaving.is_empty() => match ended {
                Ok(id) => {
                    leaving.remove(&id);
                }
                Err(error) => {
                    tracing::error!(%error, "a webhook's task ended by itself");
                    leaving.clear();
                    tasks.abort_all();
                }
            },
            () = tokio::time::sleep(wait) => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// How long to wait for the next message that is due.
fn until(next: UnixMillis, now: UnixMillis) -> Duration {
    Duration::from_millis(u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0)).min(LOOK_AGAIN)
}

async fn deliver(gateway: Arc<Gateway>, client: Client, delivery: Delivery, endpoint: Endpoint) -> EventId {
    let now = gateway.core.clock.now().wall;
    let keys = &gateway.accounts.keys;
    let secrets: Vec<_> = endpoint.secrets(now).iter().map(|n| keys.webhook_secret(endpoint.id, *n)).collect();
    let message = sign(delivery.id, body(&delivery), &secrets, now);
    let begun = Instant::now();
    let outcome = client.send(&endpoint.url, message).await;
    let took_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    metrics::counter!("lmhaven_webhook_deliveries_total", "outcome" => label(outcome)).increment(1);
    if let Err(error) = note(&gateway, &delivery, outcome, took_ms).await {
        tracing::warn!(event = %delivery.id, %error, "what came of a webhook could not be noted");
        // It is sent again, but not at once: a store that takes nothing must not make us a nuisance.
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    delivery.id
}

async fn note(gateway: &Gateway, delivery: &Delivery, outcome: Outcome, took_ms: u32) -> Result<(), ChangeError> {
    let core = &gateway.core;
    let owner = match core.directory.find(delivery.workspace) {
        Some(workspace) => Some(workspace.ask(Describe).await?.profile.owner_email),
        None => None,
    };
    let set_off = core
        .decide(|office, at| {
            let facts = office.webhooks.attempted(delivery.id, outcome, took_ms, at);
            let set_off = facts.iter().any(|fact| matches!(fact, WebhookFact::SetOff { .. }));
            let mail = owner.filter(|_| set_off).map(|to| {
                let (id, workspace) = (fresh::mail_id(at), Some(delivery.workspace));
                let content = MailContent::WebhooksOff;
                Fact::Mail(MailFact::Queued(Mail { id, at, to, person: None, workspace, content }))
            });
            Ok::<_, ChangeError>((set_off, facts.into_iter().map(Fact::Webhook).chain(mail).collect()))
        })
        .await?;
    if set_off {
        tracing::warn!(workspace = %delivery.workspace, "webhooks were set off: nothing was taken for days");
    }
    Ok(())
}

const fn label(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Status(200..=299) => "delivered",
        Outcome::Status(_) => "answered",
        Outcome::Unreachable => "unreachable",
        Outcome::TimedOut => "timeout",
        Outcome::Forbidden => "forbidden",
    }
}
