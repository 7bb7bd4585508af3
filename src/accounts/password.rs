//! Passwords: hashed and compared with argon2id, two at a time, on threads that may block.
//!
//! Whether an account exists shows neither in the answer nor in the work: where there is nothing to compare with, a hash that
//! nothing matches is compared. Work is counted, so that a test can see that rather than time it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use actix_web::web;
use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use lmhaven_actors::domain::people::PasswordHash;
use lmhaven_actors::system::fresh;
use tokio::sync::Semaphore;

/// Memory of one hash in KiB, passes, lanes: the first of the recommended sets of OWASP for argon2id.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// Hashes at once: each takes 19 MiB and a core for some 30 ms.
const AT_ONCE: usize = 2;
/// Hashes that wait for a turn: the last one waits for half a second.
const WAITING_MAX: usize = 32;
/// Characters of a password at least.
pub const CHARS_MIN: usize = 10;
/// Bytes of a password at most.
pub const BYTES_MAX: usize = 512;

/// Too many passwords wait to be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be hashed")]
pub struct Busy;

/// A password that may not be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Shorter than [`CHARS_MIN`].
    #[error("a password has at least {CHARS_MIN} characters")]
    Short,
    /// Longer than [`BYTES_MAX`].
    #[error("a password has at most {BYTES_MAX} bytes")]
    Long,
    /// The address, or one letter again and again.
    #[error("this password is too easy to guess")]
    Guessable,
}

/// Hashes and compares passwords.
#[derive(Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    work: Arc<AtomicU64>,
    /// A hash that no password has.
    nobody: Arc<PasswordHash>,
}

impl Passwords {
    /// With nothing to do.
    pub fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: AtomicUsize::new(0),
            work: Arc::default(),
            nobody: Arc::new(nobody()),
        }
    }

    /// Hashes that were computed so far.
    pub fn work(&self) -> u64 {
        self.work.load(Ordering::SeqCst)
    }

    /// The hash to store for a password.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn hash(&self, password: String) -> Result<PasswordHash, Busy> {
        self.in_turn(move || hash(password.as_bytes())).await?.ok_or(Busy)
    }

    /// Whether the password is the one of the hash; never, and with the same work, where there is none.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn is(&self, password: String, of: Option<&PasswordHash>) -> Result<bool, Busy> {
        let known = of.is_some();
        let of = of.cloned().unwrap_or_else(|| self.nobody.as_ref().clone());
        let same = self.in_turn(move || compare(password.as_bytes(), &of)).await?;
        Ok(same && known)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let waiting = Waiting::join(&self.waiting).ok_or(Busy)?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| Busy)?;
        drop(waiting);
        let count = self.work.clone();
        // The turn goes with the work: a caller who leaves does not make room for a third hash.
        let done = web::block(move || {
            let done = work();
            count.fetch_add(1, Ordering::SeqCst);
            drop(turn);
            done
        });
        done.await.map_err(|_| Busy)
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

/// A place in the line; given back when it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(line: &'a AtomicUsize) -> Option<Self> {
        let joined = Self(line);
        (line.fetch_add(1, Ordering::SeqCst) < WAITING_MAX).then_some(joined)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether somebody may choose this password. Composition rules do more harm than good; length is what counts.
///
/// # Errors
/// [`WeakPassword`].
pub fn check(password: &str, email: &str) -> Result<(), WeakPassword> {
    let mut letters = password.chars();
    let first = letters.next();
    if password.chars().count() < CHARS_MIN {
        return Err(WeakPassword::Short);
    }
    if password.len() > BYTES_MAX {
        return Err(WeakPassword::Long);
    }
    if letters.all(|letter| Some(letter) == first) || password.eq_ignore_ascii_case(email) {
        return Err(WeakPassword::Guessable);
    }
    Ok(())
}

fn argon2() -> Option<Argon2<'static>> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8]) -> Option<PasswordHash> {
    let salt: [u8; 16] = fresh::random();
    let hashed: phc::PasswordHash = argon2()?.hash_password_with_salt(password, &salt).ok()?;
    Some(PasswordHash(hashed.to_string()))
}

/// A hash that is dear to compare with and that nothing matches: its digest is drawn, not computed. To compute one takes 19 MiB
/// that the allocator would keep for as long as the process is idle.
fn nobody() -> PasswordHash {
    let (memory, passes, lanes) = COST;
    let [salt, digest] =
        [fresh::random::<16>().to_vec(), fresh::random::<32>().to_vec()].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    PasswordHash(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${digest}"))
}

fn compare(password: &[u8], of: &PasswordHash) -> bool {
    let Ok(of) = phc::PasswordHash::new(&of.0) else { return false };
    argon2().is_some_and(|argon2| argon2.verify_password(password, &of).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_password_is_known_again_and_costs_what_is_due_whoever_asks() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        assert_ne!(hash, passwords.hash("correct horse".to_owned()).await.unwrap(), "salted");
        let before = passwords.work();
        assert_eq!(passwords.is("correct horse".to_owned(), Some(&hash)).await, Ok(true));
        assert_eq!(passwords.is("wrong horse".to_owned(), Some(&hash)).await, Ok(false));
        assert_eq!(passwords.is("correct horse".to_owned(), None).await, Ok(false));
        assert_eq!(passwords.work() - before, 3);
        assert!(passwords.nobody.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "nobody's costs the same");
        let nobody = phc::PasswordHash::new(&passwords.nobody.0).unwrap();
        let of_one = phc::PasswordHash::new(&hash.0).unwrap();
        let lengths = |of: &phc::PasswordHash| (of.salt.map(|salt| salt.len()), of.hash.map(|digest| digest.len()));
        assert_eq!(lengths(&nobody), lengths(&of_one));
        let refused = argon2().unwrap().verify_password("correct horse".as_bytes(), &nobody);
        assert_eq!(refused, Err(argon2::password_hash::Error::PasswordInvalid), "it is computed to the end");
    }

    #[actix_web::test]
    async fn the_line_is_bounded() {
        let passwords = Passwords::new();
        let all = (0..WAITING_MAX + 8).map(|_| passwords.is("x".to_owned(), None));
        let answers = futures_util::future::join_all(all).await;
        let refused = answers.iter().filter(|answer| **answer == Err(Busy)).count();
        assert!((1..=8).contains(&refused), "{refused}");
        assert_eq!(passwords.is("x".to_owned(), None).await, Ok(false), "and free again");
    }

    #[test]
    fn what_is_too_easy_is_refused() {
        assert_eq!(check("short", "a@b.c"), Err(WeakPassword::Short));
        assert_eq!(check("äöüäöüäöü", "a@b.c"), Err(WeakPassword::Short), "characters, not bytes");
        assert_eq!(check(&"ab".repeat(257), "a@b.c"), Err(WeakPassword::Long));
        assert_eq!(check("aaaaaaaaaaaa", "a@b.c"), Err(WeakPassword::Guessable));
        assert_eq!(check("Someone@Example.com", "someone@example.com"), Err(WeakPassword::Guessable));
        assert_eq!(check("correct horse", "a@b.c"), Ok(()));
    }
}
