//! The workspace's keys as its account knows them: what each may do and has spent.

use super::super::fact::KeyCreated;
use super::super::money::NanoUsd;
use super::super::time::UnixMillis;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// As it was made.
    pub created: KeyCreated,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
    /// What its requests were charged in all.
    pub spent: NanoUsd,
    /// What its running requests hold.
    pub held: NanoUsd,
    /// When it was last admitted.
    pub last_used_at: Option<UnixMillis>,
}

impl KeyState {
    /// A new key.
    pub const fn new(created: KeyCreated) -> Self {
        Self { created, revoked_at: None, spent: NanoUsd::ZERO, held: NanoUsd::ZERO, last_used_at: None }
    }

    /// Whether its scope has this model.
    pub fn may_use(&self, model: &str) -> bool {
        self.created.models.as_ref().is_none_or(|models| models.iter().any(|allowed| **allowed == *model))
    }

    /// What is left of its spend limit, with and without what its running requests hold; `None` without a limit.
    pub fn allowance(&self) -> Option<(NanoUsd, NanoUsd)> {
        let limit = self.created.spend_limit?;
        let left = |used: NanoUsd| limit.checked_sub(used).unwrap_or_default().max(NanoUsd::ZERO);
        let used = self.spent.checked_add(self.held).unwrap_or(NanoUsd::MAX);
        Some((left(self.spent), left(used)))
    }
}
