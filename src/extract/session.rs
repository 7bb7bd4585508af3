//! Who is signed in: the person behind the session's cookie, and the workspace that they look at.
//!
//! A handler takes [`SignedIn`] and gets it, or the visitor is sent to sign in and back. The session is looked up at every
//! request, so that one which was ended is refused at once. What a role may is asked of `Role`.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use lmhaven_actors::domain::ids::{PersonId, SessionId, WorkspaceId};
use lmhaven_actors::domain::people::{Email, Role};
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::ChangeError;

use crate::accounts::{self, next};
use crate::relay::Gateway;
use crate::routes::WorkerData;

/// A person who is signed in. They may belong to no workspace.
#[derive(Clone, Debug)]
pub struct SignedInPerson {
    /// Who.
    pub person: PersonId,
    /// Their address.
    pub email: Email,
    /// Their name; empty until they give one.
    pub name: String,
    /// They have confirmed the address.
    pub email_verified: bool,
    /// The session.
    pub session: SessionId,
    /// When they last gave their password.
    pub fresh_password_at: UnixMillis,
    /// What forms of this session carry in the field `csrf`.
    pub csrf: String,
    /// The workspaces that they belong to, the oldest first.
    pub workspaces: Vec<(WorkspaceId, Role)>,
}

/// A person who is signed in and looks at a workspace that they belong to.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub person: PersonId,
    /// Their address.
    pub email: Email,
    /// Their name; empty until they give one.
    pub name: String,
    /// They have confirmed the address.
    pub email_verified: bool,
    /// The session.
    pub session: SessionId,
    /// When they last gave their password.
    pub fresh_password_at: UnixMillis,
    /// What forms of this session carry in the field `csrf`.
    pub csrf: String,
    /// The workspaces that they belong to, the oldest first.
    pub workspaces: Vec<(WorkspaceId, Role)>,
    /// The one that they look at: which they chose last, else the first.
    pub workspace: WorkspaceId,
    /// What they are in it.
    pub role: Role,
}

/// The visitor has to go elsewhere first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSignedIn {
    /// There is no session that holds.
    #[error("nobody is signed in")]
    Nobody {
        /// The page to come back to.
        next: String,
    },
    /// The person belongs to no workspace.
    #[error("the person belongs to no workspace")]
    NoWorkspace,
}

impl ResponseError for NotSignedIn {
    fn status_code(&self) -> StatusCode {
        StatusCode::SEE_OTHER
    }

    fn error_response(&self) -> HttpResponse {
        let to = match self {
            Self::Nobody { next } => format!("/app/sign-in?next={}", next::encode(next)),
            Self::NoWorkspace => "/app/account".to_owned(),
        };
        let to = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/app/sign-in"));
        let mut response = HttpResponse::SeeOther();
        response.insert_header((header::LOCATION, to)).insert_header((header::CACHE_CONTROL, "no-store")).finish()
    }
}

impl SignedInPerson {
    /// Who is signed in, if anybody.
    pub fn of(gateway: &Gateway, headers: &HeaderMap) -> Option<Self> {
        let token = gateway.accounts.cookies.session(headers)?;
        let now = gateway.core.clock.now().wall;
        let csrf = gateway.accounts.keys.csrf(&token);
        gateway.core.office(|office| {
            let people = &office.people;
            let session = people.session(&token.digest(), now)?;
            let person = people.person(session.person)?;
            Some(Self {
                person: person.id,
                email: person.email.clone(),
                name: person.name.clone(),
                email_verified: person.verified_at.is_some(),
                session: session.id,
                fresh_password_at: session.fresh_at,
                csrf,
                workspaces: people.workspaces(person.id),
            })
        })
    }

    /// With the workspace that the person looks at.
    ///
    /// # Errors
    /// They belong to none.
    pub fn look(self, chosen: Option<WorkspaceId>) -> Result<SignedIn, NotSignedIn> {
        let found = self.workspaces.iter().find(|(id, _)| Some(*id) == chosen).or(self.workspaces.first());
        let (workspace, role) = *found.ok_or(NotSignedIn::NoWorkspace)?;
        let Self { person, email, name, email_verified, session, fresh_password_at, csrf, workspaces } = self;
        Ok(SignedIn {
            person,
            email,
            name,
            email_verified,
            session,
            fresh_password_at,
            csrf,
            workspaces,
            workspace,
            role,
        })
    }
}

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, actix_web::Error>>>>;

impl FromRequest for SignedInPerson {
    type Error = actix_web::Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let worker = worker(&request)?;
            worker.gateway.opened().await;
            let found = Self::of(&worker.gateway, request.headers());
            let found = found.ok_or_else(|| NotSignedIn::Nobody { next: wanted(&request) })?;
            touch(&worker, found.session);
            Ok(found)
        })
    }
}

impl FromRequest for SignedIn {
    type Error = actix_web::Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let person = SignedInPerson::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let chosen = worker(&request)?.gateway.accounts.cookies.workspace(request.headers());
            Ok(person.await?.look(chosen)?)
        })
    }
}

pub(super) fn worker(request: &HttpRequest) -> Result<WorkerData, actix_web::Error> {
    let worker = request.app_data::<WorkerData>().cloned();
    worker.ok_or_else(|| actix_web::error::ErrorInternalServerError("no worker"))
}

/// The page to come back to. What a form would have done is not done again.
fn wanted(request: &HttpRequest) -> String {
    let path = if *request.method() == Method::GET {
        request.uri().path_and_query().map_or("/app", |path| path.as_str())
    } else {
        "/app"
    };
    next::local(Some(path)).to_owned()
}

/// Notes, once an hour and beside the request, that the session is used.
pub(super) fn touch(worker: &WorkerData, session: SessionId) {
    let core = worker.gateway.core.clone();
    let now = core.clock.now().wall;
    if !core.office(|office| office.people.is_touch_due(session, now)) {
        return;
    }
    actix_web::rt::spawn(async move {
        let noted: Result<(), ChangeError> =
            accounts::decide(&core, |people, now| Ok(((), people.touch(session, now)))).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "the use of a session could not be noted");
        }
    });
}
