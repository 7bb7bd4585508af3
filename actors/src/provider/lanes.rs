//! The line before accounts that take few requests at a time: fair, bounded, and honest about how long it is.
//!
//! Only for providers whose accounts make one thing after the other (NovelAI refuses a second request while one
//! runs). Whoever comes while the line is full is told when a place will be free, by how long the last ones took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// What a request takes before any was seen: a generation of ten seconds.
const FIRST_GUESS_MILLIS: u64 = 10_000;

/// All lanes of one provider.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Hands out places in the order of asking.
    free: Arc<Semaphore>,
    count: u32,
    queue_max: u32,
    waiting: AtomicU32,
    /// How long one request takes: a moving mean.
    mean_millis: Arc<AtomicU64>,
}

/// A place in a lane; the next in line has it when this is dropped.
#[derive(Debug)]
pub(super) struct Lane {
    _permit: OwnedSemaphorePermit,
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
    /// So many lanes, with so many who may wait.
    pub(super) fn new(count: u32, queue_max: u32) -> Self {
        let permits = usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(permits)),
            count: count.max(1),
            queue_max,
            waiting: AtomicU32::new(0),
            mean_millis: Arc::new(AtomicU64::new(FIRST_GUESS_MILLIS)),
        }
    }

    /// Waits for a place. Dropping the call leaves the line.
    ///
    /// # Errors
    /// The line is full: in how many milliseconds it will have moved on by one.
    pub(super) async fn enter(&self) -> Result<Lane, u64> {
        let permit = if let Ok(permit) = self.free.clone().try_acquire_owned() {
            permit
        } else {
            let before = self.waiting.fetch_add(1, Ordering::Relaxed);
            let _waiting = Waiting(&self.waiting);
            if before >= self.queue_max {
                return Err(self.until_a_place_is_free());
            }
            // The semaphore is never closed.
            self.free.clone().acquire_owned().await.map_err(|_| self.until_a_place_is_free())?
        };
        Ok(Lane { _permit: permit, entered: Instant::now(), mean_millis: self.mean_millis.clone() })
    }

    /// A place in line is free when one of those who run has finished.
    fn until_a_place_is_free(&self) -> u64 {
        self.mean_millis.load(Ordering::Relaxed).div_ceil(u64::from(self.count)).max(1)
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
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_go_to_those_who_came_first_and_a_full_line_says_how_long_it_takes() {
        let lanes = Arc::new(Lanes::new(1, 2));
        let first = lanes.enter().await.unwrap();
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for n in 0..2 {
            let (lanes, order) = (lanes.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _lane = lanes.enter().await.unwrap();
                order.lock().push(n);
                tokio::time::sleep(Duration::from_secs(4)).await;
            }));
            tokio::task::yield_now().await;
        }
        assert_eq!(lanes.enter().await.unwrap_err(), FIRST_GUESS_MILLIS);
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 1]);
        // 10 s, then 2, 4 and 4 s: three quarters of what was known and a quarter of what was seen.
        let _running = lanes.enter().await.unwrap();
        assert_eq!(lanes.until_a_place_is_free(), 6_250);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leaves_the_line_makes_room() {
        let lanes = Lanes::new(1, 1);
        let _running = lanes.enter().await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_secs(1), lanes.enter()).await;
        assert!(waiting.is_err());
        assert_eq!(lanes.waiting.load(Ordering::Relaxed), 0);
    }
}
