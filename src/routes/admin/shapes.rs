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
    /// What it may do.
    #[schema(pattern = "^(inference|read_only|management)$")]
    pub kind: String,
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
    /// When what it spent is forgotten.
    #[schema(pattern = "^(none|daily|weekly|monthly)$")]
    pub spend_limit_reset: String,
    /// What it spent of the limit in the period that runs, with all keys that share it; null without a limit.
    #[schema(required)]
    pub spend_limit_used_usd: Option<Usd>,
    /// When that period ends.
    #[schema(required)]
    pub spend_limit_resets_at: Option<Time>,
    /// What it spent ever.
    pub spent_usd: Usd,
    /// The models it may ask for; all where null.
    #[schema(required)]
    pub models: Option<Vec<String>>,
    /// The networks it may be used from; all where null.
    #[schema(required)]
    pub ip_allow: Option<Vec<String>>,
    /// The key whose place it took.
    #[schema(required)]
    pub rotated_from: Option<String>,
    /// The key that took its place.
    #[schema(required)]
    pub rotated_to: Option<String>,
    /// The management key that made it.
    #[schema(required)]
    pub made_by: Option<String>,
}

/// A key as it sees itself.
#[derive(ToSchema)]
pub(in crate::routes) struct OwnKey {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// `ws_…`.
    pub workspace_id: String,
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

// --- What is sent ------------------------------------------------------------------------------------------------------

/// A workspace's changes; what is left out stays.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ChangeWorkspace {
    /// Instead of the tier's; null returns to the tier.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub requests_per_minute: Option<u32>,
    /// Instead of the tier's; null returns to the tier.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub concurrent_streams: Option<u32>,
    /// What it may ask for.
    pub features: Option<ChangeFeatures>,
    /// Takes no requests.
    pub suspended: Option<bool>,
    /// The owner's address is known to be theirs.
    pub email_verified: Option<bool>,
    /// What its members call it.
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// For the audit.
    pub reason: Option<String>,
}

/// Features that change.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ChangeFeatures {
    /// Chat models.
    pub text: Option<bool>,
    /// Image models.
    pub image: Option<bool>,
    /// Speech models.
    pub voice: Option<bool>,
}

/// Money given or taken back.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct CreditBody {
    /// Above zero for a credit, below for a refund.
    pub amount_usd: Usd,
    /// For the audit.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// The same key in the same workspace does it once.
    #[schema(min_length = 1, max_length = 255)]
    pub idempotency_key: String,
}

/// Money that goes back to a card.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct RefundBody {
    /// Above zero.
    pub amount_usd: Usd,
    /// For the audit.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// The same key in the same workspace does it once.
    #[schema(min_length = 1, max_length = 255)]
    pub idempotency_key: String,
}

/// A version of the price book.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct PublishPrices {
    /// From when; now where absent or over.
    pub effective_at: Option<Time>,
    /// The rows that change.
    pub models: Vec<PublishPrice>,
    /// For the audit.
    pub reason: Option<String>,
}

/// A model's prices.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct PublishPrice {
    /// The model.
    pub id: String,
    /// The list price is divided by this; as it was where absent.
    #[schema(minimum = 0.001, maximum = 4_000_000)]
    pub ratio: Option<f64>,
    /// By bucket; as it was where absent.
    #[schema(value_type = Option<Object>)]
    pub list_price: Option<Value>,
}

/// A new key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct NewKeyBody {
    /// For people.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// `inference` where absent; also `read_only` and `management`.
    #[schema(pattern = "^(inference|read_only|management)$")]
    pub kind: Option<String>,
    /// Until when it works; in the future.
    pub expires_at: Option<Time>,
    /// The most it may spend in each period; above zero.
    pub spend_limit_usd: Option<Usd>,
    /// When what it spent is forgotten: `none` where absent.
    #[schema(pattern = "^(none|daily|weekly|monthly)$")]
    pub spend_limit_reset: Option<String>,
    /// The models it may ask for; all where absent.
    pub models: Option<Vec<String>>,
    /// The networks it may be used from, such as `10.0.0.0/8`; all where absent.
    pub ip_allow: Option<Vec<String>>,
}

/// A rotation.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct RotateKeyBody {
    /// How long the old secret stays good: `0`, `1h`, `24h` where absent, or `7d`.
    #[schema(pattern = "^(0|1h|24h|7d)$")]
    pub overlap: Option<String>,
}

/// An operator.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Operator {
    /// `per_…`.
    pub id: String,
    /// The address.
    pub email: String,
}

/// Who is to become an operator.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct OperatorBody {
    /// The address.
    #[schema(max_length = 320)]
    pub email: String,
}

/// A link that makes an operator.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct OperatorLinkView {
    /// For whom.
    pub email: String,
    /// Works once.
    pub link: String,
    /// Until when.
    pub expires_at: Time,
}
