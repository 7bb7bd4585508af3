//! A fresh id of each kind, from the system's randomness.

use crate::domain::ids::{
    AttemptId, CheckoutId, EndpointId, EventId, KeyId, LinkId, MailId, PersonId, RefundId, RequestId, SessionId,
    WorkspaceId,
};
use crate::domain::secret::Secret;
use crate::domain::time::UnixMillis;

/// Random bytes, fit for secrets.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        // Without randomness no key is safe: nothing may go on.
        tracing::error!(%error, "the system gives no randomness");
        std::process::abort();
    }
    bytes
}

/// A workspace's id.
pub fn workspace_id(at: UnixMillis) -> WorkspaceId {
    WorkspaceId::from_parts(at, random())
}

/// A key's id.
pub fn key_id(at: UnixMillis) -> KeyId {
    KeyId::from_parts(at, random())
}

/// A person's id.
pub fn person_id(at: UnixMillis) -> PersonId {
    PersonId::from_parts(at, random())
}

/// A session's id.
pub fn session_id(at: UnixMillis) -> SessionId {
    SessionId::from_parts(at, random())
}

/// A link's id.
pub fn link_id(at: UnixMillis) -> LinkId {
    LinkId::from_parts(at, random())
}

/// A mail's id.
pub fn mail_id(at: UnixMillis) -> MailId {
    MailId::from_parts(at, random())
}

/// A billing event's id.
pub fn event_id(at: UnixMillis) -> EventId {
    EventId::from_parts(at, random())
}

/// The id of a place for webhooks.
pub fn endpoint_id(at: UnixMillis) -> EndpointId {
    EndpointId::from_parts(at, random())
}

/// A checkout's id.
pub fn checkout_id(at: UnixMillis) -> CheckoutId {
    CheckoutId::from_parts(at, random())
}

/// A refund's id.
pub fn refund_id(at: UnixMillis) -> RefundId {
    RefundId::from_parts(at, random())
}

/// The id of an attempt of auto top-up.
pub fn attempt_id(at: UnixMillis) -> AttemptId {
    AttemptId::from_parts(at, random())
}

/// A key.
pub fn secret() -> Secret {
    Secret::from_random(random())
}

/// A number for providers that want one; nothing depends on nobody knowing it.
pub fn seed() -> u32 {
    u32::from_ne_bytes(random())
}

/// A request's id. Drawn from a per-thread generator that the system's randomness seeds: an id has to be
/// unique, not secret.
pub fn request_id(at: UnixMillis) -> RequestId {
    use std::cell::RefCell;
    thread_local! {
        static STREAM: RefCell<blake3::OutputReader> = RefCell::new(blake3::Hasher::new_keyed(&random()).finalize_xof());
    }
    let mut bytes = [0_u8; 10];
    STREAM.with_borrow_mut(|stream| stream.fill(&mut bytes));
    RequestId::from_parts(at, bytes)
}
