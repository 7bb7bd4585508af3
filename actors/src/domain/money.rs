//! Money as an integer count of nano-dollars.
//!
//! One type, checked arithmetic only, decimal strings at the edges. A conversion that fails is an
//! error and never zero: zero means free. An `i64` of nano-dollars reaches ±$9.2 billion.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nano-dollars in one dollar.
pub const NANO_PER_USD: i64 = 1_000_000_000;

/// An amount of US dollars, in nano-dollars. Written and read as a decimal string such as `"12.50"`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(i64);

/// A sum left the range of [`NanoUsd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amount is out of range")]
pub struct MoneyOverflow;

/// A text is not an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseMoneyError {
    /// Anything but an optional sign, digits, and at most one point between digits.
    #[error("expected a decimal number of US dollars such as \"12.50\"")]
    Malformed,
    /// More than nine decimals: below a nano-dollar.
    #[error("an amount has at most nine decimals")]
    TooFine,
    /// Beyond ±$9.2 billion.
    #[error("the amount is out of range")]
    OutOfRange,
}

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount given in nano-dollars.
    pub const fn from_nano(nano_usd: i64) -> Self {
        Self(nano_usd)
    }

    /// The amount in nano-dollars.
    pub const fn nano(self) -> i64 {
        self.0
    }

    /// The sum, or an error outside the range.
    pub const fn checked_add(self, other: Self) -> Result<Self, MoneyOverflow> {
        match self.0.checked_add(other.0) {
            Some(sum) => Ok(Self(sum)),
            None => Err(MoneyOverflow),
        }
    }

    /// The difference, or an error outside the range.
    pub const fn checked_sub(self, other: Self) -> Result<Self, MoneyOverflow> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Ok(Self(difference)),
            None => Err(MoneyOverflow),
        }
    }

    /// The amount with its sign turned, or an error for the smallest one.
    pub const fn checked_neg(self) -> Result<Self, MoneyOverflow> {
        match self.0.checked_neg() {
            Some(negated) => Ok(Self(negated)),
            None => Err(MoneyOverflow),
        }
    }

    /// Below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Dollars as a float, for metrics only: never for a decision or a bill.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; money is never computed from this")]
    pub fn as_usd_for_metrics(self) -> f64 {
        self.0 as f64 / NANO_PER_USD as f64
    }
}

impl fmt::Display for NanoUsd {
    /// At least two decimals, at most nine, no trailing zeros beyond the second: `12.50`, `0.000000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / NANO_PER_USD.unsigned_abs(), magnitude % NANO_PER_USD.unsigned_abs());
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let (mut digits, mut width) = (fraction, 9_usize);
        while width > 2 && digits % 10 == 0 {
            digits /= 10;
            width -= 1;
        }
        write!(f, "{whole}.{digits:0width$}")
    }
}

impl fmt::Debug for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${self}")
    }
}

impl FromStr for NanoUsd {
    type Err = ParseMoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(ParseMoneyError::Malformed);
        }
        if fraction.len() > 9 {
            return Err(ParseMoneyError::TooFine);
        }
        let magnitude = format!("{whole}{fraction:0<9}").parse::<i64>().map_err(|_| ParseMoneyError::OutOfRange)?;
        Ok(Self(if negative { -magnitude } else { magnitude }))
    }
}

impl Serialize for NanoUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NanoUsd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_written_with_two_to_nine_decimals() {
        for (nano, text) in [
            (0, "0.00"),
            (12_500_000_000, "12.50"),
            (1, "0.000000001"),
            (-1_234_000_000, "-1.234"),
            (i64::MAX, "9223372036.854775807"),
        ] {
            assert_eq!(NanoUsd::from_nano(nano).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_amount_is_an_error_and_never_zero() {
        for text in ["", "-", ".", "1.", ".5", "1e3", "+1", "1,00", " 1", "--1", "1.2.3", "NaN"] {
            assert_eq!(text.parse::<NanoUsd>(), Err(ParseMoneyError::Malformed), "{text:?}");
        }
        assert_eq!("0.0000000001".parse::<NanoUsd>(), Err(ParseMoneyError::TooFine));
        assert_eq!("9223372037".parse::<NanoUsd>(), Err(ParseMoneyError::OutOfRange));
    }

    #[test]
    fn sums_that_leave_the_range_are_errors() {
        assert_eq!(NanoUsd::MAX.checked_add(NanoUsd::from_nano(1)), Err(MoneyOverflow));
        assert_eq!(NanoUsd::from_nano(i64::MIN).checked_neg(), Err(MoneyOverflow));
    }

    proptest! {
        #[test]
        fn text_and_back_is_the_same_amount(nano in -i64::MAX..=i64::MAX) {
            let amount = NanoUsd::from_nano(nano);
            prop_assert_eq!(amount.to_string().parse::<NanoUsd>(), Ok(amount));
        }
    }
}
