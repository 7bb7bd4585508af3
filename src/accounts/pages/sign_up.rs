//! `/app/sign-up`: an account and a workspace of one's own. What it answers is the same whether or not the address has an
//! account; what is different stands in a mail.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use lmhaven_actors::domain::people::{Email, Registration};
use lmhaven_actors::system::fresh;
use serde::Deserialize;

use super::{Field, Form, Trouble, origin_of};
use crate::accounts::throttle::Trying;
use crate::accounts::{next, password};
use crate::dashboard::page;
use crate::extract::session::SignedInPerson;
use crate::relay::Gateway;
use crate::routes::WorkerData;

/// What a new workspace is called, until somebody says otherwise.
const WORKSPACE_NAME: &str = "Personal";
/// Characters of a workspace's name.
const NAME_MAX: usize = 100;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    next: Option<String>,
}

/// The form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SignUp {
    email: String,
    password: String,
    workspace: String,
    next: Option<String>,
}

/// `GET /app/sign-up`.
pub async fn page(worker: WorkerData, request: HttpRequest, asked: web::Query<Asked>) -> HttpResponse {
    let next = next::local(asked.next.as_deref());
    if SignedInPerson::of(&worker.gateway, request.headers()).is_some() {
        return page::see_other(next);
    }
    if !worker.gateway.accounts.sign_up && invited(&worker.gateway, next).is_none() {
        return closed();
    }
    form(&SignUp { next: Some(next.to_owned()), ..SignUp::default() }, String::new()).respond(StatusCode::OK)
}

/// `POST /app/sign-up`.
pub async fn send(worker: WorkerData, request: HttpRequest, given: web::Form<SignUp>) -> HttpResponse {
    worker.gateway.opened().await;
    let given = given.into_inner();
    let wrong = |error: String| form(&given, error).respond(StatusCode::UNPROCESSABLE_ENTITY);
    let email: Email = match given.email.parse::<Email>() {
        Ok(email) => email,
        Err(error) => return wrong(error.to_string()),
    };
    if let Err(error) = password::check(&given.password, email.as_str()) {
        return wrong(error.to_string());
    }
    let name = given.workspace.trim();
    if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return wrong(format!("a name has at most {NAME_MAX} characters"));
    }
    let next = next::local(given.next.as_deref());
    if !worker.gateway.accounts.sign_up && invited(&worker.gateway, next).as_ref() != Some(&email) {
        return closed();
    }
    let name = if name.is_empty() { WORKSPACE_NAME } else { name };
    match register(&worker.gateway, &request, email, given.password.clone(), name).await {
        Ok(()) => check_your_mail("We have sent you a mail. Open the link in it to confirm your address."),
        Err(trouble) => trouble.respond(),
    }
}

async fn register(
    gateway: &Gateway,
    request: &HttpRequest,
    email: Email,
    password: String,
    workspace_name: &str,
) -> Result<(), Trouble> {
    let (address, _, _) = origin_of(gateway, request);
    let now = gateway.core.clock.now().wall;
    gateway.accounts.throttle.attempt(Trying::Mail, &email, address, now).map_err(Trouble::TooMany)?;
    let password = gateway.accounts.passwords.hash(password).await?;
    crate::accounts::decide(&gateway.core, |people, now| {
        let registration = Registration {
            email,
            password,
            person: fresh::person_id(now),
            link: fresh::link_id(now),
            workspace: fresh::workspace_id(now),
            workspace_name: workspace_name.to_owned(),
        };
        Ok(((), people.register(registration, now)))
    })
    .await
}

/// The address that an invitation is for, where the page to come back to is one.
fn invited(gateway: &Gateway, next: &str) -> Option<Email> {
    let token = next.strip_prefix("/app/invite?token=")?;
    let link = gateway.accounts.keys.link_of(token)?;
    let now = gateway.core.clock.now().wall;
    gateway.core.office(|office| office.people.invites(link, now).ok().map(|(_, email, _)| email.clone()))
}

/// What follows whenever a mail may have been sent.
pub(super) fn check_your_mail(words: &str) -> HttpResponse {
    Form {
        title: "Check your mail",
        words: vec![words.to_owned(), "Nothing there after a few minutes? Look among the unwanted mail.".to_owned()],
        links: vec![("/app/sign-in".to_owned(), "Sign in")],
        ..Form::default()
    }
    .respond(StatusCode::OK)
}

fn form(given: &SignUp, error: String) -> Form {
    let next = next::local(given.next.as_deref());
    let workspace = Field {
        name: "workspace",
        label: "Name of your workspace (optional)",
        kind: "text",
        value: given.workspace.clone(),
        autocomplete: "organization",
        ..Field::default()
    };
    Form {
        title: "Create an account",
        error,
        action: "/app/sign-up",
        hidden: vec![("next", next.to_owned())],
        fields: vec![Field::email(&given.email), Field::new_password(), workspace],
        button: "Create account",
        links: vec![(format!("/app/sign-in?next={}", next::encode(next)), "I have an account")],
        ..Form::default()
    }
}

fn closed() -> HttpResponse {
    Form {
        title: "By invitation only",
        words: vec!["Accounts are not open to everybody here. Ask an owner of a workspace to invite you.".to_owned()],
        links: vec![("/app/sign-in".to_owned(), "Sign in")],
        ..Form::default()
    }
    .respond(StatusCode::FORBIDDEN)
}
