//! Times as people and programs read them: RFC 3339 in UTC.

use jiff::Timestamp;
use jiff::civil::Date;
use lmhaven_actors::domain::time::UnixMillis;

/// `2026-11-23T12:00:00.123Z`.
pub fn rfc3339(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at.0).map(|at| at.to_string()).unwrap_or_default()
}

/// A moment written as RFC 3339.
pub fn parse(text: &str) -> Option<UnixMillis> {
    text.parse::<Timestamp>().ok().map(|at| UnixMillis(at.as_millisecond()))
}

/// The date of a day counted from the epoch.
pub fn day(day: i32) -> String {
    let millis = i64::from(day).saturating_mul(86_400_000);
    rfc3339(UnixMillis(millis)).chars().take(10).collect()
}

/// The day of a date or of a moment, counted from the epoch.
pub fn parse_day(text: &str) -> Option<i32> {
    if let Some(at) = parse(text) {
        return Some(at.day());
    }
    let date: Date = text.parse().ok()?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(UnixMillis(at.timestamp().as_millisecond()).day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_other() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(parse_day("2026-11-23").map(day).as_deref(), Some("2026-11-23"));
        assert_eq!(parse_day("2026-11-23T23:59:59Z"), parse_day("2026-11-23"));
        assert_eq!(parse_day("23.11.2026"), None);
        assert_eq!(rfc3339(UnixMillis(1)), "1970-01-01T00:00:00.001Z");
    }
}
