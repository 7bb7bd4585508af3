//! `/v1/keys`: a management key lists, makes, rotates and revokes its workspace's keys; every key sees itself.
//!
//! What a management key may give away is in `keys/bounds.rs`. Errors come in the order of INTERFACE §3: the body, then whether
//! this key may do this at all, then whether there is such a key, then whether it may do it to that one, then the rate.

use actix_web::http::StatusCode;
use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::adapters::json_depth;
use lmhaven_actors::domain::account::{KeyView, Standing};
use lmhaven_actors::domain::fact::{AuditRow, KeyPurpose, KeyRevoked};
use lmhaven_actors::domain::ids::KeyId;
use lmhaven_actors::keyring::KeyEntry;
use lmhaven_actors::workspace::{Describe, KeyUse, RevokeKey, UseKey};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::WorkerData;
use super::account::answer_key;
use super::admin::parse;
use super::admin::shapes::{Key, NewKey, NewKeyBody, OwnKey, RotateKeyBody};
use super::openapi::errors::{BadRequest, Conflict, Missing, NotJson, Slow, TooLarge, WithKey};
use super::openapi::shapes::List;
use crate::error::{ApiError, Code};
use crate::extract::body;
use crate::keys::{CreateBody, RotateBody, bounds, rotation, view};
use crate::relay::Gateway;
use crate::relay::chat::Failed;

/// `GET /v1/keys/self`: the key that asks, of whatever kind.
#[utoipa::path(
    get, path = "/v1/keys/self", tag = "keys", operation_id = "own_key", summary = "The key that asks",
    responses((status = 200, description = "The key", body = OwnKey), WithKey),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn show_self(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    answer_key(worker.get_ref(), &request, async |worker, key| {
        let standing = admitted(&worker.gateway, key, KeyUse::Read).await?;
        let mut shown = view::shown(&find(key, key.key).await?);
        if let Some(object) = shown.as_object_mut() {
            object.insert("workspace_id".to_owned(), json!(key.workspace.id()));
        }
        Ok((StatusCode::OK, shown, standing))
    })
    .await
}

/// `GET /v1/keys`.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", operation_id = "list_keys", summary = "List keys, with a management key",
    responses((status = 200, description = "All keys of the workspace", body = List<Key>), WithKey),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn list(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    answer_key(worker.get_ref(), &request, async |worker, key| {
        let standing = admitted(&worker.gateway, key, KeyUse::Manage).await?;
        let keys = key.workspace.ask(Describe).await.map_err(ApiError::from)?.keys;
        let data: Vec<Value> = keys.iter().map(view::shown).collect();
        Ok((StatusCode::OK, json!({ "object": "list", "data": data, "has_more": false, "next_after": null }), standing))
    })
    .await
}

/// `POST /v1/keys`.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", operation_id = "create_key", summary = "Make a key, with a management key",
    request_body = NewKeyBody,
    responses((status = 201, description = "The key with its secret, which is shown here only", body = NewKey), WithKey, BadRequest, Slow, Missing, Conflict, TooLarge, NotJson),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn create(worker: WorkerData, request: HttpRequest, payload: Payload) -> HttpResponse {
    answer_key(worker.get_ref(), &request, async |worker, key| {
        let core = &worker.gateway.core;
        let body: CreateBody = read(&worker.gateway, &request, payload).await?;
        let at = core.clock.now().wall;
        let wanted = body.check(&worker.gateway, at)?;
        admitted(&worker.gateway, key, KeyUse::MayChange).await?;
        let settings = bounds::narrowed(&find(key, key.key).await?.state, wanted)?;
        let standing = admitted(&worker.gateway, key, KeyUse::Change).await?;
        let (secret, created) = settings.make(key.workspace.id(), at, KeyPurpose::Requests, Some(key.key));
        let shown = view::made(&created, at);
        let audit = audit_row(key, "key.create", created.key, at, Some(shown.clone()));
        core.create_key(&key.workspace, &secret, created, audit).await.map_err(ApiError::from)?;
        Ok((StatusCode::CREATED, view::with_secret(shown, &secret), standing))
    })
    .await
}

/// `POST /v1/keys/{id}/rotate`.
#[utoipa::path(
    post, path = "/v1/keys/{id}/rotate", tag = "keys", operation_id = "rotate_key", summary = "Put a new secret in a key's place, with a management key",
    params(("id" = String, Path, description = "`key_…`")),
    request_body = RotateKeyBody,
    responses((status = 201, description = "The new key with its secret, which is shown here only", body = NewKey), WithKey, BadRequest, Slow, Missing, Conflict, TooLarge, NotJson),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn rotate(
    worker: WorkerData,
    request: HttpRequest,
    id: web::Path<String>,
    payload: Payload,
) -> HttpResponse {
    answer_key(worker.get_ref(), &request, async |worker, key| {
        let core = &worker.gateway.core;
        let overlap = read::<RotateBody>(&worker.gateway, &request, payload).await?.check()?;
        admitted(&worker.gateway, key, KeyUse::MayChange).await?;
        let target = find_text(key, &id).await?;
        bounds::may_rotate(&find(key, key.key).await?.state, &target.state)?;
        let standing = admitted(&worker.gateway, key, KeyUse::Change).await?;
        let at = core.clock.now().wall;
        let (secret, rotation) = rotation(target.created.key, overlap, at);
        let new = rotation.new;
        let after = json!({ "key": new, "last_four": rotation.last_four, "overlap": overlap });
        let audit = audit_row(key, "key.rotate", target.created.key, at, Some(after));
        core.rotate_key(&key.workspace, &secret, rotation, audit).await.map_err(ApiError::from)?;
        let shown = view::shown(&find(key, new).await?);
        Ok((StatusCode::CREATED, view::with_secret(shown, &secret), standing))
    })
    .await
}

/// `DELETE /v1/keys/{id}`. It takes no request and asks neither for a verified address nor for a workspace that is served: whoever
/// revokes a key protects what is left.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys", operation_id = "revoke_key", summary = "Revoke a key, with a management key",
    params(("id" = String, Path, description = "`key_…`")),
    responses((status = 200, description = "The key, refused from now on", body = Key), WithKey, Missing),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn revoke(worker: WorkerData, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer_key(worker.get_ref(), &request, async |worker, key| {
        let core = &worker.gateway.core;
        let standing = admitted(&worker.gateway, key, KeyUse::Manage).await?;
        let target = find_text(key, &id).await?;
        bounds::may_revoke(&find(key, key.key).await?.state, &target.state)?;
        let at = core.clock.now().wall;
        let revoked = KeyRevoked { workspace: key.workspace.id(), key: target.created.key, at };
        let audit = audit_row(key, "key.revoke", target.created.key, at, None);
        core.revoke_key(&key.workspace, RevokeKey { revoked, audit }).await.map_err(ApiError::from)?;
        Ok((StatusCode::OK, view::shown(&find(key, target.created.key).await?), standing))
    })
    .await
}

/// A body within bounds; none is one that leaves everything out.
async fn read<T: DeserializeOwned>(gateway: &Gateway, request: &HttpRequest, payload: Payload) -> Result<T, ApiError> {
    let body = body::read(gateway, request.headers(), payload).await?;
    let depth_max = usize::try_from(gateway.edge.limits.json_depth_max).unwrap_or(usize::MAX);
    json_depth::check(&body.bytes, depth_max)?;
    if body.bytes.is_empty() {
        return parse(&web::Bytes::from_static(b"{}"));
    }
    parse(&body.bytes)
}

/// Asks the workspace whether this key may do this, and notes that it was used.
async fn admitted(gateway: &Gateway, key: &KeyEntry, what: KeyUse) -> Result<Standing, Failed> {
    let used = key.workspace.ask(UseKey { key: key.key, what }).await.map_err(ApiError::from)?;
    match used.result {
        Ok(()) => Ok(used.standing),
        Err(refusal) => {
            let error = ApiError::refused(refusal, &gateway.config.server.public_url);
            Err(Failed { standing: Some(used.standing), ..error.into() })
        }
    }
}

fn missing() -> ApiError {
    ApiError::new(Code::NotFound, "there is no such key in this workspace")
}

async fn find_text(key: &KeyEntry, id: &str) -> Result<KeyView, ApiError> {
    find(key, id.parse().map_err(|_| missing())?).await
}

/// A key of the same workspace as `key`; 404 for one of another, as for one that never was.
async fn find(key: &KeyEntry, id: KeyId) -> Result<KeyView, ApiError> {
    key.workspace.ask(Describe).await?.keys.into_iter().find(|known| known.created.key == id).ok_or_else(missing)
}

fn audit_row(
    by: &KeyEntry,
    action: &str,
    target: KeyId,
    at: lmhaven_actors::domain::time::UnixMillis,
    after: Option<Value>,
) -> AuditRow {
    let (actor, target) = (by.key.to_string(), target.to_string());
    AuditRow { at, actor, action: action.to_owned(), target, reason: None, before: None, after }
}
