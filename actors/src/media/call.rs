//! One step of a generation: a call out, its answer in, the next call or the result.
//!
//! Adapters decide, the relay executes: it picks an account, adds its key, sends, waits and keeps the time.
//! It follows no redirect and sends nothing twice on its own: what may be sent again is the adapter's next
//! step. Every call with [`Place::Provider`] of one generation goes to the same account, whose place is held
//! until the generation ends: tasks of another account cannot be seen.

use bytes::Bytes;

use super::fault::MediaFault;

/// The method of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads; may be sent again.
    Get,
    /// Creates.
    Post,
}

/// In which header the account's key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `x-goog-api-key`.
    XGoogApiKey,
    /// `xi-api-key`.
    XiApiKey,
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below the provider's base URL, with the key of the account.
    Provider {
        /// Begins with a slash; with the query, escaped.
        path: String,
        /// Where the key goes.
        auth: Auth,
    },
    /// A result on a host that the adapter's list allows. Never with a key; the whole URL is kept, since its
    /// query is signed.
    Host {
        /// Absolute; names the provider, and must reach neither the caller nor a log.
        url: String,
    },
}

/// What sending a call may set off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Nothing: it only reads.
    Free,
    /// A generation that we pay for. Once it may have been received it is never sent again.
    Starts,
}

/// A request to a provider, without its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Where it goes, and with which key.
    pub place: Place,
    /// The `accept` header.
    pub accept: &'static str,
    /// The `content-type` header, where there is a body.
    pub content_type: Option<&'static str>,
    /// The body; empty for a [`Method::Get`].
    pub body: Bytes,
    /// The largest answer that is read; beyond it the answer is [`Lost::TooLarge`].
    pub answer_bytes_max: usize,
    /// What sending it may set off.
    pub charge: Charge,
}

impl Call {
    /// A JSON body that starts a generation.
    pub fn generate(path: String, auth: Auth, accept: &'static str, body: Bytes, answer_bytes_max: usize) -> Self {
        Self {
            method: Method::Post,
            place: Place::Provider { path, auth },
            accept,
            content_type: Some("application/json"),
            body,
            answer_bytes_max,
            charge: Charge::Starts,
        }
    }

    /// A read, which costs nothing.
    pub const fn read(place: Place, accept: &'static str, answer_bytes_max: usize) -> Self {
        Self {
            method: Method::Get,
            place,
            accept,
            content_type: None,
            body: Bytes::new(),
            answer_bytes_max,
            charge: Charge::Free,
        }
    }
}

/// A whole answer, whatever its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The `content-type` header, as it came.
    pub content_type: Option<String>,
    /// The `location` header, as it came.
    pub location: Option<String>,
    /// The `retry-after` header in milliseconds.
    pub retry_after_millis: Option<u64>,
    /// The whole body, within the bound of the call.
    pub body: Bytes,
}

impl Answer {
    /// The status is a success.
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// Why there is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// No connection stood: nothing was sent.
    NotSent,
    /// The connection ended after something may have been sent, before the whole answer was here.
    BrokeOff,
    /// Silence beyond the provider's limit.
    TimedOut,
    /// The answer is larger than the call allows.
    TooLarge,
    /// The gateway has no memory for the answer now.
    NoRoom,
}

/// What the relay tells a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The call was answered.
    Answer(Answer),
    /// The call was not answered.
    Lost(Lost),
    /// The wait is over.
    Waited,
}

/// What comes next in a generation that ends with a `T`.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<T> {
    /// Send this, and tell what came of it.
    Call(Call),
    /// Do nothing for so long, and say so.
    Wait {
        /// At least so many milliseconds.
        millis: u64,
    },
    /// It is finished.
    Done(T),
    /// It failed. Whether a second generation may be begun is [`MediaFault::retry`].
    Failed(MediaFault),
}

/// What a generation needs to know of the world.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The model by the provider's name.
    pub upstream_model: &'a str,
    /// The provider's base URL as it is configured: results may be fetched from its host too.
    pub base_url: &'a str,
    /// A random number, where a provider wants one.
    pub seed: u32,
    /// After so many milliseconds, counted by the caller of `next`, a task that still runs is given up.
    pub budget_millis: u64,
}
