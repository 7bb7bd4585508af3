//! Dates as the providers write them, in UTC, from seconds since 1970 and back.

use std::fmt::Write;

/// Year, month and day of a day since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let shifted = if month > 2 { month.checked_sub(3)? } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day.checked_sub(1)?;
    let (era, year_of_era) = (year / 400, year % 400);
    (era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year).checked_sub(719_468)
}

/// `20261122T101500Z`, as signatures have it.
pub(crate) fn compact(seconds: u64) -> String {
    let mut text = iso(seconds, 0);
    text.truncate(19);
    text.retain(|letter| letter.is_ascii_digit() || letter == 'T');
    text.push('Z');
    text
}

/// The seconds of [`compact`].
pub(crate) fn from_compact(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let days = days(number(date, 0, 4)?, number(date, 4, 6)?, number(date, 6, 8)?)?;
    Some(days * 86_400 + number(time, 0, 2)? * 3600 + number(time, 2, 4)? * 60 + number(time, 4, 6)?)
}

/// `2026-11-22T10:15:00.123Z`
pub(crate) fn iso(seconds: u64, millis: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T");
    // Writing to a string cannot fail.
    let _written = write!(text, "{hour:02}:{minute:02}:{second:02}.{millis:03}Z");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_go_there_and_back() {
        assert_eq!(iso(0, 7), "1970-01-01T00:00:00.007Z");
        assert_eq!(compact(951_782_400), "20000229T000000Z");
        assert_eq!(compact(1_795_342_500), "20261122T101500Z");
        for seconds in [0, 951_782_399, 951_868_800, 1_795_342_500, 4_102_444_799] {
            assert_eq!(from_compact(&compact(seconds)), Some(seconds));
        }
        assert_eq!(from_compact("today"), None);
    }
}
