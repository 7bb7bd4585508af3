//! One HTTP exchange with a provider: a request out, a status and a body back.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::pool::PoolGuard;

/// A request to a provider, without its account.
#[derive(Clone, Debug)]
pub struct Call {
    /// What follows the provider's base URL, with the query.
    pub path: String,
    /// Headers of the protocol; the account's key is added.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Pieces,
}

/// A body in pieces, to be sent one after the other: what a caller sent is not copied to stand beside what we add.
#[derive(Clone, Debug, Default)]
pub struct Pieces(SmallVec<[Bytes; 3]>);

impl Pieces {
    /// Bytes of all pieces.
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// There is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Bytes> for Pieces {
    fn from(whole: Bytes) -> Self {
        [whole].into_iter().collect()
    }
}

impl FromIterator<Bytes> for Pieces {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        Self(pieces.into_iter().filter(|piece| !piece.is_empty()).collect())
    }
}

impl IntoIterator for Pieces {
    type Item = Bytes;
    type IntoIter = smallvec::IntoIter<[Bytes; 3]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// An answer has begun: its status and headers are here.
#[derive(Debug)]
pub struct Exchange {
    response: hyper::Response<Incoming>,
    /// The place on the account, freed when the exchange ends.
    pub guard: PoolGuard,
}

/// Nothing was answered, or the answer broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// No connection: nothing was sent.
    #[error("no connection to the provider")]
    NoConnection,
    /// The connection ended before any byte of an answer.
    #[error("the provider closed the connection before it answered")]
    ClosedBeforeAnswer,
    /// The connection ended within the answer.
    #[error("the provider's answer broke off")]
    BrokeOff,
    /// Silence.
    #[error("the provider did not answer in time")]
    TimedOut,
    /// The body is larger than any answer we relay.
    #[error("the provider's answer is too large")]
    TooLarge,
}

impl Exchange {
    /// Wraps an answer that has begun.
    pub(super) const fn new(response: hyper::Response<Incoming>, guard: PoolGuard) -> Self {
        Self { response, guard }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Forgets the headers. They are slices of the connection's read buffer, so a stream that keeps them keeps 8 KiB more.
    pub fn forget_headers(&mut self) {
        *self.response.headers_mut() = HeaderMap::new();
    }

    /// The next bytes of the body, `None` at its end. Nothing is lost if the call is dropped half-way.
    ///
    /// # Errors
    /// [`ExchangeError::BrokeOff`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ExchangeError> {
        while let Some(frame) = self.response.body_mut().frame().await {
            // Trailers are no part of any protocol here.
            if let Ok(data) = frame.map_err(|_| ExchangeError::BrokeOff)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The whole body, of at most `bytes_max`.
    ///
    /// # Errors
    /// [`ExchangeError::BrokeOff`] or [`ExchangeError::TooLarge`].
    pub async fn body(&mut self, bytes_max: usize) -> Result<Bytes, ExchangeError> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk().await? else {
            return if first.len() > bytes_max { Err(ExchangeError::TooLarge) } else { Ok(first) };
        };
        let mut body = bytes::BytesMut::from(first.as_ref());
        body.extend_from_slice(&second);
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > bytes_max {
                return Err(ExchangeError::TooLarge);
            }
        }
        if body.len() > bytes_max { Err(ExchangeError::TooLarge) } else { Ok(body.freeze()) }
    }
}
