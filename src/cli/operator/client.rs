//! The admin API over HTTP: one call, its JSON, or the reason in the words of the error envelope.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::args::TOKEN_VARIABLE;
use crate::cli::output::harmless;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Long enough for a list of many thousand workspaces on a busy gateway.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Entries of one page of a list.
const PAGE: &str = "100";

/// Calls the admin API of one gateway.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: HeaderValue,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No token, or one that no header can carry.
    #[error("{TOKEN_VARIABLE} is not set, or is no token")]
    NoToken,
    /// The URL cannot be called.
    #[error("--url: expected an http:// or https:// URL of a host")]
    Url,
    /// What was given cannot be sent.
    #[error("{0}")]
    Given(String),
    /// No connection, or none that lasted.
    #[error("{url}: no answer: {reason}")]
    NoAnswer {
        /// Without the path.
        url: String,
        /// What went wrong below HTTP.
        reason: String,
    },
    /// The gateway said no.
    #[error("{message}{}", details(.code.as_deref(), .request_id.as_deref()))]
    Refused {
        /// For people.
        message: String,
        /// For programs, where it came with one.
        code: Option<String>,
        /// To find it in the log.
        request_id: Option<String>,
    },
    /// An answer that is not this API's.
    #[error("{url}: status {status} and no JSON; is this the admin port of LMHaven?")]
    Foreign {
        /// Without the path.
        url: String,
        /// The status.
        status: u16,
    },
}

impl Failure {
    /// Nothing was sent: the command has to be typed differently.
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::NoToken | Self::Url | Self::Given(_))
    }

    /// The gateway may or may not have done what it was asked.
    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Foreign { .. })
    }
}

fn details(code: Option<&str>, request_id: Option<&str>) -> String {
    let parts: Vec<&str> = code.into_iter().chain(request_id).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

impl Client {
    /// A client of the gateway at `url`.
    pub(super) fn new(url: &str, token: Option<&str>) -> Result<Self, Failure> {
        let base = Url::parse(url).map_err(|_| Failure::Url)?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(Failure::Url);
        }
        let token = token.filter(|token| !token.is_empty()).ok_or(Failure::NoToken)?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Failure::NoToken)?;
        authorization.set_sensitive(true);
        // The token goes to the host that was named and to no other: neither by proxy nor by redirect.
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        if base.scheme() == "http" {
            // Reading the system's certificates takes longer than the call, and fails where there are none.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| Failure::NoAnswer { url: url.to_owned(), reason: chain(&error) })?;
        Ok(Self { http, base, authorization })
    }

    /// Asks for what stands at a path, given by its segments below `/admin/v1`.
    pub(super) async fn get(&self, path: &[&str]) -> Result<Value, Failure> {
        self.call(Method::GET, self.url(path)?, None).await
    }

    /// Sends a body, or none.
    pub(super) async fn send(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<Value, Failure> {
        self.call(method, self.url(path)?, body).await
    }

    /// Every entry of a list, page after page, as one list.
    pub(super) async fn list(&self, path: &[&str]) -> Result<Value, Failure> {
        let mut all: Vec<Value> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut url = self.url(path)?;
            url.query_pairs_mut().append_pair("limit", PAGE);
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after", after);
            }
            let mut page = self.call(Method::GET, url, None).await?;
            let more = page.get("has_more").and_then(Value::as_bool).unwrap_or(false);
            let next = match page.get("next_after") {
                Some(Value::String(next)) => Some(next.clone()),
                Some(Value::Number(next)) => Some(next.to_string()),
                _ => None,
            };
            if let Some(Value::Array(entries)) = page.get_mut("data").map(Value::take) {
                all.extend(entries);
            }
            // A page that leads nowhere new ends the list, whatever it says.
            if !more || next.is_none() || next == after {
                return Ok(json!({"object": "list", "data": all, "has_more": false, "next_after": null}));
            }
            after = next;
        }
    }

    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        url.set_query(None);
        url.path_segments_mut().map_err(|()| Failure::Url)?.pop_if_empty().extend(["admin", "v1"]).extend(path);
        Ok(url)
    }

    async fn call(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value, Failure> {
        let mut request = self.http.request(method, url).header(AUTHORIZATION, self.authorization.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        let host = || self.base.origin().ascii_serialization();
        let no_answer = |error: reqwest::Error| Failure::NoAnswer { url: host(), reason: chain(&error.without_url()) };
        let response = request.send().await.map_err(no_answer)?;
        let status = response.status();
        let text = response.bytes().await.map_err(no_answer)?;
        if status.is_success() && text.is_empty() {
            return Ok(Value::Null);
        }
        let foreign = || Failure::Foreign { url: host(), status: status.as_u16() };
        let answer: Value = serde_json::from_slice(&text).map_err(|_| foreign())?;
        if status.is_success() {
            return Ok(answer);
        }
        let field = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(harmless);
        let message = field("/error/message").ok_or_else(foreign)?;
        Err(Failure::Refused { message, code: field("/error/code"), request_id: field("/request_id") })
    }
}

/// An error and its causes; reqwest says only "error sending request" by itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
