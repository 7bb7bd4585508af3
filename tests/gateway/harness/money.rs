//! Money as tests count it: whole nano-dollars out of decimal strings, and the charges out of ledger entries.
//!
//! Nothing here uses the gateway's own arithmetic, which is what tests are to find mistakes in.

use serde_json::Value;

const NANOS_PER_USD: i128 = 1_000_000_000;

/// What a workspace has, in nano-dollars.
#[expect(clippy::struct_field_names, reason = "the three have names in the API")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Balance {
    /// Not yet charged.
    pub(crate) balance: i128,
    /// Held by running requests.
    pub(crate) reserved: i128,
    /// The rest.
    pub(crate) available: i128,
}

impl Balance {
    /// Reads it from a workspace or from `/v1/balance`.
    pub(crate) fn of(value: &Value) -> Self {
        let amount = |field: &str| nano(value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")));
        let read = Self {
            balance: amount("balance_usd"),
            reserved: amount("reserved_usd"),
            available: amount("available_usd"),
        };
        assert_eq!(read.balance, read.reserved + read.available, "{value}");
        read
    }

    /// What a workspace has after these entries, which must be all of them from the first.
    pub(crate) fn after(entries: &[Value]) -> Self {
        let sum = |account: &str| entries.iter().map(|entry| posted(entry, account)).sum::<i128>();
        let (available, reserved) = (sum("available"), sum("held"));
        Self { balance: available + reserved, reserved, available }
    }
}

/// A decimal string of dollars as nano-dollars. More than nine places is a mistake of whoever wrote it.
pub(crate) fn nano(usd: &str) -> i128 {
    let (sign, digits) = usd.strip_prefix('-').map_or((1, usd), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    assert!(fraction.len() <= 9, "{usd} has more than nine places");
    let whole: i128 = whole.parse().unwrap_or_else(|_| panic!("{usd:?} is no amount"));
    let fraction: i128 = format!("{fraction:0<9}").parse().unwrap_or_else(|_| panic!("{usd:?} is no amount"));
    sign * (whole * NANOS_PER_USD + fraction)
}

/// Nano-dollars as a decimal string with all nine places.
pub(crate) fn usd(nano: i128) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let (whole, fraction) = (nano.abs() / NANOS_PER_USD, nano.abs() % NANOS_PER_USD);
    format!("{sign}{whole}.{fraction:09}")
}

/// What one entry charged: its posting to `revenue`.
pub(crate) fn charge_of(entry: &Value) -> i128 {
    posted(entry, "revenue")
}

/// What each `settle` and `recover` charged, in order.
pub(crate) fn charges_of(entries: &[Value]) -> Vec<i128> {
    let closing = |entry: &&Value| matches!(entry["kind"].as_str(), Some("settle" | "recover"));
    entries.iter().filter(closing).map(charge_of).collect()
}

/// What came in from outside: credits, top-ups, refunds and corrections.
pub(super) fn credits_of(entries: &[Value]) -> i128 {
    let outside = |entry: &&Value| matches!(entry["kind"].as_str(), Some("topup" | "credit" | "refund" | "adjust"));
    entries.iter().filter(outside).map(|entry| posted(entry, "available")).sum()
}

fn posted(entry: &Value, account: &str) -> i128 {
    let postings = entry["postings"].as_array().unwrap_or_else(|| panic!("no postings in {entry}"));
    let own = postings.iter().filter(|posting| posting["account"] == account);
    own.map(|posting| nano(posting["amount_usd"].as_str().unwrap())).sum()
}
