//! A call that is read whole whatever its status: one step of a generation of images.
//!
//! All steps of a generation go through one [`Seat`], since a task of one account cannot be seen by another.
//! Redirects are not followed and nothing is sent twice: what follows is the caller's to decide.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};

use super::actor::Seat;
use super::pool::KeyHeader;

/// Room for an answer that does not say how long it is: addresses, of which only what is written becomes memory. A
/// buffer that grew instead would leave twice its size behind it.
const ROOM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where a fetch goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// Below the provider's base URL, with the key of the account.
    Provider {
        /// Begins with a slash; with the query.
        path: String,
        /// Where the key goes.
        key: KeyHeader,
    },
    /// Anywhere, without a key.
    Url(String),
}

/// A call.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// The `accept` header.
    pub accept: &'static str,
    /// The `content-type` header, where there is a body.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Bytes,
    /// The largest answer that is read.
    pub bytes_max: usize,
    /// How long the whole answer may take.
    pub within: Duration,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// There is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nothing was sent.
    #[error("no connection")]
    NotSent,
    /// The connection ended after something may have been sent.
    #[error("the connection broke off")]
    BrokeOff,
    /// Silence.
    #[error("no whole answer in time")]
    TimedOut,
    /// More bytes than allowed.
    #[error("the answer is too large")]
    TooLarge,
    /// More bytes than there is room for.
    #[error("there is no room for the answer")]
    NoRoom,
}

impl Seat {
    /// Sends a call and reads the whole answer. `room` is asked before memory is used, for how many bytes the answer
    /// then has.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, fetch: Fetch, room: impl Fn(usize) -> bool) -> Result<Fetched, FetchError> {
        let within = fetch.within;
        tokio::time::timeout(within, self.fetch_whole(fetch, room)).await.unwrap_or(Err(FetchError::TimedOut))
    }

    async fn fetch_whole(&self, fetch: Fetch, room: impl Fn(usize) -> bool) -> Result<Fetched, FetchError> {
        let Fetch { method, target, accept, content_type, body, bytes_max, .. } = fetch;
        let (url, credentials) = match target {
            Target::Provider { path, key } => {
                let base = &self.guard().pool().spec().base_url;
                (format!("{base}{path}"), self.guard().credentials(key))
            }
            Target::Url(url) => (url, None),
        };
        let url = Url::parse(&url).map_err(|_| FetchError::NotSent)?;
        let mut request = reqwest::Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.extend(content_type.map(|content_type| (CONTENT_TYPE, HeaderValue::from_static(content_type))));
        headers.extend(credentials);
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        let sent = self.client().execute(request).await;
        let mut response =
            sent.map_err(|error| if error.is_connect() { FetchError::NotSent } else { FetchError::BrokeOff })?;
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
        if announced.is_some_and(|announced| announced > bytes_max) {
            return Err(FetchError::TooLarge);
        }
        if announced.is_some_and(|announced| !room(announced)) {
            return Err(FetchError::NoRoom);
        }
        let mut whole = BytesMut::with_capacity(announced.unwrap_or_else(|| bytes_max.min(ROOM_BYTES_MAX)));
        while let Some(chunk) = response.chunk().await.map_err(|_| FetchError::BrokeOff)? {
            let len = whole.len() + chunk.len();
            if len > bytes_max {
                return Err(FetchError::TooLarge);
            }
            if !room(len) {
                return Err(FetchError::NoRoom);
            }
            whole.extend_from_slice(&chunk);
        }
        let status = response.status().as_u16();
        Ok(Fetched { status, headers: std::mem::take(response.headers_mut()), body: whole.freeze() })
    }
}
