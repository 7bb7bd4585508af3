//! The connections of one provider on one thread, as text goes over them.
//!
//! This is hyper's pooled client, the one that reqwest is built around. A request for text is what the gateway exists
//! for, and reqwest parses its address twice more and passes it through layers of redirects, cookies and retries that
//! are all off here: a tenth of what such a request costs. Whatever is not on that path ([`super::fetch`], mails,
//! payments) goes through reqwest. Settings that a provider could notice are the ones that reqwest has.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::Uri;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::exchange::Pieces;

/// Between two probes of a connection over which nothing comes, and how many go unanswered before it is dead.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;
/// Bytes that nobody acknowledges for this long end the connection.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);
/// Connections kept for the next request.
const IDLE_MAX: usize = 1024;
/// A connection that waited this long for a request is closed.
const IDLE_FOR: Duration = Duration::from_secs(90);

/// Connections to one provider, kept for the next request. A clone shares them.
#[derive(Clone, Debug)]
pub(super) struct Connections(Client<Connector, Outgoing>);

impl Connections {
    /// None yet. `connect_timeout` bounds name, connection and TLS together.
    ///
    /// # Errors
    /// The platform has no certificates to trust.
    pub(super) fn new(connect_timeout: Duration) -> Result<Self, rustls::Error> {
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .try_with_platform_verifier()?
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(Connector { https, within: connect_timeout });
        Ok(Self(client))
    }

    /// Posts a body and waits for the answer's head.
    pub(super) async fn post(
        &self,
        uri: Uri,
        headers: impl Iterator<Item = (HeaderName, HeaderValue)>,
        body: Pieces,
    ) -> Result<hyper::Response<Incoming>, Error> {
        let mut request = hyper::Request::new(Outgoing::from(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.collect::<HeaderMap>();
        self.0.request(request).await
    }
}

/// Makes connections, each within a bound that covers TLS too.
#[derive(Clone, Debug)]
struct Connector {
    https: HttpsConnector<HttpConnector>,
    within: Duration,
}

type Connected = MaybeHttpsStream<TokioIo<TcpStream>>;
type ConnectError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = Connected;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = timeout(self.within, self.https.call(uri));
        Box::pin(
            async move { connecting.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())) },
        )
    }
}

/// A body of known length, piece by piece: no piece is copied to lie beside the others.
#[derive(Debug)]
struct Outgoing {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl From<Pieces> for Outgoing {
    fn from(pieces: Pieces) -> Self {
        let left = pieces.len() as u64;
        Self { pieces: pieces.into_iter().collect(), left }
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
