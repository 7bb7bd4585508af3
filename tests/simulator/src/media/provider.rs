//! The seam between the media protocols and their common exchange.
//!
//! A [`Provider`] speaks: where its keys are, how its errors look. A [`Route`] is one of its paths with the function
//! that answers there, and a [`Studio`] is what that function works with: the rule, the ledger, the seed, the clock.

use crate::{
    books::{Broke, Charge, Draft, Permit},
    call::Usage,
    chance::Rng,
    control::Control,
    dialect::{Protocol, Refusal, Request},
    script::{Rule, Status},
};
use actix_web::web::Bytes;
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// How a provider speaks.
pub(crate) trait Provider: Sync {
    fn protocol(&self) -> Protocol;
    /// The API key of a request.
    fn key(&self, request: &Request<'_>) -> Option<String>;
    /// The model that a request names.
    fn model(&self, incoming: &Incoming<'_>) -> Option<String>;
    /// The answer to a request with a key that is missing or wrong.
    fn bad_key(&self, key: Option<&str>) -> Refusal;
    /// The answer to a body that is no JSON.
    fn bad_json(&self, error: &str) -> Refusal;
    /// The body of an error.
    fn error(&self, refusal: &Refusal, request_id: &str) -> Value;
    /// The provider's usual error for a status that a script asks for.
    fn scripted(&self, status: &Status) -> Refusal;
    /// Headers that identify the response.
    fn headers(&self, request_id: &str) -> Vec<(&'static str, String)>;
}

/// A path of a provider.
pub(crate) struct Route {
    pub(crate) provider: &'static dyn Provider,
    /// Whether it makes something new, and so meets rules that name no path.
    pub(crate) generates: bool,
    pub(crate) needs_key: bool,
    pub(crate) answer: fn(&Incoming<'_>, &Studio<'_>) -> Result<Reply, Refusal>,
}

/// A request as a route sees it.
pub(crate) struct Incoming<'a> {
    pub(crate) request: Request<'a>,
    pub(crate) path: &'a str,
    /// The variable part of the path: a voice, a model, a task, a file.
    pub(crate) name: &'a str,
    /// The simulator's address as the caller named it, without a slash at its end.
    pub(crate) base: &'a str,
}

/// What an answer is made with.
pub(crate) struct Studio<'a> {
    pub(crate) control: &'a Control,
    pub(crate) protocol: Protocol,
    pub(crate) rule: &'a Rule,
    pub(crate) seed: u64,
    /// Made from the request: the same for the same request.
    pub(crate) rng: Rng,
    /// Different for every response.
    pub(crate) request_id: &'a str,
    pub(crate) key: &'a str,
    pub(crate) call: u64,
    pub(crate) now: SystemTime,
    /// From the acceptance to the answer.
    pub(crate) generation: Duration,
}

impl Studio<'_> {
    /// Writes the charge for a generation, which is accepted with it.
    pub(crate) fn charge(&self, mut draft: Draft) -> Result<Charge, Broke> {
        draft.units = self.rule.media.units.unwrap_or(draft.units);
        self.control.charge(self.protocol, self.key, self.call, draft)
    }

    /// Lets the call run beside fewer than `most` others of its key.
    pub(crate) fn enter(&self, most: u64) -> Result<(Permit, u64), u64> {
        self.control.enter(self.protocol, self.key, most)
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(&self) -> u64 {
        self.now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// An answer to be sent.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    /// How long to wait before it is sent.
    pub(crate) generation: Duration,
    /// Kept until the answer is sent.
    pub(crate) permit: Option<Permit>,
    pub(crate) usage: Usage,
}

/// The bytes of an answer.
pub(crate) enum Body {
    /// All at once, with a length.
    Whole(Bytes),
    /// One chunk after the other.
    Chunks(Vec<Bytes>),
    /// A refusal that comes when the time of generation is over.
    Refusal(Refusal),
}

impl Reply {
    pub(crate) fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            content_type: content_type.to_owned(),
            headers: Vec::new(),
            body: Body::Whole(body.into()),
            generation: Duration::ZERO,
            permit: None,
            usage: Usage::default(),
        }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::new("application/json", value.to_string())
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self { body: Body::Refusal(refusal), ..Self::new("application/json", "") }
    }

    pub(crate) fn redirect(location: String) -> Self {
        Self { status: 302, headers: vec![("location", location)], ..Self::new("text/plain", "") }
    }

    /// The reply after so long.
    pub(crate) fn after(self, generation: Duration) -> Self {
        Self { generation, ..self }
    }
}

/// The key of an `Authorization: Bearer` header.
pub(crate) fn bearer(request: &Request<'_>) -> Option<String> {
    request.header("authorization")?.strip_prefix("Bearer ").map(str::to_owned)
}
