//! The two clocks that the domain is told about, never reads.
//!
//! Wall time dates entries and decides which price version is in force; monotonic time fills buckets,
//! so that a step of the wall clock neither grants nor takes requests.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// This moment and `millis` later; saturates at the ends of time.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Whole days since the epoch, UTC: the key of daily roll-ups.
    pub const fn day(self) -> i32 {
        #[expect(clippy::cast_possible_truncation, reason = "i64 milliseconds are at most 1.1e11 days, clamped here")]
        {
            let days = self.0.div_euclid(86_400_000);
            if days > i32::MAX as i64 {
                i32::MAX
            } else if days < i32::MIN as i64 {
                i32::MIN
            } else {
                days as i32
            }
        }
    }
}

/// Nanoseconds on a clock that never goes back; its zero is arbitrary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonotonicNanos(pub u64);

impl MonotonicNanos {
    /// Nanoseconds from `earlier` to now, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Dates entries and expiries.
    pub wall: UnixMillis,
    /// Fills buckets.
    pub monotonic: MonotonicNanos,
}

impl Now {
    /// A moment of the past, with wall time as a monotonic clock of its own: how replays tell the time.
    pub const fn replayed(at: UnixMillis) -> Self {
        Self { wall: at, monotonic: MonotonicNanos(at.0.unsigned_abs().saturating_mul(1_000_000)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_the_epoch_in_both_directions() {
        assert_eq!(UnixMillis(0).day(), 0);
        assert_eq!(UnixMillis(86_399_999).day(), 0);
        assert_eq!(UnixMillis(86_400_000).day(), 1);
        assert_eq!(UnixMillis(-1).day(), -1);
    }
}
