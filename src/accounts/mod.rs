//! How people sign in: passwords, sessions' tokens and cookies, the guard of forms, and how often one may try.
//!
//! What a person is and may do is decided in `actors/src/domain/people`; here is what needs randomness, keys, time spent on a
//! hash, or HTTP. `extract::session` reads who is signed in; pages are in `accounts::pages`.

pub mod client;
pub mod cookie;
pub mod csrf;
pub mod keys;
mod letters;
pub mod next;
pub mod operators;
pub mod pages;
pub mod password;
pub mod throttle;
pub mod token;

use std::sync::Arc;

use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::PersonId;
use lmhaven_actors::domain::people::{Decided, Email, People, PeopleFact};
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::{ChangeError, Core, fresh};

use crate::config::Config;

/// What all threads share of accounts.
#[derive(Debug)]
pub struct Accounts {
    /// Anybody may sign up.
    pub sign_up: bool,
    /// Tokens of mailed links and of forms.
    pub keys: keys::Keys,
    /// Hashes and compares.
    pub passwords: password::Passwords,
    /// How often one may try.
    pub throttle: throttle::Throttle,
    /// How cookies are named and flagged.
    pub cookies: cookie::Cookies,
    /// Where forms may come from.
    pub origin: csrf::OwnOrigin,
    /// The same for operators.
    pub operators: operators::Side,
}

impl Accounts {
    /// Reads or makes the key. `admin_url` is where the operators' pages are.
    ///
    /// # Errors
    /// The key's file.
    pub fn open(config: &Config, admin_url: &str) -> std::io::Result<Self> {
        let public_url = &config.server.public_url;
        Ok(Self {
            sign_up: config.accounts.sign_up,
            keys: keys::Keys::open(&config.accounts.key_file)?,
            passwords: password::Passwords::new(),
            throttle: throttle::Throttle::new(),
            cookies: cookie::Cookies::of(public_url),
            origin: csrf::OwnOrigin::of(public_url),
            operators: operators::Side::of(admin_url),
        })
    }
}

/// Makes a person whose address needs no confirming, or gives the one of that address this password: for whoever runs the
/// gateway.
///
/// # Errors
/// The store does not take it, or too many passwords are being hashed.
pub async fn make_confirmed(
    core: &Arc<Core>,
    accounts: &Accounts,
    email: Email,
    password: String,
) -> Result<(), MakeError> {
    make(core, accounts, email, password, |person, at| PeopleFact::Verified { person, at }).await
}

/// Makes an operator, or gives the one of that address this password: for whoever runs the gateway.
///
/// # Errors
/// As [`make_confirmed`].
pub async fn make_operator(
    core: &Arc<Core>,
    accounts: &Accounts,
    email: Email,
    password: String,
) -> Result<(), MakeError> {
    make(core, accounts, email, password, |person, at| PeopleFact::OperatorMade { person, at }).await
}

async fn make(
    core: &Arc<Core>,
    accounts: &Accounts,
    email: Email,
    password: String,
    then: impl FnOnce(PersonId, UnixMillis) -> PeopleFact,
) -> Result<(), MakeError> {
    let password = accounts.passwords.hash(password).await?;
    core.decide(|office, at| {
        let known = office.people.by_email(&email).map(|known| known.id);
        let person = known.unwrap_or_else(|| fresh::person_id(at));
        let first = if known.is_some() {
            PeopleFact::PasswordChanged { person, at, password }
        } else {
            PeopleFact::Registered { person, at, email, password }
        };
        let facts = [first, then(person, at)];
        Ok(((), facts.into_iter().map(Fact::People).collect()))
    })
    .await
}

/// A person could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// Too many passwords at once.
    #[error("too many passwords are being hashed")]
    Busy(#[from] password::Busy),
    /// The store.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Has people decide, notes what happened and queues the mails of it, in one batch.
///
/// # Errors
/// What the decision refuses, or [`ChangeError`].
pub async fn decide<T, E: From<ChangeError>>(
    core: &Arc<Core>,
    decide: impl FnOnce(&People, UnixMillis) -> Result<(T, Decided), E>,
) -> Result<T, E> {
    core.decide(|office, now| {
        let (answer, Decided { mut facts, letters }) = decide(&office.people, now)?;
        facts.extend(letters.into_iter().map(|letter| letters::queued(letter, &office.people, now)));
        Ok((answer, facts))
    })
    .await
}
