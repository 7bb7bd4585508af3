//! From what a provider reported and what was delivered to the usage that is charged.
//!
//! Reported counts win, an explicit zero is zero; what was not reported is estimated as ⌈bytes ÷ 4⌉ and
//! marked so, the output never above the limit that was sent.

use std::time::Duration;

use lmhaven_actors::adapters::quantity::estimated_tokens;
use lmhaven_actors::domain::usage::{Bucket, Usage};

/// A caller who hangs up sooner on an answer that has not begun pays nothing.
pub const AWAITED_FREE: Duration = Duration::from_secs(1);

/// The usage of a request whose answer never began: its prompt, estimated.
pub fn prompt_only(prompt_bytes: u64) -> Usage {
    let measured =
        Measured { reported: None, output_is_final: true, delivered_bytes: 0, prompt_bytes, output_limit: 0 };
    measured.usage()
}

/// What is known of a request while and after it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The provider's counts, if it gave any.
    pub reported: Option<Usage>,
    /// The provider's output count is final: it finished, or the answer was plain.
    pub output_is_final: bool,
    /// Bytes of text delivered.
    pub delivered_bytes: u64,
    /// Bytes of the prompt's text.
    pub prompt_bytes: u64,
    /// The output limit that was sent.
    pub output_limit: u32,
}

impl Measured {
    /// The usage to charge.
    pub fn usage(&self) -> Usage {
        let estimated_output = estimated_tokens(self.delivered_bytes).min(u64::from(self.output_limit));
        let Some(mut usage) = self.reported else {
            let mut usage = Usage::default()
                .with(Bucket::Input, estimated_tokens(self.prompt_bytes))
                .with(Bucket::Output, estimated_output);
            usage.estimated = true;
            return usage;
        };
        // A count from before the end (Anthropic's message_start says 1) is a floor, not the truth.
        if !self.output_is_final && estimated_output > usage.get(Bucket::Output) {
            usage.set(Bucket::Output, estimated_output);
            usage.estimated = true;
        }
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Measured =
        Measured { reported: None, output_is_final: false, delivered_bytes: 0, prompt_bytes: 0, output_limit: 100 };

    #[test]
    fn what_was_not_reported_is_estimated_within_the_limit_and_marked() {
        let usage = Measured { delivered_bytes: 9, prompt_bytes: 5, ..NOTHING }.usage();
        assert_eq!((usage.get(Bucket::Input), usage.get(Bucket::Output), usage.estimated), (2, 3, true));
        let long = Measured { delivered_bytes: 1_000_000, ..NOTHING }.usage();
        assert_eq!(long.get(Bucket::Output), 100);
    }

    #[test]
    fn an_explicit_zero_is_zero() {
        let reported = Some(Usage::default().with(Bucket::Input, 7));
        let usage = Measured { reported, output_is_final: true, delivered_bytes: 400, ..NOTHING }.usage();
        assert_eq!((usage.get(Bucket::Output), usage.estimated), (0, false));
    }

    #[test]
    fn a_count_from_before_the_end_is_a_floor() {
        let reported = Some(Usage::default().with(Bucket::Input, 7).with(Bucket::Output, 1));
        let usage = Measured { reported, delivered_bytes: 40, ..NOTHING }.usage();
        assert_eq!((usage.get(Bucket::Input), usage.get(Bucket::Output), usage.estimated), (7, 10, true));
    }
}
