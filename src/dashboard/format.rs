//! Numbers and times as pages write them; one way for all pages.

use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::time::UnixMillis;

use crate::times;

/// Money to the cent, toward zero, with thousands apart: `$1,234.56`. For balances and totals; below a cent, but not nothing,
/// to the micro-dollar, and below that all its digits.
pub fn usd(amount: NanoUsd) -> String {
    let cents = amount.nano() / 10_000_000;
    if cents == 0 && amount != NanoUsd::ZERO {
        let micros = NanoUsd::from_nano(amount.nano() / 1_000 * 1_000);
        return exact_usd(if micros == NanoUsd::ZERO { amount } else { micros });
    }
    let (sign, cents) = (if amount.is_negative() { "-" } else { "" }, cents.unsigned_abs());
    format!("{sign}${}.{:02}", thousands(cents / 100), cents % 100)
}

/// Money with every digit it has, two decimals at least: `$0.000012345`. For charges.
pub fn exact_usd(amount: NanoUsd) -> String {
    let text = amount.to_string();
    match text.strip_prefix('-') {
        Some(positive) => format!("-${positive}"),
        None => format!("${text}"),
    }
}

/// A whole number with thousands apart: `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && place % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2026-11-23 12:00 UTC`.
pub fn moment(at: UnixMillis) -> String {
    let text = times::rfc3339(at);
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => text,
    }
}

/// `2026-11-23 12:00:00`, for rows whose heading says UTC.
pub fn second(at: UnixMillis) -> String {
    let text = times::rfc3339(at);
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(second)) => format!("{day} {second}"),
        _ => text,
    }
}

/// `2026-11-23`.
pub fn day(at: UnixMillis) -> String {
    times::rfc3339(at).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_cut_to_cents_and_small_money_is_not_lost() {
        for (nano, text, exact) in [
            (0, "$0.00", "$0.00"),
            (25_000_000_000, "$25.00", "$25.00"),
            (1_234_567_899_999_999, "$1,234,567.89", "$1234567.899999999"),
            (-12_500_000_000, "-$12.50", "-$12.50"),
            (12_345, "$0.000012", "$0.000012345"),
            (-1, "-$0.000000001", "-$0.000000001"),
        ] {
            let amount = NanoUsd::from_nano(nano);
            assert_eq!((usd(amount).as_str(), exact_usd(amount).as_str()), (text, exact));
        }
    }

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 999, 1_000, 12_345, 123_456, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "123,456", "1,234,567"]);
    }

    #[test]
    fn moments_are_utc() {
        assert_eq!(moment(UnixMillis(1)), "1970-01-01 00:00 UTC");
        assert_eq!(
            (second(UnixMillis(1_001)), day(UnixMillis(0))),
            ("1970-01-01 00:00:01".into(), "1970-01-01".into())
        );
    }
}
