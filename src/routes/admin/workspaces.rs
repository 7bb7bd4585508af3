//! Workspaces: open, list, show, change.

use actix_web::http::StatusCode;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::domain::fact::WorkspaceCreated;
use lmhaven_actors::domain::ids::WorkspaceId;
use lmhaven_actors::system::fresh;
use lmhaven_actors::workspace::{Describe, WorkspaceView};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::shapes::{ChangeWorkspace, Workspace};
use super::{Sent, WorkerData, answer, audit_row, invalid, list_of, page_size, parse, query, workspace};
use crate::keys::view;
use crate::operations::workspace::check_name;
use crate::operations::{self, BY_TOKEN};
use crate::routes::account::limits_view;
use crate::routes::openapi::errors::{BadRequest, Missing, TooLarge, WithToken};
use crate::routes::openapi::shapes::List;
use crate::times;

#[derive(Deserialize, ToSchema)]
#[schema(as = CreateWorkspace)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    /// What its members call it.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Whose it is.
    #[schema(max_length = 320)]
    owner_email: String,
    /// The address is known to be theirs.
    #[serde(default)]
    email_verified: bool,
}

/// `POST /admin/v1/workspaces`.
#[utoipa::path(
    post, path = "/admin/v1/workspaces", tag = "workspaces", operation_id = "create_workspace", summary = "Open a workspace",
    request_body = Create,
    responses((status = 201, description = "The workspace", body = Workspace), WithToken, BadRequest, TooLarge),
    security(("admin_token" = [])),
)]
pub(super) async fn create(worker: WorkerData, request: HttpRequest, body: Sent) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let Create { name, owner_email, email_verified } = parse(body.whole()?)?;
        check_name(&name)?;
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
#[utoipa::path(
    get, path = "/admin/v1/workspaces", tag = "workspaces", operation_id = "list_workspaces", summary = "List workspaces",
    params(("after" = Option<String>, Query, description = "The id that the last page ended with"), ("limit" = Option<u32>, Query, description = "1 to 1000", minimum = 1, maximum = 1000)),
    responses((status = 200, description = "A page of them", body = List<Workspace>), WithToken, BadRequest),
    security(("admin_token" = [])),
)]
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
#[utoipa::path(
    get, path = "/admin/v1/workspaces/{id}", tag = "workspaces", operation_id = "show_workspace", summary = "Show a workspace",
    params(("id" = String, Path, description = "`ws_…`")),
    responses((status = 200, description = "The workspace", body = Workspace), WithToken, Missing),
    security(("admin_token" = [])),
)]
pub(super) async fn show(worker: WorkerData, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        Ok((StatusCode::OK, view(&workspace(&worker, &id)?.ask(Describe).await?)))
    })
    .await
}

/// `PATCH /admin/v1/workspaces/{id}`.
#[utoipa::path(
    patch, path = "/admin/v1/workspaces/{id}", tag = "workspaces", operation_id = "change_workspace", summary = "Change limits, features and standing",
    params(("id" = String, Path, description = "`ws_…`")),
    request_body = ChangeWorkspace,
    responses((status = 200, description = "The workspace as it is now", body = Workspace), WithToken, BadRequest, TooLarge, Missing),
    security(("admin_token" = [])),
)]
pub(super) async fn change(
    worker: WorkerData,
    request: HttpRequest,
    id: web::Path<String>,
    body: Sent,
) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let handle = workspace(&worker, &id)?;
        let changed = operations::workspace::change(&worker.gateway, BY_TOKEN, &handle, parse(body.whole()?)?).await?;
        Ok((StatusCode::OK, view(&changed)))
    })
    .await
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
        "keys": workspace.keys.iter().map(view::shown).collect::<Vec<_>>(),
        "created_at": times::rfc3339(workspace.profile.created_at),
    })
}
