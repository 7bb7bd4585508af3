//! Requests per minute as an exact token bucket: capacity is the limit, refill is the limit ÷ 60 per second.
//!
//! Counted in integers, so that a caller who waits exactly as long as told is admitted and one who waits a
//! nanosecond less is not: one request weighs as many units as a minute has nanoseconds, and every
//! nanosecond adds as many units as the limit says.

use std::num::NonZeroU32;

use super::time::MonotonicNanos;

/// Units that one request takes: nanoseconds in a minute.
const REQUEST: u64 = 60_000_000_000;

/// A bucket of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBucket {
    limit: NonZeroU32,
    level: u64,
    at: MonotonicNanos,
}

/// What a bucket holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketReading {
    /// Requests per minute, and the most that can be there at once.
    pub limit: u32,
    /// Whole requests that are there.
    pub remaining: u32,
    /// Nanoseconds until the bucket is full.
    pub full_in_nanos: u64,
    /// Nanoseconds until one more request than now is there; zero if the bucket is full.
    pub next_in_nanos: u64,
}

impl RequestBucket {
    /// A full bucket.
    pub fn full(limit: NonZeroU32, now: MonotonicNanos) -> Self {
        Self { limit, level: capacity(limit), at: now }
    }

    /// Takes one request, or tells how many nanoseconds a lone caller has to wait for it.
    ///
    /// # Errors
    /// The wait, at least one nanosecond; nothing is taken.
    pub fn take(&mut self, now: MonotonicNanos) -> Result<(), u64> {
        self.check(now)?;
        self.level -= REQUEST;
        Ok(())
    }

    /// Whether one request is there, without taking it.
    ///
    /// # Errors
    /// As [`RequestBucket::take`].
    pub fn check(&mut self, now: MonotonicNanos) -> Result<(), u64> {
        self.refill(now);
        if self.level >= REQUEST { Ok(()) } else { Err(self.nanos_until(REQUEST)) }
    }

    /// Changes the limit: a raised one adds the difference at once, a lowered one clamps.
    pub fn set_limit(&mut self, limit: NonZeroU32, now: MonotonicNanos) {
        self.refill(now);
        let (old, new) = (capacity(self.limit), capacity(limit));
        self.level = (self.level + new.saturating_sub(old)).min(new);
        self.limit = limit;
    }

    /// Moves the bucket to another clock: what it holds stays, `now` is the same moment on the new clock.
    pub fn rebase(&mut self, now: MonotonicNanos) {
        self.at = now;
    }

    /// What it holds now.
    pub fn read(&mut self, now: MonotonicNanos) -> BucketReading {
        self.refill(now);
        let full = capacity(self.limit);
        let remaining = self.level / REQUEST;
        BucketReading {
            limit: self.limit.get(),
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            full_in_nanos: self.nanos_until(full),
            next_in_nanos: self.nanos_until(((remaining + 1) * REQUEST).min(full)),
        }
    }

    fn refill(&mut self, now: MonotonicNanos) {
        // A minute fills any bucket, so longer pauses need no wider arithmetic.
        let elapsed = now.since(self.at).min(REQUEST);
        self.level = (self.level + elapsed * u64::from(self.limit.get())).min(capacity(self.limit));
        self.at = self.at.max(now);
    }

    fn nanos_until(&self, level: u64) -> u64 {
        level.saturating_sub(self.level).div_ceil(u64::from(self.limit.get()))
    }
}

/// At most 2³² × 6·10¹⁰ < 2⁶⁸ would not fit; configuration keeps limits at or below [`LIMIT_MAX`].
fn capacity(limit: NonZeroU32) -> u64 {
    u64::from(limit.get()).saturating_mul(REQUEST)
}

/// The largest limit whose arithmetic fits 64 bits twice over.
pub const LIMIT_MAX: u32 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limit(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    #[test]
    fn a_fresh_bucket_admits_exactly_its_limit() {
        let mut bucket = RequestBucket::full(limit(600), MonotonicNanos(5));
        let admitted = (0..700).filter(|_| bucket.take(MonotonicNanos(5)).is_ok()).count();
        assert_eq!(admitted, 600);
        assert_eq!(bucket.take(MonotonicNanos(5)), Err(100_000_000), "600 a minute is one every 100 ms");
        assert_eq!(bucket.read(MonotonicNanos(5)).full_in_nanos, REQUEST);
    }

    #[test]
    fn raising_the_limit_adds_the_difference_and_lowering_clamps() {
        let now = MonotonicNanos(0);
        let mut bucket = RequestBucket::full(limit(10), now);
        for _ in 0..10 {
            bucket.take(now).unwrap();
        }
        bucket.set_limit(limit(15), now);
        assert_eq!(bucket.read(now).remaining, 5);
        bucket.set_limit(limit(3), now);
        assert_eq!(bucket.read(now).remaining, 3);
    }

    #[test]
    fn a_clock_that_goes_back_neither_gives_nor_takes() {
        let mut bucket = RequestBucket::full(limit(1), MonotonicNanos(1_000));
        bucket.take(MonotonicNanos(1_000)).unwrap();
        assert_eq!(bucket.take(MonotonicNanos(0)), Err(REQUEST));
        assert_eq!(bucket.take(MonotonicNanos(1_000 + REQUEST - 1)), Err(1));
        assert_eq!(bucket.take(MonotonicNanos(1_000 + REQUEST)), Ok(()));
    }

    proptest! {
        #[test]
        fn a_refused_caller_is_admitted_exactly_when_told(
            n in 1_u32..100_000,
            steps in proptest::collection::vec(0_u64..2_000_000_000, 1..200),
        ) {
            let mut now = MonotonicNanos(0);
            let mut bucket = RequestBucket::full(limit(n), now);
            for step in steps {
                now = MonotonicNanos(now.0 + step);
                if let Err(wait) = bucket.take(now) {
                    let mut early = bucket;
                    prop_assert!(wait > 0);
                    prop_assert!(early.take(MonotonicNanos(now.0 + wait - 1)).is_err());
                    let mut punctual = bucket;
                    prop_assert!(punctual.take(MonotonicNanos(now.0 + wait)).is_ok());
                }
            }
        }

        #[test]
        fn no_window_admits_more_than_capacity_plus_refill(
            n in 1_u32..2_000,
            steps in proptest::collection::vec(0_u64..50_000_000, 1..3_000),
        ) {
            let mut now = MonotonicNanos(0);
            let mut bucket = RequestBucket::full(limit(n), now);
            let mut admitted = 0_u64;
            for step in steps {
                now = MonotonicNanos(now.0 + step);
                admitted += u64::from(bucket.take(now).is_ok());
                prop_assert!(admitted * REQUEST <= (u64::from(n)) * (REQUEST + now.0));
            }
        }
    }
}
