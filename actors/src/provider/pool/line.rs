//! Waiting in line for a place on one of a pool's accounts.
//!
//! Which accounts can serve is looked up each time: one that is switched off or cools down has no lane.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Account, NoAccount, Pool, PoolGuard};
use crate::provider::lanes::{Look, NoPlace, Serving};

impl Pool {
    /// As [`Pool::pick`], after waiting in line where every account that can serve is at its cap.
    ///
    /// # Errors
    /// As [`Pool::pick`]; a line that is full is [`NoAccount::Cooling`] for as long as it will take by experience.
    pub async fn pick_in_turn(self: &Arc<Self>, except: Option<usize>) -> Result<PoolGuard, NoAccount> {
        let Some(lanes) = &self.lanes else { return self.pick(except) };
        let look = || match self.pick(except) {
            Ok(guard) => Look::Free(guard),
            Err(_) => self.only_busy(except).unwrap_or_else(|| {
                // Whoever was busy may have finished between the two looks.
                self.pick(except).map_or_else(Look::Hopeless, Look::Free)
            }),
        };
        let (mut guard, lane) = lanes.enter(look, || self.serving()).await.map_err(|none| match none {
            NoPlace::LineFull { retry_after_millis } => NoAccount::Cooling { retry_after_millis },
            NoPlace::Hopeless(none) => none,
        })?;
        guard.lane = Some(lane);
        Ok(guard)
    }

    /// What there is to wait for where an account that can serve is only busy; `None` where nobody will be free by
    /// waiting for what runs.
    fn only_busy(&self, except: Option<usize>) -> Option<Look<PoolGuard, NoAccount>> {
        let now = self.now_millis();
        let (mut is_busy, mut soonest) = (false, None::<u64>);
        for (_, account) in self.enabled().filter(|(n, _)| Some(*n) != except) {
            let cooling = account.cooling_until_millis.load(Ordering::Relaxed).saturating_sub(now);
            if cooling > 0 {
                soonest = Some(soonest.map_or(cooling, |known| known.min(cooling)));
            } else if account.in_flight.load(Ordering::Relaxed) >= self.spec.max_in_flight {
                is_busy = true;
            }
        }
        is_busy.then(|| Look::Full { at_most: soonest.map(Duration::from_millis) })
    }

    /// The accounts that can serve now, as the line before them counts them.
    fn serving(&self) -> Serving {
        let now = self.now_millis();
        let serve = |(_, account): &(usize, &Account)| account.cooling_until_millis.load(Ordering::Relaxed) <= now;
        let accounts = u32::try_from(self.enabled().filter(serve).count()).unwrap_or(u32::MAX);
        Serving { accounts, lanes: accounts.saturating_mul(self.spec.max_in_flight) }
    }

    /// Tells whoever is first in line that an account may be free, or not there any more.
    pub(super) fn line_moves(&self) {
        if let Some(lanes) = &self.lanes {
            lanes.changed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{KeyHeader, Outcome, ProviderSpec};
    use secrecy::SecretString;

    fn pool(accounts: usize) -> Arc<Pool> {
        let second = Duration::from_secs(1);
        Pool::new(ProviderSpec {
            id: "test".into(),
            dialect: None,
            key_header: KeyHeader::Bearer,
            base_url: "http://127.0.0.1:1".to_owned(),
            api_keys: (0..accounts).map(|n| SecretString::from(format!("key-{n}"))).collect(),
            max_in_flight: 1,
            queue_max_per_account: 2,
            connect_timeout: second,
            first_byte_timeout: second,
            answer_timeout: second,
            idle_timeout: second,
        })
    }

    /// Somebody in line, who has looked and found no place.
    async fn wait(pool: &Arc<Pool>) -> tokio::task::JoinHandle<Result<PoolGuard, NoAccount>> {
        let pool = pool.clone();
        let waiting = tokio::spawn(async move { pool.pick_in_turn(None).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "it does not wait");
        waiting
    }

    const REST: Outcome = Outcome::RateLimited { cool_down: Duration::from_secs(30) };

    #[tokio::test(start_paused = true)]
    async fn an_account_that_cannot_serve_is_no_lane_and_callers_wait_for_the_others() {
        for outcome in [None, Some(REST), Some(Outcome::Unusable("no credit"))] {
            let pool = pool(2);
            match outcome {
                Some(outcome) => pool.report(0, outcome),
                None => assert!(pool.switch(0, false)),
            }
            let running = pool.pick_in_turn(None).await.unwrap();
            let second = wait(&pool).await;
            let third = wait(&pool).await;
            // Two may wait for the one that serves, and the time is told by that one alone.
            let full = pool.pick_in_turn(None).await.unwrap_err();
            assert_eq!(full, NoAccount::Cooling { retry_after_millis: 10_000 }, "{outcome:?}");
            drop(running);
            let running = second.await.unwrap().unwrap();
            assert_eq!(running.account(), 1);
            assert!(!third.is_finished(), "both run at once");
            drop(running);
            assert_eq!(third.await.unwrap().unwrap().account(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn two_accounts_that_serve_are_two_lanes() {
        let pool = pool(2);
        let running = [pool.pick_in_turn(None).await.unwrap(), pool.pick_in_turn(None).await.unwrap()];
        let mut waiting = Vec::new();
        for _ in 0..4 {
            waiting.push(wait(&pool).await);
        }
        let full = pool.pick_in_turn(None).await.unwrap_err();
        assert_eq!(full, NoAccount::Cooling { retry_after_millis: 5_000 });
        drop(running);
        for waiting in waiting {
            drop(waiting.await.unwrap().unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_comes_back_serves_who_is_first_in_line() {
        let pool = pool(2);
        pool.report(0, REST);
        let _running = pool.pick_in_turn(None).await.unwrap();
        let cooled = wait(&pool).await.await.unwrap().unwrap();
        assert_eq!(cooled.account(), 0, "after its thirty seconds");
        drop(cooled);
        pool.switch(0, false);
        let waiting = wait(&pool).await;
        pool.switch(0, true);
        assert_eq!(waiting.await.unwrap().unwrap().account(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_where_nobody_will_serve() {
        let pool = pool(2);
        pool.switch(1, false);
        let running = pool.pick_in_turn(None).await.unwrap();
        let waiting = [wait(&pool).await, wait(&pool).await];
        running.report(REST);
        drop(running);
        for waiting in waiting {
            let refused = waiting.await.unwrap().unwrap_err();
            assert!(matches!(refused, NoAccount::Cooling { retry_after_millis: 29_000..=30_000 }), "{refused:?}");
        }
        pool.switch(0, false);
        assert_eq!(pool.pick_in_turn(None).await.unwrap_err(), NoAccount::Disabled);
    }
}
