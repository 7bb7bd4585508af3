//! One request's phases, its route and its end, as metrics tell them.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lmhaven_actors::chat::Dialect;

use crate::error::ApiError;

/// One request's phases. Its caller's upload is not the gateway's time, nor is the wait for a provider.
#[derive(Debug)]
pub struct Timing {
    /// When its head came.
    pub started: Instant,
    read_at: Instant,
    asked_at: Cell<Option<Instant>>,
    pub(super) heard_at: Cell<Option<Instant>>,
    pub(super) provider: RefCell<Option<Arc<str>>>,
}

impl Timing {
    /// The body has been read.
    pub fn body_read(started: Instant) -> Self {
        Self {
            started,
            read_at: Instant::now(),
            asked_at: Cell::default(),
            heard_at: Cell::default(),
            provider: RefCell::default(),
        }
    }

    /// An attempt is sent. A failed attempt before it counts as waiting for a provider.
    pub fn asked(&self, provider: &Arc<str>) {
        self.waits();
        *self.provider.borrow_mut() = Some(provider.clone());
    }

    /// From here on the request waits for a provider, be it only for its turn at an account.
    pub fn waits(&self) {
        if self.asked_at.get().is_none() {
            self.asked_at.set(Some(Instant::now()));
        }
    }

    /// The whole answer is here, or a stream's first event.
    pub fn heard(&self) {
        self.heard_at.set(Some(Instant::now()));
    }

    /// What the gateway itself took until `now`.
    pub(super) fn overhead(&self, now: Instant) -> Option<Duration> {
        let (asked, heard) = (self.asked_at.get()?, self.heard_at.get()?);
        Some(asked.duration_since(self.read_at) + now.duration_since(heard))
    }
}

/// How an admitted request ended.
#[derive(Clone, Copy)]
pub enum End<'a> {
    /// With a whole answer.
    Plain,
    /// With the last bytes of a stream.
    Streamed {
        /// As charged; 0 where no tokens are streamed.
        output_tokens: u64,
    },
    /// With an error, before or after its answer began.
    Failed(&'a ApiError),
}

impl End<'_> {
    /// Whether the gateway and its provider did what was asked; `None` where it is the caller who made it fail.
    pub(super) const fn answered(self) -> Option<bool> {
        match self {
            Self::Plain | Self::Streamed { .. } => Some(true),
            Self::Failed(error) if error.is_ours() => Some(false),
            Self::Failed(_) => None,
        }
    }
}

/// The first token is the first event; the others share the time that is left.
#[expect(clippy::cast_precision_loss, reason = "counts of tokens are small")]
pub(super) fn time_per_token(timing: &Timing, now: Instant, output_tokens: u64) -> Option<f64> {
    let others = output_tokens.checked_sub(1).filter(|others| *others > 0)?;
    Some(now.duration_since(timing.heard_at.get()?).as_secs_f64() / others as f64)
}

/// A route that is served by a provider, as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/v1/chat/completions`.
    ChatCompletions,
    /// `/v1/messages`.
    Messages,
    /// `/v1/images/generations`.
    Images,
    /// `/v1/audio/speech`.
    Speech,
}

impl From<Dialect> for Route {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Anthropic => Self::Messages,
            Dialect::Openai | Dialect::Gemini => Self::ChatCompletions,
        }
    }
}

impl Route {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Images => "/v1/images/generations",
            Self::Speech => "/v1/audio/speech",
        }
    }

    /// What OpenTelemetry calls the kind of work.
    pub(super) const fn operation(self) -> &'static str {
        match self {
            Self::ChatCompletions | Self::Messages => "chat",
            Self::Images => "image_generation",
            Self::Speech => "speech",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(read: u64, asked: u64, heard: u64) -> (Timing, Instant) {
        let started = Instant::now();
        let at = |millis| started + Duration::from_millis(millis);
        let timing = Timing {
            started,
            read_at: at(read),
            asked_at: Cell::new(Some(at(asked))),
            heard_at: Cell::new(Some(at(heard))),
            provider: RefCell::default(),
        };
        (timing, started)
    }

    #[test]
    fn overhead_is_neither_the_upload_nor_the_wait_for_the_provider() {
        let (timing, started) = timing(500, 503, 2_000);
        assert_eq!(timing.overhead(started + Duration::from_millis(2_004)), Some(Duration::from_millis(7)));
    }

    #[test]
    fn a_request_that_no_provider_answered_has_no_overhead() {
        let timing = Timing::body_read(Instant::now());
        assert_eq!(timing.overhead(Instant::now()), None);
        timing.asked(&"some".into());
        assert_eq!(timing.overhead(Instant::now()), None);
    }

    #[test]
    fn time_per_token_leaves_the_first_token_out() {
        let (timing, started) = timing(0, 0, 1_000);
        let end = started + Duration::from_secs(3);
        assert_eq!(time_per_token(&timing, end, 5), Some(0.5));
        assert_eq!(time_per_token(&timing, end, 1), None);
        assert_eq!(time_per_token(&timing, end, 0), None);
    }
}
