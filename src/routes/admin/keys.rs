//! Keys: made (the secret is in that answer and nowhere else), listed, revoked.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::domain::account::KeyState;
use lmhaven_actors::domain::fact::{KeyCreated, KeyPurpose, KeyRevoked, Network};
use lmhaven_actors::domain::ids::KeyId;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::system::{digest_text, fresh};
use lmhaven_actors::workspace::{Describe, RevokeKey};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::shapes::{Key, NewKey};
use super::{Answer, WorkerData, answer, audit_row, invalid, list_of, parse, workspace};
use crate::error::{ApiError, Code};
use crate::relay::Worker;
use crate::routes::openapi::errors::{BadRequest, Missing, TooLarge, WithToken};
use crate::routes::openapi::shapes::{List, Time, Usd};
use crate::times;

#[derive(Deserialize, ToSchema)]
#[schema(as = CreateKey)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    /// For people.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Until when it works; in the future.
    #[schema(value_type = Option<Time>)]
    expires_at: Option<String>,
    /// The most it may spend; above zero.
    #[schema(value_type = Option<Usd>)]
    spend_limit_usd: Option<NanoUsd>,
    /// The models it may ask for; all where absent.
    #[schema(value_type = Option<Vec<String>>)]
    models: Option<Vec<Arc<str>>>,
    /// The networks it may be used from, such as `10.0.0.0/8`; all where absent.
    #[schema(value_type = Option<Vec<String>>)]
    ip_allow: Option<Vec<Network>>,
}

/// `POST /admin/v1/workspaces/{id}/keys`.
#[utoipa::path(
    post, path = "/admin/v1/workspaces/{id}/keys", tag = "keys", operation_id = "create_key", summary = "Make a key",
    params(("id" = String, Path, description = "`ws_…`")),
    request_body = Create,
    responses((status = 201, description = "The key with its secret, which is shown here only", body = NewKey), WithToken, BadRequest, TooLarge, Missing),
    security(("admin_token" = [])),
)]
pub(super) async fn create(
    worker: WorkerData,
    request: HttpRequest,
    id: web::Path<String>,
    body: Bytes,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move { create_inner(&worker, &id, &body).await }).await
}

async fn create_inner(worker: &Worker, id: &str, body: &Bytes) -> Answer {
    let handle = workspace(worker, id)?;
    let Create { name, expires_at, spend_limit_usd, models, ip_allow } = parse(body)?;
    if name.trim().is_empty() || name.len() > 200 {
        return Err(invalid("name", "a name has 1 to 200 characters"));
    }
    let core = &worker.gateway.core;
    let at = core.clock.now().wall;
    let expires_at = match expires_at {
        None => None,
        Some(text) => {
            let expires = times::parse(&text).ok_or_else(|| invalid("expires_at", "expected a time as RFC 3339"))?;
            if expires <= at {
                return Err(invalid("expires_at", "this time is over"));
            }
            Some(expires)
        }
    };
    if spend_limit_usd.is_some_and(|limit| !limit.is_positive()) {
        return Err(invalid("spend_limit_usd", "a spend limit is above zero"));
    }
    if let Some(unknown) = models.iter().flatten().find(|model| worker.gateway.catalogue.find(model).is_none()) {
        return Err(invalid("models", format!("there is no model {unknown}")));
    }
    let secret = fresh::secret();
    let created = KeyCreated {
        workspace: handle.id(),
        key: fresh::key_id(at),
        at,
        name,
        digest: digest_text(&secret.digest()),
        last_four: secret.last_four().to_owned(),
        expires_at,
        spend_limit: spend_limit_usd,
        models,
        ip_allow,
        purpose: KeyPurpose::Requests,
    };
    let mut shown = view(&KeyState::new(created.clone()));
    let audit = audit_row(worker, "key.create", created.key, None, None, Some(shown.clone()));
    core.create_key(&handle, &secret, created, audit).await?;
    if let Some(object) = shown.as_object_mut() {
        object.insert("secret".to_owned(), secret.expose().into());
    }
    Ok((StatusCode::CREATED, shown))
}

/// `GET /admin/v1/workspaces/{id}/keys`.
#[utoipa::path(
    get, path = "/admin/v1/workspaces/{id}/keys", tag = "keys", operation_id = "list_keys", summary = "List keys",
    params(("id" = String, Path, description = "`ws_…`")),
    responses((status = 200, description = "A page of them", body = List<Key>), WithToken, Missing),
    security(("admin_token" = [])),
)]
pub(super) async fn list(worker: WorkerData, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let described = workspace(&worker, &id)?.ask(Describe).await?;
        Ok(list_of(described.keys.iter().map(view).collect(), false, None))
    })
    .await
}

/// `DELETE /admin/v1/workspaces/{id}/keys/{key_id}`.
#[utoipa::path(
    delete, path = "/admin/v1/workspaces/{id}/keys/{key_id}", tag = "keys", operation_id = "revoke_key", summary = "Revoke a key",
    params(("id" = String, Path, description = "`ws_…`"), ("key_id" = String, Path, description = "`key_…`")),
    responses((status = 200, description = "The key, refused from now on", body = Key), WithToken, Missing),
    security(("admin_token" = [])),
)]
pub(super) async fn revoke(
    worker: WorkerData,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let (id, key) = path.into_inner();
        let handle = workspace(&worker, &id)?;
        let missing = || ApiError::new(Code::NotFound, "there is no such key in this workspace");
        let key: KeyId = key.parse().map_err(|_| missing())?;
        let known = handle.ask(Describe).await?.keys.into_iter().any(|state| state.created.key == key);
        if !known {
            return Err(missing());
        }
        let core = &worker.gateway.core;
        let revoked = KeyRevoked { workspace: handle.id(), key, at: core.clock.now().wall };
        let audit = audit_row(&worker, "key.revoke", key, None, None, None);
        core.revoke_key(&handle, RevokeKey { revoked, audit }).await?;
        let state = handle.ask(Describe).await?.keys.into_iter().find(|state| state.created.key == key);
        Ok((StatusCode::OK, state.as_ref().map(view).unwrap_or_default()))
    })
    .await
}

/// A key in the shape of INTERFACE §5, without its secret.
pub(super) fn view(key: &KeyState) -> Value {
    json!({
        "id": key.created.key,
        "name": key.created.name,
        "last_four": key.created.last_four,
        "created_at": times::rfc3339(key.created.at),
        "expires_at": key.created.expires_at.map(times::rfc3339),
        "last_used_at": key.last_used_at.map(times::rfc3339),
        "revoked_at": key.revoked_at.map(times::rfc3339),
        "spend_limit_usd": key.created.spend_limit,
        "spent_usd": key.spent,
        "models": key.created.models,
        "ip_allow": key.created.ip_allow,
    })
}
