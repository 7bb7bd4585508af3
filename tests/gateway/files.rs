//! Stored images over HTTP: whose link is good, what is answered to it, and when an image is gone.
//!
//! `links` is about who gets in, `answers` about headers, ranges and conditions, `keeping` about where the bytes are,
//! `bucket` about the same in S3.

mod answers;
mod bucket;
mod keeping;
mod links;

use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::web::Bytes;
use lmhaven::images::link::Link;
use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::time::UnixMillis;
use reqwest::{Method, RequestBuilder, header::HeaderMap};

use crate::harness::{Haven, Reply, within};

/// What links of the tests start with.
const PUBLIC_URL: &str = "https://lmhaven.test";

/// A clock of its own for one test, which stands still until the test moves it.
struct Tomorrow(&'static AtomicI64);

impl Tomorrow {
    /// In the middle of a second.
    const START: UnixMillis = UnixMillis(1_795_392_000_500);

    fn new() -> Self {
        Self(Box::leak(Box::new(AtomicI64::new(Self::START.0))))
    }

    fn clock(&self) -> Clock {
        Clock::given(self.0)
    }

    /// Moves the clock to so many seconds after its start.
    fn set(&self, seconds: i64) -> UnixMillis {
        let now = Self::START.plus_millis(seconds * 1000);
        self.0.store(now.0, Ordering::Relaxed);
        now
    }
}

/// A PNG of so many bytes, all told apart.
fn png(len: usize) -> Bytes {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend((8..len).map(|place| (place % 251) as u8));
    bytes.into()
}

/// A whole answer with its bytes.
struct File {
    status: u16,
    headers: HeaderMap,
    bytes: Bytes,
}

impl File {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

impl Haven {
    /// Keeps a PNG as the relay of images does, now by the gateway's clock.
    async fn keep(&self, bytes: Bytes) -> Link {
        let gateway = &self.server.gateway;
        gateway.images.keep(bytes, None, gateway.core.clock.now().wall).await.unwrap()
    }

    /// A request for what follows the public URL in a link.
    fn file_request(&self, method: Method, rest: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{rest}", self.base))
    }

    /// `GET` with headers.
    async fn file(&self, link: &Link, headers: &[(&str, &str)]) -> File {
        self.file_by(Method::GET, link, headers).await
    }

    async fn file_by(&self, method: Method, link: &Link, headers: &[(&str, &str)]) -> File {
        let request = headers
            .iter()
            .fold(self.file_request(method, rest_of(link)), |request, (name, value)| request.header(*name, *value));
        let response = within("an answer", request.send()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        File { status, headers, bytes: within("a whole answer", response.bytes()).await.unwrap() }
    }

    /// `GET` that is refused.
    async fn refused_file(&self, rest: &str) -> Reply {
        Reply::to(self.file_request(Method::GET, rest)).await
    }
}

/// A link's path and query.
fn rest_of(link: &Link) -> &str {
    link.url().strip_prefix(PUBLIC_URL).unwrap()
}
