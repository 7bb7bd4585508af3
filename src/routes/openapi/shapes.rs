//! The answers of INTERFACE §5 as schemas. They describe what handlers write; a test reads answers against them.

#![expect(dead_code, clippy::struct_field_names, reason = "fields are described, not read, and named as in the answer")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// An amount of US dollars.
pub(in crate::routes) struct Usd;

impl PartialSchema for Usd {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^-?[0-9]+(\.[0-9]{1,9})?$"))
            .description(Some("US dollars as a decimal string, to the nano-dollar"))
            .examples(["12.50"])
            .into()
    }
}

impl ToSchema for Usd {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Usd")
    }
}

/// A moment.
pub(in crate::routes) struct Time;

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339 in UTC"))
            .into()
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Time")
    }
}

/// A list. `next_after` is what the next page's `after` is, where there is one.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct List<T: ToSchema> {
    /// Always `list`.
    #[schema(pattern = "^list$")]
    pub object: String,
    /// The rows.
    pub data: Vec<T>,
    /// There are more.
    pub has_more: bool,
    /// Where the next page begins: a `seq`, an id or a number.
    #[schema(required, value_type = Option<Cursor>)]
    pub next_after: Option<Cursor>,
}

/// A `seq`, a number of rows, or an id.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::routes) enum Cursor {
    Number(u64),
    Id(String),
}

/// The process answers, or is ready.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Health {
    /// `ok` or `ready`.
    pub status: String,
}

/// What holds now.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Limits {
    /// Requests a minute.
    pub requests_per_minute: u32,
    /// Streams at once.
    pub concurrent_streams: u32,
    /// The tier that gives them, `default` without one.
    pub tier: String,
}

/// The key's own workspace.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Balance {
    /// `ws_…`.
    pub workspace_id: String,
    /// Money not yet charged: available and reserved.
    pub balance_usd: Usd,
    /// Money that running requests hold.
    pub reserved_usd: Usd,
    /// Money that no request holds.
    pub available_usd: Usd,
    /// What holds now.
    pub limits: Limits,
}

/// What was used, by bucket: tokens, images, microseconds of speech, characters. `estimated` where the provider did not count.
pub(in crate::routes) type Usage = BTreeMap<String, Value>;

/// One line of the usage.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct UsageRow {
    /// With `group_by=day`.
    #[schema(nullable = false)]
    pub day: Option<String>,
    /// With `group_by=model`.
    #[schema(nullable = false)]
    pub model: Option<String>,
    /// With `group_by=key`.
    #[schema(nullable = false)]
    pub key_id: Option<String>,
    /// How many.
    pub requests: u64,
    /// Quantities by bucket.
    #[schema(value_type = Object)]
    pub usage: Usage,
    /// What was charged.
    pub cost_usd: Usd,
}

/// One model, as both SDK families read it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Model {
    /// What requests name.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// Always `model`.
    pub r#type: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The same.
    pub created_at: Time,
    /// The provider.
    pub owned_by: String,
    /// For people.
    pub display_name: String,
    /// `text`, `image` or `voice`.
    #[schema(pattern = "^(text|image|voice)$")]
    pub modality: String,
    /// A provider of it is switched on.
    pub available: bool,
    /// The context window.
    #[schema(required)]
    pub max_input_tokens: Option<u64>,
    /// The longest answer.
    #[schema(required)]
    pub max_tokens: Option<u64>,
    /// The list price is divided by this.
    #[schema(required)]
    pub ratio: Option<f64>,
    /// The provider's list price by bucket.
    #[schema(required, value_type = Option<Object>)]
    pub list_price_usd: Option<BTreeMap<String, Value>>,
    /// Of the price book in force.
    #[schema(required)]
    pub price_version: Option<u32>,
}

/// Every model.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ModelList {
    /// Always `list`.
    #[schema(pattern = "^list$")]
    pub object: String,
    /// The models.
    pub data: Vec<Model>,
    /// Never: it is one page.
    pub has_more: bool,
    /// The first.
    #[schema(required)]
    pub first_id: Option<String>,
    /// The last.
    #[schema(required)]
    pub last_id: Option<String>,
}

/// An answer that is not streamed, as OpenAI has it.
#[derive(ToSchema)]
pub(in crate::routes) struct ChatAnswer {
    /// Its id.
    pub id: String,
    /// Always `chat.completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The model that was asked for.
    pub model: String,
    /// One choice.
    #[schema(value_type = Vec<Object>)]
    pub choices: Vec<Value>,
    /// Tokens.
    #[schema(value_type = Object)]
    pub usage: Value,
}

/// An answer that is not streamed, as Anthropic has it.
#[derive(ToSchema)]
pub(in crate::routes) struct MessageAnswer {
    /// Its id.
    pub id: String,
    /// Always `message`.
    pub r#type: String,
    /// Always `assistant`.
    pub role: String,
    /// The model that was asked for.
    pub model: String,
    /// Blocks.
    #[schema(value_type = Vec<Object>)]
    pub content: Vec<Value>,
    /// Why it ended.
    #[schema(required)]
    pub stop_reason: Option<String>,
    /// Tokens.
    #[schema(value_type = Object)]
    pub usage: Value,
}

/// Tokens of a prompt.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Count {
    /// How many.
    pub input_tokens: u64,
}

/// Images.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ImageAnswer {
    /// Seconds since 1970.
    pub created: i64,
    /// One each.
    pub data: Vec<Image>,
    /// `png`, `jpeg` or `webp`.
    pub output_format: String,
    /// Pixels, where all have the same.
    #[schema(nullable = false)]
    pub size: Option<String>,
}

/// A link or a file.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Image {
    /// A link of ours.
    #[schema(nullable = false)]
    pub url: Option<String>,
    /// Until when it is good.
    #[schema(nullable = false)]
    pub expires_at: Option<Time>,
    /// The file in base 64.
    #[schema(nullable = false)]
    pub b64_json: Option<String>,
}
