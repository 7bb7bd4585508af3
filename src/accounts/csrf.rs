//! The guard that every form under `/app` passes: it comes from one of our own pages, and from this session.
//!
//! A request that changes something has an `Origin` of ours, is not told by the browser to come from elsewhere, and, where it
//! carries a session, has the session's token in its field `csrf` or, from a script, in `x-csrf-token`. The guard stands around
//! the whole of `/app`, and another one around the whole of `/operator`, in the routing table, so that no page can forget it.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{Error, HttpMessage, HttpResponse};
use futures_util::StreamExt;
use lmhaven_actors::domain::people::Realm;

use super::pages;
use crate::routes::WorkerData;

/// The field of a form.
pub const FIELD: &str = "csrf";
/// The header of a script's request.
pub const HEADER: &str = "x-csrf-token";
/// Bytes of a form.
const FORM_MAX: usize = 64 * 1024;

/// Where our own forms come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnOrigin {
    public: String,
    /// Reached over plain HTTP on this machine, whose name may be written in several ways.
    loopback: bool,
}

impl OwnOrigin {
    /// By the address that people open.
    pub fn of(public_url: &str) -> Self {
        Self { public: public_url.to_owned(), loopback: is_loopback(public_url) }
    }

    /// Whether a request that changes something comes from one of our own pages.
    pub fn sent(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let one = headers.get_all(header::ORIGIN).count() == 1;
        let from_us = text("origin").is_some_and(|origin| {
            let to = text("host").map(|host| format!("http://{host}"));
            origin == self.public || self.loopback && is_loopback(origin) && to.is_some_and(|to| to == origin)
        });
        one && from_us && text("sec-fetch-site").is_none_or(|site| site == "same-origin")
    }
}

fn is_loopback(origin: &str) -> bool {
    let Some(authority) = origin.strip_prefix("http://") else { return false };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

/// Refuses what does not come from one of our pages or not from this session; hands on the rest with its body.
///
/// # Errors
/// Those of the page.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    stand(Realm::Customers, request, next).await
}

/// The same around the operators' pages: their origin, their cookie, their sessions.
///
/// # Errors
/// Those of the page.
pub async fn guard_operators(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    stand(Realm::Operators, request, next).await
}

async fn stand(
    realm: Realm,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let Some(worker) = request.app_data::<WorkerData>().cloned() else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let accounts = &worker.gateway.accounts;
    let origin = match realm {
        Realm::Customers => &accounts.origin,
        Realm::Operators => &accounts.operators.origin,
    };
    if !origin.sent(request.headers()) {
        let refused = refused(realm, request.headers(), "This form was not sent from one of our own pages.");
        return Ok(request.into_response(refused));
    }
    // A session that is over counts as none: what then needs one asks for a sign-in.
    let token = match realm {
        Realm::Customers => accounts.cookies.session(request.headers()),
        Realm::Operators => accounts.operators.cookies.operator_session(request.headers()),
    };
    let session = token.filter(|token| {
        let now = worker.gateway.core.clock.now().wall;
        worker.gateway.core.office(|office| match realm {
            Realm::Customers => office.people.session(&token.digest(), now).is_some(),
            Realm::Operators => office.people.operator_session(&token.digest(), now).is_some(),
        })
    });
    if let Some(session) = session {
        let given = match request.headers().get(HEADER) {
            Some(given) => given.to_str().unwrap_or_default().to_owned(),
            None => match read(&mut request).await {
                Some(body) => {
                    let given = field(&body, FIELD).unwrap_or_default();
                    request.set_payload(Payload::from(body));
                    given
                }
                None => return Ok(request.into_response(HttpResponse::PayloadTooLarge().finish())),
            },
        };
        if !accounts.keys.is_csrf(&session, &given) {
            let refused = refused(realm, request.headers(), "This page was open for too long.");
            return Ok(request.into_response(refused));
        }
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// The whole body; `None` where it is longer than a form, or does not come.
async fn read(request: &mut ServiceRequest) -> Option<Bytes> {
    let mut payload = request.take_payload();
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.ok()?;
        if body.len() + chunk.len() > FORM_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body.freeze())
}

/// A field of a form.
fn field(body: &[u8], name: &str) -> Option<String> {
    let fields = web::Query::<Vec<(String, String)>>::from_query(std::str::from_utf8(body).ok()?).ok()?;
    fields.into_inner().into_iter().find(|(given, _)| given == name).map(|(_, value)| value)
}

/// A page for people; a line for scripts, which show it as it is, and for operators, whose pages lie elsewhere.
fn refused(realm: Realm, headers: &HeaderMap, why: &str) -> HttpResponse {
    if realm == Realm::Customers && !headers.contains_key(HEADER) {
        return pages::form_refused(why);
    }
    HttpResponse::Forbidden()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain; charset=utf-8")
        .body(format!("{why} Go back, reload the page and send it again.\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_our_own_pages_send_forms() {
        let own = OwnOrigin::of("https://haven.example");
        let sent = |pairs: &[(&'static str, &str)]| own.sent(&headers(pairs));
        assert!(sent(&[("origin", "https://haven.example")]));
        assert!(sent(&[("origin", "https://haven.example"), ("sec-fetch-site", "same-origin")]));
        for pairs in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("origin", "null")],
            &[("origin", "http://haven.example")],
            &[("origin", "https://haven.example.evil.example")],
            &[("origin", "https://haven.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://haven.example"), ("sec-fetch-site", "same-site")],
            &[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")],
        ] {
            assert!(!sent(pairs), "{pairs:?}");
        }
    }

    #[test]
    fn on_loopback_the_name_may_be_written_otherwise() {
        let own = OwnOrigin::of("http://127.0.0.1:8080");
        let sent = |origin: &str, host: &str| own.sent(&headers(&[("origin", origin), ("host", host)]));
        assert!(sent("http://localhost:8080", "localhost:8080") && sent("http://[::1]:8080", "[::1]:8080"));
        assert!(!sent("http://localhost:9999", "localhost:8080"), "another server of this machine");
        assert!(!sent("http://evil.example:8080", "evil.example:8080"), "a name that was bound to this machine");
        assert!(!sent("http://localhost.evil.example", "localhost.evil.example"));
    }
}
