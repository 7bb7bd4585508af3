//! `/operator/sign-in` and `/operator/sign-out`. Whoever is no operator is told what whoever mistyped the password is told.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::PersonId;
use lmhaven_actors::domain::people::{Email, NewSession, PasswordHash};
use lmhaven_actors::system::fresh;

use super::shell::Trouble;
use crate::accounts::client;
use crate::accounts::throttle::Trying;
use crate::accounts::token::SessionToken;
use crate::dashboard::page;
use crate::dashboard::query::Fields;
use crate::extract::caller;
use crate::extract::operator::Operator;
use crate::operations::audit_row;
use crate::relay::Gateway;
use crate::routes::WorkerData;

#[derive(Template)]
#[template(path = "operator/sign_in.html")]
struct SignIn {
    error: &'static str,
    email: String,
    /// The token of a session that is there, for the guard.
    csrf: String,
    set_up: bool,
}

/// `GET /operator/sign-in`.
pub async fn page(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    if Operator::of(&worker.gateway, request.headers()).is_some() {
        return page::see_other("/operator");
    }
    form(&worker.gateway, &request, StatusCode::OK, String::new(), "")
}

fn form(
    gateway: &Gateway,
    request: &HttpRequest,
    status: StatusCode,
    email: String,
    error: &'static str,
) -> HttpResponse {
    let csrf = Operator::of(gateway, request.headers()).map(|operator| operator.csrf).unwrap_or_default();
    let set_up = gateway.core.office(|office| !office.people.has_operator());
    page::private(status, &SignIn { error, email, csrf, set_up })
}

/// `POST /operator/sign-in`.
pub async fn send(worker: WorkerData, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    worker.gateway.opened().await;
    let fields = Fields::of_form(&body);
    let email = fields.get("email").unwrap_or_default();
    match enter(&worker.gateway, &request, email, fields.raw("password").unwrap_or_default()).await {
        Ok(Some(response)) => response,
        Ok(None) => {
            let wrong = "The address or the password is not right.";
            form(&worker.gateway, &request, StatusCode::UNAUTHORIZED, email.to_owned(), wrong)
        }
        Err(trouble) => trouble.respond(),
    }
}

async fn enter(
    gateway: &Gateway,
    request: &HttpRequest,
    email: &str,
    password: &str,
) -> Result<Option<HttpResponse>, Trouble> {
    let Ok(email) = email.parse::<Email>() else { return Ok(None) };
    let accounts = &gateway.accounts;
    let (address, now) = (caller::address(gateway, request), gateway.core.clock.now().wall);
    let tried = accounts.throttle.attempt(Trying::Password, &email, address, now).map_err(Trouble::TooMany)?;
    // A customer's password is compared like nobody's: the same work, the same answer, and no word of whether it was right.
    let known = gateway.core.office(|office| {
        let known = office.people.by_email(&email).filter(|person| office.people.is_operator(person.id));
        known.map(|person| (person.id, person.password.clone()))
    });
    let same = accounts.passwords.is(password.to_owned(), known.as_ref().map(|(_, hash)| hash)).await?;
    let Some((person, hash)) = known.filter(|_| same) else { return Ok(None) };
    accounts.throttle.forgive(&tried);
    let_in(gateway, request, person, &hash).await.map(Some)
}

/// Opens a session for an operator whose password was compared with `compared`.
pub(super) async fn let_in(
    gateway: &Gateway,
    request: &HttpRequest,
    person: PersonId,
    compared: &PasswordHash,
) -> Result<HttpResponse, Trouble> {
    let cookies = &gateway.accounts.operators.cookies;
    let token = SessionToken::fresh();
    let before = cookies.operator_session(request.headers()).map(|token| token.digest());
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let (address, client) =
        (client::network(caller::address(gateway, request)), client::describe(user_agent.unwrap_or_default()));
    crate::accounts::decide(&gateway.core, |people, now| {
        let previous = before.and_then(|digest| people.operator_session(&digest, now)).map(|session| session.id);
        let session = fresh::session_id(now);
        let new = NewSession { session, digest: token.digest(), address: address.clone(), client, previous };
        let mut decided = people.open_operator_session(person, compared, new, now).ok_or(Trouble::Changed)?;
        let actor = people.person(person).map(|known| known.email.to_string()).unwrap_or_default();
        let audit = audit_row(gateway, &actor, "operator.sign_in", person, None, (None, None));
        decided.facts.push(Fact::Audited(audit));
        Ok::<_, Trouble>(((), decided))
    })
    .await?;
    let mut response = page::see_other("/operator");
    response.headers_mut().append(header::SET_COOKIE, cookies.keep_operator_session(&token));
    Ok(response)
}

/// `POST /operator/sign-out`.
pub async fn out(worker: WorkerData, operator: Operator) -> HttpResponse {
    let ended = crate::accounts::decide(&worker.gateway.core, |people, now| {
        Ok::<_, Trouble>(((), people.end_session(operator.person, operator.session, now)))
    });
    if let Err(trouble) = ended.await {
        return trouble.respond();
    }
    let mut response = page::see_other("/operator/sign-in");
    let cookies = &worker.gateway.accounts.operators.cookies;
    response.headers_mut().append(header::SET_COOKIE, cookies.forget_operator_session());
    response
}
