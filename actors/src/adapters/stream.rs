//! One stream's way from the provider's bytes to the caller's, whatever the two dialects are.
//!
//! The relay owns sockets, clocks and money; a [`StreamRelay`] owns the bytes between. It holds back the
//! closing events (finish, usage, end mark) until the relay has settled and can say what the stream cost.

use bytes::{Bytes, BytesMut};

use super::fault::{Malformed, UpstreamFault};
use crate::domain::money::NanoUsd;
use crate::domain::usage::Usage;

/// What came of the bytes that were fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The stream goes on.
    More,
    /// The provider said that the answer is complete; [`StreamRelay::conclude`] writes the rest.
    Complete,
}

/// The provider's stream cannot be relayed further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// It does not follow its protocol, or is longer than any event may be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It carried an error event.
    #[error(transparent)]
    Upstream(#[from] UpstreamFault),
}

/// What has been used and delivered so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// The provider's own counts, merged by the maximum; `None` before it reported any input or output.
    pub reported: Option<Usage>,
    /// The provider gave its finish reason: its reported output, if any, is final.
    pub finished: bool,
    /// UTF-8 bytes of text, thoughts and tool arguments passed on so far: the basis of an estimate.
    pub delivered_bytes: u64,
    /// Events of the provider seen so far (pings and comments are none).
    pub events: u64,
}

/// How a stream ends well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// What was charged for.
    pub usage: Usage,
    /// What was charged.
    pub cost: NanoUsd,
}

/// One stream being relayed. Fed with the provider's bytes as they come, in any split.
pub trait StreamRelay {
    /// Takes the next bytes and writes what the caller is to get into `out`. Events that arrive together
    /// leave together. Everything from the closing events on is held back.
    ///
    /// # Errors
    /// A [`StreamFault`]; what `out` holds is still to be delivered before the error event.
    fn feed(&mut self, chunk: &Bytes, out: &mut BytesMut) -> Result<Flow, StreamFault>;

    /// The provider closed the connection. `Complete` if the answer is whole by the protocol's own rules
    /// (Gemini's end is the close after a finish reason); a truncated one is a fault.
    ///
    /// # Errors
    /// [`StreamFault::Malformed`] where the answer is truncated; an upstream error that stood in the tail.
    fn end_of_input(&mut self, out: &mut BytesMut) -> Result<Flow, StreamFault>;

    /// What was used and delivered so far.
    fn meter(&self) -> Meter;

    /// Signatures of tool calls that passed by since the last call, for the caller who does not carry them.
    fn take_signatures(&mut self) -> Vec<(String, crate::chat::Signature)> {
        Vec::new()
    }

    /// Writes the closing events with usage and cost. To be called once, after `Flow::Complete`.
    fn conclude(&mut self, closing: &Closing, out: &mut BytesMut);

    /// Ends an unfinished stream honestly because the money is used up: closes open blocks and finishes
    /// with `length` / `max_tokens`, usage and cost.
    fn cut_short(&mut self, closing: &Closing, out: &mut BytesMut);
}
