//! One HTTP exchange with a provider: a request out, a status and a body back.

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::pool::PoolGuard;

/// A request to a provider, without its account.
#[derive(Clone, Debug)]
pub struct Call {
    /// What follows the provider's base URL, with the query.
    pub path: String,
    /// Headers of the protocol; the account's key is added.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// An answer has begun: its status and headers are here.
#[derive(Debug)]
pub struct Exchange {
    response: reqwest::Response,
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
    pub(super) const fn new(response: reqwest::Response, guard: PoolGuard) -> Self {
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
        self.response.chunk().await.map_err(|_| ExchangeError::BrokeOff)
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
