//! `/app/sign-in` and `/app/sign-out`.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use lmhaven_actors::domain::people::Email;
use serde::Deserialize;

use super::{Field, Form, Trouble, let_in, origin_of};
use crate::accounts::next;
use crate::accounts::throttle::Trying;
use crate::dashboard::page;
use crate::extract::session::SignedInPerson;
use crate::relay::Gateway;
use crate::routes::WorkerData;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    next: Option<String>,
}

/// The form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SignIn {
    email: String,
    password: String,
    next: Option<String>,
}

/// `GET /app/sign-in`.
pub async fn page(worker: WorkerData, request: HttpRequest, asked: web::Query<Asked>) -> HttpResponse {
    let next = next::local(asked.next.as_deref());
    if SignedInPerson::of(&worker.gateway, request.headers()).is_some() {
        return page::see_other(next);
    }
    form(&worker.gateway, next, "", String::new()).respond(StatusCode::OK)
}

/// `POST /app/sign-in`. An unknown address and a wrong password are answered alike, after the same work.
pub async fn send(worker: WorkerData, request: HttpRequest, given: web::Form<SignIn>) -> HttpResponse {
    worker.gateway.opened().await;
    let SignIn { email, password, next } = given.into_inner();
    let next = next::local(next.as_deref());
    match enter(&worker.gateway, &request, &email, password, next).await {
        Ok(Some(response)) => response,
        Ok(None) => {
            let wrong = "The address or the password is not right.".to_owned();
            form(&worker.gateway, next, &email, wrong).respond(StatusCode::UNAUTHORIZED)
        }
        Err(trouble) => trouble.respond(),
    }
}

async fn enter(
    gateway: &Gateway,
    request: &HttpRequest,
    email: &str,
    password: String,
    next: &str,
) -> Result<Option<HttpResponse>, Trouble> {
    let Ok(email) = email.parse::<Email>() else { return Ok(None) };
    let (address, _, _) = origin_of(gateway, request);
    let accounts = &gateway.accounts;
    let now = gateway.core.clock.now().wall;
    let tried = accounts.throttle.attempt(Trying::Password, &email, address, now).map_err(Trouble::TooMany)?;
    let known =
        gateway.core.office(|office| office.people.by_email(&email).map(|person| (person.id, person.password.clone())));
    let same = accounts.passwords.is(password, known.as_ref().map(|(_, hash)| hash)).await?;
    let Some((person, hash)) = known.filter(|_| same) else { return Ok(None) };
    accounts.throttle.forgive(&tried);
    let_in(gateway, request, person, &hash, next).await.map(Some)
}

fn form(gateway: &Gateway, next: &str, email: &str, error: String) -> Form {
    let mut links = vec![("/app/forgot".to_owned(), "Forgot the password?")];
    if gateway.accounts.sign_up {
        links.push((format!("/app/sign-up?next={}", next::encode(next)), "Create an account"));
    }
    Form {
        title: "Sign in",
        error,
        action: "/app/sign-in",
        hidden: vec![("next", next.to_owned())],
        fields: vec![Field::email(email), Field::password("Password")],
        button: "Sign in",
        links,
        ..Form::default()
    }
}

/// `POST /app/sign-out`.
pub async fn out(worker: WorkerData, person: SignedInPerson) -> HttpResponse {
    let SignedInPerson { person, session, .. } = person;
    let ended = crate::accounts::decide(&worker.gateway.core, |people, now| {
        Ok::<_, Trouble>(((), people.end_session(person, session, now)))
    });
    if let Err(trouble) = ended.await {
        return trouble.respond();
    }
    let mut response = page::see_other("/app/sign-in");
    response.headers_mut().append(header::SET_COOKIE, worker.gateway.accounts.cookies.forget_session());
    response
}
