//! From headers to a workspace: the key, as bearer or `x-api-key`, found without asking any actor.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use lmhaven_actors::domain::secret::{KEY_PREFIX, KeyDigest};
use lmhaven_actors::keyring::KeyEntry;

use crate::error::{ApiError, Code};
use crate::extract::head;
use crate::relay::Gateway;

const X_API_KEY: header::HeaderName = header::HeaderName::from_static("x-api-key");
const X_FORWARDED_FOR: header::HeaderName = header::HeaderName::from_static("x-forwarded-for");

/// What every route that is served for a key begins with: the gateway is open, and the key is good.
///
/// # Errors
/// As [`authenticate`].
pub async fn enter(gateway: &Gateway, request: &HttpRequest) -> Result<Arc<KeyEntry>, ApiError> {
    gateway.opened().await;
    authenticate(gateway, request)
}

/// Finds the key that a request presents. Every route that takes one comes through here, so here a gateway that drains
/// sends them elsewhere.
///
/// # Errors
/// 503 while draining; 431 for a head beyond its bounds; the 401s of the table; 403 for an address that the key does not allow; 429 for an address that failed too often.
pub fn authenticate(gateway: &Gateway, request: &HttpRequest) -> Result<Arc<KeyEntry>, ApiError> {
    if gateway.is_draining() {
        return Err(ApiError::draining());
    }
    head::check(request)?;
    let address = address(gateway, request);
    if let Some(wait) = gateway.edge.must_wait(address) {
        let message = "too many failed authentications from this address";
        return Err(ApiError::new(Code::RateLimitExceeded, message).retry_after(wait));
    }
    let found = presented(request.headers()).and_then(|key| find(gateway, key));
    match found {
        Err(error) => {
            gateway.edge.note_failure(address);
            crate::telemetry::rejected("bad_key");
            Err(error)
        }
        Ok(entry) if !entry.allows_address(address) => {
            Err(ApiError::new(Code::KeyScope, "this key may not be used from this address"))
        }
        Ok(entry) => Ok(entry),
    }
}

fn find(gateway: &Gateway, key: &str) -> Result<Arc<KeyEntry>, ApiError> {
    let unknown = || ApiError::new(Code::InvalidApiKey, "this API key is not known");
    let entry =
        KeyDigest::of_presented(key).and_then(|digest| gateway.core.keyring.find(&digest)).ok_or_else(unknown)?;
    if entry.is_revoked() {
        return Err(ApiError::new(Code::RevokedApiKey, "this API key was revoked"));
    }
    if entry.is_expired(gateway.core.clock.now().wall) {
        return Err(ApiError::new(Code::ExpiredApiKey, "this API key has expired"));
    }
    Ok(entry)
}

/// The key in the headers. SDKs of different ages use either header, and some send a dummy in the other.
fn presented(headers: &HeaderMap) -> Result<&str, ApiError> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(strip_bearer);
    let api_key = text(X_API_KEY).map(str::trim);
    let ours = |key: &&str| key.starts_with(KEY_PREFIX);
    match (bearer.filter(ours), api_key.filter(ours)) {
        (Some(one), Some(other)) if one != other => {
            Err(ApiError::new(Code::InvalidApiKey, "the authorization and x-api-key headers carry different keys"))
        }
        (Some(key), _) | (None, Some(key)) => Ok(key),
        (None, None) if bearer.or(api_key).is_some_and(|key| !key.is_empty()) => {
            Err(ApiError::new(Code::InvalidApiKey, "an API key of this gateway starts with sk-lmh-"))
        }
        (None, None) => Err(ApiError::new(
            Code::MissingApiKey,
            "no API key: send it as \"Authorization: Bearer sk-lmh-…\" or \"x-api-key: sk-lmh-…\"",
        )),
    }
}

fn strip_bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case("bearer ").then(|| key.trim())
}

/// The caller's address, through trusted proxies.
pub fn address(gateway: &Gateway, request: &HttpRequest) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let forwarded_for = request.headers().get(X_FORWARDED_FOR).and_then(|value| value.to_str().ok());
    gateway.edge.caller_address(peer, forwarded_for)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_key_is_taken_from_whichever_header_has_ours() {
        let cases = [
            (vec![("authorization", "Bearer sk-lmh-a")], Ok("sk-lmh-a")),
            (vec![("authorization", "bearer  sk-lmh-a ")], Ok("sk-lmh-a")),
            (vec![("x-api-key", "sk-lmh-a")], Ok("sk-lmh-a")),
            (vec![("x-api-key", "dummy"), ("authorization", "Bearer sk-lmh-a")], Ok("sk-lmh-a")),
            (vec![("x-api-key", "sk-lmh-a"), ("authorization", "Bearer sk-lmh-a")], Ok("sk-lmh-a")),
            (vec![("x-api-key", "sk-lmh-a"), ("authorization", "Bearer sk-lmh-b")], Err(Code::InvalidApiKey)),
            (vec![("authorization", "Bearer sk-ant-x")], Err(Code::InvalidApiKey)),
            (vec![("authorization", "Basic sk-lmh-a")], Err(Code::MissingApiKey)),
            (vec![], Err(Code::MissingApiKey)),
        ];
        for (pairs, expected) in cases {
            let map = headers(&pairs);
            assert_eq!(presented(&map).map_err(|error| error.code), expected, "{pairs:?}");
        }
    }
}
