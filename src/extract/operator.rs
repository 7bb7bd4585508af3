//! Which operator is signed in: the person behind the session's cookie on the operators' pages.
//!
//! A handler takes [`Operator`] and gets it, or the visitor is sent to sign in. The session is looked up at every request, and
//! so is whether the person is an operator still. A customer's session is none here.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use lmhaven_actors::domain::ids::{PersonId, SessionId};
use lmhaven_actors::domain::people::{Email, PASSWORD_FRESH_FOR};
use lmhaven_actors::domain::time::UnixMillis;

use super::session::{touch, worker};
use crate::relay::Gateway;

/// An operator who is signed in.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Who.
    pub person: PersonId,
    /// Their address; what audit rows name them by.
    pub email: Email,
    /// The session.
    pub session: SessionId,
    /// What forms of this session carry in the field `csrf`.
    pub csrf: String,
    fresh_at: UnixMillis,
}

/// No operator is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no operator is signed in")]
pub struct NoOperator;

impl ResponseError for NoOperator {
    fn status_code(&self) -> StatusCode {
        StatusCode::SEE_OTHER
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::SeeOther();
        response.insert_header((header::LOCATION, "/operator/sign-in"));
        response.insert_header((header::CACHE_CONTROL, "no-store")).finish()
    }
}

impl Operator {
    /// Who is signed in, if anybody.
    pub fn of(gateway: &Gateway, headers: &header::HeaderMap) -> Option<Self> {
        let token = gateway.accounts.operators.cookies.operator_session(headers)?;
        let now = gateway.core.clock.now().wall;
        let csrf = gateway.accounts.keys.csrf(&token);
        gateway.core.office(|office| {
            let session = office.people.operator_session(&token.digest(), now)?;
            let email = office.people.person(session.person)?.email.clone();
            Some(Self { person: session.person, email, session: session.id, csrf, fresh_at: session.fresh_at })
        })
    }

    /// Whether the password was given so lately that money may be moved without asking for it again.
    pub fn is_fresh(&self, now: UnixMillis) -> bool {
        now < self.fresh_at.plus_millis(PASSWORD_FRESH_FOR)
    }
}

impl FromRequest for Operator {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let worker = worker(&request)?;
            worker.gateway.opened().await;
            let found = Self::of(&worker.gateway, request.headers()).ok_or(NoOperator)?;
            touch(&worker, found.session);
            Ok(found)
        })
    }
}
