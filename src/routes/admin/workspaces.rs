//! Workspaces: open, list, show, change.

use std::num::NonZeroU32;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::domain::bucket::LIMIT_MAX;
use lmhaven_actors::domain::fact::{Features, Override, WorkspaceChanged, WorkspaceCreated};
use lmhaven_actors::domain::ids::WorkspaceId;
use lmhaven_actors::system::fresh;
use lmhaven_actors::workspace::{Describe, WorkspaceView};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{Answer, WorkerData, answer, audit_row, invalid, keys, list_of, page_size, parse, query, workspace};
use crate::routes::account::limits_view;
use crate::times;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    owner_email: String,
    #[serde(default)]
    email_verified: bool,
}

/// `POST /admin/v1/workspaces`.
pub(super) async fn create(worker: WorkerData, request: HttpRequest, body: Bytes) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let Create { name, owner_email, email_verified } = parse(&body)?;
        if name.trim().is_empty() || name.len() > 200 {
            return Err(invalid("name", "a name has 1 to 200 characters"));
        }
        if !owner_email.contains('@') || owner_email.len() > 320 || owner_email.chars().any(char::is_whitespace) {
            return Err(invalid("owner_email", "expected an e-mail address"));
        }
        let core = &worker.gateway.core;
        let at = core.clock.now().wall;
        let id = fresh::workspace_id(at);
        let created = WorkspaceCreated { workspace: id, at, name, owner_email, email_verified };
        let after =
            json!({ "name": created.name, "owner_email": created.owner_email, "email_verified": email_verified });
        let audit = audit_row(&worker, "workspace.create", id, None, None, Some(after));
        let handle = core.create_workspace(created, audit).await?;
        Ok((StatusCode::CREATED, view(&handle.ask(Describe).await?)))
    })
    .await
}

/// `GET /admin/v1/workspaces`.
pub(super) async fn list(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    let request_ref = request.clone();
    answer(&worker, &request, |worker| async move {
        let limit = page_size(&request_ref)?;
        let after = match query(&request_ref, "after") {
            None => None,
            Some(text) => Some(text.parse::<WorkspaceId>().map_err(|error| invalid("after", error.to_string()))?),
        };
        let mut handles = worker.gateway.core.directory.page(after, limit + 1);
        let has_more = handles.len() > limit;
        handles.truncate(limit);
        let mut data = Vec::with_capacity(handles.len());
        for handle in &handles {
            data.push(view(&handle.ask(Describe).await?));
        }
        let next_after = handles.last().filter(|_| has_more).map(|handle| json!(handle.id()));
        Ok(list_of(data, has_more, next_after))
    })
    .await
}

/// `GET /admin/v1/workspaces/{id}`.
pub(super) async fn show(worker: WorkerData, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        Ok((StatusCode::OK, view(&workspace(&worker, &id)?.ask(Describe).await?)))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default, deserialize_with = "limit")]
    requests_per_minute: Override,
    #[serde(default, deserialize_with = "limit")]
    concurrent_streams: Override,
    features: Option<ChangeFeatures>,
    suspended: Option<bool>,
    email_verified: Option<bool>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeFeatures {
    text: Option<bool>,
    image: Option<bool>,
    voice: Option<bool>,
}

/// A limit that is there: `null` returns to the tier. One that was left out stays as it was.
fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Override, D::Error> {
    Ok(Option::<NonZeroU32>::deserialize(deserializer)?.map_or(Override::Tier, Override::Set))
}

fn within_bounds(param: &str, limit: Override) -> Result<Override, crate::error::ApiError> {
    match limit {
        Override::Set(limit) if limit.get() > LIMIT_MAX => {
            Err(invalid(param, format!("a limit is at most {LIMIT_MAX}")))
        }
        limit => Ok(limit),
    }
}

/// `PATCH /admin/v1/workspaces/{id}`.
pub(super) async fn change(
    worker: WorkerData,
    request: HttpRequest,
    id: web::Path<String>,
    body: Bytes,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move { change_inner(&worker, &id, &body).await }).await
}

async fn change_inner(worker: &crate::relay::Worker, id: &str, body: &Bytes) -> Answer {
    let handle = workspace(worker, id)?;
    let Change { requests_per_minute, concurrent_streams, features, suspended, email_verified, reason } = parse(body)?;
    let core = &worker.gateway.core;
    let before = handle.ask(Describe).await?;
    let features = features.map(|change| {
        let known = before.settings.features;
        Features {
            text: change.text.unwrap_or(known.text),
            image: change.image.unwrap_or(known.image),
            voice: change.voice.unwrap_or(known.voice),
        }
    });
    let change = WorkspaceChanged {
        workspace: handle.id(),
        at: core.clock.now().wall,
        requests_per_minute: within_bounds("requests_per_minute", requests_per_minute)?,
        concurrent_streams: within_bounds("concurrent_streams", concurrent_streams)?,
        features,
        suspended,
        email_verified,
    };
    let after: Value = serde_json::from_slice(body).unwrap_or_default();
    let settings = json!({
        "limits": limits_view(before.limits, &before.tier),
        "features": before.settings.features,
        "suspended": before.settings.suspended,
        "email_verified": before.settings.email_verified,
    });
    let audit = audit_row(worker, "workspace.change", handle.id(), reason.as_deref(), Some(settings), Some(after));
    let changed = core.change_settings(&handle, change, audit).await?;
    Ok((StatusCode::OK, view(&changed)))
}

/// A workspace in the shape of INTERFACE §5.
fn view(workspace: &WorkspaceView) -> Value {
    json!({
        "id": workspace.id,
        "name": workspace.profile.name,
        "owner_email": workspace.profile.owner_email,
        "email_verified": workspace.settings.email_verified,
        "suspended": workspace.settings.suspended,
        "balance_usd": workspace.standing.balance(),
        "reserved_usd": workspace.standing.held,
        "available_usd": workspace.standing.available,
        "limits": limits_view(workspace.limits, &workspace.tier),
        "features": workspace.settings.features,
        "keys": workspace.keys.iter().map(keys::view).collect::<Vec<_>>(),
        "created_at": times::rfc3339(workspace.profile.created_at),
    })
}
