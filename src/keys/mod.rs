//! Keys as people and programs ask for them: what is wanted, what a management key may give away, and how a key is shown.
//!
//! The admin API, the customers' API and the dashboard each read their own form into [`Settings`]; everything after that is the
//! same. What a key may spend is decided by the workspace's account, not here.

pub mod bounds;
pub mod overlap;
pub mod view;

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use lmhaven_actors::domain::account::Rotation;
use lmhaven_actors::domain::fact::{KeyCreated, KeyPurpose, Network};
use lmhaven_actors::domain::ids::{KeyId, WorkspaceId};
use lmhaven_actors::domain::key::{KeyKind, SpendReset};
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::secret::Secret;
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::{digest_text, fresh};
use serde::Deserialize;

use crate::error::{ApiError, Code};
use crate::keys::overlap::Overlap;
use crate::relay::Gateway;
use crate::times;

/// What a key is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub kind: KeyKind,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
    /// What it may spend in each period.
    pub spend_limit: Option<NanoUsd>,
    /// When what it spent is forgotten.
    pub spend_limit_reset: SpendReset,
    /// The models it may use; `None` is all.
    pub models: Option<Vec<Arc<str>>>,
    /// Where it may come from; `None` is anywhere.
    pub ip_allow: Option<Vec<Network>>,
}

impl Settings {
    /// A key like this with a secret of its own, which is nowhere else.
    pub fn make(
        self,
        workspace: WorkspaceId,
        at: UnixMillis,
        purpose: KeyPurpose,
        made_by: Option<KeyId>,
    ) -> (Secret, KeyCreated) {
        let Self { name, kind, expires_at, spend_limit, spend_limit_reset, models, ip_allow } = self;
        let secret = fresh::secret();
        let created = KeyCreated {
            workspace,
            key: fresh::key_id(at),
            at,
            name,
            digest: digest_text(&secret.digest()),
            last_four: secret.last_four().to_owned(),
            expires_at,
            spend_limit,
            spend_limit_reset,
            models,
            ip_allow,
            purpose,
            kind,
            rotated_from: None,
            made_by,
        };
        (secret, created)
    }
}

/// A new secret in the place of a key's, and when the old one ends.
pub fn rotation(key: KeyId, overlap: Overlap, at: UnixMillis) -> (Secret, Rotation) {
    let secret = fresh::secret();
    let (digest, last_four) = (digest_text(&secret.digest()), secret.last_four().to_owned());
    let rotation = Rotation { key, at, overlap_millis: overlap.millis(), new: fresh::key_id(at), digest, last_four };
    (secret, rotation)
}

/// A key as a program asks for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    name: String,
    kind: Option<String>,
    expires_at: Option<String>,
    spend_limit_usd: Option<NanoUsd>,
    spend_limit_reset: Option<String>,
    models: Option<Vec<Arc<str>>>,
    ip_allow: Option<Vec<Network>>,
}

impl CreateBody {
    /// The settings it asks for.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn check(self, gateway: &Gateway, at: UnixMillis) -> Result<Settings, ApiError> {
        let Self { name, kind, expires_at, spend_limit_usd, spend_limit_reset, models, ip_allow } = self;
        if name.trim().is_empty() || name.len() > 200 {
            return Err(invalid("name", "a name has 1 to 200 characters".to_owned()));
        }
        let expires_at = match expires_at.map(|text| times::parse(&text)) {
            None => None,
            Some(None) => return Err(invalid("expires_at", "expected a time as RFC 3339".to_owned())),
            Some(Some(expires)) if expires <= at => {
                return Err(invalid("expires_at", "this time is over".to_owned()));
            }
            Some(expires) => expires,
        };
        if spend_limit_usd.is_some_and(|limit| !limit.is_positive()) {
            return Err(invalid("spend_limit_usd", "a spend limit is above zero".to_owned()));
        }
        let kind: KeyKind = one_of("kind", kind)?;
        let spend_limit_reset: SpendReset = one_of("spend_limit_reset", spend_limit_reset)?;
        if spend_limit_usd.is_none() && spend_limit_reset != SpendReset::None {
            return Err(invalid("spend_limit_reset", "there is no spend_limit_usd to reset".to_owned()));
        }
        if let Some(unknown) = models.iter().flatten().find(|model| gateway.catalogue.find(model).is_none()) {
            return Err(invalid("models", format!("there is no model {unknown}")));
        }
        Ok(Settings { name, kind, expires_at, spend_limit: spend_limit_usd, spend_limit_reset, models, ip_allow })
    }
}

/// How a key is to be rotated, as a program asks for it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateBody {
    #[serde(default)]
    overlap: Option<String>,
}

impl RotateBody {
    /// How long the old secret stays good.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn check(self) -> Result<Overlap, ApiError> {
        one_of("overlap", self.overlap)
    }
}

fn invalid(param: &str, message: String) -> ApiError {
    ApiError::new(Code::InvalidRequest, message).at(param)
}

/// One of several names; the usual one where none is given.
fn one_of<T: FromStr<Err: Display> + Default>(param: &str, name: Option<String>) -> Result<T, ApiError> {
    let Some(name) = name else { return Ok(T::default()) };
    name.parse().map_err(|error: T::Err| invalid(param, error.to_string()))
}
