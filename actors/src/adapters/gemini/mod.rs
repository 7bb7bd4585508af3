//! Gemini's generateContent: not spoken by this build yet; what asks for it is told so.

use bytes::Bytes;

use super::{BodyError, Decoder, Flow, Malformed, StreamFault, Target, UpstreamFault};
use crate::chat::{Answer, Event, Request};

const NOT_YET: Malformed = Malformed { what: "a protocol that this build speaks" };

/// A provider's answer is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerFault {
    /// It does not follow the protocol.
    Malformed(Malformed),
    /// It carries an error.
    Upstream(UpstreamFault),
}

fn refused() -> BodyError {
    BodyError::unsupported("model", "this build does not serve Gemini models yet")
}

/// The body of a request.
///
/// # Errors
/// Always: not served yet.
pub fn render(_: &Request, _: &Target<'_>) -> Result<Vec<u8>, BodyError> {
    Err(refused())
}

/// The body of a count.
///
/// # Errors
/// Always: not served yet.
pub fn render_count(_: &Request, _: &Target<'_>) -> Result<Vec<u8>, BodyError> {
    Err(refused())
}

/// The answer to a count.
///
/// # Errors
/// Always: not served yet.
pub const fn read_count(_: &[u8]) -> Result<u64, Malformed> {
    Err(NOT_YET)
}

/// Where requests go.
pub fn endpoint(upstream_model: &str, streamed: bool) -> String {
    let verb = if streamed { "streamGenerateContent?alt=sse" } else { "generateContent" };
    format!("/v1beta/models/{upstream_model}:{verb}")
}

/// Where counts go.
pub fn count_endpoint(upstream_model: &str) -> String {
    format!("/v1beta/models/{upstream_model}:countTokens")
}

/// A whole answer.
///
/// # Errors
/// Always: not served yet.
pub const fn read_answer(_: &[u8], _: &str, _: &str) -> Result<Answer, AnswerFault> {
    Err(AnswerFault::Malformed(NOT_YET))
}

/// What an error answer means.
pub const fn fault(status: u16, _: &[u8]) -> UpstreamFault {
    UpstreamFault::Failed { status: Some(status) }
}

/// Decodes a stream.
#[derive(Debug, Default)]
pub struct StreamDecoder;

impl StreamDecoder {
    /// A decoder of one stream.
    pub const fn new(_: &str, _: &str) -> Self {
        Self
    }
}

impl Decoder for StreamDecoder {
    fn feed(&mut self, _: &Bytes, _: &mut dyn FnMut(Event)) -> Result<Flow, StreamFault> {
        Err(NOT_YET.into())
    }

    fn end_of_input(&mut self, _: &mut dyn FnMut(Event)) -> Result<Flow, StreamFault> {
        Err(NOT_YET.into())
    }
}
