//! Webhooks to customers as they are remembered: where a workspace wants them, what waits, and what became of the others.
//!
//! A delivery is not decided separately: whatever billing event stands in the journal while a workspace has an endpoint is
//! one, under the event's own id. So a webhook is durable with its reason, and a crash between the two cannot be. The
//! sender (`src/webhooks/sender.rs`) reads [`Webhooks::due`] and notes each attempt. Nothing here holds a secret: it is
//! derived from the endpoint's id and the number of the secret.

mod state;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::ids::{EndpointId, EventId, WorkspaceId};
use super::time::UnixMillis;

pub use state::{
    Content, Delivery, DeliveryState, Endpoint, LOG_MAX, OVERLAP_MS, RETRY_AFTER_MS, ResendRefused, SET_OFF_AFTER_MS,
    Webhooks,
};

/// Something happened to webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum WebhookFact {
    /// A workspace wants its webhooks here from now on.
    EndpointSet {
        /// A new id: with it come new secrets.
        endpoint: EndpointId,
        /// Whose.
        workspace: WorkspaceId,
        /// Where.
        url: String,
        /// When.
        at: UnixMillis,
    },
    /// The same endpoint is somewhere else now, or on again.
    EndpointMoved {
        /// Whose.
        workspace: WorkspaceId,
        /// Where.
        url: String,
        /// When.
        at: UnixMillis,
    },
    /// A workspace wants no webhooks.
    EndpointRemoved {
        /// Whose.
        workspace: WorkspaceId,
        /// When.
        at: UnixMillis,
    },
    /// There is a new secret; the one before it signs too for a while.
    SecretRotated {
        /// Whose.
        workspace: WorkspaceId,
        /// When.
        at: UnixMillis,
    },
    /// Nothing was taken for days: no further attempt is made until the customer looks.
    SetOff {
        /// Whose.
        workspace: WorkspaceId,
        /// When.
        at: UnixMillis,
    },
    /// The customer wants a message that says nothing.
    Tested {
        /// The message's id.
        event: EventId,
        /// Whose.
        workspace: WorkspaceId,
        /// When.
        at: UnixMillis,
    },
    /// A message was sent, well or not.
    Attempted {
        /// Which.
        event: EventId,
        /// When the attempt was over.
        at: UnixMillis,
        /// What came of it.
        outcome: Outcome,
        /// How long it took, in milliseconds.
        took_ms: u32,
        /// When it is tried again; `None` is not at all.
        #[serde(default)]
        retry_at: Option<UnixMillis>,
    },
    /// Somebody wants a message sent again, whatever became of it.
    Resent {
        /// Which.
        event: EventId,
        /// When.
        at: UnixMillis,
    },
}

/// What came of an attempt. Holds nothing that the receiver wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered with this status; 200 to 299 took it.
    Status(u16),
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// Its address is private, or no name server knows it.
    Forbidden,
}

impl Outcome {
    /// The receiver took it.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }
}
