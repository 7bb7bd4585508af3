//! Forms that move money: credit, credit taken back, refunds to a card. Each asks for a fresh password.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::workspace::WorkspaceHandle;

use super::shell::{Sent, Shell, Tab, Trouble, refused};
use super::{fresh, workspace};
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::error::ApiError;
use crate::extract::operator::Operator;
use crate::operations::credit::NewCredit;
use crate::operations::refund::NewRefund;
use crate::operations::{credit as credits, invalid, refund as refunds};
use crate::relay::Gateway;
use crate::routes::WorkerData;

/// `POST /operator/workspaces/{id}/credit`.
pub async fn credit(
    worker: WorkerData,
    operator: Operator,
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let (gateway, fields) = (&worker.gateway, Fields::of_form(&body));
    let done = if fields.get("direction") == Some("take") { "refund" } else { "credit" };
    let moving = move_money(gateway, &operator, &request, &id, "credit", done, fields, async |workspace, fields| {
        let credit = read_credit(fields)?;
        credits::give(gateway, operator.email.as_str(), workspace, credit).await.map(drop)
    });
    moving.await.unwrap_or_else(Trouble::respond)
}

/// `POST /operator/workspaces/{id}/payments/{payment}/refund`.
pub async fn refund(
    worker: WorkerData,
    operator: Operator,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> HttpResponse {
    let (gateway, fields, (id, payment)) = (&worker.gateway, Fields::of_form(&body), path.into_inner());
    let moving =
        move_money(gateway, &operator, &request, &id, &payment, "refund", fields, async |workspace, fields| {
            let NewCredit { amount_usd, reason, idempotency_key } = read_credit(fields)?;
            let refund = NewRefund { amount_usd, reason, idempotency_key };
            refunds::give_back(gateway, operator.email.as_str(), workspace, &payment, refund).await.map(drop)
        });
    moving.await.unwrap_or_else(Trouble::respond)
}

/// What a form says; an amount is positive, and which way it goes is chosen beside it.
fn read_credit(fields: &Fields) -> Result<NewCredit, ApiError> {
    let amount = fields.get("amount").unwrap_or_default().trim_start_matches('$');
    let amount: NanoUsd = amount.parse().map_err(|_| invalid("amount_usd", "write an amount such as 25.00"))?;
    if !amount.is_positive() {
        return Err(invalid("amount_usd", "write an amount above zero"));
    }
    let take = fields.get("direction") == Some("take");
    let amount_usd = if take { amount.checked_neg().unwrap_or_default() } else { amount };
    let text = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    Ok(NewCredit { amount_usd, reason: text("reason"), idempotency_key: text("key") })
}

#[expect(clippy::too_many_arguments, reason = "one form: who, where, which, and what it does")]
async fn move_money(
    gateway: &Gateway,
    operator: &Operator,
    request: &HttpRequest,
    id: &str,
    form: &str,
    done: &str,
    fields: Fields,
    act: impl AsyncFnOnce(&WorkspaceHandle, &Fields) -> Result<(), ApiError>,
) -> Result<HttpResponse, Trouble> {
    let workspace = workspace::find(gateway, id)?;
    let (status, error) = match fresh::check(gateway, request, operator, &fields).await? {
        Err(why) => (StatusCode::FORBIDDEN, why.to_owned()),
        Ok(()) => match act(&workspace, &fields).await {
            Ok(()) => return Ok(page::see_other(&format!("/operator/workspaces/{}?done={done}", workspace.id()))),
            Err(error) => refused(error)?,
        },
    };
    // Looked at anew: the password may have been right while the amount was not.
    let operator = Operator::of(gateway, request.headers()).unwrap_or_else(|| operator.clone());
    let shell = Shell::of(gateway, &operator, Tab::Workspaces, &Fields::default());
    workspace::show(gateway, shell, &workspace, status, Sent::refused(form, error, fields)).await
}
