//! `/app/forgot` and `/app/reset`: a new password by mail. Whether the address has an account shows nowhere.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use lmhaven_actors::domain::ids::LinkId;
use lmhaven_actors::domain::people::{Email, LinkRefusal};
use lmhaven_actors::system::fresh;
use serde::Deserialize;

use super::{Field, Form, Token, Trouble, origin_of, settle_verified, sign_up};
use crate::accounts::password;
use crate::accounts::throttle::Trying;
use crate::extract::session::SignedInPerson;
use crate::relay::Gateway;
use crate::routes::WorkerData;

/// The form of who forgot.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Forgot {
    email: String,
}

/// The form of the link.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Reset {
    token: String,
    password: String,
}

/// `GET /app/forgot`.
pub async fn forgot_page(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    forgot_form(&worker.gateway, &request, "", String::new()).respond(StatusCode::OK)
}

/// `POST /app/forgot`. The mail is queued beside the request, so that the time of the answer does not tell either.
pub async fn forgot_send(worker: WorkerData, request: HttpRequest, given: web::Form<Forgot>) -> HttpResponse {
    let gateway = worker.gateway.clone();
    let email: Email = match given.email.parse::<Email>() {
        Ok(email) => email,
        Err(error) => {
            let form = forgot_form(&gateway, &request, &given.email, error.to_string());
            return form.respond(StatusCode::UNPROCESSABLE_ENTITY);
        }
    };
    let (address, _, _) = origin_of(&gateway, &request);
    let now = gateway.core.clock.now().wall;
    if let Err(wait) = gateway.accounts.throttle.attempt(Trying::Mail, &email, address, now) {
        return Trouble::TooMany(wait).respond();
    }
    actix_web::rt::spawn(async move {
        let queued = crate::accounts::decide(&gateway.core, |people, now| {
            Ok::<_, Trouble>(((), people.begin_reset(&email, fresh::link_id(now), now)))
        });
        if let Err(error) = queued.await {
            tracing::error!(%error, "the mail to reset a password could not be queued");
        }
    });
    sign_up::check_your_mail("If this address has an account, a mail with a link to set a new password is under way.")
}

fn forgot_form(gateway: &Gateway, request: &HttpRequest, email: &str, error: String) -> Form {
    Form {
        title: "Forgot the password?",
        error,
        words: vec!["We send you a link to set a new one.".to_owned()],
        action: "/app/forgot",
        fields: vec![Field::email(email)],
        button: "Send the link",
        links: vec![("/app/sign-in".to_owned(), "Sign in")],
        ..Form::default()
    }
    .of(SignedInPerson::of(gateway, request.headers()).as_ref())
}

/// `GET /app/reset?token=…`.
pub async fn page(worker: WorkerData, request: HttpRequest, asked: web::Query<Token>) -> HttpResponse {
    match look(&worker.gateway, &asked.token) {
        Ok((_, email)) => form(&worker.gateway, &request, &asked.token, &email, String::new()).respond(StatusCode::OK),
        Err(refusal) => Trouble::from(refusal).respond(),
    }
}

/// `POST /app/reset`. Every session of the person ends.
pub async fn send(worker: WorkerData, request: HttpRequest, given: web::Form<Reset>) -> HttpResponse {
    worker.gateway.opened().await;
    let Reset { token, password } = given.into_inner();
    let gateway = &worker.gateway;
    let (link, email) = match look(gateway, &token) {
        Ok(found) => found,
        Err(refusal) => return Trouble::from(refusal).respond(),
    };
    if let Err(error) = password::check(&password, email.as_str()) {
        return form(gateway, &request, &token, &email, error.to_string()).respond(StatusCode::UNPROCESSABLE_ENTITY);
    }
    match set(gateway, link, password).await {
        Ok(()) => Form {
            title: "The new password holds",
            words: vec!["You were signed out everywhere. Sign in with the new password.".to_owned()],
            links: vec![("/app/sign-in".to_owned(), "Sign in")],
            ..Form::default()
        }
        .respond(StatusCode::OK),
        Err(trouble) => trouble.respond(),
    }
}

async fn set(gateway: &Gateway, link: LinkId, password: String) -> Result<(), Trouble> {
    let hash = gateway.accounts.passwords.hash(password).await?;
    let person = crate::accounts::decide(&gateway.core, |people, now| {
        Ok::<_, Trouble>((people.resets(link, now)?, people.finish_reset(link, hash, now)?))
    })
    .await?;
    settle_verified(gateway, person).await;
    Ok(())
}

fn look(gateway: &Gateway, token: &str) -> Result<(LinkId, Email), LinkRefusal> {
    let link = gateway.accounts.keys.link_of(token).ok_or(LinkRefusal)?;
    let now = gateway.core.clock.now().wall;
    gateway.core.office(|office| {
        let person = office.people.resets(link, now)?;
        Ok((link, office.people.person(person).ok_or(LinkRefusal)?.email.clone()))
    })
}

fn form(gateway: &Gateway, request: &HttpRequest, token: &str, email: &Email, error: String) -> Form {
    Form {
        title: "Set a new password",
        error,
        action: "/app/reset",
        hidden: vec![("token", token.to_owned())],
        username: email.to_string(),
        fields: vec![Field::new_password()],
        button: "Set the password",
        ..Form::default()
    }
    .of(SignedInPerson::of(gateway, request.headers()).as_ref())
}
