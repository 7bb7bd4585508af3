//! The accounts of one provider and their health, shared by every thread's actor.
//!
//! Picks a healthy account that is under its cap and not cooling down, the one with the least in flight.
//! `guard` is a place on one account, `line` the waiting for one, `spec` what the configuration says, `view` what operators see.

mod guard;
mod line;
mod spec;
mod view;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use hyper::Uri;
use parking_lot::{Mutex, RwLock};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::breaker::Breaker;
use super::lanes::Lanes;

pub use guard::PoolGuard;
pub use spec::{KeyHeader, ProviderSpec};
pub use view::{AccountState, AccountView};

/// One provider's accounts.
#[derive(Debug)]
pub struct Pool {
    spec: ProviderSpec,
    accounts: Vec<Account>,
    /// The line before the accounts, where there is one.
    lanes: Option<Lanes>,
    /// Addresses by path, parsed once: a provider has a handful of them.
    uris: RwLock<HashMap<String, Uri>>,
    started: Instant,
}

/// How long an account that needs an operator is not asked where others can be: then it may have been tended to.
const ASIDE_MILLIS: u64 = 60_000;

/// Addresses that are kept: more than any provider has models.
const URIS_MAX: usize = 256;

#[derive(Debug, Default)]
struct Account {
    /// Its key alone and as a bearer token, each where it can stand in a header.
    key: Option<HeaderValue>,
    bearer: Option<HeaderValue>,
    in_flight: AtomicU32,
    /// Milliseconds since the pool's start; zero is not cooling.
    cooling_until_millis: AtomicU64,
    disabled: AtomicBool,
    breaker: Mutex<Breaker>,
    last_error: Mutex<Option<&'static str>>,
}

/// How an attempt went, as far as the account's health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, or blamed the request.
    Answered,
    /// It failed in a way that another account may not.
    Failed(&'static str),
    /// It cannot serve until somebody tends to it, and others can: it stands aside for a while.
    Unusable(&'static str),
    /// It asked to slow down.
    RateLimited {
        /// For how long; a second where it did not say.
        cool_down: Duration,
    },
}

/// No account can take an attempt now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAccount {
    /// Every account that is enabled cools down after a rate limit.
    #[error("every provider account is cooling down")]
    Cooling {
        /// Until the first is back.
        retry_after_millis: u64,
    },
    /// Every account is at its cap or its breaker is open.
    #[error("every provider account is busy or failing")]
    Busy {
        /// Until it is worth asking again.
        retry_after_millis: u64,
    },
    /// There is none, or all are switched off.
    #[error("no provider account is enabled")]
    Disabled,
}

impl Pool {
    /// A pool with every account healthy.
    pub fn new(spec: ProviderSpec) -> Arc<Self> {
        let account = |key: &SecretString| {
            let key = key.expose_secret();
            Account { key: sensitive(key), bearer: sensitive(&format!("Bearer {key}")), ..Account::default() }
        };
        let accounts: Vec<Account> = spec.api_keys.iter().map(account).collect();
        let lanes = (spec.queue_max_per_account > 0).then(|| Lanes::new(spec.queue_max_per_account));
        Arc::new(Self { spec, accounts, lanes, uris: RwLock::default(), started: Instant::now() })
    }

    /// What it was made from.
    pub const fn spec(&self) -> &ProviderSpec {
        &self.spec
    }

    /// The address of a path at this provider; `None` where the two are none together.
    pub(super) fn uri(&self, path: &str) -> Option<Uri> {
        if let Some(uri) = self.uris.read().get(path) {
            return Some(uri.clone());
        }
        let uri = Uri::try_from(format!("{}{path}", self.spec.base_url)).ok()?;
        let mut uris = self.uris.write();
        if uris.len() < URIS_MAX {
            uris.insert(path.to_owned(), uri.clone());
        }
        Some(uri)
    }

    /// Takes a place on the best account, leaving out `except`.
    ///
    /// # Errors
    /// [`NoAccount`] with the time after which asking again makes sense.
    pub fn pick(self: &Arc<Self>, except: Option<usize>) -> Result<PoolGuard, NoAccount> {
        let now = self.now_millis();
        if let ([account], None) = (self.accounts.as_slice(), except)
            && !account.disabled.load(Ordering::Relaxed)
            && account.cooling_until_millis.load(Ordering::Relaxed) <= now
            && account.in_flight.load(Ordering::Relaxed) < self.spec.max_in_flight
        {
            // The usual case, without a list: a sole account is always asked.
            account.in_flight.fetch_add(1, Ordering::Relaxed);
            return Ok(PoolGuard { pool: self.clone(), n: 0, lane: None });
        }
        let sole = self.enabled().count() == 1;
        let mut candidates: Vec<_> = self
            .enabled()
            .filter(|(n, account)| Some(*n) != except && account.cooling_until_millis.load(Ordering::Relaxed) <= now)
            .map(|(n, account)| (account.in_flight.load(Ordering::Relaxed), n, account))
            .filter(|(in_flight, ..)| *in_flight < self.spec.max_in_flight)
            .collect();
        candidates.sort_unstable_by_key(|(in_flight, n, _)| (*in_flight, *n));
        for (_, n, account) in candidates {
            // A sole account is always asked: nobody else could answer in its place.
            if sole || account.breaker.lock().allows(now) {
                account.in_flight.fetch_add(1, Ordering::Relaxed);
                return Ok(PoolGuard { pool: self.clone(), n, lane: None });
            }
        }
        Err(self.why_none(except, now))
    }

    /// Whether another account than `n` could take an attempt now.
    pub fn has_other(&self, n: usize) -> bool {
        let now = self.now_millis();
        self.enabled().any(|(other, account)| {
            other != n
                && account.cooling_until_millis.load(Ordering::Relaxed) <= now
                && account.in_flight.load(Ordering::Relaxed) < self.spec.max_in_flight
        })
    }

    /// Whether any account could take an attempt now.
    pub fn has_free(&self) -> bool {
        // No pool has so many accounts.
        self.has_other(usize::MAX)
    }

    /// Switches an account on or off. Running requests go on. Tells whether there is such an account.
    pub fn switch(&self, n: usize, enabled: bool) -> bool {
        let Some(account) = self.accounts.get(n) else { return false };
        account.disabled.store(!enabled, Ordering::Relaxed);
        if enabled {
            account.cooling_until_millis.store(0, Ordering::Relaxed);
            *account.breaker.lock() = Breaker::default();
        }
        self.line_moves();
        true
    }

    fn enabled(&self) -> impl Iterator<Item = (usize, &Account)> {
        self.accounts.iter().enumerate().filter(|(_, account)| !account.disabled.load(Ordering::Relaxed))
    }

    fn why_none(&self, except: Option<usize>, now: u64) -> NoAccount {
        let mut soonest: Option<u64> = None;
        let mut all_cooling = true;
        for (_, account) in self.enabled().filter(|(n, _)| Some(*n) != except) {
            let cooling = account.cooling_until_millis.load(Ordering::Relaxed).saturating_sub(now);
            let wait = if cooling > 0 {
                cooling
            } else {
                all_cooling = false;
                account.breaker.lock().next_probe_millis().saturating_sub(now).clamp(1, 1_000)
            };
            soonest = Some(soonest.map_or(wait, |known| known.min(wait)));
        }
        match soonest {
            None => NoAccount::Disabled,
            Some(retry_after_millis) if all_cooling => NoAccount::Cooling { retry_after_millis },
            Some(retry_after_millis) => NoAccount::Busy { retry_after_millis },
        }
    }

    fn now_millis(&self) -> u64 {
        // The pool's clock starts at a second, so that zero can mean "not cooling".
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1_000)
    }
}

impl Pool {
    /// Notes how an attempt on account `n` went, where its guard is gone.
    pub fn report(&self, n: usize, outcome: Outcome) {
        let Some(account) = self.accounts.get(n) else { return };
        let now = self.now_millis();
        match outcome {
            Outcome::Answered => account.breaker.lock().note(false, now),
            Outcome::Failed(what) => {
                let mut breaker = account.breaker.lock();
                let was_open = breaker.is_open();
                breaker.note(true, now);
                if breaker.is_open() && !was_open {
                    self.count_cooldown("failing");
                }
                drop(breaker);
                *account.last_error.lock() = Some(what);
            }
            Outcome::Unusable(what) => {
                self.count_cooldown("failing");
                account.cooling_until_millis.fetch_max(now.saturating_add(ASIDE_MILLIS), Ordering::Relaxed);
                *account.last_error.lock() = Some(what);
            }
            Outcome::RateLimited { cool_down } => {
                if !cool_down.is_zero() {
                    self.count_cooldown("rate_limited");
                }
                let until = now.saturating_add(u64::try_from(cool_down.as_millis()).unwrap_or(u64::MAX));
                account.cooling_until_millis.fetch_max(until, Ordering::Relaxed);
                *account.last_error.lock() = Some("rate limited");
            }
        }
    }

    /// Counts that the account takes no requests for a while. Rare, so that the look-up by label does not matter.
    fn count_cooldown(&self, reason: &'static str) {
        let provider = self.spec.id.clone();
        metrics::counter!("lmhaven_provider_key_cooldowns_total", "provider" => provider, "reason" => reason)
            .increment(1);
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Dialect;

    fn pool(accounts: usize, max_in_flight: u32) -> Arc<Pool> {
        let second = Duration::from_secs(1);
        Pool::new(ProviderSpec {
            id: "test".into(),
            dialect: Some(Dialect::Openai),
            key_header: KeyHeader::Bearer,
            base_url: "http://127.0.0.1:1/v1".to_owned(),
            api_keys: (0..accounts).map(|n| SecretString::from(format!("key-{n}"))).collect(),
            max_in_flight,
            queue_max_per_account: 0,
            connect_timeout: second,
            first_byte_timeout: second,
            answer_timeout: second,
            idle_timeout: second,
        })
    }

    #[test]
    fn the_account_with_the_least_in_flight_is_picked_up_to_its_cap() {
        let pool = pool(2, 1);
        let first = pool.pick(None).unwrap();
        let second = pool.pick(None).unwrap();
        assert_eq!((first.account(), second.account()), (0, 1));
        assert!(matches!(pool.pick(None), Err(NoAccount::Busy { .. })));
        drop(first);
        assert_eq!(pool.pick(None).unwrap().account(), 0);
    }

    #[test]
    fn a_rate_limited_account_cools_down_for_as_long_as_it_asked() {
        let pool = pool(2, 10);
        let guard = pool.pick(None).unwrap();
        assert!(pool.has_other(guard.account()));
        guard.report(Outcome::RateLimited { cool_down: Duration::from_hours(1) });
        assert_eq!(pool.pick(None).unwrap().account(), 1);
        assert!(
            matches!(pool.pick(Some(1)), Err(NoAccount::Cooling { retry_after_millis }) if retry_after_millis > 3_590_000)
        );
        assert_eq!(pool.view()[0].state, AccountState::Cooling);
    }

    #[test]
    fn an_account_that_needs_an_operator_stands_aside() {
        let pool = pool(2, 10);
        pool.pick(None).unwrap().report(Outcome::Unusable("no credit"));
        let view = pool.view()[0];
        assert_eq!((view.state, view.last_error), (AccountState::Cooling, Some("no credit")));
        assert!(view.back_in_millis.is_some_and(|millis| millis > 50_000));
        assert_eq!(pool.pick(None).unwrap().account(), 1);
        assert!(pool.has_free() && !pool.has_other(1));
        pool.switch(0, true);
        assert_eq!(pool.pick(None).unwrap().account(), 0, "tended to");
    }

    #[test]
    fn a_failing_account_is_passed_over_unless_it_is_the_only_one() {
        let pair = pool(2, 100);
        let sole = pool(1, 100);
        for pool in [&pair, &sole] {
            let guard = pool.pick(Some(1)).unwrap();
            for _ in 0..20 {
                guard.report(Outcome::Failed("status 500"));
            }
        }
        assert_eq!(pair.view()[0].state, AccountState::Open);
        assert_eq!(pair.pick(None).unwrap().account(), 1);
        assert_eq!(sole.pick(None).unwrap().account(), 0);
    }

    #[test]
    fn a_switched_off_account_is_not_used() {
        let pool = pool(1, 10);
        assert!(pool.switch(0, false) && !pool.switch(1, false));
        assert_eq!(pool.pick(None).unwrap_err(), NoAccount::Disabled);
        pool.switch(0, true);
        assert!(pool.pick(None).is_ok());
    }
}
