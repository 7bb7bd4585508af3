//! What protects the process: who a caller is on the network, how often an address may fail to
//! authenticate, and how many bytes of bodies are in memory at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lmhaven_actors::domain::fact::Network;
use parking_lot::Mutex;

use crate::config;

/// Addresses that are remembered for failing; beyond it the oldest minute is forgotten.
const ADDRESSES_MAX: usize = 65_536;
const MINUTE: Duration = Duration::from_mins(1);

/// The process's protection.
#[derive(Debug)]
pub struct Edge {
    /// The limits in force.
    pub limits: config::Edge,
    trusted_proxies: Vec<Network>,
    body_bytes: Arc<AtomicU64>,
    failures: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

/// Bytes of one body that count against the budget until this is dropped.
#[derive(Debug)]
pub struct BodyBudget {
    taken: u64,
    in_flight: Arc<AtomicU64>,
    max: Option<u64>,
}

/// The budget for bodies is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many bytes of request bodies are in flight")]
pub struct BudgetUsedUp;

impl Edge {
    /// Protection by these limits.
    pub fn new(limits: config::Edge, trusted_proxies: Vec<Network>) -> Self {
        Self { limits, trusted_proxies, body_bytes: Arc::default(), failures: Mutex::default() }
    }

    /// The caller's address: the peer's, or what a trusted proxy says. The last hop that is not trusted counts.
    pub fn caller_address(&self, peer: IpAddr, forwarded_for: Option<&str>) -> IpAddr {
        let trusted = |address: IpAddr| self.trusted_proxies.iter().any(|network| network.contains(address));
        let mut caller = peer.to_canonical();
        for hop in forwarded_for.unwrap_or_default().rsplit(',') {
            if !trusted(caller) {
                break;
            }
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            caller = address.to_canonical();
        }
        caller
    }

    /// Notes a failed authentication.
    pub fn note_failure(&self, address: IpAddr) {
        if self.limits.failed_authentications_per_minute.is_none() || address.is_loopback() {
            return;
        }
        let now = Instant::now();
        let mut failures = self.failures.lock();
        if failures.len() >= ADDRESSES_MAX {
            failures.retain(|_, (since, _)| now.duration_since(*since) < MINUTE);
            if failures.len() >= ADDRESSES_MAX {
                failures.clear();
            }
        }
        let entry = failures.entry(address).or_insert((now, 0));
        if now.duration_since(entry.0) >= MINUTE {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }

    /// How long an address that failed too often has to wait; `None` if it need not.
    pub fn must_wait(&self, address: IpAddr) -> Option<Duration> {
        let max = self.limits.failed_authentications_per_minute?.get();
        if address.is_loopback() {
            return None;
        }
        let failures = self.failures.lock();
        let (since, count) = failures.get(&address)?;
        let left = MINUTE.checked_sub(since.elapsed())?;
        (*count >= max).then_some(left)
    }

    /// A budget for one body, empty so far.
    pub fn body_budget(&self) -> BodyBudget {
        BodyBudget {
            taken: 0,
            in_flight: self.body_bytes.clone(),
            max: self.limits.body_bytes_in_flight.map(|max| u64::try_from(max).unwrap_or(u64::MAX)),
        }
    }
}

impl BodyBudget {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// [`BudgetUsedUp`]; nothing is taken.
    pub fn take(&mut self, bytes: u64) -> Result<(), BudgetUsedUp> {
        let before = self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        if self.max.is_some_and(|max| before.saturating_add(bytes) > max) {
            self.in_flight.fetch_sub(bytes, Ordering::Relaxed);
            return Err(BudgetUsedUp);
        }
        self.taken += bytes;
        Ok(())
    }
}

impl Drop for BodyBudget {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(self.taken, Ordering::Relaxed);
    }
}
