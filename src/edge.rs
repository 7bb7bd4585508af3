//! What protects the process: who a caller is on the network, how often an address may fail to
//! authenticate, and how many bytes of bodies are in memory at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lmhaven_actors::adapters::BodyError;
use lmhaven_actors::chat::InputBound;
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
    connections: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// One open connection; it counts until this is dropped.
#[derive(Debug)]
pub struct ConnectionCount {
    address: Option<IpAddr>,
    connections: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut open = self.connections.lock();
        if let Some(count) = open.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
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
        Self {
            limits,
            trusted_proxies,
            body_bytes: Arc::default(),
            failures: Mutex::default(),
            connections: Arc::default(),
        }
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

    /// Refuses more messages or tools than the configuration allows; adapters have limits of their own above.
    ///
    /// # Errors
    /// Which of the two it is.
    pub fn check_counts(&self, input: &InputBound) -> Result<(), BodyError> {
        let over = |count: u64, max: u32| count > u64::from(max);
        if over(input.messages, self.limits.messages_max) {
            return Err(BodyError::invalid("messages", format!("at most {} messages", self.limits.messages_max)));
        }
        if over(input.tool_definitions, self.limits.tools_max) {
            return Err(BodyError::invalid("tools", format!("at most {} tools", self.limits.tools_max)));
        }
        Ok(())
    }

    /// Counts a connection from `address`; `None` where it has as many as one address may.
    pub fn open_connection(&self, address: IpAddr) -> Option<ConnectionCount> {
        let connections = self.connections.clone();
        let Some(max) = self.limits.connections_per_address.filter(|_| !address.is_loopback()) else {
            return Some(ConnectionCount { address: None, connections });
        };
        let mut open = connections.lock();
        let count = open.entry(address).or_insert(0);
        if *count >= max.get() {
            return None;
        }
        *count += 1;
        drop(open);
        Some(ConnectionCount { address: Some(address), connections })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, FixedEnvironment};

    fn edge(text: &str) -> Edge {
        let config = Config::parse(Some(("test", text)), &FixedEnvironment::default()).unwrap();
        Edge::new(config.limits.edge, config.server.trusted_proxies)
    }

    #[test]
    fn only_what_a_trusted_proxy_says_is_believed() {
        let edge = edge("[server]\ntrusted_proxies = [\"10.0.0.0/8\"]");
        let address = |peer: &str, forwarded| edge.caller_address(peer.parse().unwrap(), forwarded).to_string();
        assert_eq!(address("203.0.113.9", Some("198.51.100.1")), "203.0.113.9");
        assert_eq!(address("10.0.0.1", Some("198.51.100.1")), "198.51.100.1");
        assert_eq!(address("10.0.0.1", Some("1.2.3.4, 198.51.100.1, 10.9.9.9")), "198.51.100.1");
        assert_eq!(address("10.0.0.1", None), "10.0.0.1");
    }

    #[test]
    fn an_address_that_fails_too_often_waits_and_loopback_never_does() {
        let edge = edge("[limits.edge]\nfailed_authentications_per_minute = 2");
        let (stranger, local) = ("203.0.113.9".parse().unwrap(), "127.0.0.1".parse().unwrap());
        for _ in 0..5 {
            edge.note_failure(stranger);
            edge.note_failure(local);
        }
        assert!(edge.must_wait(stranger).is_some_and(|wait| wait <= MINUTE));
        assert_eq!(edge.must_wait(local), None);
        assert_eq!(edge.must_wait("203.0.113.10".parse().unwrap()), None);
    }

    #[test]
    fn one_address_has_so_many_connections_until_one_closes() {
        let edge = edge("[limits.edge]\nconnections_per_address = 1");
        let stranger = "203.0.113.9".parse().unwrap();
        let first = edge.open_connection(stranger);
        assert!(first.is_some() && edge.open_connection(stranger).is_none());
        drop(first);
        assert!(edge.open_connection(stranger).is_some());
        let local = "127.0.0.1".parse().unwrap();
        let (one, two) = (edge.open_connection(local), edge.open_connection(local));
        assert!(one.is_some() && two.is_some());
    }

    #[test]
    fn all_bodies_together_stay_within_the_budget() {
        let edge = edge("[limits.edge]\nbody_bytes_in_flight = \"40 MiB\"");
        let (mut one, mut two) = (edge.body_budget(), edge.body_budget());
        assert_eq!(one.take(40 << 20), Ok(()));
        assert_eq!(two.take(1), Err(BudgetUsedUp));
        drop(one);
        assert_eq!(two.take(40 << 20), Ok(()));
    }
}
