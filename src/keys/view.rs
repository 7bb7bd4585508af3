//! A key as every API shows it: INTERFACE §5 and what came later. Never its secret, except in the answer that made it.

use lmhaven_actors::domain::account::{KeyState, KeyView};
use lmhaven_actors::domain::fact::KeyCreated;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::secret::Secret;
use lmhaven_actors::domain::time::UnixMillis;
use serde_json::{Value, json};

use crate::times;

/// A key that is there.
pub fn shown(key: &KeyView) -> Value {
    let capped = key.created.spend_limit.is_some();
    json!({
        "id": key.created.key,
        "name": key.created.name,
        "kind": key.created.kind,
        "last_four": key.created.last_four,
        "created_at": times::rfc3339(key.created.at),
        "expires_at": key.expires_at.map(times::rfc3339),
        "last_used_at": key.last_used_at.map(times::rfc3339),
        "revoked_at": key.revoked_at.map(times::rfc3339),
        "spend_limit_usd": key.created.spend_limit,
        "spend_limit_reset": key.created.spend_limit_reset,
        "spend_limit_used_usd": capped.then_some(key.spent_in_period),
        "spend_limit_resets_at": key.resets_at.filter(|_| capped).map(times::rfc3339),
        "spent_usd": key.spent,
        "models": key.created.models,
        "ip_allow": key.created.ip_allow,
        "rotated_from": key.created.rotated_from,
        "rotated_to": key.rotated_to,
        "made_by": key.created.made_by,
    })
}

/// A key that is about to be made: nothing is spent.
pub fn made(created: &KeyCreated, at: UnixMillis) -> Value {
    let resets_at = created.spend_limit_reset.end_of(created.spend_limit_reset.period_of(at));
    shown(&KeyView { state: KeyState::new(created.clone()), spent_in_period: NanoUsd::ZERO, resets_at })
}

/// The same with its secret: for the one answer that has it.
pub fn with_secret(mut shown: Value, secret: &Secret) -> Value {
    if let Some(object) = shown.as_object_mut() {
        object.insert("secret".to_owned(), secret.expose().into());
    }
    shown
}
