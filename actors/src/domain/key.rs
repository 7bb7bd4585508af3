//! What kinds of keys there are, and in which periods a key's spend cap counts.
//!
//! Facts carry these, the account decides with them, and every face of the gateway spells them the same way. Periods are those of
//! the UTC calendar: a day begins at 00:00, a week on Monday at 00:00, a month on its first day at 00:00. No clock is read here.

use serde::{Deserialize, Serialize};

use super::time::UnixMillis;

/// What whoever has a key's secret may do with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Ask models, and read what the workspace has.
    #[default]
    Inference,
    /// Read: models, balance, usage, receipts. Costs nothing, ever.
    ReadOnly,
    /// Read, and list, make, rotate and revoke keys. Asks no model.
    Management,
}

impl KeyKind {
    /// All of them, the usual one first.
    pub const ALL: [Self; 3] = [Self::Inference, Self::ReadOnly, Self::Management];

    /// As the API spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::ReadOnly => "read_only",
            Self::Management => "management",
        }
    }
}

/// When what a key has spent against its cap is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpendReset {
    /// Never: the cap is for the key's whole life.
    #[default]
    None,
    /// At 00:00 UTC.
    Daily,
    /// On Monday at 00:00 UTC.
    Weekly,
    /// On the first of the month at 00:00 UTC.
    Monthly,
}

/// A name is not one of those that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {0}")]
pub struct UnknownName(pub &'static str);

impl std::str::FromStr for KeyKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or(UnknownName("inference, read_only and management"))
    }
}

impl std::str::FromStr for SpendReset {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|reset| reset.name() == text);
        found.ok_or(UnknownName("none, daily, weekly and monthly"))
    }
}

impl SpendReset {
    /// All of them, the usual one first.
    pub const ALL: [Self; 4] = [Self::None, Self::Daily, Self::Weekly, Self::Monthly];

    /// As the API spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    /// The first day of the period that `at` lies in, counted from the epoch. Without periods all time is one.
    pub fn period_of(self, at: UnixMillis) -> i32 {
        let day = at.day();
        match self {
            Self::None => i32::MIN,
            Self::Daily => day,
            // The epoch was a Thursday.
            Self::Weekly => day.saturating_sub(day.saturating_add(3).rem_euclid(7)),
            Self::Monthly => day.saturating_sub(day_of_month(day) - 1),
        }
    }

    /// When the period that begins on this day is over; `None` where none ever is.
    pub fn end_of(self, period: i32) -> Option<UnixMillis> {
        let next = match self {
            Self::None => return None,
            Self::Daily => period.saturating_add(1),
            Self::Weekly => period.saturating_add(7),
            // 31 days after a first of the month is in the next month, whatever its length.
            Self::Monthly => {
                let beyond = period.saturating_add(31);
                beyond.saturating_sub(day_of_month(beyond) - 1)
            }
        };
        Some(UnixMillis(i64::from(next).saturating_mul(86_400_000)))
    }
}

/// Which day of its month a day counted from the epoch is, from 1, in the Gregorian calendar.
///
/// Days are counted from 1 March of the year 0, so that a leap day is the last of its year: then 400 years have 146,097 days,
/// and five months from March on have 153.
fn day_of_month(day: i32) -> i32 {
    let of_era = (i64::from(day) + 719_468).rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    i32::try_from(of_year - (153 * month + 2) / 5 + 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, Weekday, date};
    use jiff::tz::TimeZone;

    use super::*;

    fn millis(day: Date) -> UnixMillis {
        UnixMillis(day.to_zoned(TimeZone::UTC).unwrap().timestamp().as_millisecond())
    }

    #[test]
    fn periods_are_those_of_another_calendar() {
        let mut day = date(1968, 1, 1);
        while day < date(2105, 1, 1) {
            let last_instant = millis(day).plus_millis(86_399_999);
            for at in [millis(day), last_instant] {
                assert_eq!(SpendReset::Monthly.period_of(at), millis(day.first_of_month()).day(), "{day}");
                let monday =
                    if day.weekday() == Weekday::Monday { day } else { day.nth_weekday(-1, Weekday::Monday).unwrap() };
                assert_eq!(SpendReset::Weekly.period_of(at), millis(monday).day(), "{day}");
                assert_eq!(SpendReset::Daily.period_of(at), millis(day).day(), "{day}");
            }
            let next_month = millis(day.last_of_month().tomorrow().unwrap());
            let monthly = SpendReset::Monthly;
            assert_eq!(monthly.end_of(monthly.period_of(last_instant)), Some(next_month), "{day}");
            day = day.tomorrow().unwrap();
        }
    }

    #[test]
    fn a_period_ends_where_the_next_one_begins() {
        for reset in [SpendReset::Daily, SpendReset::Weekly, SpendReset::Monthly] {
            let mut period = reset.period_of(UnixMillis(0));
            for _ in 0..1_000 {
                let end = reset.end_of(period).unwrap();
                assert_eq!(reset.period_of(end.plus_millis(-1)), period, "{reset:?}");
                assert!(reset.period_of(end) > period);
                period = reset.period_of(end);
            }
        }
        assert_eq!(SpendReset::None.period_of(UnixMillis(i64::MAX)), SpendReset::None.period_of(UnixMillis(0)));
        assert_eq!(SpendReset::None.end_of(5), None);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for kind in KeyKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        for reset in SpendReset::ALL {
            assert_eq!(reset.name().parse(), Ok(reset));
            assert_eq!(serde_json::to_value(reset).unwrap(), reset.name());
        }
        assert!("hourly".parse::<SpendReset>().is_err() && "admin".parse::<KeyKind>().is_err());
    }
}
