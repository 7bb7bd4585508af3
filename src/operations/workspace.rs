//! Changes of a workspace's settings: limits, features, suspension, whether the owner's address counts as confirmed.

use std::num::NonZeroU32;

use lmhaven_actors::domain::bucket::LIMIT_MAX;
use lmhaven_actors::domain::fact::{Features, Override, WorkspaceChanged};
use lmhaven_actors::workspace::{Describe, WorkspaceHandle, WorkspaceView};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{audit_row, check_reason, invalid};
use crate::error::ApiError;
use crate::relay::Gateway;
use crate::routes::limits_view;

/// What is to be changed; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// Requests per minute; `null` returns to the tier.
    #[serde(deserialize_with = "limit")]
    pub requests_per_minute: Override,
    /// Streams at once; `null` returns to the tier.
    #[serde(deserialize_with = "limit")]
    pub concurrent_streams: Override,
    /// Features, each by itself.
    pub features: Option<ChangeFeatures>,
    /// No request is admitted.
    pub suspended: Option<bool>,
    /// The owner's address counts as confirmed.
    pub email_verified: Option<bool>,
    /// What people call it.
    pub name: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Features that are to be changed.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeFeatures {
    /// Chat models.
    pub text: Option<bool>,
    /// Image models.
    pub image: Option<bool>,
    /// Speech models.
    pub voice: Option<bool>,
}

/// A limit that is there: `null` returns to the tier. One that was left out stays as it was.
fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Override, D::Error> {
    Ok(Option::<NonZeroU32>::deserialize(deserializer)?.map_or(Override::Tier, Override::Set))
}

fn within_bounds(param: &str, limit: Override) -> Result<Override, ApiError> {
    match limit {
        Override::Set(limit) if limit.get() > LIMIT_MAX => {
            Err(invalid(param, format!("a limit is at most {LIMIT_MAX}")))
        }
        limit => Ok(limit),
    }
}

/// A name that a workspace may have.
///
/// # Errors
/// It has none or too many characters.
pub fn check_name(name: &str) -> Result<(), ApiError> {
    if name.trim().is_empty() || name.len() > 200 {
        return Err(invalid("name", "a name has 1 to 200 characters"));
    }
    Ok(())
}

/// Makes the change; answers the workspace once it is durable.
///
/// # Errors
/// A limit is out of bounds, a reason is too long, or the store does not take it.
pub async fn change(
    gateway: &Gateway,
    actor: &str,
    workspace: &WorkspaceHandle,
    change: Change,
) -> Result<WorkspaceView, ApiError> {
    if let Some(reason) = &change.reason {
        check_reason(reason)?;
    }
    let asked = as_asked(&change);
    let Change { requests_per_minute, concurrent_streams, features, suspended, email_verified, name, reason } = change;
    if let Some(name) = &name {
        check_name(name)?;
    }
    let before = workspace.ask(Describe).await?;
    let features = features.map(|change| {
        let known = before.settings.features;
        Features {
            text: change.text.unwrap_or(known.text),
            image: change.image.unwrap_or(known.image),
            voice: change.voice.unwrap_or(known.voice),
        }
    });
    let change = WorkspaceChanged {
        workspace: workspace.id(),
        at: gateway.core.clock.now().wall,
        requests_per_minute: within_bounds("requests_per_minute", requests_per_minute)?,
        concurrent_streams: within_bounds("concurrent_streams", concurrent_streams)?,
        features,
        suspended,
        email_verified,
        name,
        billed_to: None,
    };
    let settings = json!({
        "name": before.profile.name,
        "limits": limits_view(before.limits, &before.tier),
        "features": before.settings.features,
        "suspended": before.settings.suspended,
        "email_verified": before.settings.email_verified,
    });
    let both = (Some(settings), Some(asked));
    let audit = audit_row(gateway, actor, "workspace.change", workspace.id(), reason.as_deref(), both);
    Ok(gateway.core.change_workspace(workspace, change, audit).await?)
}

/// The change as the admin API writes it, for the audit row.
fn as_asked(change: &Change) -> Value {
    let mut asked = serde_json::Map::new();
    for (name, limit) in
        [("requests_per_minute", change.requests_per_minute), ("concurrent_streams", change.concurrent_streams)]
    {
        match limit {
            Override::Unchanged => {}
            Override::Set(limit) => drop(asked.insert(name.to_owned(), json!(limit))),
            Override::Tier => drop(asked.insert(name.to_owned(), Value::Null)),
        }
    }
    if let Some(features) = change.features {
        let named = [("text", features.text), ("image", features.image), ("voice", features.voice)];
        let set = named.into_iter().filter_map(|(name, on)| Some((name.to_owned(), json!(on?))));
        asked.insert("features".to_owned(), Value::Object(set.collect()));
    }
    asked.extend(change.name.as_ref().map(|name| ("name".to_owned(), json!(name))));
    for (name, value) in [("suspended", change.suspended), ("email_verified", change.email_verified)] {
        asked.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    Value::Object(asked)
}
