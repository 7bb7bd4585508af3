//! What the admin API answers, as schemas (INTERFACE §5). They describe what its handlers write.

#![expect(dead_code, reason = "fields are described, not read")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use crate::routes::openapi::shapes::{Limits, Time, Usd};

/// A workspace.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Workspace {
    /// `ws_…`.
    pub id: String,
    /// What its members call it.
    pub name: String,
    /// Whose it is.
    pub owner_email: String,
    /// The owner's address is known to be theirs.
    pub email_verified: bool,
    /// Takes no requests.
    pub suspended: bool,
    /// Money not yet charged: available and reserved.
    pub balance_usd: Usd,
    /// Money that running requests hold.
    pub reserved_usd: Usd,
    /// Money that no request holds.
    pub available_usd: Usd,
    /// What holds now.
    pub limits: Limits,
    /// What it may ask for.
    pub features: FeatureSet,
    /// Its keys, revoked ones too.
    pub keys: Vec<Key>,
    /// Since when.
    pub created_at: Time,
}

/// What a workspace may ask for.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct FeatureSet {
    /// Chat models.
    pub text: bool,
    /// Image models.
    pub image: bool,
    /// Speech models.
    pub voice: bool,
}

/// A key.
#[derive(ToSchema)]
pub(in crate::routes) struct Key {
    /// `key_…`.
    pub id: String,
    /// For people.
    pub name: String,
    /// Of its secret.
    pub last_four: String,
    /// When it was made.
    pub created_at: Time,
    /// Until when it works.
    #[schema(required)]
    pub expires_at: Option<Time>,
    /// When it was last used.
    #[schema(required)]
    pub last_used_at: Option<Time>,
    /// Since when it is refused.
    #[schema(required)]
    pub revoked_at: Option<Time>,
    /// The most it may spend.
    #[schema(required)]
    pub spend_limit_usd: Option<Usd>,
    /// What it spent.
    pub spent_usd: Usd,
    /// The models it may ask for; all where null.
    #[schema(required)]
    pub models: Option<Vec<String>>,
    /// The networks it may be used from; all where null.
    #[schema(required)]
    pub ip_allow: Option<Vec<String>>,
}

/// A key that was just made: the one time its secret is shown.
#[derive(ToSchema)]
pub(in crate::routes) struct NewKey {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// `sk-lmh-…`.
    pub secret: String,
}

/// A ledger entry.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct LedgerEntry {
    /// `ent_…`.
    pub id: String,
    /// Its number in the workspace.
    pub seq: u64,
    /// What it does.
    #[schema(pattern = "^(topup|credit|refund|hold|extend|release|expire|settle|recover|writeoff|adjust)$")]
    pub kind: String,
    /// When it was decided.
    pub at: Time,
    /// The request it belongs to.
    #[schema(required)]
    pub request_id: Option<String>,
    /// The key that asked.
    #[schema(required)]
    pub key_id: Option<String>,
    /// The model that was asked for.
    #[schema(required)]
    pub model: Option<String>,
    /// What was added, set aside, given back or charged.
    pub amount_usd: Usd,
    /// Its lines: they add up to zero.
    pub postings: Vec<PostingLine>,
    /// Quantities by bucket, on a charge.
    #[schema(required, value_type = Option<Object>)]
    pub usage: Option<BTreeMap<String, Value>>,
    /// The price-book version.
    #[schema(required)]
    pub price_version: Option<u32>,
    /// Why, on an operator's entry.
    #[schema(required)]
    pub reason: Option<String>,
}

/// One line of an entry.
#[derive(ToSchema)]
#[schema(as = Posting)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct PostingLine {
    /// Where.
    pub account: String,
    /// How much; negative takes away.
    pub amount_usd: Usd,
}

/// A version of the price book.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct PriceVersion {
    /// Its number.
    pub version: u32,
    /// From when.
    pub effective_at: Time,
    /// It is what requests pay now.
    pub in_force: bool,
    /// Every model.
    pub models: Vec<ModelPrice>,
}

/// A model's price.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ModelPrice {
    /// The model.
    pub id: String,
    /// The list price is divided by this.
    pub ratio: f64,
    /// By bucket.
    #[schema(value_type = Object)]
    pub list_price: BTreeMap<String, Value>,
}

/// A provider.
#[derive(ToSchema)]
#[schema(as = Provider)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ProviderView {
    /// Its id.
    pub id: String,
    /// Which protocol.
    pub kind: String,
    /// Its accounts.
    pub accounts: Vec<ProviderAccount>,
}

/// One account of a provider.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ProviderAccount {
    /// Its number, from 0.
    pub n: u32,
    /// How it is.
    #[schema(pattern = "^(healthy|cooling|open|disabled)$")]
    pub state: String,
    /// Requests under way.
    pub in_flight: u64,
    /// Until when it waits.
    #[schema(required)]
    pub until: Option<Time>,
    /// Why.
    #[schema(required)]
    pub last_error: Option<String>,
}

/// Who did what.
#[derive(ToSchema)]
#[schema(as = AuditRow)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct AuditLine {
    /// When.
    pub at: Time,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// Why.
    #[schema(required)]
    pub reason: Option<String>,
    /// How it was.
    #[schema(value_type = Value)]
    pub before: Value,
    /// How it was to be.
    #[schema(value_type = Value)]
    pub after: Value,
}

/// A payment by card.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct PaymentView {
    /// The payment provider's id.
    pub id: String,
    /// When it was credited.
    pub at: Time,
    /// The number of its receipt.
    pub receipt: u64,
    /// What was paid.
    pub amount_usd: Usd,
    /// What went back.
    pub returned_usd: Usd,
    /// Its refunds.
    pub refunds: Vec<RefundView>,
}

/// A refund to a card.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct RefundView {
    /// `ref_…`.
    pub id: String,
    /// How much.
    pub amount_usd: Usd,
    /// `pending`, `confirmed` or `failed`.
    #[schema(pattern = "^(pending|confirmed|failed)$")]
    pub state: String,
}
