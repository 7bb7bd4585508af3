//! How many streams run at once: a count with a limit.

/// Stream slots of one workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSlots {
    limit: u32,
    used: u32,
}

impl StreamSlots {
    /// `limit` slots, all free.
    pub const fn new(limit: u32) -> Self {
        Self { limit, used: 0 }
    }

    /// Takes one.
    ///
    /// # Errors
    /// The limit, where all are in use; also while more are in use than a lowered limit allows.
    pub const fn take(&mut self) -> Result<(), u32> {
        if self.used >= self.limit {
            return Err(self.limit);
        }
        self.used += 1;
        Ok(())
    }

    /// Takes one whatever the limit: a stream that was already running when the account was rebuilt.
    pub const fn take_running(&mut self) {
        self.used = self.used.saturating_add(1);
    }

    /// Gives one back.
    pub const fn give_back(&mut self) {
        debug_assert!(self.used > 0, "a slot is given back once");
        self.used = self.used.saturating_sub(1);
    }

    /// Changes the limit; streams that run go on.
    pub const fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// How many there are.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// How many are free.
    pub const fn remaining(&self) -> u32 {
        self.limit.saturating_sub(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_after_the_last_is_refused_until_one_is_free() {
        let mut slots = StreamSlots::new(2);
        assert_eq!((slots.take(), slots.take(), slots.take()), (Ok(()), Ok(()), Err(2)));
        slots.give_back();
        assert_eq!(slots.take(), Ok(()));
    }

    #[test]
    fn a_lowered_limit_waits_for_running_streams() {
        let mut slots = StreamSlots::new(2);
        slots.take().unwrap();
        slots.take().unwrap();
        slots.set_limit(1);
        slots.give_back();
        assert_eq!((slots.remaining(), slots.take()), (0, Err(1)));
    }
}
