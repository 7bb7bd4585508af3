//! What a pool's accounts are doing, for operators.

use std::sync::atomic::Ordering;

use super::{Account, Pool};

/// What an account is doing, for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// Takes requests.
    Healthy,
    /// Waits out a rate limit.
    Cooling,
    /// Fails too often.
    Open,
    /// Switched off.
    Disabled,
}

/// One account, for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Its number, from 0.
    pub n: usize,
    /// What it is doing.
    pub state: AccountState,
    /// Requests that run on it.
    pub in_flight: u32,
    /// Milliseconds until it is back, where it is cooling.
    pub back_in_millis: Option<u64>,
    /// A short, fixed description of its last failure.
    pub last_error: Option<&'static str>,
}

impl Pool {
    /// Every account as it is now.
    pub fn view(&self) -> Vec<AccountView> {
        let now = self.now_millis();
        let view = |(n, account): (usize, &Account)| {
            let cooling = account.cooling_until_millis.load(Ordering::Relaxed).saturating_sub(now);
            let state = if account.disabled.load(Ordering::Relaxed) {
                AccountState::Disabled
            } else if cooling > 0 {
                AccountState::Cooling
            } else if account.breaker.lock().is_open() {
                AccountState::Open
            } else {
                AccountState::Healthy
            };
            AccountView {
                n,
                state,
                in_flight: account.in_flight.load(Ordering::Relaxed),
                back_in_millis: (cooling > 0).then_some(cooling),
                last_error: *account.last_error.lock(),
            }
        };
        self.accounts.iter().enumerate().map(view).collect()
    }
}
