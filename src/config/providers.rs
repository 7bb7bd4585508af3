//! `[[providers]]`: who serves models, by which protocol, with which accounts and how patiently.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use lmhaven_actors::adapters::elevenlabs::Voices;
use serde::Deserialize;
use toml::Value;

use super::fields::{Given, Reader, key_of};
use super::models::Modality;
use super::secret::Secret;
use super::source::entry_path;
use super::url;

/// Requests on their way through one account, where the configuration says nothing.
const MAX_IN_FLIGHT: NonZeroU32 = match NonZeroU32::new(1024) {
    Some(number) => number,
    None => NonZeroU32::MIN,
};
const IN_FLIGHT_MAX: u32 = 1_000_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_mins(2);
const ANSWER_TIMEOUT: Duration = Duration::from_mins(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const ID_LEN_MAX: usize = 64;

/// The `id` of a provider in the configuration: also a label of metrics and a part of admin paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(Arc<str>);

impl ProviderId {
    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The protocol that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// Anthropic's Messages API.
    Anthropic,
    /// Google's Gemini API: text and images.
    Gemini,
    /// OpenAI's Chat Completions API, as many providers speak it.
    OpenAi,
    /// Volcengine Ark, also sold by `BytePlus`: images.
    Ark,
    /// NovelAI: images.
    NovelAi,
    /// PixAI: images.
    PixAi,
    /// ElevenLabs: voice.
    ElevenLabs,
}

impl ProviderKind {
    const ALL: [Self; 7] =
        [Self::Anthropic, Self::Gemini, Self::OpenAi, Self::Ark, Self::NovelAi, Self::PixAi, Self::ElevenLabs];

    /// As the configuration and the admin API write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
            Self::Ark => "ark",
            Self::NovelAi => "novelai",
            Self::PixAi => "pixai",
            Self::ElevenLabs => "elevenlabs",
        }
    }

    /// Whether models of this modality can be reached by it.
    pub const fn serves(self, modality: Modality) -> bool {
        match self {
            Self::Anthropic | Self::OpenAi => matches!(modality, Modality::Text),
            Self::Gemini => matches!(modality, Modality::Text | Modality::Image),
            Self::Ark | Self::NovelAi | Self::PixAi => matches!(modality, Modality::Image),
            Self::ElevenLabs => matches!(modality, Modality::Voice),
        }
    }
}

/// One of `[[providers]]`.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name here.
    pub id: ProviderId,
    /// Its protocol.
    pub kind: ProviderKind,
    /// What paths are appended to; without a final slash.
    pub base_url: Arc<str>,
    /// One pooled upstream account each, counted from 0 in this order. None at all: the provider is disabled.
    pub api_keys: Vec<Secret>,
    /// Requests on their way through one account.
    pub max_in_flight: NonZeroU32,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// Until the first event of a stream.
    pub first_byte_timeout: Duration,
    /// Until an answer that is not streamed is complete.
    pub answer_timeout: Duration,
    /// Silence between two events of a stream.
    pub idle_timeout: Duration,
    /// The voices that can be asked for: of kind `elevenlabs` only.
    pub voices: Option<Arc<Voices>>,
}

impl Provider {
    /// Requests at once on one account: never more than the provider itself takes.
    pub fn in_flight_per_account(&self) -> u32 {
        let own_max = match self.kind {
            // A second one is refused while one runs.
            ProviderKind::NovelAi => 1,
            // Tasks that wait or run.
            ProviderKind::PixAi => 10,
            ProviderKind::Anthropic
            | ProviderKind::Gemini
            | ProviderKind::OpenAi
            | ProviderKind::Ark
            | ProviderKind::ElevenLabs => u32::MAX,
        };
        self.max_in_flight.get().min(own_max)
    }

    /// Requests that wait in line for each account: where accounts take so few that callers would meet each other.
    pub const fn queue_max_per_account(&self) -> u32 {
        match self.kind {
            ProviderKind::NovelAi => 4,
            ProviderKind::PixAi => 10,
            ProviderKind::Anthropic
            | ProviderKind::Gemini
            | ProviderKind::OpenAi
            | ProviderKind::Ark
            | ProviderKind::ElevenLabs => 0,
        }
    }

    /// It has an account to call it with.
    pub fn enabled(&self) -> bool {
        !self.api_keys.is_empty()
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawProvider {
    id: Option<Value>,
    kind: Option<Value>,
    base_url: Option<Value>,
    api_keys: Option<Value>,
    max_in_flight: Option<Value>,
    connect_timeout: Option<Value>,
    first_byte_timeout: Option<Value>,
    answer_timeout: Option<Value>,
    idle_timeout: Option<Value>,
    voices: Option<Value>,
}

/// Reads all providers; `None` where something in one is wrong.
pub(super) fn read(reader: &mut Reader<'_>, value: Option<Value>) -> Option<Vec<Provider>> {
    let entries = reader.entries("providers", value);
    let providers: Vec<Option<Provider>> =
        entries.into_iter().enumerate().map(|(place, entry)| read_one(reader, place, entry)).collect();
    let mut seen = std::collections::BTreeSet::new();
    for provider in providers.iter().flatten() {
        if !seen.insert(&provider.id) {
            reader.refuse(format!("providers.{}", provider.id), "another provider has the same id");
        }
    }
    providers.into_iter().collect()
}

fn read_one(reader: &mut Reader<'_>, place: usize, entry: Value) -> Option<Provider> {
    let section = &entry_path("providers", place, &entry);
    let RawProvider {
        id,
        kind,
        base_url,
        api_keys,
        max_in_flight,
        connect_timeout,
        first_byte_timeout,
        answer_timeout,
        idle_timeout,
        voices,
    } = reader.section(section, entry)?;
    let id = reader.required(section, "id", id, |given| provider_id(given.text()?));
    let kind = reader.required(section, "kind", kind, |given| provider_kind(given.text()?));
    let base_url = reader.required(section, "base_url", base_url, |given| match kind {
        Some(ProviderKind::OpenAi) => url::parse_ending_in_v1(given.text()?),
        Some(_) => url::parse_host(given.text()?),
        None => Ok(url::parse(given.text()?)?.to_string()),
    });
    let api_keys = read_api_keys(reader, section, api_keys);
    let max_in_flight = or_default(reader, section, "max_in_flight", max_in_flight, MAX_IN_FLIGHT, |given| {
        given.positive(IN_FLIGHT_MAX)
    });
    let mut timeout = |key, value, default| or_default(reader, section, key, value, default, Given::positive_duration);
    let connect_timeout = timeout("connect_timeout", connect_timeout, CONNECT_TIMEOUT);
    let first_byte_timeout = timeout("first_byte_timeout", first_byte_timeout, FIRST_BYTE_TIMEOUT);
    let answer_timeout = timeout("answer_timeout", answer_timeout, ANSWER_TIMEOUT);
    let idle_timeout = timeout("idle_timeout", idle_timeout, IDLE_TIMEOUT);
    let voices = read_voices(reader, section, kind, voices);
    Some(Provider {
        id: id?,
        kind: kind?,
        base_url: base_url?.into(),
        api_keys: api_keys?,
        max_in_flight,
        connect_timeout,
        first_byte_timeout,
        answer_timeout,
        idle_timeout,
        voices,
    })
}

/// The built-in voices with the configured ones laid over them. What is wrong is noted.
fn read_voices(
    reader: &mut Reader<'_>,
    section: &str,
    kind: Option<ProviderKind>,
    value: Option<Value>,
) -> Option<Arc<Voices>> {
    let section = key_of(section, "voices");
    if kind != Some(ProviderKind::ElevenLabs) {
        if kind.is_some() && value.is_some() {
            reader.refuse(section, "is of kind elevenlabs only");
        }
        return None;
    }
    let mut voices = Voices::default();
    match value {
        None => {}
        Some(Value::Table(rows)) => {
            for (name, id) in rows {
                reader.required(&section, &name, Some(id), |given| {
                    voices.insert(&name, given.text()?).map_err(|error| error.to_string())
                });
            }
        }
        Some(_) => reader.refuse(section, "expected a table of names and ids"),
    }
    Some(Arc::new(voices))
}

/// What is wrong is noted, so that the default in its place is never used.
fn or_default<T>(
    reader: &mut Reader<'_>,
    section: &str,
    key: &str,
    value: Option<Value>,
    default: T,
    parse: impl FnOnce(&Given) -> Result<T, String>,
) -> T {
    reader.optional(section, key, value, parse).unwrap_or(default)
}

/// The accounts whose secrets are there. A shipped provider may lack them, and is then disabled with a warning.
fn read_api_keys(reader: &mut Reader<'_>, section: &str, value: Option<Value>) -> Option<Vec<Secret>> {
    let path = key_of(section, "api_keys");
    let written = reader.required(section, "api_keys", value, Given::texts)?;
    if written.is_empty() {
        reader.warn(section, "is disabled: it has no api_keys");
    }
    let found: Vec<_> = written.iter().map(|written| reader.secret(&path, written)).collect();
    let mut secrets = Vec::with_capacity(found.len());
    for secret in found {
        match secret? {
            Ok(secret) => secrets.push(secret),
            Err(name) => reader.warn(section, format!("is disabled: the environment variable {name} is not set")),
        }
    }
    Some(secrets)
}

fn provider_id(text: &str) -> Result<ProviderId, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.len() > ID_LEN_MAX || !text.bytes().all(allowed) {
        return Err(format!("expected up to {ID_LEN_MAX} letters, digits, `-`, `_` and `.`"));
    }
    Ok(ProviderId(text.into()))
}

fn provider_kind(text: &str) -> Result<ProviderKind, String> {
    ProviderKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
        let names: Vec<_> = ProviderKind::ALL.iter().map(|kind| kind.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}
