//! Pages of accounts: signing up, in and out, mailed links, one's own account, and the members of a workspace.
//!
//! `routes` names them. Each decides nothing: it reads a form, has `People` decide, and shows what came of it. What a page says
//! never tells whether an address has an account.

pub mod account;
pub mod members;
pub mod reset;
pub mod sign_in;
pub mod sign_up;
pub mod verify;

use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use lmhaven_actors::domain::fact::{AuditRow, WorkspaceChanged};
use lmhaven_actors::domain::ids::PersonId;
use lmhaven_actors::domain::people::{LinkRefusal, PasswordHash};
use lmhaven_actors::system::{ChangeError, fresh};
use lmhaven_actors::workspace::Describe;
use serde::Deserialize;
use serde_json::json;

use super::client;
use super::password::Busy;
use super::token::SessionToken;
use crate::dashboard::page;
use crate::extract::caller;
use crate::extract::session::SignedInPerson;
use crate::relay::Gateway;

/// What a link of a mail carries.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Token {
    token: String,
}

/// One field of a form.
#[derive(Debug, Default)]
struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    value: String,
    autocomplete: &'static str,
    hint: &'static str,
    required: bool,
}

impl Field {
    fn email(value: &str) -> Self {
        let (name, label) = ("email", "E-mail address");
        Self { name, label, kind: "email", value: value.to_owned(), autocomplete: "username", required: true, hint: "" }
    }

    fn password(label: &'static str) -> Self {
        let (name, kind) = ("password", "password");
        Self { name, label, kind, autocomplete: "current-password", required: true, ..Self::default() }
    }

    fn new_password() -> Self {
        let hint = "At least 10 characters. Long is better than complicated.";
        Self { autocomplete: "new-password", hint, ..Self::password("Password") }
    }
}

/// A signed-out page.
#[derive(Debug, Default, Template)]
#[template(path = "accounts/form.html")]
struct Form {
    title: &'static str,
    error: String,
    words: Vec<String>,
    action: &'static str,
    hidden: Vec<(&'static str, String)>,
    /// Whose password is asked for, for managers of passwords, where no field has it.
    username: String,
    fields: Vec<Field>,
    button: &'static str,
    links: Vec<(String, &'static str)>,
}

impl Form {
    fn respond(self, status: StatusCode) -> HttpResponse {
        page::private(status, &self)
    }

    /// With the token of the session, where there is one.
    fn of(mut self, signed_in: Option<&SignedInPerson>) -> Self {
        self.hidden.extend(signed_in.map(|person| ("csrf", person.csrf.clone())));
        self
    }
}

/// What whoever sends a form sees that the guard does not let through.
pub(super) fn form_refused(why: &str) -> HttpResponse {
    let words =
        vec![why.to_owned(), "Nothing was changed. Go back, reload the page and send the form again.".to_owned()];
    Form { title: "Please send this again", words, ..Form::default() }.respond(StatusCode::FORBIDDEN)
}

/// Why a form was not obeyed, where that is no matter of the form.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("too many tries")]
    TooMany(Duration),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Store(#[from] ChangeError),
    #[error(transparent)]
    Link(#[from] LinkRefusal),
    #[error("the password is another one by now")]
    Changed,
}

impl Trouble {
    fn respond(self) -> HttpResponse {
        let (status, title, words, wait) = match self {
            Self::TooMany(wait) => {
                let words = match wait.as_secs().div_ceil(60) {
                    ..=1 => "There were too many tries. Please try again in a minute.".to_owned(),
                    minutes => format!("There were too many tries. Please try again in {minutes} minutes."),
                };
                (StatusCode::TOO_MANY_REQUESTS, "Please wait", words, wait)
            }
            Self::Link(_) => {
                let words = "It was used already, is too old, or is not complete. Sign in to have another one sent.";
                return Form {
                    title: "This link does not work",
                    words: vec![words.to_owned()],
                    links: vec![
                        ("/app/sign-in".to_owned(), "Sign in"),
                        ("/app/forgot".to_owned(), "Forgot the password?"),
                    ],
                    ..Form::default()
                }
                .respond(StatusCode::GONE);
            }
            Self::Changed => {
                let words = "The password was changed a moment ago. Please sign in with the new one.";
                (StatusCode::CONFLICT, "Please sign in again", words.to_owned(), Duration::ZERO)
            }
            Self::Busy(_) | Self::Store(_) => {
                if let Self::Store(error) = &self {
                    tracing::error!(%error, "a page of accounts could not be obeyed");
                }
                let words = "We are too busy right now. Nothing was changed; please try again in a moment.";
                (StatusCode::SERVICE_UNAVAILABLE, "Please try again", words.to_owned(), Duration::from_secs(2))
            }
        };
        let links = vec![("/app/sign-in".to_owned(), "Sign in")];
        let mut response = Form { title, words: vec![words], links, ..Form::default() }.respond(status);
        if !wait.is_zero() {
            // Rounded up: whoever waits that long is let in.
            let seconds = u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Where the request comes from: the address, and what is kept of it and of the browser.
fn origin_of(gateway: &Gateway, request: &HttpRequest) -> (IpAddr, String, String) {
    let address = caller::address(gateway, request);
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    (address, client::network(address), client::describe(user_agent.unwrap_or_default()))
}

/// Opens a session for somebody whose password was compared with `compared`, and goes to `next`.
async fn let_in(
    gateway: &Gateway,
    request: &HttpRequest,
    person: PersonId,
    compared: &PasswordHash,
    next: &str,
) -> Result<HttpResponse, Trouble> {
    let token = SessionToken::fresh();
    let (_, address, client) = origin_of(gateway, request);
    let before = gateway.accounts.cookies.session(request.headers()).map(|token| token.digest());
    super::decide(&gateway.core, |people, now| {
        let previous = before.and_then(|digest| people.session(&digest, now)).map(|session| session.id);
        let digest = token.digest();
        let new = lmhaven_actors::domain::people::NewSession {
            session: fresh::session_id(now),
            digest,
            address,
            client,
            previous,
        };
        let decided = people.open_session(person, compared, new, now).ok_or(Trouble::Changed)?;
        Ok::<_, Trouble>(((), decided))
    })
    .await?;
    settle_verified(gateway, person).await;
    let mut response = page::see_other(next);
    response.headers_mut().append(header::SET_COOKIE, gateway.accounts.cookies.keep_session(&token));
    Ok(response)
}

/// Tells the workspaces of somebody whose address is confirmed, so that their keys are served. Repeated at every sign-in, in
/// case the process died between the confirmation and this.
async fn settle_verified(gateway: &Gateway, person: PersonId) {
    let core = &gateway.core;
    let owned = core.office(|office| {
        let verified = office.people.person(person).is_some_and(|person| person.verified_at.is_some());
        if verified { office.people.owned(person) } else { Vec::new() }
    });
    for id in owned {
        let Some(workspace) = core.directory.find(id) else { continue };
        match workspace.ask(Describe).await {
            Ok(view) if view.settings.email_verified => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "a workspace could not be told that its owner's address is confirmed");
                continue;
            }
        }
        let at = core.clock.now().wall;
        let change = WorkspaceChanged { email_verified: Some(true), ..WorkspaceChanged::nothing(id, at) };
        let audit = AuditRow {
            at,
            actor: person.to_string(),
            action: "workspace.change".to_owned(),
            target: id.to_string(),
            reason: Some("the owner confirmed the address".to_owned()),
            before: Some(json!({ "email_verified": false })),
            after: Some(json!({ "email_verified": true })),
        };
        if let Err(error) = core.change_workspace(&workspace, change, audit).await {
            tracing::warn!(%error, "a confirmed address could not be noted in its workspace");
        }
    }
}
