//! `[payments]`: the payment provider, and how much a customer may pay at once. Without keys nobody can pay by card.

use lmhaven_actors::domain::money::NanoUsd;
use serde::Deserialize;
use toml::Value;

use super::fields::{Given, Reader, key_of};
use super::secret::Secret;
use super::url;

/// `[payments]`.
#[derive(Clone, Debug)]
pub struct Payments {
    /// What Stripe knows us by; `None` where customers cannot pay by card.
    pub stripe_secret_key: Option<Secret>,
    /// What webhooks are signed with; several while one replaces another.
    pub stripe_webhook_secrets: Vec<Secret>,
    /// Where Stripe is, without a final slash.
    pub stripe_base_url: String,
    /// The smallest payment, in whole cents.
    pub min_amount: NanoUsd,
    /// The largest payment, in whole cents.
    pub max_amount: NanoUsd,
    /// Real money: events of the other mode are refused.
    pub livemode: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawPayments {
    stripe_secret_key: Option<Value>,
    stripe_webhook_secrets: Option<Value>,
    stripe_base_url: Option<Value>,
    min_amount: Option<Value>,
    max_amount: Option<Value>,
    livemode: Option<Value>,
}

/// Where the real payment provider is.
pub const STRIPE_API: &str = "https://api.stripe.com";
const SECTION: &str = "payments";
/// Stripe takes no payment below half a dollar, and none of more than eight digits of cents.
const LEAST: NanoUsd = NanoUsd::from_nano(500_000_000);
const MOST: NanoUsd = NanoUsd::from_nano(999_999_990_000_000);
const CENT: i64 = 10_000_000;

/// Reads the section; `None` where something in it is wrong.
pub(super) fn read(reader: &mut Reader<'_>, value: Value) -> Option<Payments> {
    let RawPayments { stripe_secret_key, stripe_webhook_secrets, stripe_base_url, min_amount, max_amount, livemode } =
        reader.section(SECTION, value)?;
    let errors = reader.errors.len();
    let key = reader.optional(SECTION, "stripe_secret_key", stripe_secret_key, |given| given.text().map(str::to_owned));
    let stripe_secret_key = key.and_then(|written| reader.secret("payments.stripe_secret_key", &written)?.ok());
    let written = reader.optional(SECTION, "stripe_webhook_secrets", stripe_webhook_secrets, Given::texts);
    let path = key_of(SECTION, "stripe_webhook_secrets");
    let secrets = written.unwrap_or_default();
    let stripe_webhook_secrets: Vec<_> =
        secrets.iter().filter_map(|written| reader.secret(&path, written)?.ok()).collect();
    let stripe_base_url =
        reader.required(SECTION, "stripe_base_url", stripe_base_url, |given| url::parse_host(given.text()?));
    let min_amount = reader.required(SECTION, "min_amount", min_amount, amount);
    let max_amount = reader.required(SECTION, "max_amount", max_amount, amount);
    let livemode = reader.required(SECTION, "livemode", livemode, Given::boolean);
    if stripe_secret_key.is_some() && stripe_webhook_secrets.is_empty() && reader.errors.len() == errors {
        reader.refuse(path, "is needed beside stripe_secret_key: without it payments are credited a day late");
    }
    if let (Some(least), Some(most)) = (min_amount, max_amount)
        && least > most
    {
        reader.refuse("payments.max_amount", "is below min_amount");
    }
    if reader.errors.len() > errors {
        return None;
    }
    Some(Payments {
        stripe_secret_key,
        stripe_webhook_secrets,
        stripe_base_url: stripe_base_url?,
        min_amount: min_amount?,
        max_amount: max_amount?,
        livemode: livemode?,
    })
}

fn amount(given: &Given) -> Result<NanoUsd, String> {
    let amount = given.price()?;
    if amount.nano() % CENT != 0 {
        return Err("expected whole cents".to_owned());
    }
    if (LEAST..=MOST).contains(&amount) {
        Ok(amount)
    } else {
        Err(format!("expected an amount from {LEAST} to {MOST}"))
    }
}
