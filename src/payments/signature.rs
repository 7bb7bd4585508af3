//! Whether a webhook is Stripe's: pure, from the header, the raw body, the secrets and the time.
//!
//! `Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>…]`; each `v1` is HMAC-SHA256 of `t`, a full stop and the body.
//! While a secret is replaced there are several `v1`, and several secrets here. Source: docs.stripe.com/webhooks.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far a webhook's time may be from ours, in seconds, as Stripe's libraries have it.
const TOLERANCE_SECONDS: i64 = 300;
/// Signatures of one header that are looked at.
const SIGNATURES_MAX: usize = 8;

/// A webhook is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// There is no time or no `v1`.
    #[error("the Stripe-Signature header is missing or malformed")]
    Malformed,
    /// No signature fits any secret.
    #[error("no signature fits")]
    Wrong,
    /// Signed too long ago, or by a clock that runs ahead.
    #[error("the signature's time is too far from now")]
    TooOld,
}

/// Checks a webhook.
///
/// # Errors
/// [`BadSignature`].
pub fn check(header: &str, body: &[u8], secrets: &[&str], now_seconds: i64) -> Result<(), BadSignature> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) if time.is_none() => time = Some(value),
            Some(("v1", value)) if signatures.len() < SIGNATURES_MAX => signatures.push(value),
            _ => {}
        }
    }
    let time = time.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let time = time.ok_or(BadSignature::Malformed)?;
    let seconds: i64 = time.parse().map_err(|_| BadSignature::Malformed)?;
    if signatures.is_empty() {
        return Err(BadSignature::Malformed);
    }
    let good = signatures.iter().any(|signature| secrets.iter().any(|secret| fits(secret, time, body, signature)));
    if !good {
        return Err(BadSignature::Wrong);
    }
    if now_seconds.abs_diff(seconds) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(BadSignature::TooOld);
    }
    Ok(())
}

/// Compares in a time that does not depend on where the two differ.
fn fits(secret: &str, time: &str, body: &[u8], signature: &str) -> bool {
    let Some(given) = decode_hex(signature) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0_u8; 32];
    if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// One row of the table that Stripe's own library is held against too, in `tests/sdk/python/test_stripe_signatures.py`.
    #[derive(Deserialize)]
    struct Row {
        name: String,
        header: String,
        body: String,
        secrets: Vec<String>,
        now: i64,
        good: bool,
    }

    #[test]
    fn the_table_of_signatures_is_judged_as_it_says() {
        let rows: Vec<Row> = serde_json::from_str(include_str!("signatures.json")).unwrap();
        assert!(rows.iter().filter(|row| row.good).count() >= 5 && rows.iter().filter(|row| !row.good).count() >= 10);
        for row in rows {
            let secrets: Vec<_> = row.secrets.iter().map(String::as_str).collect();
            let checked = check(&row.header, row.body.as_bytes(), &secrets, row.now);
            assert_eq!(checked.is_ok(), row.good, "{}: {checked:?}", row.name);
        }
    }
}
