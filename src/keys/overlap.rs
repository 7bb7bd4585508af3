//! How long an old secret stays good beside the one that takes its place.

use serde::Serialize;

/// One of the windows that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Overlap {
    /// None: the old secret is revoked at once, and its running streams end.
    #[serde(rename = "0")]
    None,
    /// An hour.
    #[serde(rename = "1h")]
    Hour,
    /// A day: long enough for every program to be given the new one.
    #[default]
    #[serde(rename = "24h")]
    Day,
    /// A week.
    #[serde(rename = "7d")]
    Week,
}

impl Overlap {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::None, Self::Hour, Self::Day, Self::Week];

    /// As the API spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "0",
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// In milliseconds.
    pub const fn millis(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Week => 604_800_000,
        }
    }
}

impl std::str::FromStr for Overlap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|overlap| overlap.name() == text);
        found.ok_or_else(|| "expected one of 0, 1h, 24h and 7d".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_as_they_are_written() {
        for overlap in Overlap::ALL {
            assert_eq!(overlap.name().parse(), Ok(overlap));
            assert_eq!(serde_json::to_value(overlap).unwrap(), overlap.name());
        }
        assert!("2h".parse::<Overlap>().is_err() && "1 h".parse::<Overlap>().is_err());
    }
}
