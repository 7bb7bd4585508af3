//! When a commit is due: a function of times, so that tests need no clock.

use std::time::{Duration, Instant};

/// The pace of commits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) linger: Duration,
    pub(super) rest: Duration,
    /// When the last commit ended.
    pub(super) last_end: Option<Instant>,
}

impl Pace {
    /// When records, the first of which came at `first_at`, are due. Somebody who waits does not wait for company,
    /// except that the journal rests between commits.
    pub(super) fn due(&self, first_at: Instant, awaited: bool) -> Instant {
        let wanted = if awaited { first_at } else { first_at + self.linger };
        self.last_end.map_or(wanted, |end| wanted.max(end + self.rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(2);
    const APART: Duration = Duration::from_micros(200);

    #[test]
    fn the_first_awaited_record_of_an_idle_journal_is_due_at_once() {
        let now = Instant::now();
        let idle = Pace { linger: LINGER, rest: APART, last_end: None };
        assert_eq!(idle.due(now, true), now);
        let long_idle = Pace { last_end: Some(now), ..idle };
        assert_eq!(long_idle.due(now + Duration::from_secs(5), true), now + Duration::from_secs(5));
    }

    #[test]
    fn there_is_a_rest_between_commits() {
        let now = Instant::now();
        let busy = Pace { linger: LINGER, rest: APART, last_end: Some(now) };
        assert_eq!(busy.due(now + APART / 4, true), now + APART);
    }

    #[test]
    fn what_nobody_awaits_lingers() {
        let now = Instant::now();
        let busy = Pace { linger: LINGER, rest: APART, last_end: Some(now) };
        assert_eq!(busy.due(now + APART, false), now + APART + LINGER);
        let eager = Pace { linger: Duration::ZERO, ..busy };
        assert_eq!(eager.due(now, false), now + APART, "and rests too");
    }
}
