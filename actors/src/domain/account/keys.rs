//! The workspace's keys as its account knows them: what each may do and has spent, and how one takes another's place.

use super::super::fact::{Fact, KeyCreated, KeyPurpose, KeyRetired, KeyRevoked};
use super::super::ids::KeyId;
use super::super::money::NanoUsd;
use super::super::time::UnixMillis;
use super::Account;
use super::budget::Budget;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// As it was made.
    pub created: KeyCreated,
    /// From when on it is refused: what it was made with, or the end of its window where another key takes its place.
    pub expires_at: Option<UnixMillis>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
    /// What its requests were charged in all.
    pub spent: NanoUsd,
    /// What its running requests hold.
    pub held: NanoUsd,
    /// When it was last used.
    pub last_used_at: Option<UnixMillis>,
    /// The first key of its line; itself where it takes no other's place. The line has one spend limit.
    pub line: KeyId,
    /// The line of the management key that made it.
    pub made_by_line: Option<KeyId>,
    /// The key that takes its place.
    pub rotated_to: Option<KeyId>,
}

impl KeyState {
    /// A new key, the first of its line.
    pub const fn new(created: KeyCreated) -> Self {
        Self {
            line: created.key,
            expires_at: created.expires_at,
            created,
            revoked_at: None,
            spent: NanoUsd::ZERO,
            held: NanoUsd::ZERO,
            last_used_at: None,
            made_by_line: None,
            rotated_to: None,
        }
    }

    /// Whether its scope has this model.
    pub fn may_use(&self, model: &str) -> bool {
        self.created.models.as_ref().is_none_or(|models| models.iter().any(|allowed| **allowed == *model))
    }

    /// Whether it is neither revoked nor expired.
    pub fn is_good(&self, at: UnixMillis) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| at < expires_at)
    }
}

/// A key with how far its line is into its spend limit at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// The key.
    pub state: KeyState,
    /// What its line was charged in the period that runs.
    pub spent_in_period: NanoUsd,
    /// When that period is over.
    pub resets_at: Option<UnixMillis>,
}

impl std::ops::Deref for KeyView {
    type Target = KeyState;

    fn deref(&self) -> &KeyState {
        &self.state
    }
}

/// A key's place is to be taken by a new one with the same settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Which.
    pub key: KeyId,
    /// When.
    pub at: UnixMillis,
    /// How long it stays good beside the new one, in milliseconds; zero revokes it at once.
    pub overlap_millis: i64,
    /// The new key's id.
    pub new: KeyId,
    /// The new key's digest, in hexadecimal.
    pub digest: String,
    /// The new secret's last four characters.
    pub last_four: String,
}

/// A key cannot be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotateRefused {
    /// There is none with this id.
    #[error("there is no such key in this workspace")]
    Missing,
    /// It is revoked or expired.
    #[error("this key is revoked or expired: make a new one")]
    Over,
    /// Another key has its place already.
    #[error("the key {0} has taken this key's place already: rotate that one")]
    Rotated(KeyId),
    /// Nobody has its secret.
    #[error("the playground's key has no secret to rotate")]
    Playground,
}

impl Account {
    /// Adds a key.
    pub fn add_key(&mut self, created: KeyCreated) {
        let line_of = |key: Option<KeyId>| self.keys.get(&key?).map(|key| key.line);
        let before = line_of(created.rotated_from);
        let made_by_line = line_of(created.made_by);
        let state = KeyState { made_by_line, ..KeyState::new(created) };
        let state = KeyState { line: before.unwrap_or(state.line), ..state };
        if before.is_none() {
            self.budgets.insert(state.line, Budget::new(state.created.spend_limit, state.created.spend_limit_reset));
        }
        if let Some(before) = state.created.rotated_from.and_then(|key| self.keys.get_mut(&key)) {
            before.rotated_to = Some(state.created.key);
        }
        self.keys.insert(state.created.key, state);
    }

    /// Revokes a key. Tells whether it was there and not revoked before.
    pub fn revoke_key(&mut self, revoked: &KeyRevoked) -> bool {
        match self.keys.get_mut(&revoked.key) {
            Some(key) if key.revoked_at.is_none() => {
                key.revoked_at = Some(revoked.at);
                true
            }
            _ => false,
        }
    }

    /// Ends a key's time, never later than it would have ended.
    pub fn retire_key(&mut self, retired: &KeyRetired) {
        if let Some(key) = self.keys.get_mut(&retired.key) {
            key.expires_at = Some(key.expires_at.map_or(retired.expires_at, |at| at.min(retired.expires_at)));
        }
    }

    /// Gives a key's place to a new one: the same settings, the same spend limit, another secret. The facts belong together.
    ///
    /// # Errors
    /// [`RotateRefused`]; nothing changed then.
    pub fn rotate_key(&mut self, rotation: &Rotation) -> Result<Vec<Fact>, RotateRefused> {
        let key = self.keys.get(&rotation.key).ok_or(RotateRefused::Missing)?;
        if let Some(to) = key.rotated_to {
            return Err(RotateRefused::Rotated(to));
        }
        if !key.is_good(rotation.at) {
            return Err(RotateRefused::Over);
        }
        if key.created.purpose == KeyPurpose::Playground {
            return Err(RotateRefused::Playground);
        }
        let (workspace, at) = (self.workspace, rotation.at);
        let created = KeyCreated {
            key: rotation.new,
            at,
            digest: rotation.digest.clone(),
            last_four: rotation.last_four.clone(),
            rotated_from: Some(rotation.key),
            ..key.created.clone()
        };
        let before = if rotation.overlap_millis > 0 {
            let expires_at = at.plus_millis(rotation.overlap_millis);
            Fact::KeyRetired(KeyRetired { workspace, key: rotation.key, at, expires_at })
        } else {
            Fact::KeyRevoked(KeyRevoked { workspace, key: rotation.key, at })
        };
        let facts = vec![Fact::KeyCreated(created), before];
        for fact in &facts {
            self.replay_fact(fact);
        }
        Ok(facts)
    }

    /// Its keys at one moment, the oldest first.
    pub fn key_views(&self, at: UnixMillis) -> Vec<KeyView> {
        let view = |key: &KeyState| {
            let budget = self.budgets.get(&key.line);
            KeyView {
                state: key.clone(),
                spent_in_period: budget.map(|budget| budget.spent(at)).unwrap_or_default(),
                resets_at: budget.and_then(|budget| budget.resets_at(at)),
            }
        };
        self.keys().into_iter().map(view).collect()
    }
}
