//! The line before accounts that take few requests at a time: fair, bounded, and honest about how long it is.
//!
//! Only for providers whose accounts make one thing after the other (NovelAI refuses a second request while one
//! runs). Whoever is first in line looks for a free account whenever one may have become free, so an account that is
//! switched off or cools down is no place to wait for. Whoever comes while the line is full is told when a place will
//! be free, by how long the last ones took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// What a request takes before any was seen: a generation of ten seconds.
const FIRST_GUESS_MILLIS: u64 = 10_000;

/// The line before the accounts of one provider.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Being first, which goes round in the order of asking.
    first: Semaphore,
    /// Tells the first that there may be a place. Kept until the first looks, where nobody waits.
    changed: Notify,
    queue_max_per_account: u32,
    waiting: AtomicU32,
    /// How long one request takes: a moving mean.
    mean_millis: Arc<AtomicU64>,
}

/// What somebody finds who looks for a place.
#[derive(Debug)]
pub(super) enum Look<T, E> {
    /// A place.
    Free(T),
    /// Every account that can serve is at its cap.
    Full {
        /// Until one more can serve that cannot now, where it is known when.
        at_most: Option<Duration>,
    },
    /// Nobody will serve, however long one waits.
    Hopeless(E),
}

/// Who can serve now: neither switched off nor cooling down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Serving {
    /// Accounts.
    pub accounts: u32,
    /// Requests at once on all of them together.
    pub lanes: u32,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoPlace<E> {
    /// The line is full.
    LineFull {
        /// In how many milliseconds it will have moved on by one.
        retry_after_millis: u64,
    },
    /// What a look found hopeless.
    Hopeless(E),
}

/// How long a place is taken, which tells those who come later how long it takes.
#[derive(Debug)]
pub(super) struct Lane {
    entered: Instant,
    mean_millis: Arc<AtomicU64>,
}

struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lanes {
    /// A line in which so many may wait for each account that can serve.
    pub(super) fn new(queue_max_per_account: u32) -> Self {
        Self {
            first: Semaphore::new(1),
            changed: Notify::new(),
            queue_max_per_account,
            waiting: AtomicU32::new(0),
            mean_millis: Arc::new(AtomicU64::new(FIRST_GUESS_MILLIS)),
        }
    }

    /// Waits for a place, which `look` finds and takes. Dropping the call leaves the line.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) async fn enter<T, E>(
        &self,
        look: impl Fn() -> Look<T, E>,
        serving: impl Fn() -> Serving,
    ) -> Result<(T, Lane), NoPlace<E>> {
        // Nobody is before this one: it need not be counted to see whether there is a place.
        let mut first = self.first.try_acquire().ok();
        if first.is_some() {
            match look() {
                Look::Free(place) => return Ok((place, self.lane())),
                Look::Hopeless(why) => return Err(NoPlace::Hopeless(why)),
                Look::Full { .. } => {}
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let serving = serving();
        if before >= self.queue_max_per_account.saturating_mul(serving.accounts.max(1)) {
            return Err(NoPlace::LineFull { retry_after_millis: self.until_a_place_is_free(serving.lanes) });
        }
        if first.is_none() {
            // The semaphore is never closed.
            first = self.first.acquire().await.ok();
        }
        let found = loop {
            let at_most = match look() {
                Look::Free(place) => break Ok((place, self.lane())),
                Look::Hopeless(why) => break Err(NoPlace::Hopeless(why)),
                Look::Full { at_most } => at_most,
            };
            match at_most {
                Some(at_most) => {
                    // Either way there is something new to look at.
                    let _elapsed = tokio::time::timeout(at_most, self.changed.notified()).await;
                }
                None => self.changed.notified().await,
            }
        };
        drop(first);
        found
    }

    /// Says that there may be a place now.
    pub(super) fn changed(&self) {
        self.changed.notify_one();
    }

    fn lane(&self) -> Lane {
        Lane { entered: Instant::now(), mean_millis: self.mean_millis.clone() }
    }

    /// A place in line is free when one of those who run has finished.
    fn until_a_place_is_free(&self, lanes: u32) -> u64 {
        self.mean_millis.load(Ordering::Relaxed).div_ceil(u64::from(lanes.max(1))).max(1)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let took = u64::try_from(self.entered.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mean = self.mean_millis.load(Ordering::Relaxed);
        // Two requests at once may lose one of their times: it is an estimate.
        self.mean_millis.store((mean.saturating_mul(3).saturating_add(took)) / 4, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One account with one lane, for `enter`.
    #[derive(Default)]
    struct Account {
        lanes: Option<Lanes>,
        taken: std::sync::atomic::AtomicBool,
    }

    impl Account {
        fn with_queue(queue_max: u32) -> Arc<Self> {
            Arc::new(Self { lanes: Some(Lanes::new(queue_max)), ..Self::default() })
        }

        fn lanes(&self) -> &Lanes {
            self.lanes.as_ref().unwrap()
        }

        async fn enter(&self) -> Result<Lane, NoPlace<()>> {
            let look = || {
                if self.taken.swap(true, Ordering::Relaxed) { Look::Full { at_most: None } } else { Look::Free(()) }
            };
            let entered = self.lanes().enter(look, || Serving { accounts: 1, lanes: 1 }).await;
            entered.map(|((), lane)| lane)
        }

        fn leave(&self, lane: Lane) {
            self.taken.store(false, Ordering::Relaxed);
            drop(lane);
            self.lanes().changed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn places_go_to_those_who_came_first_and_a_full_line_says_how_long_it_takes() {
        let account = Account::with_queue(2);
        let first = account.enter().await.unwrap();
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for n in 0..2 {
            let (account, order) = (account.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let lane = account.enter().await.unwrap();
                order.lock().push(n);
                tokio::time::sleep(Duration::from_secs(4)).await;
                account.leave(lane);
            }));
            tokio::task::yield_now().await;
        }
        let full = NoPlace::LineFull { retry_after_millis: FIRST_GUESS_MILLIS };
        assert_eq!(account.enter().await.unwrap_err(), full);
        tokio::time::sleep(Duration::from_secs(2)).await;
        account.leave(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 1]);
        // 10 s, then 2, 4 and 4 s: three quarters of what was known and a quarter of what was seen.
        let _running = account.enter().await.unwrap();
        assert_eq!(account.lanes().until_a_place_is_free(1), 6_250);
        assert_eq!(account.lanes().until_a_place_is_free(2), 3_125, "two accounts move on twice as fast");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leaves_the_line_makes_room() {
        let account = Account::with_queue(1);
        let running = account.enter().await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_secs(1), account.enter()).await;
        assert!(waiting.is_err());
        assert_eq!(account.lanes().waiting.load(Ordering::Relaxed), 0);
        // Nor does it take the next one's turn with it.
        account.leave(running);
        assert!(account.enter().await.is_ok());
    }
}
