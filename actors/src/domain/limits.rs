//! Which limits a workspace has: the default, its tier's, or an operator's override.

use std::num::NonZeroU32;

use super::money::NanoUsd;

/// How much a workspace may do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The request bucket's capacity, refilled once a minute.
    pub requests_per_minute: NonZeroU32,
    /// Stream slots.
    pub concurrent_streams: NonZeroU32,
}

/// Limits from a prepaid balance on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The balance that the last credit has to reach.
    pub min_balance: NanoUsd,
    /// What it grants.
    pub limits: Limits,
}

/// What the configuration says of limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitPolicy {
    /// Below every tier.
    pub default: Limits,
    /// From the lowest to the highest.
    pub tiers: Vec<Tier>,
}

impl LimitPolicy {
    /// The highest tier that `balance` reaches; `None` below all of them.
    pub fn tier_for(&self, balance: NanoUsd) -> Option<&Tier> {
        self.tiers.iter().rev().find(|tier| balance >= tier.min_balance)
    }
}
