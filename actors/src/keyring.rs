//! Who a key belongs to, found by its digest without asking any actor.
//!
//! A map in shards, so that look-ups on different threads do not meet. Revoking changes it before the call
//! that revokes returns, and running streams look at the same flag. A key whose place another one takes stays until its window
//! is over.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::RwLock;

use crate::domain::fact::{KeyCreated, Network};
use crate::domain::ids::KeyId;
use crate::domain::secret::KeyDigest;
use crate::domain::time::UnixMillis;
use crate::workspace::WorkspaceHandle;

const SHARDS: usize = 64;

/// Every key by its digest.
#[derive(Debug)]
pub struct Keyring {
    shards: [RwLock<HashMap<KeyDigest, Arc<KeyEntry>>>; SHARDS],
}

/// A key as the front end needs it.
#[derive(Debug)]
pub struct KeyEntry {
    /// Its id.
    pub key: KeyId,
    /// Whose.
    pub workspace: WorkspaceHandle,
    /// From when on it is refused, in milliseconds since the epoch; `i64::MAX` is never.
    expires_at: AtomicI64,
    ip_allow: Option<Vec<Network>>,
    revoked: AtomicBool,
}

impl KeyEntry {
    /// It was revoked.
    pub fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    /// Its time is over.
    pub fn is_expired(&self, now: UnixMillis) -> bool {
        self.expires_at.load(Ordering::Acquire) <= now.0
    }

    /// Whether it may come from `address`.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        self.ip_allow.as_ref().is_none_or(|networks| networks.iter().any(|network| network.contains(address)))
    }
}

impl Default for Keyring {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| RwLock::default()) }
    }
}

impl Keyring {
    /// The key with this digest, revoked or not.
    pub fn find(&self, digest: &KeyDigest) -> Option<Arc<KeyEntry>> {
        self.shard(digest)?.read().get(digest).cloned()
    }

    /// Adds a key.
    pub fn add(&self, digest: KeyDigest, created: &KeyCreated, workspace: WorkspaceHandle, revoked: bool) {
        let entry = KeyEntry {
            key: created.key,
            workspace,
            expires_at: AtomicI64::new(created.expires_at.map_or(i64::MAX, |at| at.0)),
            ip_allow: created.ip_allow.clone(),
            revoked: AtomicBool::new(revoked),
        };
        if let Some(shard) = self.shard(&digest) {
            shard.write().insert(digest, Arc::new(entry));
        }
    }

    /// Revokes a key: it is refused from here on.
    pub fn revoke(&self, key: KeyId) {
        self.each(key, |entry| entry.revoked.store(true, Ordering::Release));
    }

    /// Ends a key's time at this moment, or where it ended before.
    pub fn retire(&self, key: KeyId, expires_at: UnixMillis) {
        self.each(key, |entry| {
            entry.expires_at.fetch_min(expires_at.0, Ordering::AcqRel);
        });
    }

    fn each(&self, key: KeyId, change: impl Fn(&KeyEntry)) {
        for shard in &self.shards {
            shard.read().values().filter(|entry| entry.key == key).for_each(|entry| change(entry));
        }
    }

    fn shard(&self, digest: &KeyDigest) -> Option<&RwLock<HashMap<KeyDigest, Arc<KeyEntry>>>> {
        let first = digest.0.first().copied().unwrap_or_default();
        self.shards.get(usize::from(first) % SHARDS)
    }
}
