//! What every form of the dashboard passes before it is obeyed: it comes from a page of ours, with its session's token.
//!
//! Three walls, each enough alone: the session's cookie is `SameSite`, a browser says where a request comes from, and the token
//! is known to our pages only. The body is read here, within bounds, since the token stands in it.

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use subtle::ConstantTimeEq;

use super::Trouble;
use crate::dashboard::query::Fields;

/// The largest body: a prompt of the playground.
const BODY_LEN_MAX: usize = 512 * 1024;
/// Where scripts put the token.
const TOKEN_HEADER: &str = "x-csrf-token";

/// A body that passed.
#[derive(Debug)]
pub(super) struct Checked {
    /// As it came.
    pub bytes: Bytes,
    /// Its fields, where it is a form.
    pub fields: Fields,
}

/// Reads a body and checks where it comes from. `origin` is the configured public address.
///
/// # Errors
/// [`Trouble::Forbidden`] for what is not from a page of this session, [`Trouble::TooLarge`] beyond the bound.
pub(super) async fn check(
    headers: &HeaderMap,
    origin: &str,
    token: &str,
    mut payload: Payload,
) -> Result<Checked, Trouble> {
    if !comes_from_us(headers, origin) {
        return Err(Trouble::Forbidden);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Trouble::Forbidden)?;
        if body.len() + chunk.len() > BODY_LEN_MAX {
            return Err(Trouble::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let bytes = body.freeze();
    let fields = Fields::of_form(&bytes);
    let given = headers.get(TOKEN_HEADER).and_then(|value| value.to_str().ok()).or_else(|| fields.get("csrf"));
    if token.is_empty() || !bool::from(given.unwrap_or_default().as_bytes().ct_eq(token.as_bytes())) {
        return Err(Trouble::Forbidden);
    }
    Ok(Checked { bytes, fields })
}

/// Whether the browser says that a page of ours asks. What says nothing is no browser, and has the token to show.
fn comes_from_us(headers: &HeaderMap, origin: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    match (text(header::ORIGIN.as_str()), text(header::HOST.as_str())) {
        (None, _) => true,
        (Some(given), host) => {
            let host_of = |origin: &str| origin.split_once("://").map(|(_, host)| host.to_owned());
            given == origin || (host.is_some() && host_of(given).as_deref() == host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), header::HeaderValue::from_static(value)));
        comes_from_us(&headers.collect(), "https://lmhaven.test")
    }

    #[test]
    fn another_site_is_refused_whatever_it_says() {
        assert!(says(&[]) && says(&[("sec-fetch-site", "same-origin"), ("origin", "https://lmhaven.test")]));
        assert!(says(&[("origin", "https://lmhaven.test")]));
        assert!(says(&[("origin", "http://127.0.0.1:9"), ("host", "127.0.0.1:9")]));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!says(&[("sec-fetch-site", site), ("origin", "https://lmhaven.test")]), "{site}");
        }
        for origin in ["https://evil.example", "null", "https://lmhaven.test.evil.example", "http://lmhaven.test"] {
            assert!(!says(&[("origin", origin), ("host", "other.test")]), "{origin}");
        }
    }
}
