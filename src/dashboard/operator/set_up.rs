//! `/operator/set-up?token=…`: whoever has the link chooses the password of an operator; for the first one also the address.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::LinkId;
use lmhaven_actors::domain::people::{Email, LinkRefusal, NewOperator};
use lmhaven_actors::system::fresh;
use serde_json::json;

use super::shell::Trouble;
use super::sign_in::let_in;
use crate::accounts::password;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::extract::operator::Operator;
use crate::operations::audit_row;
use crate::relay::Gateway;
use crate::routes::WorkerData;

#[derive(Template)]
#[template(path = "operator/set_up.html")]
struct SetUp {
    token: String,
    csrf: String,
    email: String,
    /// The link is for this address and no other.
    fixed: bool,
    error: String,
}

/// `GET /operator/set-up?token=…`.
pub async fn page(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    worker.gateway.opened().await;
    let fields = Fields::of_query(&request);
    let token = fields.get("token").unwrap_or_default();
    match look(&worker.gateway, token) {
        Ok((_, fixed)) => form(&worker.gateway, &request, StatusCode::OK, token, fixed, String::new(), String::new()),
        Err(refusal) => Trouble::from(refusal).respond(),
    }
}

fn form(
    gateway: &Gateway,
    request: &HttpRequest,
    status: StatusCode,
    token: &str,
    fixed: Option<Email>,
    email: String,
    error: String,
) -> HttpResponse {
    let csrf = Operator::of(gateway, request.headers()).map(|operator| operator.csrf).unwrap_or_default();
    let (email, fixed) = fixed.map_or((email, false), |fixed| (fixed.to_string(), true));
    page::private(status, &SetUp { token: token.to_owned(), csrf, email, fixed, error })
}

/// `POST /operator/set-up`.
pub async fn send(worker: WorkerData, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    worker.gateway.opened().await;
    let (gateway, fields) = (&worker.gateway, Fields::of_form(&body));
    let token = fields.get("token").unwrap_or_default();
    let (link, fixed) = match look(gateway, token) {
        Ok(found) => found,
        Err(refusal) => return Trouble::from(refusal).respond(),
    };
    let (given, password) = (fields.get("email").unwrap_or_default(), fields.raw("password").unwrap_or_default());
    let again = |error: String| {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        form(gateway, &request, status, token, fixed.clone(), given.to_owned(), error)
    };
    let email = match fixed.clone().map_or_else(|| given.parse::<Email>(), Ok) {
        Ok(email) => email,
        Err(error) => return again(error.to_string()),
    };
    if let Err(error) = password::check(password, email.as_str()) {
        return again(error.to_string());
    }
    make(gateway, &request, link, email, password).await.unwrap_or_else(Trouble::respond)
}

async fn make(
    gateway: &Gateway,
    request: &HttpRequest,
    link: LinkId,
    email: Email,
    password: &str,
) -> Result<HttpResponse, Trouble> {
    let hash = gateway.accounts.passwords.hash(password.to_owned()).await?;
    let person = crate::accounts::decide(&gateway.core, |people, now| {
        let new = NewOperator { email: email.clone(), password: hash.clone(), person: fresh::person_id(now) };
        let (person, mut decided) = people.make_operator(link, new, now)?;
        let after = json!({ "email": email.as_str() });
        let audit = audit_row(gateway, email.as_str(), "operator.set_up", person, None, (None, Some(after)));
        decided.facts.push(Fact::Audited(audit));
        Ok::<_, Trouble>((person, decided))
    })
    .await?;
    let_in(gateway, request, person, &hash).await
}

/// The link, and the address that it is for.
fn look(gateway: &Gateway, token: &str) -> Result<(LinkId, Option<Email>), LinkRefusal> {
    let link = gateway.accounts.keys.link_of(token).ok_or(LinkRefusal)?;
    let now = gateway.core.clock.now().wall;
    gateway.core.office(|office| Ok((link, office.people.makes_operator(link, now)?.cloned())))
}
