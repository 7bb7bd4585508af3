//! Stripe's API as far as we use it: form-encoded requests out, JSON in, bounded in size and time.
//!
//! Knows the wire and nothing of our accounts. Every write carries an idempotency key that is an id of ours, so that
//! asking again after silence does nothing twice. Source: docs.stripe.com/api.

use std::fmt::Write as _;
use std::time::Duration;

use lmhaven_actors::domain::money::NanoUsd;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use crate::config::Secret;

/// The version whose objects we read; Stripe keeps every version.
const VERSION: &str = "2024-06-20";
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const ANSWER_BYTES_MAX: usize = 2 << 20;
/// Nano-dollars in a cent, Stripe's unit of dollars.
const CENT: i64 = 10_000_000;

/// A client of Stripe.
#[derive(Debug)]
pub(super) struct Stripe {
    client: reqwest::Client,
    base_url: String,
    key: Secret,
}

/// Stripe did not do it, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StripeError {
    /// The card was declined.
    #[error("the card was declined ({0})")]
    Declined(String),
    /// It was refused, for good: nothing happened.
    #[error("the payment provider refused the request ({status} {code})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stripe's code, where it gave one.
        code: String,
    },
    /// No answer that says what happened.
    #[error("the payment provider does not answer: {0}")]
    Unknown(String),
}

/// The fields of a form, in order.
pub(super) type Form = Vec<(String, String)>;

impl Stripe {
    pub(super) fn new(base_url: &str, key: Secret) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .build()?;
        Ok(Self { client, base_url: base_url.to_owned(), key })
    }

    /// A read.
    pub(super) async fn get(&self, path: &str) -> Result<Value, StripeError> {
        self.call(Method::GET, path, None, None).await
    }

    /// A write; the same key again does nothing a second time, and answers the same.
    pub(super) async fn post(&self, path: &str, form: &Form, idempotency_key: &str) -> Result<Value, StripeError> {
        let body = encode(form);
        let first = self.call(Method::POST, path, Some(body.clone()), Some(idempotency_key)).await;
        match first {
            // One more time: a connection that broke is the commonest reason.
            Err(StripeError::Unknown(_)) => self.call(Method::POST, path, Some(body), Some(idempotency_key)).await,
            other => other,
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        idempotency_key: Option<&str>,
    ) -> Result<Value, StripeError> {
        let unknown = |error: reqwest::Error| StripeError::Unknown(error.without_url().to_string());
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", self.key.expose()))
            .map_err(|_| StripeError::Unknown("the secret key is no header value".to_owned()))?;
        bearer.set_sensitive(true);
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base_url))
            .header(AUTHORIZATION, bearer)
            .header("stripe-version", VERSION);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        }
        let mut response = request.send().await.map_err(unknown)?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unknown)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(StripeError::Unknown("the answer is too large".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|_| StripeError::Unknown(format!("status {status} without JSON")))?;
        if (200..300).contains(&status) {
            return Ok(value);
        }
        let field = |name: &str| value.pointer(&format!("/error/{name}")).and_then(Value::as_str).unwrap_or_default();
        match status {
            402 if field("type") == "card_error" => {
                let code = [field("decline_code"), field("code")].into_iter().find(|text| !text.is_empty());
                Err(StripeError::Declined(code.unwrap_or("card_declined").to_owned()))
            }
            // 409: the first request with this key is still under way. 429: too many. Neither says what happened.
            409 | 429 | 500.. => Err(StripeError::Unknown(format!("status {status}"))),
            _ => Err(StripeError::Refused { status, code: field("code").to_owned() }),
        }
    }
}

/// Whole cents as Stripe writes them; `None` for an amount with a fraction of one.
pub(super) const fn cents(amount: NanoUsd) -> Option<i64> {
    if amount.nano() % CENT == 0 { Some(amount.nano() / CENT) } else { None }
}

/// An amount that Stripe wrote in cents.
pub(super) fn amount_of(cents: &Value) -> Option<NanoUsd> {
    Some(NanoUsd::from_nano(cents.as_i64()?.checked_mul(CENT)?))
}

fn encode(form: &Form) -> String {
    let pairs: Vec<_> = form.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
    pairs.join("&")
}

/// Percent-encodes all but unreserved characters: safe in a form and in a path.
pub(super) fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded_so_that_nothing_in_a_value_ends_it() {
        let form = vec![("line_items[0][price_data][currency]".to_owned(), "a&b=c d+é".to_owned())];
        assert_eq!(encode(&form), "line_items%5B0%5D%5Bprice_data%5D%5Bcurrency%5D=a%26b%3Dc%20d%2B%C3%A9");
    }

    #[test]
    fn amounts_are_whole_cents_both_ways() {
        assert_eq!(cents(NanoUsd::from_nano(20 * CENT)), Some(20));
        assert_eq!(cents(NanoUsd::from_nano(CENT + 1)), None);
        assert_eq!(amount_of(&Value::from(2_000)), Some("20.00".parse().unwrap()));
        assert_eq!(amount_of(&Value::from(20.5)), None);
        assert_eq!(amount_of(&Value::from(i64::MAX)), None);
    }
}
