//! What providers are told instead of names: the workspace's, its users' and its caches'.
//!
//! A provider sees all of our customers under one account. A user whom two of them call `alice` is two people to it, and
//! a cache that both call `docs` is two caches, so that neither can find out by it what the other asked. No name of a
//! customer's own leaves the gateway: each is hashed with a key of its workspace, so the same name gives the same alias in
//! one workspace and another in the next, through restarts and on every machine.

use std::sync::Arc;

use super::ids::WorkspaceId;

/// Letters of an alias: 128 bits in hexadecimal, within every provider's limit.
const LEN: usize = 32;

/// A workspace's aliases.
#[derive(Clone, Debug)]
pub struct Aliases {
    own: Arc<str>,
    users: [u8; 32],
    caches: [u8; 32],
}

impl Aliases {
    /// The aliases of a workspace.
    pub fn of(workspace: WorkspaceId) -> Self {
        let id = workspace.bits().to_be_bytes();
        let own = blake3::derive_key("LMHaven 2026 end user of a workspace", &id);
        Self {
            own: text(blake3::Hash::from_bytes(own)).into(),
            users: blake3::derive_key("LMHaven 2026 named end users of a workspace", &id),
            caches: blake3::derive_key("LMHaven 2026 prompt caches of a workspace", &id),
        }
    }

    /// The workspace itself, where a request names no user.
    pub const fn own(&self) -> &Arc<str> {
        &self.own
    }

    /// A user whom the caller names.
    pub fn user(&self, name: &str) -> Arc<str> {
        text(blake3::keyed_hash(&self.users, name.as_bytes())).into()
    }

    /// A cache that the caller names.
    pub fn cache(&self, key: &str) -> String {
        text(blake3::keyed_hash(&self.caches, key.as_bytes()))
    }
}

fn text(hash: blake3::Hash) -> String {
    hash.to_hex().chars().take(LEN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_alias_in_its_workspace_and_another_elsewhere() {
        let [one, other] = [1, 2].map(|bits| Aliases::of(WorkspaceId::from_bits(bits)));
        let names = |aliases: &Aliases| {
            [
                aliases.own().to_string(),
                aliases.user("a").to_string(),
                aliases.user("b").to_string(),
                aliases.cache("a"),
            ]
        };
        assert_eq!(names(&one), names(&Aliases::of(WorkspaceId::from_bits(1))));
        let mut all: Vec<String> = names(&one).into_iter().chain(names(&other)).collect();
        assert!(all.iter().all(|alias| alias.len() == LEN));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 8, "all differ");
    }
}
