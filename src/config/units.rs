//! Durations such as `600s` and sizes such as `256 MiB`: how they are read, and printed so that they read back.

use std::time::Duration;

/// No duration of the configuration is longer than this: a day is already a mistake.
const LONGEST: Duration = Duration::from_hours(24);

const DURATION_EXPECTED: &str = "expected a duration such as \"250ms\", \"90s\" or \"5m\", at most 24h";
const SIZE_EXPECTED: &str = "expected a number of bytes, or a size such as \"64 KiB\" or \"256 MiB\"";

/// `250ms`, `90s`, `5m` or `2h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text).ok_or(DURATION_EXPECTED)?;
    let millis_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(DURATION_EXPECTED.to_owned()),
    };
    let duration = number.checked_mul(millis_per_unit).map(Duration::from_millis);
    duration.filter(|duration| *duration <= LONGEST).ok_or_else(|| DURATION_EXPECTED.to_owned())
}

/// The shortest of `ms` and `s` that is exact.
pub(super) fn print_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

/// `512`, `512 B`, `64 KiB`, `32 MiB` or `1 GiB`.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text).ok_or(SIZE_EXPECTED)?;
    let bytes_per_unit = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(SIZE_EXPECTED.to_owned()),
    };
    number.checked_mul(bytes_per_unit).ok_or_else(|| SIZE_EXPECTED.to_owned())
}

/// The largest unit that is exact.
pub(super) fn print_size(bytes: u64) -> String {
    for (unit, name) in [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes > 0 && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} B")
}

/// Digits, at most one space, and the rest.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(parse_duration("24h"), Ok(LONGEST));
        for text in ["", "5", "s", "-5s", "1.5s", "25h", "5 minutes", "99999999999999999999s", "18446744073709551615h"]
        {
            assert_eq!(parse_duration(text), Err(DURATION_EXPECTED.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn sizes_count_in_powers_of_two() {
        assert_eq!(parse_size("256 MiB"), Ok(268_435_456));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("0"), Ok(0));
        for text in ["", "MiB", "1 MB", "1.5 GiB", "1  KiB", "18014398509481984 KiB"] {
            assert_eq!(parse_size(text), Err(SIZE_EXPECTED.to_owned()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(millis in 0_u64..=86_400_000, bytes: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&print_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_size(&print_size(bytes)), Ok(bytes));
        }
    }
}
