//! Operators: who there are, and the link that makes another one or sets another password.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::domain::people::Email;
use serde::Deserialize;
use serde_json::json;

use super::shapes::{Operator, OperatorBody, OperatorLinkView};
use super::{Sent, WorkerData, answer, audit_row, list_of, parse};
use crate::accounts::operators::OperatorLink;
use crate::operations::invalid;
use crate::routes::openapi::errors::{BadRequest, TooLarge, WithToken};
use crate::routes::openapi::shapes::List;
use crate::times;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    email: String,
}

/// `GET /admin/v1/operators`.
#[utoipa::path(
    get, path = "/admin/v1/operators", tag = "service", operation_id = "list_operators", summary = "List operators",
    responses((status = 200, description = "All of them", body = List<Operator>), WithToken),
    security(("admin_token" = [])),
)]
pub(super) async fn list(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let data = worker.gateway.core.office(|office| {
            let operators = office.people.operators();
            operators.map(|person| json!({ "id": person.id, "email": person.email.as_str() })).collect()
        });
        Ok(list_of(data, false, None))
    })
    .await
}

/// `POST /admin/v1/operators`: a link with which whoever has the address chooses a password. It works once, for 30 minutes.
#[utoipa::path(
    post, path = "/admin/v1/operators", tag = "service", operation_id = "invite_operator", summary = "Make a link for an operator",
    request_body = OperatorBody,
    responses((status = 201, description = "A link that works once, for 30 minutes", body = OperatorLinkView), WithToken, BadRequest, TooLarge),
    security(("admin_token" = [])),
)]
pub(super) async fn invite(worker: WorkerData, request: HttpRequest, body: Sent) -> HttpResponse {
    answer(&worker, &request, |worker| async move {
        let Body { email } = parse(body.whole()?)?;
        let email: Email = email.parse().map_err(|_| invalid("email", "expected an e-mail address"))?;
        let gateway = &worker.gateway;
        let audit = audit_row(&worker, "operator.invite", email.as_str(), None, None, None);
        let link = gateway.accounts.invite_operator(&gateway.core, email.clone(), audit).await?;
        let OperatorLink { url, expires_at } = link;
        let shown = json!({ "email": email.as_str(), "link": url, "expires_at": times::rfc3339(expires_at) });
        Ok((StatusCode::CREATED, shown))
    })
    .await
}
