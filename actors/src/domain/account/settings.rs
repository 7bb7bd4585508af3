//! What operators set, and what a workspace is called.

use std::num::NonZeroU32;

use super::super::fact::{Features, Override, WorkspaceChanged};
use super::super::time::{Now, UnixMillis};
use super::Account;

/// What a workspace is called and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What people call it.
    pub name: String,
    /// Who answers for it.
    pub owner_email: String,
    /// When it was opened.
    pub created_at: UnixMillis,
}

/// What operators set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The owner has confirmed the address.
    pub email_verified: bool,
    /// No request is admitted.
    pub suspended: bool,
    /// What it may use.
    pub features: Features,
    /// Instead of the tier's requests per minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Instead of the tier's stream slots.
    pub concurrent_streams: Option<NonZeroU32>,
}

impl Account {
    /// Applies a change of settings. New limits hold at once.
    pub fn change(&mut self, change: &WorkspaceChanged, now: Now) {
        let WorkspaceChanged {
            workspace: _,
            at: _,
            requests_per_minute,
            concurrent_streams,
            features,
            suspended,
            email_verified,
            name,
            billed_to: _,
        } = change;
        apply_override(&mut self.settings.requests_per_minute, *requests_per_minute);
        apply_override(&mut self.settings.concurrent_streams, *concurrent_streams);
        self.settings.features = features.unwrap_or(self.settings.features);
        self.settings.suspended = suspended.unwrap_or(self.settings.suspended);
        self.settings.email_verified = email_verified.unwrap_or(self.settings.email_verified);
        if let Some(name) = name {
            self.profile.name.clone_from(name);
        }
        self.apply_limits(now);
    }
}

fn apply_override(setting: &mut Option<NonZeroU32>, change: Override) {
    match change {
        Override::Unchanged => {}
        Override::Set(value) => *setting = Some(value),
        Override::Tier => *setting = None,
    }
}
