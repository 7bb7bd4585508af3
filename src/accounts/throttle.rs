//! How often one may try: five times in fifteen minutes for an account, twenty for an address, whether or not the account exists.
//!
//! A try counts before its password is compared, so that a hundred at once are not a hundred guesses; one that succeeds is
//! taken back. Kept in memory: a restart forgets. The time is the caller's, so tests move it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use lmhaven_actors::domain::people::Email;
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::fresh;
use parking_lot::Mutex;

use super::client;

/// Tries of one account within the window.
pub const ACCOUNT_TRIES: usize = 5;
/// Tries of one address, or of one /64 of IPv6, within the window.
pub const ADDRESS_TRIES: usize = 20;
/// The window, in milliseconds.
pub const WINDOW: i64 = 15 * 60_000;
/// What is remembered at most: some ten megabytes.
const ENTRIES_MAX: usize = 65_536;

/// What is being tried. Each has tries of its own, so that asking for a mail locks nobody out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trying {
    /// A password.
    Password,
    /// Having a mail sent.
    Mail,
}

/// Tries, by what they are counted for.
#[derive(Debug)]
pub struct Throttle {
    /// Addresses of people are kept only as digests with this.
    salt: [u8; 32],
    tries: Mutex<HashMap<[u8; 32], Vec<UnixMillis>>>,
}

/// One try, counted.
#[derive(Clone, Debug)]
pub struct Try {
    keys: Vec<[u8; 32]>,
    account: [u8; 32],
    at: UnixMillis,
}

impl Throttle {
    /// Nobody has tried anything.
    pub fn new() -> Self {
        Self { salt: fresh::random(), tries: Mutex::default() }
    }

    /// Counts a try.
    ///
    /// # Errors
    /// How long to wait; nothing is counted then.
    pub fn attempt(&self, what: Trying, email: &Email, from: IpAddr, now: UnixMillis) -> Result<Try, Duration> {
        let account = self.key(what, "account", &email.folded());
        let mut bounds = vec![(account, ACCOUNT_TRIES)];
        let from = from.to_canonical();
        // A proxy on this machine that is not in `trusted_proxies` would make everybody one address.
        if !from.is_loopback() {
            let prefix = match from {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => client::prefix(address).to_string(),
            };
            bounds.push((self.key(what, "address", &prefix), ADDRESS_TRIES));
        }
        let mut tries = self.tries.lock();
        let since = now.plus_millis(-WINDOW);
        let mut wait = None;
        for (key, most) in &bounds {
            let Some(known) = tries.get_mut(key) else { continue };
            known.retain(|at| *at > since);
            // The try that has to leave the window before there is room again.
            let blocking = known.len().checked_sub(*most).and_then(|place| known.get(place));
            wait = wait.max(blocking.map(|at| at.plus_millis(WINDOW).0.saturating_sub(now.0)));
        }
        if let Some(wait) = wait {
            return Err(Duration::from_millis(wait.max(1).unsigned_abs()));
        }
        if tries.len() >= ENTRIES_MAX {
            tries.retain(|_, known| known.last().is_some_and(|at| *at > since));
            if tries.len() >= ENTRIES_MAX {
                // Whoever is locked out stays so; whoever tried a few times may start again.
                tries.retain(|_, known| known.len() >= ACCOUNT_TRIES);
            }
            if tries.len() >= ENTRIES_MAX {
                tries.clear();
            }
        }
        let keys: Vec<_> = bounds.into_iter().map(|(key, _)| key).collect();
        for key in &keys {
            tries.entry(*key).or_default().push(now);
        }
        Ok(Try { keys, account, at: now })
    }

    /// The try succeeded: it is taken back, and so are all of its account.
    pub fn forgive(&self, tried: &Try) {
        let mut tries = self.tries.lock();
        tries.remove(&tried.account);
        for key in &tried.keys {
            if let Some(known) = tries.get_mut(key)
                && let Some(place) = known.iter().position(|at| *at == tried.at)
            {
                known.remove(place);
            }
        }
    }

    fn key(&self, what: Trying, of: &str, text: &str) -> [u8; 32] {
        let what = match what {
            Trying::Password => "password",
            Trying::Mail => "mail",
        };
        *blake3::keyed_hash(&self.salt, format!("{what}\0{of}\0{text}").as_bytes()).as_bytes()
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    fn attempt(throttle: &Throttle, email: &str, from: &str, now: UnixMillis) -> Result<Try, Duration> {
        throttle.attempt(Trying::Password, &email.parse().unwrap(), from.parse().unwrap(), now)
    }

    #[test]
    fn the_sixth_try_waits_for_as_long_as_it_is_told_and_no_other_account_does() {
        let throttle = Throttle::new();
        for n in 0..5 {
            assert!(attempt(&throttle, "a@b.c", "127.0.0.1", NOW.plus_millis(n * 1_000)).is_ok());
        }
        let now = NOW.plus_millis(10_000);
        let wait = attempt(&throttle, "A@B.C", "127.0.0.1", now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(WINDOW.unsigned_abs() - 10_000));
        assert!(attempt(&throttle, "d@b.c", "127.0.0.1", now).is_ok());
        let wait = i64::try_from(wait.as_millis()).unwrap();
        assert!(attempt(&throttle, "a@b.c", "127.0.0.1", now.plus_millis(wait - 1)).is_err());
        assert!(attempt(&throttle, "a@b.c", "127.0.0.1", now.plus_millis(wait)).is_ok());
        let mail = throttle.attempt(Trying::Mail, &"a@b.c".parse().unwrap(), [127, 0, 0, 1].into(), now);
        assert!(mail.is_ok(), "another thing to try");
    }

    #[test]
    fn an_address_has_twenty_tries_and_loopback_any() {
        let throttle = Throttle::new();
        let many = |from: &str, to: &str| {
            let all = (0..25).map(|n| attempt(&throttle, &format!("{n}@b.c"), if n % 2 == 0 { from } else { to }, NOW));
            all.flatten().count()
        };
        assert_eq!(many("2001:db8::1", "2001:db8::ffff"), 20, "one /64");
        let throttle = Throttle::new();
        let all = (0..25).map(|n| attempt(&throttle, &format!("{n}@b.c"), "127.0.0.1", NOW));
        assert_eq!(all.flatten().count(), 25);
    }

    #[test]
    fn success_is_forgiven() {
        let throttle = Throttle::new();
        for _ in 0..100 {
            let tried = attempt(&throttle, "a@b.c", "203.0.113.9", NOW).unwrap();
            throttle.forgive(&tried);
        }
    }
}
