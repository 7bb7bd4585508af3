//! An OpenAI-compatible provider's stream, as our events.
//!
//! Providers bend the protocol, mostly in tool calls: they repeat ids and names, leave out the index, give
//! two calls the same index, or send a whole call in one chunk. Calls come one after the other; a fragment
//! for a call that has already been followed by another is a fault, since events do not interleave.

use std::sync::Arc;

use bytes::Bytes;

use super::chunk::{Chunk, DONE, Delta, Form, FunctionDelta, ToolDelta};
use super::{tag, usage};
use crate::adapters::fault::Malformed;
use crate::adapters::sse::SseDecoder;
use crate::adapters::stream::{Flow, StreamFault};
use crate::adapters::translated::Decoder;
use crate::chat::{Dialect, Event, FinishReason, Origin, Signature};

/// Decodes `chat.completion.chunk` events.
#[derive(Debug)]
pub struct ChunkDecoder {
    sse: SseDecoder,
    answer: AnswerState,
}

impl ChunkDecoder {
    /// A decoder for an answer of `model`, by our name. `request_id` makes ids for calls that come without.
    pub fn new(model: &str, request_id: &str) -> Self {
        Self { sse: SseDecoder::default(), answer: AnswerState::new(model, request_id) }
    }
}

impl Decoder for ChunkDecoder {
    fn feed(&mut self, chunk: &Bytes, on_event: &mut dyn FnMut(Event)) -> Result<Flow, StreamFault> {
        let Self { sse, answer } = self;
        sse.feed(chunk, |event| answer.event(&event.data, on_event))?;
        Ok(if answer.progress == Progress::Done { Flow::Complete } else { Flow::More })
    }

    fn end_of_input(&mut self, on_event: &mut dyn FnMut(Event)) -> Result<Flow, StreamFault> {
        // The last event may lack its blank line.
        self.feed(&Bytes::from_static(b"\n\n"), on_event)?;
        whole(self.answer.progress == Progress::Done, self.answer.finish.is_some(), self.answer.counted, &mut self.sse)
    }
}

/// Whether a stream that the provider closed is whole: an end mark, or a finish reason and usage.
pub(super) fn whole(done: bool, finished: bool, counted: bool, sse: &mut SseDecoder) -> Result<Flow, StreamFault> {
    if done || (finished && counted) {
        return Ok(Flow::Complete);
    }
    let stray = std::mem::take(sse).into_stray();
    if !stray.is_empty() {
        // A bare JSON error instead of a stream; anything else is malformed.
        Chunk::read(&stray)?;
    }
    Err(StreamFault::Malformed(Malformed { what: "an end mark, or a finish reason and usage" }))
}

/// A tool call that has begun.
#[derive(Debug)]
struct Call {
    index: Option<u64>,
    /// The provider's id, to recognise the call by.
    id: String,
    /// The id that we gave out.
    given_id: String,
    started: bool,
    /// Arguments that came before the name.
    early_arguments: String,
    signature: Option<Signature>,
}

/// What an answer is made of so far.
#[derive(Debug)]
pub(super) struct AnswerState {
    model: Arc<str>,
    request_id: String,
    progress: Progress,
    calls: Vec<Call>,
    /// The call that takes arguments now.
    open: Option<usize>,
    refused: bool,
    finish: Option<FinishReason>,
    counted: bool,
}

/// How far the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    NotBegun,
    Begun,
    /// The end mark was seen.
    Done,
}

impl AnswerState {
    pub(super) fn new(model: &str, request_id: &str) -> Self {
        Self {
            model: model.into(),
            request_id: request_id.to_owned(),
            progress: Progress::NotBegun,
            calls: Vec::new(),
            open: None,
            refused: false,
            finish: None,
            counted: false,
        }
    }

    fn event(&mut self, data: &[u8], on_event: &mut dyn FnMut(Event)) -> Result<(), StreamFault> {
        if self.progress == Progress::Done {
            return Ok(());
        }
        if data.trim_ascii() == DONE {
            if self.progress == Progress::NotBegun {
                return Err(StreamFault::Malformed(Malformed { what: "an answer before the end mark" }));
            }
            self.progress = Progress::Done;
            return Ok(());
        }
        self.chunk(&Chunk::read(data)?, Form::Streamed, on_event)
    }

    /// Takes one chunk, or a whole answer.
    pub(super) fn chunk(
        &mut self,
        chunk: &Chunk<'_>,
        form: Form,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), StreamFault> {
        // One choice is asked for; another would be another answer.
        if let Some(choice) = chunk.choices.iter().flatten().next() {
            if self.progress == Progress::NotBegun {
                self.progress = Progress::Begun;
                let upstream_id = chunk.id.and_then(|id| serde_json::from_str(id.get()).ok());
                on_event(Event::Start { upstream_id });
            }
            if let Some(delta) = choice.delta(form) {
                self.delta(delta, on_event)?;
            }
            if let Some(reason) = choice.finish() {
                self.finish(reason, on_event)?;
            }
        }
        if let Some(usage) = chunk.usage.and_then(|raw| usage::read(raw.get())) {
            self.counted = true;
            on_event(Event::Usage(usage));
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Delta<'_>, on_event: &mut dyn FnMut(Event)) -> Result<(), StreamFault> {
        if let Some(thoughts) = delta.thoughts()? {
            self.open = None;
            on_event(Event::Thinking(thoughts.into_owned()));
        }
        if let Some(text) = delta.text()? {
            self.open = None;
            on_event(Event::Text(text.into_owned()));
        }
        if let Some(refusal) = delta.refusal()? {
            self.open = None;
            self.refused = true;
            on_event(Event::Text(refusal.into_owned()));
        }
        for call in delta.tool_calls.iter().flatten() {
            self.call(call, on_event)?;
        }
        if let Some(function) = &delta.function_call {
            let name = function.name.as_ref().map_or("", |name| name.as_str());
            self.fragment(Some(0), "", name, function.arguments()?.as_deref(), None, on_event)?;
        }
        Ok(())
    }

    fn call(&mut self, call: &ToolDelta<'_>, on_event: &mut dyn FnMut(Event)) -> Result<(), StreamFault> {
        let function = call.function.as_ref();
        let id = call.id.as_ref().map_or("", |id| id.as_str());
        let name = function.and_then(|function| function.name.as_ref()).map_or("", |name| name.as_str());
        let arguments = function.map(FunctionDelta::arguments).transpose()?.flatten();
        let signature = call.signature().map(|value| match tag::read(value) {
            Signature { origin: None, value } => {
                let origin = Origin { protocol: Dialect::Openai, model: Arc::clone(&self.model) };
                Signature { origin: Some(origin), value }
            }
            tagged => tagged,
        });
        self.fragment(call.index, id, name, arguments.as_deref(), signature, on_event)
    }

    /// Takes what one chunk says of one call. Empty texts are as good as absent.
    fn fragment(
        &mut self,
        index: Option<u64>,
        id: &str,
        name: &str,
        arguments: Option<&str>,
        signature: Option<Signature>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), StreamFault> {
        let at = match self.which(index, id, name) {
            Some(at) => at,
            None => self.begin(index, id)?,
        };
        let is_open = self.open == Some(at);
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        if signature.is_some() {
            call.signature = signature;
        }
        if call.started {
            return match arguments {
                None => Ok(()),
                Some(fragment) if is_open => {
                    on_event(Event::ToolArguments(fragment.to_owned()));
                    Ok(())
                }
                Some(_) => Err(StreamFault::Malformed(Malformed { what: "tool calls one after the other" })),
            };
        }
        call.early_arguments.push_str(arguments.unwrap_or_default());
        if !name.is_empty() {
            call.started = true;
            self.open = Some(at);
            on_event(Event::ToolCall {
                id: call.given_id.clone(),
                name: name.to_owned(),
                signature: call.signature.take(),
            });
            let early = std::mem::take(&mut call.early_arguments);
            if !early.is_empty() {
                on_event(Event::ToolArguments(early));
            }
        }
        Ok(())
    }

    /// The call that a fragment belongs to; none where it begins one.
    fn which(&self, index: Option<u64>, id: &str, name: &str) -> Option<usize> {
        // The newest call with this index: two calls may wrongly share one, and then differ in their ids.
        let same = |call: &Call| match index {
            Some(_) => call.index == index,
            None if !id.is_empty() => call.id == id,
            None => name.is_empty() || !call.started,
        };
        let at = self.calls.iter().rposition(same)?;
        let call = self.calls.get(at)?;
        let another = !id.is_empty() && !name.is_empty() && call.started && call.id != id;
        (!another).then_some(at)
    }

    fn begin(&mut self, index: Option<u64>, id: &str) -> Result<usize, StreamFault> {
        /// Far above what any model calls at once: a stream that begins more is broken.
        const CALLS_MAX: usize = 1_024;
        let at = self.calls.len();
        if at == CALLS_MAX {
            return Err(StreamFault::Malformed(Malformed { what: "at most 1,024 tool calls" }));
        }
        let is_usable = !id.is_empty() && self.calls.iter().all(|call| call.id != id);
        let given_id = if is_usable { id.to_owned() } else { format!("call_{}_{at}", self.request_id) };
        let (id, early_arguments) = (id.to_owned(), String::new());
        self.calls.push(Call { index, id, given_id, started: false, early_arguments, signature: None });
        Ok(at)
    }

    fn finish(&mut self, reason: FinishReason, on_event: &mut dyn FnMut(Event)) -> Result<(), StreamFault> {
        if self.calls.iter().any(|call| !call.started) {
            return Err(StreamFault::Malformed(Malformed { what: "the name of a tool call" }));
        }
        let reason = match reason {
            // Some providers say `stop` whatever the model did.
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            FinishReason::Stop if self.refused => FinishReason::ContentFilter,
            other => other,
        };
        self.finish = Some(reason);
        on_event(Event::Finish { reason, stop_sequence: None });
        Ok(())
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
