//! Estimates for what a provider did not count.

/// ⌈bytes ÷ 4⌉ tokens: the estimate of INTERFACE §3 for counts that were not reported.
pub const fn estimated_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_round_up() {
        assert_eq!([0, 1, 4, 5].map(estimated_tokens), [0, 1, 1, 2]);
    }
}
