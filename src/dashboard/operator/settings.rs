//! Forms that change a workspace without moving money: suspension, features, limits. Each needs a reason.

use std::num::NonZeroU32;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use lmhaven_actors::domain::fact::Override;

use super::shell::{Sent, Shell, Tab, Trouble, refused};
use super::workspace;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::error::ApiError;
use crate::extract::operator::Operator;
use crate::operations::workspace::{Change, ChangeFeatures, change};
use crate::operations::{check_reason, invalid};
use crate::relay::Gateway;
use crate::routes::WorkerData;

/// `POST /operator/workspaces/{id}/suspend`.
pub async fn suspend(worker: WorkerData, operator: Operator, id: web::Path<String>, body: web::Bytes) -> HttpResponse {
    let fields = Fields::of_form(&body);
    let suspended = fields.get("suspended") == Some("yes");
    let done = if suspended { "suspended" } else { "resumed" };
    let read = |_: &Fields| Ok(Change { suspended: Some(suspended), ..Change::default() });
    set(&worker.gateway, &operator, &id, ("suspend", done), fields, read).await.unwrap_or_else(Trouble::respond)
}

/// `POST /operator/workspaces/{id}/features`.
pub async fn features(worker: WorkerData, operator: Operator, id: web::Path<String>, body: web::Bytes) -> HttpResponse {
    let read = |fields: &Fields| {
        let on = |name: &str| Some(fields.get(name).is_some());
        let features = ChangeFeatures { text: on("text"), image: on("image"), voice: on("voice") };
        Ok(Change { features: Some(features), ..Change::default() })
    };
    let fields = Fields::of_form(&body);
    let set = set(&worker.gateway, &operator, &id, ("features", "features"), fields, read);
    set.await.unwrap_or_else(Trouble::respond)
}

/// `POST /operator/workspaces/{id}/limits`. An empty field returns to the tier.
pub async fn limits(worker: WorkerData, operator: Operator, id: web::Path<String>, body: web::Bytes) -> HttpResponse {
    let read = |fields: &Fields| {
        let limit = |name: &str| match fields.get(name) {
            None => Ok(Override::Tier),
            Some(text) => text
                .parse::<NonZeroU32>()
                .map(Override::Set)
                .map_err(|_| invalid(name, "write whole numbers above zero, or nothing for the tier's")),
        };
        let requests_per_minute = limit("requests_per_minute")?;
        Ok(Change { requests_per_minute, concurrent_streams: limit("concurrent_streams")?, ..Change::default() })
    };
    let fields = Fields::of_form(&body);
    let set = set(&worker.gateway, &operator, &id, ("limits", "limits"), fields, read);
    set.await.unwrap_or_else(Trouble::respond)
}

async fn set(
    gateway: &Gateway,
    operator: &Operator,
    id: &str,
    (form, done): (&str, &str),
    fields: Fields,
    read: impl FnOnce(&Fields) -> Result<Change, ApiError>,
) -> Result<HttpResponse, Trouble> {
    let workspace = workspace::find(gateway, id)?;
    let reason = fields.get("reason").unwrap_or_default();
    let asked = check_reason(reason).and_then(|()| read(&fields));
    let made = match asked {
        Ok(asked) => {
            let asked = Change { reason: Some(reason.to_owned()), ..asked };
            change(gateway, operator.email.as_str(), &workspace, asked).await
        }
        Err(error) => Err(error),
    };
    let (status, error): (StatusCode, String) = match made {
        Ok(_) => return Ok(page::see_other(&format!("/operator/workspaces/{}?done={done}", workspace.id()))),
        Err(error) => refused(error)?,
    };
    let shell = Shell::of(gateway, operator, Tab::Workspaces, &Fields::default());
    workspace::show(gateway, shell, &workspace, status, Sent::refused(form, error, fields)).await
}
