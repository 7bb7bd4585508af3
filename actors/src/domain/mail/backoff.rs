//! How long a mail waits between two attempts.

const MINUTE_MS: i64 = 60_000;
/// A mail that did not go out for so long is given up: as long as mail servers keep trying.
pub const KEPT_TRYING_MS: i64 = 3 * 24 * 60 * MINUTE_MS;

/// Milliseconds to wait after so many attempts failed, counted from 1: a passing fault costs a minute, a dead server does
/// not get asked more than every four hours.
pub const fn wait_ms(failed: u32) -> i64 {
    MINUTE_MS
        * match failed {
            0 | 1 => 1,
            2 => 5,
            3 => 15,
            4 => 60,
            _ => 4 * 60,
        }
}
