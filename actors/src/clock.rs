//! The clocks that the actors read so that the domain need not.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use crate::domain::time::{MonotonicNanos, Now, UnixMillis};

/// Wall time and a monotonic clock that follows tokio's, so that it pauses where tokio's does.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: tokio::time::Instant,
    wall: Wall,
}

/// Where wall time comes from.
#[derive(Clone, Copy, Debug)]
enum Wall {
    System,
    /// As it was at `start`, and on with tokio's clock.
    Derived(UnixMillis),
    /// Whatever stands there, in milliseconds since the epoch.
    Given(&'static AtomicI64),
}

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        Self { start: tokio::time::Instant::now(), wall: Wall::System }
    }

    /// A wall clock that starts at `wall` and moves with tokio's clock alone: for simulations.
    pub fn derived(wall: UnixMillis) -> Self {
        Self { start: tokio::time::Instant::now(), wall: Wall::Derived(wall) }
    }

    /// A wall clock that stands at `unix_millis` until somebody moves it: for tests of a running server that reach
    /// tomorrow.
    pub fn given(unix_millis: &'static AtomicI64) -> Self {
        Self { start: tokio::time::Instant::now(), wall: Wall::Given(unix_millis) }
    }

    /// This moment.
    pub fn now(&self) -> Now {
        let elapsed = self.start.elapsed();
        let wall = match self.wall {
            Wall::System => system_wall(),
            Wall::Derived(start) => start.plus_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)),
            Wall::Given(unix_millis) => UnixMillis(unix_millis.load(Ordering::Relaxed)),
        };
        Now { wall, monotonic: MonotonicNanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)) }
    }
}

fn system_wall() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
