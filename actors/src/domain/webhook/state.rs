//! Endpoints and deliveries, as they follow from facts.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;

use super::{Outcome, WebhookFact};
use crate::domain::billing::BillingEvent;
use crate::domain::ids::{EndpointId, EventId, WorkspaceId};
use crate::domain::time::UnixMillis;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// How long to wait after the first failure, the second, and so on; after the last one a message is given up. The schedule
/// that the Standard Webhooks specification proposes.
pub const RETRY_AFTER_MS: [i64; 9] = [
    5 * SECOND_MS,
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    2 * HOUR_MS,
    5 * HOUR_MS,
    10 * HOUR_MS,
    14 * HOUR_MS,
    20 * HOUR_MS,
    24 * HOUR_MS,
];
/// An endpoint that took nothing for so long is set off.
pub const SET_OFF_AFTER_MS: i64 = 5 * 24 * HOUR_MS;
/// So long the secret before the newest one signs too.
pub const OVERLAP_MS: i64 = 24 * HOUR_MS;
/// Attempts that are remembered of one message.
pub const LOG_MAX: usize = 20;
/// Messages of one workspace that ended and can still be listed and sent again.
const ENDED_KEPT: usize = 200;
/// Messages that are looked at for one page of all workspaces': what one look under the office's lock may take.
const LOOKED_AT_MAX: usize = 10_000;

/// Where a workspace wants its webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Where.
    pub url: String,
    /// The number of the newest secret, from 1.
    pub secret: u32,
    /// Until when the secret before it signs too.
    pub overlap_until: Option<UnixMillis>,
    /// Messages are sent.
    pub on: bool,
    /// Since when every attempt failed.
    pub failing_since: Option<UnixMillis>,
}

impl Endpoint {
    /// The numbers of the secrets that sign at `now`, the newest first.
    pub fn secrets(&self, now: UnixMillis) -> Vec<u32> {
        let before = self.overlap_until.filter(|until| now < *until).map(|_| self.secret.saturating_sub(1));
        std::iter::once(self.secret).chain(before).collect()
    }
}

/// What a message tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A billing event.
    Billing(BillingEvent),
    /// Nothing: the customer tries the endpoint.
    Test,
}

impl Content {
    /// The type that is written in the message.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Billing(event) => event.happened.name(),
            Self::Test => "webhook.test",
        }
    }
}

/// One message and what became of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, the same at every attempt.
    pub id: EventId,
    /// Whose.
    pub workspace: WorkspaceId,
    /// When it happened.
    pub at: UnixMillis,
    /// What it tells.
    pub content: Content,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts that failed since it was queued, or sent again.
    pub failed: u32,
    /// The latest attempts, the oldest first: when, how it went, and how many milliseconds it took.
    pub log: VecDeque<(UnixMillis, Outcome, u32)>,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be tried from then on.
    Waiting {
        /// When.
        due_at: UnixMillis,
    },
    /// The receiver took it.
    Delivered,
    /// It is not tried any more.
    GivenUp,
}

/// A message is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResendRefused {
    /// The workspace has no such message, or it is too old to be remembered.
    #[error("there is no such message")]
    Unknown,
    /// There is nowhere to send it.
    #[error("webhooks are off")]
    Off,
}

/// Webhooks of all workspaces.
#[derive(Debug, Default)]
pub struct Webhooks {
    endpoints: HashMap<WorkspaceId, Endpoint>,
    deliveries: BTreeMap<EventId, Delivery>,
    waiting: BTreeSet<(UnixMillis, EventId)>,
    /// What each workspace's are, the oldest in front.
    of_workspace: HashMap<WorkspaceId, VecDeque<EventId>>,
}

// --- What happens --------------------------------------------------------------------------------------------------

impl Webhooks {
    /// People are told something: so is their endpoint, where they have one.
    pub fn note(&mut self, event: &BillingEvent) {
        self.queue(event.id, event.workspace, event.at, Content::Billing(event.clone()));
    }

    /// Something happened. A fact about what is not remembered changes nothing.
    pub fn apply(&mut self, fact: &WebhookFact) {
        match fact {
            WebhookFact::EndpointSet { endpoint, workspace, url, .. } => {
                let (id, url) = (*endpoint, url.clone());
                let set = Endpoint { id, url, secret: 1, overlap_until: None, on: true, failing_since: None };
                self.endpoints.insert(*workspace, set);
            }
            WebhookFact::EndpointMoved { workspace, url, .. } => {
                if let Some(endpoint) = self.endpoints.get_mut(workspace) {
                    (endpoint.url, endpoint.on, endpoint.failing_since) = (url.clone(), true, None);
                }
            }
            WebhookFact::EndpointRemoved { workspace, .. } => {
                self.endpoints.remove(workspace);
                self.drop_waiting(*workspace);
            }
            WebhookFact::SecretRotated { workspace, at } => {
                if let Some(endpoint) = self.endpoints.get_mut(workspace) {
                    endpoint.secret = endpoint.secret.saturating_add(1);
                    endpoint.overlap_until = Some(at.plus_millis(OVERLAP_MS));
                }
            }
            WebhookFact::SetOff { workspace, .. } => {
                if let Some(endpoint) = self.endpoints.get_mut(workspace) {
                    endpoint.on = false;
                }
                self.drop_waiting(*workspace);
            }
            WebhookFact::Tested { event, workspace, at } => self.queue(*event, *workspace, *at, Content::Test),
            WebhookFact::Attempted { event, at, outcome, took_ms, retry_at } => {
                self.note_attempt(*event, (*at, *outcome, *took_ms), *retry_at);
            }
            WebhookFact::Resent { event, at } => {
                if let Some(delivery) = self.deliveries.get_mut(event) {
                    delivery.failed = 0;
                    self.stand(*event, DeliveryState::Waiting { due_at: *at });
                }
            }
        }
    }

    fn queue(&mut self, id: EventId, workspace: WorkspaceId, at: UnixMillis, content: Content) {
        if !self.endpoints.get(&workspace).is_some_and(|endpoint| endpoint.on) || self.deliveries.contains_key(&id) {
            return;
        }
        let state = DeliveryState::Waiting { due_at: at };
        let delivery = Delivery { id, workspace, at, content, state, failed: 0, log: VecDeque::new() };
        self.deliveries.insert(id, delivery);
        self.waiting.insert((at, id));
        let known = self.of_workspace.entry(workspace).or_default();
        known.push_back(id);
        if known.len() > ENDED_KEPT {
            // The oldest one that does not wait is forgotten.
            let waits = |id: &EventId| {
                let state = self.deliveries.get(id).map(|delivery| delivery.state);
                matches!(state, Some(DeliveryState::Waiting { .. }))
            };
            if let Some(place) = known.iter().position(|id| !waits(id))
                && let Some(oldest) = known.remove(place)
            {
                self.deliveries.remove(&oldest);
            }
        }
    }

    fn note_attempt(&mut self, id: EventId, attempt: (UnixMillis, Outcome, u32), retry_at: Option<UnixMillis>) {
        let Some(delivery) = self.deliveries.get_mut(&id) else { return };
        let (at, outcome, _) = attempt;
        delivery.log.push_back(attempt);
        if delivery.log.len() > LOG_MAX {
            delivery.log.pop_front();
        }
        if let Some(endpoint) = self.endpoints.get_mut(&delivery.workspace) {
            let since = endpoint.failing_since.unwrap_or(at);
            endpoint.failing_since = (!outcome.is_good()).then_some(since);
        }
        let state = match retry_at {
            _ if outcome.is_good() => DeliveryState::Delivered,
            Some(due_at) => DeliveryState::Waiting { due_at },
            None => DeliveryState::GivenUp,
        };
        if !outcome.is_good() {
            delivery.failed = delivery.failed.saturating_add(1);
        }
        self.stand(id, state);
    }

    fn stand(&mut self, id: EventId, state: DeliveryState) {
        let Some(delivery) = self.deliveries.get_mut(&id) else { return };
        if let DeliveryState::Waiting { due_at } = delivery.state {
            self.waiting.remove(&(due_at, id));
        }
        delivery.state = state;
        if let DeliveryState::Waiting { due_at } = state {
            self.waiting.insert((due_at, id));
        }
    }

    /// What waits will not be sent: there is nowhere to.
    fn drop_waiting(&mut self, workspace: WorkspaceId) {
        let ids: Vec<_> = self.of_workspace.get(&workspace).into_iter().flatten().copied().collect();
        for id in ids {
            let waits = self.deliveries.get(&id).map(|delivery| delivery.state);
            if matches!(waits, Some(DeliveryState::Waiting { .. })) {
                self.stand(id, DeliveryState::GivenUp);
            }
        }
    }
}

// --- What is known -------------------------------------------------------------------------------------------------

impl Webhooks {
    /// Where a workspace wants its webhooks.
    pub fn endpoint(&self, workspace: WorkspaceId) -> Option<&Endpoint> {
        self.endpoints.get(&workspace)
    }

    /// Messages that are due, at most `max`, the longest due first, each with where it goes.
    pub fn due(&self, now: UnixMillis, max: usize) -> Vec<(Delivery, Endpoint)> {
        let due = self.waiting.iter().take_while(|(due_at, _)| *due_at <= now);
        due.filter_map(|(_, id)| {
            let delivery = self.deliveries.get(id)?;
            Some((delivery.clone(), self.endpoints.get(&delivery.workspace)?.clone()))
        })
        .take(max)
        .collect()
    }

    /// When the next message is due.
    pub fn next_due(&self) -> Option<UnixMillis> {
        self.waiting.first().map(|(due_at, _)| *due_at)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// One message.
    pub fn get(&self, id: EventId) -> Option<&Delivery> {
        self.deliveries.get(&id)
    }

    /// A workspace's messages, the newest first.
    pub fn newest(&self, workspace: WorkspaceId, limit: usize) -> Vec<Delivery> {
        let ids = self.of_workspace.get(&workspace).into_iter().flatten().rev();
        ids.filter_map(|id| self.deliveries.get(id)).take(limit).cloned().collect()
    }

    /// Messages of all workspaces, the newest first, before this one, and of these those that are `wanted`; with the one to go on
    /// before, where there may be more.
    pub fn list(
        &self,
        before: Option<EventId>,
        limit: usize,
        wanted: impl Fn(&Delivery) -> bool,
    ) -> (Vec<Delivery>, Option<EventId>) {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut found, mut last) = (Vec::new(), None);
        for (place, (id, delivery)) in self.deliveries.range((Bound::Unbounded, end)).rev().enumerate() {
            if found.len() == limit || place == LOOKED_AT_MAX {
                return (found, last);
            }
            last = Some(*id);
            if wanted(delivery) {
                found.push(delivery.clone());
            }
        }
        (found, None)
    }

    /// What follows from an attempt that was over at `now`: the attempt with its next one, and the end of the endpoint where it
    /// took nothing for days. Nothing where the message no longer waits.
    pub fn attempted(&self, id: EventId, outcome: Outcome, took_ms: u32, now: UnixMillis) -> Vec<WebhookFact> {
        let Some(delivery) = self.deliveries.get(&id) else { return Vec::new() };
        if !matches!(delivery.state, DeliveryState::Waiting { .. }) {
            return Vec::new();
        }
        let wait = usize::try_from(delivery.failed).ok().and_then(|failed| RETRY_AFTER_MS.get(failed));
        let retry_at = wait.filter(|_| !outcome.is_good()).map(|wait| now.plus_millis(*wait));
        let attempt = WebhookFact::Attempted { event: id, at: now, outcome, took_ms, retry_at };
        let workspace = delivery.workspace;
        // A receiver that answers 410 wants no more of it, as the specification has it.
        let over = !outcome.is_good()
            && self.endpoints.get(&workspace).is_some_and(|endpoint| {
                let since = endpoint.failing_since.unwrap_or(now);
                endpoint.on && (outcome == Outcome::Status(410) || now >= since.plus_millis(SET_OFF_AFTER_MS))
            });
        std::iter::once(attempt).chain(over.then_some(WebhookFact::SetOff { workspace, at: now })).collect()
    }

    /// Sends a message of this workspace again, or one that waits at once.
    ///
    /// # Errors
    /// [`ResendRefused`].
    pub fn resend(&self, workspace: WorkspaceId, id: EventId, now: UnixMillis) -> Result<WebhookFact, ResendRefused> {
        let known = self.deliveries.get(&id).filter(|delivery| delivery.workspace == workspace);
        known.ok_or(ResendRefused::Unknown)?;
        let on = self.endpoints.get(&workspace).is_some_and(|endpoint| endpoint.on);
        if on { Ok(WebhookFact::Resent { event: id, at: now }) } else { Err(ResendRefused::Off) }
    }
}
