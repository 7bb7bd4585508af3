//! A stream from an OpenAI-compatible provider to an OpenAI caller: the provider's own JSON, read beside.
//!
//! The data of every event is copied once, into the buffer that leaves, and not changed except where it
//! must be: `model` where the provider has another name for it, and `cost_usd` in the last usage object.
//! Events are framed anew, so comments, ids, names and retry lines of the provider do not pass (SDKs trip
//! over them). The chunk with the usage and the end mark are held back until the relay has settled. The
//! parse is typed and borrows; text is counted without being unescaped.

use bytes::{BufMut, Bytes, BytesMut};

use super::chunk::{Chunk, DONE, Form};
use super::decoder::whole;
use super::frame::{self, Frame, finish_name};
use super::{json, usage};
use crate::adapters::Label;
use crate::adapters::fault::Malformed;
use crate::adapters::sse::SseDecoder;
use crate::adapters::stream::{Closing, Flow, Meter, StreamFault, StreamRelay};
use crate::adapters::weave::offset_in;
use crate::chat::FinishReason;
use crate::domain::money::NanoUsd;

/// Relays one stream.
#[derive(Debug)]
pub struct ChunkRelay {
    sse: SseDecoder,
    relayed: Relayed,
}

#[derive(Debug)]
struct Relayed {
    label: Label,
    splice_model: bool,
    meter: Meter,
    /// Id and time of the provider's chunks, as JSON: those that we add share them.
    head: Option<(String, String)>,
    /// The reason to give where the provider gives none.
    unsaid: FinishReason,
    counted: bool,
    done: bool,
    held: Option<Held>,
}

/// A chunk with usage, held back until its cost is known.
#[derive(Debug)]
struct Held {
    data: Bytes,
    /// Where the value of `model` stands.
    model: Option<(usize, usize)>,
    /// Where the usage object ends, and whether something stands in it.
    usage_end: Option<(usize, bool)>,
    /// It also carries choices, so it is not for us to drop.
    has_choices: bool,
}

impl ChunkRelay {
    /// A relay for a caller. `upstream_model` is the provider's name of the model.
    pub fn new(label: Label, upstream_model: &str) -> Self {
        let splice_model = label.model != upstream_model;
        let relayed = Relayed {
            label,
            splice_model,
            meter: Meter::default(),
            head: None,
            unsaid: FinishReason::Stop,
            counted: false,
            done: false,
            held: None,
        };
        Self { sse: SseDecoder::default(), relayed }
    }
}

impl StreamRelay for ChunkRelay {
    fn feed(&mut self, chunk: &Bytes, out: &mut BytesMut) -> Result<Flow, StreamFault> {
        let Self { sse, relayed } = self;
        out.reserve(chunk.len());
        sse.feed(chunk, |event| relayed.event(event.data, out))?;
        Ok(if relayed.done { Flow::Complete } else { Flow::More })
    }

    fn end_of_input(&mut self, out: &mut BytesMut) -> Result<Flow, StreamFault> {
        // The last event may lack its blank line.
        self.feed(&Bytes::from_static(b"\n\n"), out)?;
        whole(self.relayed.done, self.relayed.meter.finished, self.relayed.counted, &mut self.sse)
    }

    fn meter(&self) -> Meter {
        self.relayed.meter
    }

    fn conclude(&mut self, closing: &Closing, out: &mut BytesMut) {
        self.relayed.close(self.relayed.unsaid, closing, out);
    }

    fn cut_short(&mut self, closing: &Closing, out: &mut BytesMut) {
        self.relayed.close(FinishReason::Length, closing, out);
    }
}

impl Relayed {
    fn event(&mut self, data: Bytes, out: &mut BytesMut) -> Result<(), StreamFault> {
        if self.done {
            return Ok(());
        }
        if data.trim_ascii() == DONE {
            if self.meter.events == 0 {
                return Err(StreamFault::Malformed(Malformed { what: "an answer before the end mark" }));
            }
            self.done = true;
            return Ok(());
        }
        let chunk = Chunk::read(&data)?;
        let has_choices = chunk.choices.as_ref().is_some_and(|choices| !choices.is_empty());
        let usage = chunk.usage.and_then(|raw| usage::read(raw.get()));
        if !has_choices && usage.is_none() {
            // Pings as data, and chunks that say nothing: SDK users index into the choices.
            return Ok(());
        }
        self.note(&chunk);
        let model = chunk.model.filter(|_| self.splice_model).and_then(|raw| {
            let start = offset_in(&data, raw.get().as_bytes())?;
            Some((start, start + raw.get().len()))
        });
        let Some(usage) = usage else {
            self.flush_held(out);
            splice(out, &data, model, &self.label.model, None);
            return Ok(());
        };
        self.counted = true;
        self.meter.reported = Some(self.meter.reported.unwrap_or_default().merged_max(&usage));
        self.flush_held(out);
        let usage_end = chunk.usage.and_then(|raw| {
            let end = offset_in(&data, raw.get().as_bytes())? + raw.get().len() - 1;
            let is_filled = raw.get().trim_start_matches(['{', ' ', '\n', '\t', '\r']).len() > 1;
            Some((end, is_filled))
        });
        let is_last = !has_choices || self.meter.finished;
        drop(chunk);
        let held = Held { data, model, usage_end, has_choices };
        if is_last {
            self.held = Some(held);
        } else {
            // A running count on every chunk: not the last usage object, so it carries no cost.
            splice(out, &held.data, model, &self.label.model, None);
        }
        Ok(())
    }

    fn note(&mut self, chunk: &Chunk<'_>) {
        self.meter.events = self.meter.events.saturating_add(1);
        self.meter.delivered_bytes = self.meter.delivered_bytes.saturating_add(chunk.delivered_bytes(Form::Streamed));
        for choice in chunk.choices.iter().flatten() {
            self.meter.finished |= choice.finish().is_some();
            if choice.delta(Form::Streamed).is_some_and(|delta| delta.tool_calls.is_some()) {
                self.unsaid = FinishReason::ToolCalls;
            }
        }
        if self.head.is_none()
            && let (Some(id), Some(created)) = (chunk.id, chunk.created)
        {
            self.head = Some((id.get().to_owned(), created.get().to_owned()));
        }
    }

    /// Lets go of a held chunk that turned out not to be the last: what has choices is delivered, a mere
    /// count is superseded.
    fn flush_held(&mut self, out: &mut BytesMut) {
        if let Some(held) = self.held.take().filter(|held| held.has_choices) {
            splice(out, &held.data, held.model, &self.label.model, None);
        }
    }

    /// Writes what is left of the answer, with its cost. `unsaid` is the reason where the provider gave none.
    fn close(&mut self, unsaid: FinishReason, closing: &Closing, out: &mut BytesMut) {
        let frame = match &self.head {
            Some((id, created)) => Frame::with(id, created, &self.label),
            None => Frame::new(&self.label),
        };
        if self.meter.events == 0 {
            frame.role(out);
        }
        if !self.meter.finished {
            frame.finish(out, finish_name(unsaid, false));
        }
        match self.held.take() {
            Some(held) if self.label.include_usage => {
                let cost = held.usage_end.map(|(end, is_filled)| (end, is_filled, closing.cost));
                splice(out, &held.data, held.model, &self.label.model, cost);
            }
            held => {
                if let Some(held) = held.filter(|held| held.has_choices) {
                    splice(out, &held.data, held.model, &self.label.model, None);
                }
                if self.label.include_usage {
                    frame.usage(out, &closing.usage, closing.cost);
                }
            }
        }
        frame::done(out);
    }
}

/// Writes an event with the provider's data, the model replaced and the cost added where asked.
fn splice(
    out: &mut BytesMut,
    data: &[u8],
    model: Option<(usize, usize)>,
    our_model: &str,
    cost: Option<(usize, bool, NanoUsd)>,
) {
    let between = |from: usize, to: usize| data.get(from..to).unwrap_or_default();
    out.put_slice(b"data: ");
    let (mut at, end) = (0, data.len());
    let write_model = |out: &mut BytesMut, at: &mut usize| {
        if let Some((start, model_end)) = model.filter(|(start, _)| start >= at) {
            lines(out, between(*at, start));
            json::string(out, our_model);
            *at = model_end;
        }
    };
    // Model and usage stand in either order.
    if let Some((usage_end, is_filled, cost)) = cost {
        if model.is_some_and(|(start, _)| start < usage_end) {
            write_model(out, &mut at);
        }
        lines(out, between(at, usage_end));
        out.put_slice(if is_filled { b",\"cost_usd\":".as_slice() } else { b"\"cost_usd\":" });
        json::string(out, &cost.to_string());
        at = usage_end;
    }
    write_model(out, &mut at);
    lines(out, between(at, end));
    out.put_slice(b"\n\n");
}

/// Writes JSON that an SSE line has to hold: between tokens a line end is white space like any other.
fn lines(out: &mut BytesMut, data: &[u8]) {
    let mut rest = data;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        out.put_slice(rest.get(..at).unwrap_or_default());
        out.put_u8(b' ');
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    out.put_slice(rest);
}

#[cfg(test)]
#[path = "passthrough_tests.rs"]
mod tests;
