//! A stream between two dialects: the provider's decoder, our events, the caller's encoder.

use bytes::{Bytes, BytesMut};

use super::stream::{Closing, Flow, Meter, StreamFault, StreamRelay};
use crate::chat::{Event, Signature};

/// Turns a provider's bytes into events.
pub trait Decoder {
    /// Takes the next bytes and calls `on_event` for what they complete. Tells whether the answer is now
    /// complete by the protocol's end mark.
    ///
    /// # Errors
    /// A [`StreamFault`] for a broken stream or an error event; events before it were handed over.
    fn feed(&mut self, chunk: &Bytes, on_event: &mut dyn FnMut(Event)) -> Result<Flow, StreamFault>;

    /// The provider closed the connection: `Complete` where that is how its answers end and this one did.
    ///
    /// # Errors
    /// A [`StreamFault`] where the answer is truncated or the tail was an error.
    fn end_of_input(&mut self, on_event: &mut dyn FnMut(Event)) -> Result<Flow, StreamFault>;
}

/// Turns events into the caller's bytes.
pub trait Encoder {
    /// Writes one event. Usage and finish are kept for the closing.
    fn encode(&mut self, event: Event, out: &mut BytesMut);

    /// Closes open blocks and writes finish, usage with cost, and the end mark. The reason is the one that
    /// was encoded, `stop` where none was.
    fn conclude(&mut self, closing: &Closing, out: &mut BytesMut);

    /// The same with the reason `length` / `max_tokens`, whatever was encoded.
    fn cut_short(&mut self, closing: &Closing, out: &mut BytesMut);
}

/// [`StreamRelay`] by way of our own events.
#[derive(Debug)]
pub struct Translated<D, E> {
    decoder: D,
    encoder: E,
    meter: Meter,
    signatures: Vec<(String, Signature)>,
}

impl<D: Decoder, E: Encoder> Translated<D, E> {
    /// A relay from `decoder` to `encoder`.
    pub fn new(decoder: D, encoder: E) -> Self {
        Self { decoder, encoder, meter: Meter::default(), signatures: Vec::new() }
    }

    fn run(
        &mut self,
        out: &mut BytesMut,
        step: impl FnOnce(&mut D, &mut dyn FnMut(Event)) -> Result<Flow, StreamFault>,
    ) -> Result<Flow, StreamFault> {
        let Self { decoder, encoder, meter, signatures } = self;
        step(decoder, &mut |event| {
            note(&event, meter, signatures);
            encoder.encode(event, out);
        })
    }
}

impl<D: Decoder, E: Encoder> StreamRelay for Translated<D, E> {
    fn feed(&mut self, chunk: &Bytes, out: &mut BytesMut) -> Result<Flow, StreamFault> {
        self.run(out, |decoder, on_event| decoder.feed(chunk, on_event))
    }

    fn end_of_input(&mut self, out: &mut BytesMut) -> Result<Flow, StreamFault> {
        self.run(out, |decoder, on_event| decoder.end_of_input(on_event))
    }

    fn meter(&self) -> Meter {
        self.meter
    }

    fn take_signatures(&mut self) -> Vec<(String, Signature)> {
        std::mem::take(&mut self.signatures)
    }

    fn conclude(&mut self, closing: &Closing, out: &mut BytesMut) {
        self.encoder.conclude(closing, out);
    }

    fn cut_short(&mut self, closing: &Closing, out: &mut BytesMut) {
        self.encoder.cut_short(closing, out);
    }
}

/// Counts what an event delivers, before it is encoded.
fn note(event: &Event, meter: &mut Meter, signatures: &mut Vec<(String, Signature)>) {
    meter.events = meter.events.saturating_add(1);
    let delivered = match event {
        Event::Text(text) | Event::Thinking(text) | Event::ToolArguments(text) => text.len(),
        Event::ToolCall { id, name, signature } => {
            if let Some(signature) = signature {
                signatures.push((id.clone(), signature.clone()));
            }
            name.len()
        }
        Event::Usage(usage) => {
            meter.reported = Some(meter.reported.unwrap_or_default().merged_max(usage));
            0
        }
        Event::Finish { .. } => {
            meter.finished = true;
            0
        }
        Event::Start { .. } | Event::ThinkingSignature(_) | Event::RedactedThinking(_) | Event::BlockEnd => 0,
    };
    meter.delivered_bytes = meter.delivered_bytes.saturating_add(u64::try_from(delivered).unwrap_or(u64::MAX));
}
