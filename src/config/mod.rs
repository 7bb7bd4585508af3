//! The configuration: read raw, validated section by section, and handed on as values that need no checking.
//!
//! `serve`, `demo` and `check` load it; nobody else reads the file or `LMHAVEN__` variables. Three sources are
//! laid over each other (`source`): what the binary ships (`shipped.toml`), the operator's file, and variables.
//! A variable names a key as `LMHAVEN__SECTION__KEY`, an entry of `providers` or `models` by its id and an entry
//! of another list by its place: `LMHAVEN__PROVIDERS__ANTHROPIC__BASE_URL`,
//! `LMHAVEN__MODELS__CLAUDE_OPUS_4_7__RATIO`, `LMHAVEN__LIMITS__TIERS__0__MIN_BALANCE`. Letters other than A-Z
//! and digits are written `_`, and a list of texts with commas. What is wrong is collected, not stopped at.

mod accounts;
mod effective;
mod environment;
mod error;
mod fields;
mod images;
mod limits;
mod mail;
#[cfg(test)]
mod media_prices_tests;
mod models;
mod payments;
mod price;
mod providers;
mod secret;
mod server;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod units;
mod url;
mod webhooks;

use std::collections::BTreeMap;
use std::path::Path;

use lmhaven_actors::domain::price::PriceRow;
use serde::Deserialize;
use toml::Value;

pub use accounts::Accounts;
pub use environment::{Environment, FixedEnvironment, ProcessEnvironment};
pub use error::{ConfigError, ConfigErrors, EXIT_CODE, Warning};
pub use images::{ImagePlace, Images, LinkKey, S3, S3Credentials};
pub use limits::{Edge, Limits};
pub use mail::{Mail, MailTransport};
pub use models::{Modality, Model};
pub use payments::{Payments, STRIPE_API};
pub use providers::{Provider, ProviderId, ProviderKind};
pub use secret::{HIDDEN, Secret};
pub use server::Server;
pub use source::VARIABLE_PREFIX;
pub use store::{Store, StoreKind};
pub use webhooks::Webhooks;

use fields::Reader;

/// The file that is read where none is named, if it exists.
pub const DEFAULT_FILE: &str = "lmhaven.toml";

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Ports, addresses and tokens.
    pub server: Server,
    /// Where the ledger is kept.
    pub store: Store,
    /// Where generated images are kept, and how their links are signed.
    pub images: Images,
    /// Who may sign up, and the key of mailed links.
    pub accounts: Accounts,
    /// How mails leave.
    pub mail: Mail,
    /// The payment provider.
    pub payments: Payments,
    /// Where webhooks to customers may go.
    pub webhooks: Webhooks,
    /// What workspaces may do at once, and what protects the process.
    pub limits: Limits,
    /// Who serves models; ids are unique.
    pub providers: Vec<Provider>,
    /// What customers can ask for; ids are unique.
    pub models: Vec<Model>,
    /// What the operator should know.
    pub warnings: Vec<Warning>,
    /// The file that it was read from, as errors and logs call it.
    pub source_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawConfig {
    server: Option<Value>,
    store: Option<Value>,
    images: Option<Value>,
    accounts: Option<Value>,
    mail: Option<Value>,
    payments: Option<Value>,
    webhooks: Option<Value>,
    limits: Option<Value>,
    providers: Option<Value>,
    models: Option<Value>,
}

impl Config {
    /// The configuration in a file, or in `lmhaven.toml` of the current folder where none is named and one exists.
    ///
    /// # Errors
    /// Everything that is wrong, each with file or variable, key and reason.
    pub fn load(path: Option<&Path>, environment: &dyn Environment) -> Result<Self, ConfigErrors> {
        let named = path.unwrap_or(Path::new(DEFAULT_FILE));
        let name = named.display().to_string();
        match environment.read(named) {
            Ok(text) => Self::parse(Some((&name, &text)), environment),
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Self::parse(None, environment)
            }
            Err(error) => Err(ConfigErrors(vec![ConfigError {
                source_name: name,
                key: String::new(),
                reason: format!("cannot be read: {error}"),
            }])),
        }
    }

    /// The configuration in a text, given with the name to call it by; `None` is the shipped one alone.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(file: Option<(&str, &str)>, environment: &dyn Environment) -> Result<Self, ConfigErrors> {
        let merged = source::merge(file, environment).map_err(|error| ConfigErrors(vec![error]))?;
        let source::Merged { table, origins, errors } = merged;
        let mut reader = Reader { environment, origins, errors, warnings: Vec::new() };
        let raw = reader.section("", Value::Table(table)).unwrap_or_default();
        let RawConfig { server, store, images, accounts, mail, payments, webhooks, limits, providers, models } = raw;
        let server = server.and_then(|value| server::read(&mut reader, value));
        let store = store.and_then(|value| store::read(&mut reader, value));
        let folder = store.as_ref().map(|store| store.path.as_path());
        let images = images.and_then(|value| images::read(&mut reader, value, folder));
        let accounts = accounts.and_then(|value| accounts::read(&mut reader, value, folder));
        let mail = mail.and_then(|value| mail::read(&mut reader, value, folder));
        let payments = payments.and_then(|value| payments::read(&mut reader, value));
        let webhooks = webhooks.and_then(|value| webhooks::read(&mut reader, value));
        let limits = limits.and_then(|value| limits::read(&mut reader, value));
        let providers = providers::read(&mut reader, providers);
        let models = models::read(&mut reader, models, providers.as_deref());
        let Reader { errors, warnings, .. } = reader;
        match (server, store, images, accounts, mail, payments, webhooks, limits, providers, models) {
            (
                Some(server),
                Some(store),
                Some(images),
                Some(accounts),
                Some(mail),
                Some(payments),
                Some(webhooks),
                Some(limits),
                Some(providers),
                Some(models),
            ) if errors.is_empty() => {
                let source_name = file.map_or(source::SHIPPED_NAME, |(name, _)| name).to_owned();
                Ok(Self {
                    server,
                    store,
                    images,
                    accounts,
                    mail,
                    payments,
                    webhooks,
                    limits,
                    providers,
                    models,
                    warnings,
                    source_name,
                })
            }
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// The admin token, for whoever opens the admin port.
    ///
    /// # Errors
    /// Where none is set: a gateway that nobody can administer is a mistake.
    pub fn require_admin_token(&self) -> Result<&Secret, ConfigErrors> {
        self.server.admin_token.as_ref().ok_or_else(|| {
            ConfigErrors(vec![ConfigError {
                source_name: self.source_name.clone(),
                key: "server.admin_token".to_owned(),
                reason: "is not set; set LMHAVEN_ADMIN_TOKEN, or write a literal, env:NAME or file:PATH".to_owned(),
            }])
        })
    }

    /// A model by its id.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| &*model.id == id)
    }

    /// A provider by its id.
    pub fn provider(&self, id: &ProviderId) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.id == *id)
    }

    /// Every model's price: what version 1 of the price book holds.
    pub fn price_rows(&self) -> BTreeMap<String, PriceRow> {
        self.models.iter().map(|model| (model.id.to_string(), model.price.clone())).collect()
    }

    /// This configuration as TOML that reads back to the same, secrets hidden.
    pub fn effective_toml(&self) -> String {
        effective::print(self)
    }
}
