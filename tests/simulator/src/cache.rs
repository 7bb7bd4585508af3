//! Prompt caches: which prefixes were sent before.
//!
//! Anthropic caches where the request marks it; the others by themselves, whenever all messages but the last were
//! seen before. Entries of one key and model are not seen by another.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Lifetime of an implicit entry. The providers promise no more than minutes.
const IMPLICIT_LIFETIME: Duration = Duration::from_mins(5);

/// Prefixes by digest, with the instant at which they expire.
#[derive(Default)]
pub(crate) struct PromptCache {
    entries: HashMap<u64, Instant>,
}

/// One marked place in a prompt: the digest of everything before it, the tokens up to it, and the lifetime wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breakpoint {
    pub(crate) prefix: u64,
    pub(crate) tokens: u64,
    pub(crate) hour: bool,
}

/// How the input of a call splits over the cache.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Split {
    pub(crate) read: u64,
    pub(crate) write_5m: u64,
    pub(crate) write_1h: u64,
}

impl PromptCache {
    /// Reads the longest known prefix, and writes what lies behind it up to the last breakpoint.
    pub(crate) fn explicit(&mut self, breakpoints: &[Breakpoint], now: Instant) -> Split {
        let known = |place: &&Breakpoint| self.entries.get(&place.prefix).is_some_and(|expiry| *expiry > now);
        let mut split =
            Split { read: breakpoints.iter().rev().find(known).map_or(0, |it| it.tokens), ..Split::default() };
        let mut covered = split.read;
        for place in breakpoints {
            let more = place.tokens.saturating_sub(covered);
            *(if place.hour { &mut split.write_1h } else { &mut split.write_5m }) += more;
            covered = covered.max(place.tokens);
            let lifetime = Duration::from_secs(if place.hour { 3600 } else { 300 });
            self.entries.insert(place.prefix, now + lifetime);
        }
        split
    }

    /// Tokens read from an automatic cache, which then knows this prefix too.
    pub(crate) fn implicit(&mut self, prefix: u64, tokens: u64, tokens_min: u64, now: Instant) -> u64 {
        if tokens < tokens_min {
            return 0;
        }
        let before = self.entries.insert(prefix, now + IMPLICIT_LIFETIME);
        if before.is_some_and(|expiry| expiry > now) { tokens - tokens % 128 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_written_once_and_then_read() {
        let (mut cache, now) = (PromptCache::default(), Instant::now());
        let long = Breakpoint { prefix: 1, tokens: 2000, hour: true };
        let short = Breakpoint { prefix: 2, tokens: 2500, hour: false };
        assert_eq!(cache.explicit(&[long], now), Split { write_1h: 2000, ..Split::default() });
        assert_eq!(cache.explicit(&[long, short], now), Split { read: 2000, write_5m: 500, write_1h: 0 });
        assert_eq!(cache.explicit(&[long, short], now), Split { read: 2500, ..Split::default() });
        let later = now + Duration::from_secs(301);
        assert_eq!(cache.explicit(&[long, short], later), Split { read: 2000, write_5m: 500, write_1h: 0 });
    }

    #[test]
    fn an_automatic_cache_needs_a_long_prefix() {
        let (mut cache, now) = (PromptCache::default(), Instant::now());
        assert_eq!(cache.implicit(1, 1023, 1024, now), 0);
        assert_eq!(cache.implicit(1, 1100, 1024, now), 0);
        assert_eq!(cache.implicit(1, 1100, 1024, now), 1024);
    }
}
