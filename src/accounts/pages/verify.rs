//! `/app/verify`: the link that confirms an address. Opening it changes nothing, since mail scanners open links.
//!
//! Whoever is not signed in gives their password with it: otherwise somebody could sign up with another one's address and have
//! that person confirm it by a careless click.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use lmhaven_actors::domain::ids::{LinkId, PersonId};
use lmhaven_actors::domain::people::{Email, LinkRefusal, PasswordHash};
use lmhaven_actors::system::fresh;
use serde::Deserialize;

use super::{Field, Form, Token, Trouble, let_in, origin_of, settle_verified, sign_up};
use crate::accounts::throttle::Trying;
use crate::dashboard::page;
use crate::extract::session::SignedInPerson;
use crate::relay::Gateway;
use crate::routes::WorkerData;

/// The form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Verify {
    token: String,
    password: String,
}

/// A link that works, and whose address it confirms.
struct Confirming {
    link: LinkId,
    person: PersonId,
    email: Email,
    password: PasswordHash,
}

fn look(gateway: &Gateway, token: &str) -> Result<Confirming, LinkRefusal> {
    let link = gateway.accounts.keys.link_of(token).ok_or(LinkRefusal)?;
    let now = gateway.core.clock.now().wall;
    gateway.core.office(|office| {
        let person = office.people.verifies(link, now)?;
        let person = office.people.person(person).ok_or(LinkRefusal)?;
        let (email, password) = (person.email.clone(), person.password.clone());
        Ok(Confirming { link, person: person.id, email, password })
    })
}

/// `GET /app/verify?token=…`.
pub async fn page(worker: WorkerData, request: HttpRequest, asked: web::Query<Token>) -> HttpResponse {
    match look(&worker.gateway, &asked.token) {
        Ok(found) => {
            let signed_in = SignedInPerson::of(&worker.gateway, request.headers());
            form(&found, &asked.token, signed_in.as_ref(), String::new()).respond(StatusCode::OK)
        }
        Err(refusal) => Trouble::from(refusal).respond(),
    }
}

/// `POST /app/verify`.
pub async fn send(worker: WorkerData, request: HttpRequest, given: web::Form<Verify>) -> HttpResponse {
    worker.gateway.opened().await;
    let Verify { token, password } = given.into_inner();
    confirm(&worker.gateway, &request, &token, password).await.unwrap_or_else(Trouble::respond)
}

async fn confirm(
    gateway: &Gateway,
    request: &HttpRequest,
    token: &str,
    password: String,
) -> Result<HttpResponse, Trouble> {
    let found = look(gateway, token)?;
    let signed_in = SignedInPerson::of(gateway, request.headers());
    let is_theirs = signed_in.as_ref().is_some_and(|signed_in| signed_in.person == found.person);
    if !is_theirs {
        let (address, _, _) = origin_of(gateway, request);
        let accounts = &gateway.accounts;
        let now = gateway.core.clock.now().wall;
        let tried =
            accounts.throttle.attempt(Trying::Password, &found.email, address, now).map_err(Trouble::TooMany)?;
        if !accounts.passwords.is(password, Some(&found.password)).await? {
            let wrong = "The password is not right.".to_owned();
            return Ok(form(&found, token, signed_in.as_ref(), wrong).respond(StatusCode::UNAUTHORIZED));
        }
        accounts.throttle.forgive(&tried);
    }
    crate::accounts::decide(&gateway.core, |people, now| Ok::<_, Trouble>(((), people.verify(found.link, now)?)))
        .await?;
    if is_theirs {
        settle_verified(gateway, found.person).await;
        return Ok(page::see_other("/app"));
    }
    let_in(gateway, request, found.person, &found.password, "/app").await
}

fn form(found: &Confirming, token: &str, signed_in: Option<&SignedInPerson>, error: String) -> Form {
    let is_theirs = signed_in.is_some_and(|signed_in| signed_in.person == found.person);
    Form {
        title: "Confirm your address",
        error,
        words: vec![format!("Confirm that {} is yours.", found.email)],
        action: "/app/verify",
        hidden: vec![("token", token.to_owned())],
        username: if is_theirs { String::new() } else { found.email.to_string() },
        fields: if is_theirs { Vec::new() } else { vec![Field::password("Your password")] },
        button: "Confirm",
        ..Form::default()
    }
    .of(signed_in)
}

/// `POST /app/verify/again`: another mail with another link.
pub async fn again(worker: WorkerData, request: HttpRequest, person: SignedInPerson) -> HttpResponse {
    let gateway = &worker.gateway;
    let (address, _, _) = origin_of(gateway, &request);
    let now = gateway.core.clock.now().wall;
    if let Err(wait) = gateway.accounts.throttle.attempt(Trying::Mail, &person.email, address, now) {
        return Trouble::TooMany(wait).respond();
    }
    let sent = crate::accounts::decide(&gateway.core, |people, now| {
        Ok::<_, Trouble>(((), people.verify_again(person.person, fresh::link_id(now), now)))
    });
    match sent.await {
        Ok(()) => {
            sign_up::check_your_mail("We have sent you another mail. Open the link in it to confirm your address.")
        }
        Err(trouble) => trouble.respond(),
    }
}
