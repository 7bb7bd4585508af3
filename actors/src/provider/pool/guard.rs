//! A place on one account: its key for the request, how the attempt went, and the place given back at the end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use reqwest::header::{self, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use super::{KeyHeader, Outcome, Pool};
use crate::provider::lanes::Lane;
use crate::provider::words;

/// A place on one account. Dropping it frees the place; [`PoolGuard::report`] says how the attempt went.
#[derive(Debug)]
pub struct PoolGuard {
    pub(super) pool: Arc<Pool>,
    pub(super) n: usize,
    /// How long its place is taken, where there is a line.
    pub(super) lane: Option<Lane>,
}

impl PoolGuard {
    /// The account's number.
    pub const fn account(&self) -> usize {
        self.n
    }

    /// The pool it belongs to.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The header that carries the account's key.
    pub(in crate::provider) fn credentials(&self, header: KeyHeader) -> Option<(HeaderName, HeaderValue)> {
        let account = self.pool.accounts.get(self.n)?;
        let (name, value) = match header {
            KeyHeader::Bearer => (header::AUTHORIZATION, &account.bearer),
            KeyHeader::XApiKey => (HeaderName::from_static("x-api-key"), &account.key),
            KeyHeader::XGoogApiKey => (HeaderName::from_static("x-goog-api-key"), &account.key),
            KeyHeader::XiApiKey => (HeaderName::from_static("xi-api-key"), &account.key),
        };
        Some((name, value.clone()?))
    }

    /// A provider's words without the account's key, which some repeat where they refuse it.
    pub fn without_key(&self, words: &str) -> String {
        let key = self.pool.spec.api_keys.get(self.n).map_or("", |key| key.expose_secret());
        words::without(words, key).into_owned()
    }

    /// Notes how the attempt went. To be called once per attempt; a caller who left says nothing.
    pub fn report(&self, outcome: Outcome) {
        self.pool.report(self.n, outcome);
    }
}

impl Drop for PoolGuard {
    fn drop(&mut self) {
        // The account first: whoever is next in line finds it free.
        if let Some(account) = self.pool.accounts.get(self.n) {
            account.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        drop(self.lane.take());
        self.pool.line_moves();
    }
}
