//! One attempt: a message to a URL, and what came of it.

use std::error::Error;
use std::time::Duration;

use lmhaven_actors::domain::webhook::Outcome;

use super::address::{Allowed, Guarded, Lookup, NoPlace};
use super::message::Signed;

/// A receiver has this long to be reached.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A receiver has this long to answer, connecting included.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// How webhooks leave.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    allowed: Allowed,
}

impl Client {
    /// A client that goes to allowed addresses only, and follows nobody to others. No proxy: it would do the connecting.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(lookup: Lookup, allowed: Allowed) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .dns_resolver(std::sync::Arc::new(Guarded::new(lookup, allowed)))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            // A name is looked up anew for each message, so that no connection outlives its check for long.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("LMHaven/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, allowed })
    }

    /// Sends a message. Of the answer nothing but its status is read.
    pub async fn send(&self, url: &str, message: Signed) -> Outcome {
        let Ok(url) = self.allowed.url(url) else { return Outcome::Forbidden };
        let Signed { id, timestamp, signature, body } = message;
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(answer) => Outcome::Status(answer.status().as_u16()),
            Err(error) if is_private(&error) => Outcome::Forbidden,
            Err(error) if error.is_timeout() => Outcome::TimedOut,
            Err(_) => Outcome::Unreachable,
        }
    }
}

/// Whether it was the guard that refused.
fn is_private(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<NoPlace>().is_some() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use super::*;

    fn message() -> Signed {
        let text = || "x".to_owned();
        Signed { id: text(), timestamp: "1".to_owned(), signature: text(), body: text() }
    }

    /// Every name leads to these addresses.
    fn leading_to(addresses: &[&str]) -> Lookup {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(move |_| {
            let addresses = addresses.clone();
            Box::pin(async move { Ok(addresses) })
        })
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_the_connection_is_made() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("https://hooks.example.com:{port}/");
        let allowed = Allowed { loopback: false };
        for addresses in [&["127.0.0.1"][..], &["8.8.8.8", "127.0.0.1"], &["::ffff:127.0.0.1"], &["10.0.0.1"], &[]] {
            let client = Client::new(leading_to(addresses), allowed).unwrap();
            assert_eq!(client.send(&url, message()).await, Outcome::Forbidden, "{addresses:?}");
        }
        // An address in the URL itself is asked of no resolver.
        let client = Client::new(leading_to(&["8.8.8.8"]), allowed).unwrap();
        assert_eq!(client.send(&format!("https://127.0.0.1:{port}/"), message()).await, Outcome::Forbidden);
        // Nobody ever connected: nothing waits to be accepted.
        let waiting = futures_util::FutureExt::now_or_never(listener.accept());
        assert!(waiting.is_none(), "{waiting:?}");
        // A client that may does, and the checked address is the one that it connects to.
        let client = Client::new(leading_to(&["127.0.0.1"]), Allowed { loopback: true }).unwrap();
        let (outcome, peer) = tokio::join!(client.send(&url, message()), async {
            let (stream, peer) = listener.accept().await.unwrap();
            drop(stream);
            peer
        });
        assert!(peer.ip().is_loopback());
        assert_eq!(outcome, Outcome::Unreachable, "no TLS there");
    }
}
