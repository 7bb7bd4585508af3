//! Whether an account fails so often that asking it only costs time.
//!
//! Opens when at least [`ATTEMPTS_MIN`] attempts were made in [`WINDOW_SECONDS`] and half of them failed;
//! lets one attempt through every [`PROBE_EVERY_MILLIS`] until one succeeds. An answer that blames the request is no failure.

/// How far back it looks.
pub(super) const WINDOW_SECONDS: u64 = 10;
/// Fewer attempts say nothing.
pub(super) const ATTEMPTS_MIN: u32 = 20;
/// While open, one attempt in this time finds out whether the account is back.
pub(super) const PROBE_EVERY_MILLIS: u64 = 1_000;

/// One account's recent attempts, by second.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    seconds: [Second; 10],
    open: bool,
    probed_at_millis: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    attempts: u32,
    failures: u32,
}

impl Breaker {
    /// Notes how an attempt went.
    pub fn note(&mut self, failed: bool, now_millis: u64) {
        if !failed && self.open {
            *self = Self::default();
        }
        let number = now_millis / 1000;
        let place = usize::try_from(number % WINDOW_SECONDS).unwrap_or(0);
        if let Some(second) = self.seconds.get_mut(place) {
            if second.number != number {
                *second = Second { number, ..Second::default() };
            }
            second.attempts += 1;
            second.failures += u32::from(failed);
        }
        if failed && !self.open {
            let (attempts, failures) = self.recent(number);
            self.open = attempts >= ATTEMPTS_MIN && failures * 2 >= attempts;
            self.probed_at_millis = now_millis;
        }
    }

    /// Whether an attempt may be made now. While open, a yes is the probe: the next one comes later.
    pub fn allows(&mut self, now_millis: u64) -> bool {
        if !self.open {
            return true;
        }
        if now_millis.saturating_sub(self.probed_at_millis) < PROBE_EVERY_MILLIS {
            return false;
        }
        self.probed_at_millis = now_millis;
        true
    }

    /// It is open.
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// When the next probe may be made.
    pub const fn next_probe_millis(&self) -> u64 {
        self.probed_at_millis.saturating_add(PROBE_EVERY_MILLIS)
    }

    fn recent(&self, number: u64) -> (u32, u32) {
        self.seconds
            .iter()
            .filter(|second| second.number + WINDOW_SECONDS > number)
            .fold((0, 0), |(attempts, failures), second| (attempts + second.attempts, failures + second.failures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_twenty_failing_opens_it_and_one_success_closes_it() {
        let mut breaker = Breaker::default();
        for attempt in 0..19 {
            breaker.note(attempt % 2 == 0, 1_000);
        }
        assert!(breaker.allows(1_000), "nineteen attempts say nothing");
        breaker.note(true, 1_000);
        assert!(breaker.is_open() && !breaker.allows(1_500));
        assert!(breaker.allows(2_000), "the probe");
        assert!(!breaker.allows(2_001), "one probe at a time");
        breaker.note(false, 2_050);
        assert!(breaker.allows(2_051) && !breaker.is_open());
    }

    #[test]
    fn old_failures_are_forgotten() {
        let mut breaker = Breaker::default();
        for _ in 0..19 {
            breaker.note(true, 1_000);
        }
        breaker.note(true, 12_000);
        assert!(!breaker.is_open());
    }
}
