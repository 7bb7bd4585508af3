//! `[[models]]`: what customers can ask for, who serves it, and what it costs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lmhaven_actors::domain::price::PriceRow;
use serde::Deserialize;
use toml::Value;

use super::fields::{Given, Reader};
use super::price;
use super::providers::{Provider, ProviderId};
use super::source::{self, Origin, entry_path};

/// Where neither the configuration nor the roster knows better. A limit above a model's own is a 400 upstream.
const MAX_OUTPUT_TOKENS: u32 = 16_384;
const CONTEXT_WINDOW: u32 = 128_000;
const TOKENS_MAX: u32 = 100_000_000;
const ID_LEN_MAX: usize = 128;

/// What a model makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Modality {
    /// Text, by the token.
    Text,
    /// Images, by the piece.
    Image,
    /// Speech, by the minute.
    Voice,
}

impl Modality {
    /// As the configuration and the APIs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Voice => "voice",
        }
    }
}

/// One of `[[models]]`.
#[derive(Clone, Debug)]
pub struct Model {
    /// What customers ask for.
    pub id: Arc<str>,
    /// What people read.
    pub display_name: Arc<str>,
    /// What it makes.
    pub modality: Modality,
    /// Who serves it, in the order in which they are tried. All of them are in [`super::Config::providers`].
    pub providers: Vec<ProviderId>,
    /// At least one of the providers is enabled. Otherwise the model is listed and answers 503.
    pub available: bool,
    /// What the providers call it.
    pub upstream_model: Arc<str>,
    /// Ratio and list price, the seed of the price book.
    pub price: PriceRow,
    /// The most tokens that one answer can have; 0 unless text.
    pub max_output_tokens: u32,
    /// The most tokens that prompt and answer can have; 0 unless text.
    pub context_window: u32,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawModel {
    id: Option<Value>,
    display_name: Option<Value>,
    modality: Option<Value>,
    provider: Option<Value>,
    upstream_model: Option<Value>,
    ratio: Option<Value>,
    list_price: Option<Value>,
    max_output_tokens: Option<Value>,
    context_window: Option<Value>,
}

/// Reads all models; `None` where something in one is wrong.
///
/// Without a list of providers only the rest is looked at: a provider that was refused is not said to be missing.
pub(super) fn read(
    reader: &mut Reader<'_>,
    value: Option<Value>,
    providers: Option<&[Provider]>,
) -> Option<Vec<Model>> {
    let entries = reader.entries("models", value);
    let roster = roster();
    let models: Vec<Option<Model>> = entries
        .into_iter()
        .enumerate()
        .map(|(place, entry)| read_one(reader, place, entry, providers, &roster))
        .collect();
    let mut seen = BTreeSet::new();
    for model in models.iter().flatten() {
        if !seen.insert(&model.id) {
            reader.refuse(format!("models.{}", model.id), "another model has the same id");
        }
    }
    models.into_iter().collect()
}

/// What the shipped configuration knows of its models, for a file that names the same model and leaves it out.
fn roster() -> BTreeMap<String, RawModel> {
    let Some(Value::Array(entries)) = source::shipped().remove("models") else { return BTreeMap::new() };
    let named = |entry: Value| Some((entry.get("id")?.as_str()?.to_owned(), entry.try_into().ok()?));
    entries.into_iter().filter_map(named).collect()
}

fn read_one(
    reader: &mut Reader<'_>,
    place: usize,
    entry: Value,
    all_providers: Option<&[Provider]>,
    roster: &BTreeMap<String, RawModel>,
) -> Option<Model> {
    let section = &entry_path("models", place, &entry);
    let known = entry.get("id").and_then(Value::as_str).and_then(|id| roster.get(id));
    let RawModel {
        id,
        display_name,
        modality,
        provider,
        upstream_model,
        ratio,
        list_price,
        max_output_tokens,
        context_window,
    } = reader.section(section, entry)?;
    let before = reader.errors.len();
    let id = reader.required(section, "id", id, |given| model_id(given.text()?));
    let modality = reader.required(section, "modality", modality, |given| parse_modality(given.text()?));
    let display_name = display_name.or_else(|| known?.display_name.clone());
    let display_name = reader.optional(section, "display_name", display_name, |given| given.text().map(Arc::from));
    let upstream_model =
        reader.optional(section, "upstream_model", upstream_model, |given| given.text().map(Arc::from));
    let ratio = reader.required(section, "ratio", ratio, Given::deserialized);
    let written = reader.required(section, "provider", provider, Given::texts);
    let modality = modality?;
    let list = price::read(reader, section, modality, list_price);
    let providers = written.zip(all_providers);
    let providers = providers.and_then(|(ids, all)| find_providers(reader, section, modality, &ids, all));
    let (max_output_tokens, context_window) = if modality == Modality::Text {
        let own_max_output = max_output_tokens.is_some();
        let max_output = max_output_tokens.or_else(|| known?.max_output_tokens.clone());
        let window = context_window.or_else(|| known?.context_window.clone());
        read_sizes(reader, section, max_output, own_max_output, window)
    } else {
        for (key, value) in [("max_output_tokens", max_output_tokens), ("context_window", context_window)] {
            if value.is_some() {
                reader.refuse(format!("{section}.{key}"), "is of text models only");
            }
        }
        (0, 0)
    };
    if reader.errors.len() > before {
        return None;
    }
    let (id, providers, all_providers): (Arc<str>, _, _) = (id?, providers?, all_providers?);
    let enabled = |id: &ProviderId| all_providers.iter().any(|provider| provider.id == *id && provider.enabled());
    Some(Model {
        display_name: display_name.unwrap_or_else(|| Arc::clone(&id)),
        upstream_model: upstream_model.unwrap_or_else(|| Arc::clone(&id)),
        id,
        modality,
        available: providers.iter().any(enabled),
        providers,
        price: PriceRow { ratio: ratio?, list: list? },
        max_output_tokens,
        context_window,
    })
}

/// The providers by their ids. A shipped model whose provider the file did not keep is listed without it.
fn find_providers(
    reader: &mut Reader<'_>,
    section: &str,
    modality: Modality,
    ids: &[String],
    all: &[Provider],
) -> Option<Vec<ProviderId>> {
    let key = format!("{section}.provider");
    let shipped = reader.origins.of(&key) == Origin::Shipped;
    let mut found: Vec<ProviderId> = Vec::new();
    let mut complete = true;
    let mut kind = None;
    for id in ids {
        let reason = match all.iter().find(|provider| provider.id.as_str() == id) {
            None => format!("there is no provider `{id}`"),
            Some(provider) if !provider.kind.serves(modality) => {
                format!("provider `{id}` is of kind {}, which serves no {}", provider.kind.name(), modality.name())
            }
            Some(provider) if found.contains(&provider.id) => format!("names provider `{id}` twice"),
            // Sizes, batches and prices by tier are those of a protocol; a request is planned for one.
            Some(provider) if modality == Modality::Image && kind.is_some_and(|kind| kind != provider.kind) => {
                format!("provider `{id}` is of another kind than the first: the images of a model come by one protocol")
            }
            Some(provider) => {
                kind = kind.or(Some(provider.kind));
                found.push(provider.id.clone());
                continue;
            }
        };
        if shipped {
            reader.warn(section, format!("is unavailable: {reason}"));
        } else {
            complete = false;
            reader.refuse(key.as_str(), reason);
        }
    }
    if ids.is_empty() {
        reader.warn(section, "is unavailable: it names no provider");
    }
    complete.then_some(found)
}

/// The most tokens of an answer, and of prompt and answer.
fn read_sizes(
    reader: &mut Reader<'_>,
    section: &str,
    max_output: Option<Value>,
    own_max_output: bool,
    window: Option<Value>,
) -> (u32, u32) {
    let tokens = |given: &Given| given.whole_within(1, TOKENS_MAX);
    let window = reader.optional(section, "context_window", window, tokens).unwrap_or(CONTEXT_WINDOW);
    let max_output = reader.optional(section, "max_output_tokens", max_output, tokens);
    let max_output = max_output.unwrap_or(MAX_OUTPUT_TOKENS);
    if own_max_output && max_output > window {
        reader.refuse(format!("{section}.max_output_tokens"), format!("is more than the context window of {window}"));
    }
    // A small window says how small the answer is, too.
    (max_output.min(window), window)
}

fn model_id(text: &str) -> Result<Arc<str>, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+".contains(&byte);
    if text.len() > ID_LEN_MAX || !text.bytes().all(allowed) {
        return Err(format!("expected up to {ID_LEN_MAX} letters, digits, and `-_.:/@+`"));
    }
    Ok(text.into())
}

fn parse_modality(text: &str) -> Result<Modality, String> {
    let all = [Modality::Text, Modality::Image, Modality::Voice];
    all.into_iter().find(|modality| modality.name() == text).ok_or_else(|| "expected text, image or voice".to_owned())
}
