//! Keys: made (the secret is in that answer and nowhere else), listed, rotated, revoked.

use actix_web::http::StatusCode;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::domain::account::KeyView;
use lmhaven_actors::domain::fact::{KeyPurpose, KeyRevoked};
use lmhaven_actors::domain::ids::KeyId;
use lmhaven_actors::workspace::{Describe, RevokeKey, WorkspaceHandle};
use serde_json::json;

use super::shapes::{Key, NewKey, NewKeyBody, RotateKeyBody};
use super::{Answer, Sent, WorkerData, answer, audit_row, list_of, parse, workspace};
use crate::error::{ApiError, Code};
use crate::keys::{CreateBody, RotateBody, rotation, view};
use crate::relay::Worker;
use crate::routes::openapi::errors::{BadRequest, Conflict, Missing, TooLarge, WithToken};
use crate::routes::openapi::shapes::List;

/// `POST /admin/v1/workspaces/{id}/keys`.
#[utoipa::path(
    post, path = "/admin/v1/workspaces/{id}/keys", tag = "keys", operation_id = "create_key", summary = "Make a key",
    params(("id" = String, Path, description = "`ws_…`")),
    request_body = NewKeyBody,
    responses((status = 201, description = "The key with its secret, which is shown here only", body = NewKey), WithToken, BadRequest, TooLarge, Missing),
    security(("admin_token" = [])),
)]
pub(super) async fn create(
    worker: WorkerData,
    request: HttpRequest,
    id: web::Path<String>,
    body: Sent,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move { create_inner(&worker, &id, &body).await }).await
}

async fn create_inner(worker: &Worker, id: &str, body: &Sent) -> Answer {
    let body = body.whole()?;
    let handle = workspace(worker, id)?;
    let core = &worker.gateway.core;
    let at = core.clock.now().wall;
    let settings = parse::<CreateBody>(body)?.check(&worker.gateway, at)?;
    let (secret, created) = settings.make(handle.id(), at, KeyPurpose::Requests, None);
    let shown = view::made(&created, at);
    let audit = audit_row(worker, "key.create", created.key, None, None, Some(shown.clone()));
    core.create_key(&handle, &secret, created, audit).await?;
    Ok((StatusCode::CREATED, view::with_secret(shown, &secret)))
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
        Ok(list_of(described.keys.iter().map(view::shown).collect(), false, None))
    })
    .await
}

/// `POST /admin/v1/workspaces/{id}/keys/{key_id}/rotate`.
#[utoipa::path(
    post, path = "/admin/v1/workspaces/{id}/keys/{key_id}/rotate", tag = "keys", operation_id = "rotate_key", summary = "Put a new secret in a key's place",
    params(("id" = String, Path, description = "`ws_…`"), ("key_id" = String, Path, description = "`key_…`")),
    request_body = RotateKeyBody,
    responses((status = 201, description = "The new key with its secret, which is shown here only", body = NewKey), WithToken, BadRequest, TooLarge, Missing, Conflict),
    security(("admin_token" = [])),
)]
pub(super) async fn rotate(
    worker: WorkerData,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: Sent,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let (id, key) = path.into_inner();
        let handle = workspace(&worker, &id)?;
        let key = find(&handle, &key).await?.created.key;
        let wanted: RotateBody = if body.whole()?.is_empty() { RotateBody::default() } else { parse(body.whole()?)? };
        let overlap = wanted.check()?;
        let core = &worker.gateway.core;
        let (secret, rotation) = rotation(key, overlap, core.clock.now().wall);
        let new = rotation.new;
        let after = json!({ "key": new, "last_four": rotation.last_four, "overlap": overlap });
        let audit = audit_row(&worker, "key.rotate", key, None, None, Some(after));
        core.rotate_key(&handle, &secret, rotation, audit).await?;
        let shown = view::shown(&find(&handle, &new.to_string()).await?);
        Ok((StatusCode::CREATED, view::with_secret(shown, &secret)))
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
        let key = find(&handle, &key).await?.created.key;
        let core = &worker.gateway.core;
        let revoked = KeyRevoked { workspace: handle.id(), key, at: core.clock.now().wall };
        let audit = audit_row(&worker, "key.revoke", key, None, None, None);
        core.revoke_key(&handle, RevokeKey { revoked, audit }).await?;
        Ok((StatusCode::OK, view::shown(&find(&handle, &key.to_string()).await?)))
    })
    .await
}

/// A key of this workspace; 404 for one of another, as for one that never was.
async fn find(handle: &WorkspaceHandle, key: &str) -> Result<KeyView, ApiError> {
    let missing = || ApiError::new(Code::NotFound, "there is no such key in this workspace");
    let key: KeyId = key.parse().map_err(|_| missing())?;
    handle.ask(Describe).await?.keys.into_iter().find(|known| known.created.key == key).ok_or_else(missing)
}
