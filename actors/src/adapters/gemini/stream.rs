//! Gemini's stream in our own events.
//!
//! There is no end mark: the answer is complete when the connection closes after a finish reason, and
//! truncated when it closes before. Counts repeat and grow with every event. An error may stand in an
//! event, or bare, over several lines, before the close.

use bytes::Bytes;

use super::errors::tail_fault;
use super::reader::Reader;
use crate::adapters::fault::Malformed;
use crate::adapters::sse::SseDecoder;
use crate::adapters::stream::{Flow, StreamFault};
use crate::adapters::translated::Decoder;
use crate::chat::Event;

/// Reads a `streamGenerateContent?alt=sse` stream.
#[derive(Debug)]
pub struct StreamDecoder {
    sse: SseDecoder,
    reader: Reader,
}

impl StreamDecoder {
    /// A decoder for an answer of `model`, by our name, whose tool calls get ids made from `id_seed`.
    pub fn new(model: &str, id_seed: &str) -> Self {
        Self { sse: SseDecoder::default(), reader: Reader::new(model, id_seed) }
    }
}

impl Decoder for StreamDecoder {
    fn feed(&mut self, chunk: &Bytes, on_event: &mut dyn FnMut(Event)) -> Result<Flow, StreamFault> {
        let Self { sse, reader } = self;
        match sse.feed(chunk, |event| reader.read(&event.data, on_event)) {
            Ok(()) => Ok(Flow::More),
            Err(fault) => Err(told_before(std::mem::take(sse), fault)),
        }
    }

    fn end_of_input(&mut self, on_event: &mut dyn FnMut(Event)) -> Result<Flow, StreamFault> {
        let mut sse = std::mem::take(&mut self.sse);
        // The blank line after the last event may be missing.
        if let Err(fault) = sse.feed(&Bytes::from_static(b"\n\n"), |event| self.reader.read(&event.data, on_event)) {
            return Err(told_before(sse, fault));
        }
        if let Some(fault) = tail_fault(&sse.into_stray()) {
            return Err(fault.into());
        }
        if self.reader.is_finished() {
            return Ok(Flow::Complete);
        }
        Err(Malformed { what: "a finish reason before the end of the stream" }.into())
    }
}

/// What an event that cannot be read really means: an error that was told bare before it, where there is one.
fn told_before(sse: SseDecoder, fault: StreamFault) -> StreamFault {
    match fault {
        StreamFault::Malformed(_) => tail_fault(&sse.into_stray()).map_or(fault, StreamFault::Upstream),
        StreamFault::Upstream(_) => fault,
    }
}

#[cfg(test)]
mod tests;
