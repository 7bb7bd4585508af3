//! The clocks that the actors read so that the domain need not.

use std::time::SystemTime;

use crate::domain::time::{MonotonicNanos, Now, UnixMillis};

/// Wall time and a monotonic clock that follows tokio's, so that it pauses where tokio's does.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: tokio::time::Instant,
    /// Wall time at `start` where wall time is derived; `None` reads the system's.
    derived_from: Option<UnixMillis>,
}

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        Self { start: tokio::time::Instant::now(), derived_from: None }
    }

    /// A wall clock that starts at `wall` and moves with tokio's clock alone: for simulations.
    pub fn derived(wall: UnixMillis) -> Self {
        Self { start: tokio::time::Instant::now(), derived_from: Some(wall) }
    }

    /// This moment.
    pub fn now(&self) -> Now {
        let elapsed = self.start.elapsed();
        let wall = match self.derived_from {
            Some(start) => start.plus_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)),
            None => system_wall(),
        };
        Now { wall, monotonic: MonotonicNanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)) }
    }
}

fn system_wall() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
