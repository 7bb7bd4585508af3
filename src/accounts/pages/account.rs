//! `/app/account`: one's name, password and sessions, and which workspace one looks at.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use lmhaven_actors::domain::ids::{SessionId, WorkspaceId};
use lmhaven_actors::domain::people::{Decided, NewPassword, People};
use lmhaven_actors::domain::time::UnixMillis;
use serde::Deserialize;

use super::{Trouble, origin_of};
use crate::accounts::password;
use crate::accounts::throttle::Trying;
use crate::dashboard::app::shell_of;
use crate::dashboard::page::{self, Notice, Shell, Tab, Tone};
use crate::dashboard::{format, public};
use crate::extract::session::SignedInPerson;
use crate::relay::Gateway;
use crate::routes::WorkerData;

/// Characters of a name.
const NAME_MAX: usize = 100;

#[derive(Debug)]
struct SessionRow {
    id: String,
    client: String,
    address: String,
    opened: String,
    seen: String,
    current: bool,
}

#[derive(Template)]
#[template(path = "accounts/account.html")]
struct Account {
    shell: Shell,
    email: String,
    name: String,
    verified: bool,
    sessions: Vec<SessionRow>,
    password_error: String,
}

/// `GET /app/account`.
pub async fn page(worker: WorkerData, request: HttpRequest, person: SignedInPerson) -> HttpResponse {
    show(&worker.gateway, &request, person, StatusCode::OK, None, String::new())
}

fn show(
    gateway: &Gateway,
    request: &HttpRequest,
    person: SignedInPerson,
    status: StatusCode,
    flash: Option<Notice>,
    password_error: String,
) -> HttpResponse {
    let now = gateway.core.clock.now().wall;
    let sessions = gateway.core.office(|office| office.people.sessions(person.person, now));
    let row = |session: lmhaven_actors::domain::people::SessionView| SessionRow {
        id: session.id.to_string(),
        client: session.client,
        address: session.address,
        opened: format::moment(session.opened_at),
        seen: format::moment(session.seen_at),
        current: session.id == person.session,
    };
    let sessions = sessions.into_iter().map(row).collect();
    let (email, name, verified) = (person.email.to_string(), person.name.clone(), person.email_verified);
    let csrf = person.csrf.clone();
    let chosen = gateway.accounts.cookies.workspace(request.headers());
    let shell = match person.look(chosen) {
        Ok(signed_in) => shell_of(&gateway.core, &signed_in, Tab::None),
        Err(_) => nowhere(&email, csrf),
    };
    let page = Account { shell: Shell { flash, ..shell }, email, name, verified, sessions, password_error };
    page::private(status, &page)
}

/// What stands around the page of somebody who belongs to no workspace.
fn nowhere(email: &str, csrf: String) -> Shell {
    let text = "You belong to no workspace any more. Ask an owner to invite you.";
    Shell {
        current: Tab::None,
        email: email.to_owned(),
        role: "member",
        workspace_name: "no workspace".to_owned(),
        workspaces: Vec::new(),
        csrf,
        flash: None,
        notices: vec![Notice::new(Tone::Warning, text)],
    }
}

/// Does something about a person and goes back to the page.
async fn done(gateway: &Gateway, decide: impl FnOnce(&People, UnixMillis) -> Decided) -> Result<HttpResponse, Trouble> {
    crate::accounts::decide(&gateway.core, |people, now| Ok::<_, Trouble>(((), decide(people, now)))).await?;
    Ok(page::see_other("/app/account"))
}

/// A name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Name {
    name: String,
}

/// `POST /app/account/name`.
pub async fn rename(
    worker: WorkerData,
    request: HttpRequest,
    person: SignedInPerson,
    given: web::Form<Name>,
) -> HttpResponse {
    let name = given.name.trim().to_owned();
    if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        let flash = Notice::new(Tone::Failure, format!("A name has at most {NAME_MAX} characters."));
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return show(&worker.gateway, &request, person, status, Some(flash), String::new());
    }
    let renamed = done(&worker.gateway, |people, now| people.rename(person.person, name, now));
    renamed.await.unwrap_or_else(Trouble::respond)
}

/// The old password and the new one.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Passwords {
    old: String,
    new: String,
}

/// `POST /app/account/password`.
pub async fn change_password(
    worker: WorkerData,
    request: HttpRequest,
    person: SignedInPerson,
    given: web::Form<Passwords>,
) -> HttpResponse {
    let Passwords { old, new } = given.into_inner();
    let gateway = &worker.gateway;
    match set_password(gateway, &request, &person, old, new).await {
        Ok(None) => {
            let flash = Notice::new(Tone::Done, "The new password holds. Your other sessions have ended.");
            show(gateway, &request, person, StatusCode::OK, Some(flash), String::new())
        }
        Ok(Some(error)) => show(gateway, &request, person, StatusCode::UNPROCESSABLE_ENTITY, None, error),
        Err(trouble) => trouble.respond(),
    }
}

/// Sets the password, or tells what is wrong with it.
async fn set_password(
    gateway: &Gateway,
    request: &HttpRequest,
    person: &SignedInPerson,
    old: String,
    new: String,
) -> Result<Option<String>, Trouble> {
    if let Err(error) = password::check(&new, person.email.as_str()) {
        return Ok(Some(error.to_string()));
    }
    let accounts = &gateway.accounts;
    let (address, _, _) = origin_of(gateway, request);
    let now = gateway.core.clock.now().wall;
    let tried = accounts.throttle.attempt(Trying::Password, &person.email, address, now).map_err(Trouble::TooMany)?;
    let id = person.person;
    let compared = gateway.core.office(|office| office.people.person(id).map(|person| person.password.clone()));
    if !accounts.passwords.is(old, compared.as_ref()).await? {
        return Ok(Some("the old password is not right".to_owned()));
    }
    accounts.throttle.forgive(&tried);
    let compared = compared.ok_or(Trouble::Changed)?;
    let new = NewPassword { password: accounts.passwords.hash(new).await?, session: Some(person.session) };
    crate::accounts::decide(&gateway.core, |people, now| {
        let decided = people.change_password(id, &compared, new, now).ok_or(Trouble::Changed)?;
        Ok::<_, Trouble>((None, decided))
    })
    .await
}

/// `POST /app/account/sessions/{session}/end`.
pub async fn end_one(worker: WorkerData, person: SignedInPerson, session: web::Path<String>) -> HttpResponse {
    let gateway = &worker.gateway;
    let now = gateway.core.clock.now().wall;
    let theirs = session.parse::<SessionId>().ok().filter(|id| {
        gateway.core.office(|office| office.people.sessions(person.person, now).iter().any(|known| known.id == *id))
    });
    let Some(session) = theirs else { return public::missing() };
    let ended = done(gateway, |people, now| people.end_session(person.person, session, now));
    ended.await.unwrap_or_else(Trouble::respond)
}

/// `POST /app/account/sessions/end-others`.
pub async fn end_others(worker: WorkerData, person: SignedInPerson) -> HttpResponse {
    let ended = done(&worker.gateway, |people, now| people.end_sessions(person.person, Some(person.session), now));
    ended.await.unwrap_or_else(Trouble::respond)
}

/// A workspace.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Choice {
    workspace: String,
}

/// `POST /app/workspace`: looks at another one of one's workspaces.
pub async fn choose_workspace(worker: WorkerData, person: SignedInPerson, given: web::Form<Choice>) -> HttpResponse {
    let theirs = given.workspace.parse::<WorkspaceId>().ok();
    let theirs = theirs.filter(|id| person.workspaces.iter().any(|(known, _)| known == id));
    let Some(workspace) = theirs else { return public::missing() };
    let mut response = page::see_other("/app");
    response.headers_mut().append(header::SET_COOKIE, worker.gateway.accounts.cookies.keep_workspace(workspace));
    response
}
