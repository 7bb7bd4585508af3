//! `/app/members`: who belongs to the workspace, and `/app/invite`: the link that makes somebody a member.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use lmhaven_actors::domain::ids::{LinkId, PersonId};
use lmhaven_actors::domain::people::{Decided, Email, LinkRefusal, MemberRefusal, People, Role};
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::{ChangeError, fresh};
use serde::Deserialize;

use super::{Form, Token, Trouble, origin_of, settle_verified};
use crate::accounts::next;
use crate::accounts::throttle::Trying;
use crate::dashboard::app::shell_of;
use crate::dashboard::page::{self, Notice, Shell, Tab, Tone};
use crate::dashboard::{app, format, public};
use crate::extract::session::{SignedIn, SignedInPerson};
use crate::relay::Gateway;
use crate::routes::WorkerData;

#[derive(Debug)]
struct MemberRow {
    id: String,
    email: String,
    name: String,
    role: Role,
    is_self: bool,
}

#[derive(Debug)]
struct InvitationRow {
    id: String,
    email: String,
    role: Role,
    expires: String,
}

#[derive(Template)]
#[template(path = "accounts/members.html")]
struct MembersPage {
    shell: Shell,
    may: bool,
    members: Vec<MemberRow>,
    invitations: Vec<InvitationRow>,
    roles: [Role; 4],
    email: String,
}

/// A change that is not made.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Member(#[from] MemberRefusal),
    #[error(transparent)]
    Store(#[from] ChangeError),
}

/// `GET /app/members`.
pub async fn page(worker: WorkerData, signed_in: SignedIn) -> HttpResponse {
    show(&worker.gateway, &signed_in, StatusCode::OK, None, "")
}

fn show(
    gateway: &Gateway,
    signed_in: &SignedIn,
    status: StatusCode,
    flash: Option<Notice>,
    email: &str,
) -> HttpResponse {
    let now = gateway.core.clock.now().wall;
    let (members, invitations) = gateway.core.office(|office| {
        let people = &office.people;
        (people.members(signed_in.workspace), people.invitations(signed_in.workspace, now))
    });
    let members = members.into_iter().map(|member| MemberRow {
        id: member.person.to_string(),
        email: member.email.to_string(),
        name: member.name,
        role: member.role,
        is_self: member.person == signed_in.person,
    });
    let invitations = invitations.into_iter().map(|waiting| InvitationRow {
        id: waiting.link.to_string(),
        email: waiting.email.to_string(),
        role: waiting.role,
        expires: format::moment(waiting.expires_at),
    });
    let page = MembersPage {
        shell: Shell { flash, ..shell_of(&gateway.core, signed_in, Tab::Members) },
        may: signed_in.role.may_members(),
        members: members.collect(),
        invitations: invitations.collect(),
        roles: Role::ALL,
        email: email.to_owned(),
    };
    page::private(status, &page)
}

/// Has the change decided; shows the page with what came of it.
async fn change(
    gateway: &Gateway,
    signed_in: &SignedIn,
    email: &str,
    decide: impl FnOnce(&People, UnixMillis) -> Result<Decided, MemberRefusal>,
) -> HttpResponse {
    let changed =
        crate::accounts::decide(&gateway.core, |people, now| Ok::<_, Refused>(((), decide(people, now)?))).await;
    match changed {
        Ok(()) => page::see_other("/app/members"),
        Err(Refused::Store(error)) => Trouble::from(error).respond(),
        Err(Refused::Member(MemberRefusal::NotAllowed)) => app::Trouble::Forbidden.respond(),
        Err(Refused::Member(MemberRefusal::Unknown)) => public::missing(),
        Err(Refused::Member(refusal)) => {
            let flash = Notice::new(Tone::Failure, format!("Not done: {refusal}."));
            show(gateway, signed_in, StatusCode::CONFLICT, Some(flash), email)
        }
    }
}

/// Whom to invite, as what.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Invite {
    email: String,
    role: String,
}

/// `POST /app/members`.
pub async fn invite(
    worker: WorkerData,
    request: HttpRequest,
    signed_in: SignedIn,
    given: web::Form<Invite>,
) -> HttpResponse {
    let gateway = &worker.gateway;
    if !signed_in.role.may_members() {
        return app::Trouble::Forbidden.respond();
    }
    let Invite { email: text, role } = given.into_inner();
    let (Ok(email), Ok(role)) = (text.parse::<Email>(), role.parse::<Role>()) else {
        let flash = Notice::new(Tone::Failure, "Not done: expected an e-mail address and a role.");
        return show(gateway, &signed_in, StatusCode::UNPROCESSABLE_ENTITY, Some(flash), &text);
    };
    let (address, _, _) = origin_of(gateway, &request);
    let now = gateway.core.clock.now().wall;
    if let Err(wait) = gateway.accounts.throttle.attempt(Trying::Mail, &email, address, now) {
        return Trouble::TooMany(wait).respond();
    }
    let (workspace, by) = (signed_in.workspace, signed_in.person);
    change(gateway, &signed_in, &text, |people, now| {
        people.invite(workspace, by, email, role, fresh::link_id(now), now)
    })
    .await
}

/// A role.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NewRole {
    role: String,
}

/// `POST /app/members/{person}/role`.
pub async fn change_role(
    worker: WorkerData,
    signed_in: SignedIn,
    person: web::Path<String>,
    given: web::Form<NewRole>,
) -> HttpResponse {
    let (Ok(person), Ok(role)) = (person.parse::<PersonId>(), given.role.parse::<Role>()) else {
        return public::missing();
    };
    let (workspace, by) = (signed_in.workspace, signed_in.person);
    change(&worker.gateway, &signed_in, "", |people, now| people.change_role(workspace, by, person, role, now)).await
}

/// `POST /app/members/{person}/remove`.
pub async fn remove(worker: WorkerData, signed_in: SignedIn, person: web::Path<String>) -> HttpResponse {
    let Ok(person) = person.parse::<PersonId>() else { return public::missing() };
    let (workspace, by) = (signed_in.workspace, signed_in.person);
    change(&worker.gateway, &signed_in, "", |people, now| people.remove(workspace, by, person, now)).await
}

/// `POST /app/members/invitations/{link}/withdraw`.
pub async fn withdraw(worker: WorkerData, signed_in: SignedIn, link: web::Path<String>) -> HttpResponse {
    let Ok(link) = link.parse::<LinkId>() else { return public::missing() };
    let (workspace, by) = (signed_in.workspace, signed_in.person);
    change(&worker.gateway, &signed_in, "", |people, now| people.withdraw(workspace, by, link, now)).await
}

// --- The invitation's link ----------------------------------------------------------------------------------------

/// `GET /app/invite?token=…`. Opening it changes nothing.
pub async fn invitation_page(worker: WorkerData, request: HttpRequest, asked: web::Query<Token>) -> HttpResponse {
    let gateway = &worker.gateway;
    let now = gateway.core.clock.now().wall;
    let found = gateway.accounts.keys.link_of(&asked.token).ok_or(LinkRefusal).and_then(|link| {
        gateway.core.office(|office| {
            let (workspace, email, role) = office.people.invites(link, now)?;
            Ok((office.people.workspace_name(workspace).to_owned(), email.clone(), role))
        })
    });
    let (name, email, role) = match found {
        Ok(found) => found,
        Err(refusal) => return Trouble::from(refusal).respond(),
    };
    let signed_in = SignedInPerson::of(gateway, request.headers());
    let words = format!("{email} is invited to the workspace \u{201c}{name}\u{201d} as {role}.");
    let form = Form { title: "You are invited", words: vec![words], ..Form::default() };
    match &signed_in {
        Some(person) if person.email == email => {
            Form { action: "/app/invite", hidden: vec![("token", asked.token.clone())], button: "Join", ..form }
                .of(signed_in.as_ref())
        }
        Some(_) => {
            let error = "You are signed in with another address. Sign out first, then open the link again.".to_owned();
            Form { error, links: vec![("/app/account".to_owned(), "Your account")], ..form }
        }
        None => {
            let here = next::encode(&format!("/app/invite?token={}", asked.token));
            let links = vec![
                (format!("/app/sign-in?next={here}"), "Sign in to join"),
                (format!("/app/sign-up?next={here}"), "Create an account to join"),
            ];
            Form { links, ..form }
        }
    }
    .respond(StatusCode::OK)
}

/// `POST /app/invite`.
pub async fn accept(worker: WorkerData, person: SignedInPerson, given: web::Form<Token>) -> HttpResponse {
    let gateway = &worker.gateway;
    let Some(link) = gateway.accounts.keys.link_of(&given.token) else { return Trouble::Link(LinkRefusal).respond() };
    let accepted = crate::accounts::decide(&gateway.core, |people, now| {
        Ok::<_, Trouble>(people.accept(link, person.person, now)?)
    });
    match accepted.await {
        Ok(workspace) => {
            settle_verified(gateway, person.person).await;
            let mut response = page::see_other("/app");
            response.headers_mut().append(header::SET_COOKIE, gateway.accounts.cookies.keep_workspace(workspace));
            response
        }
        Err(trouble) => trouble.respond(),
    }
}
