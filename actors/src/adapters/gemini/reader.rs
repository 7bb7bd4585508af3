//! Turns responses of Gemini into our events: one for a whole answer, many for a stream.
//!
//! Both forms go through here, so a streamed answer and a whole one cannot differ in what they say or
//! what they charge. `response` joins the events to an answer, `stream` takes the bytes apart.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::errors::{event_fault, tail_fault};
use super::tool_names;
use super::wire::{WireCall, WirePart, WireResponse, WireUsage, finish_reason};
use crate::adapters::fault::Malformed;
use crate::adapters::json_depth;
use crate::adapters::quantity::estimated_tokens;
use crate::adapters::stream::StreamFault;
use crate::chat::{Dialect, Event, FinishReason, Origin, Signature};
use crate::domain::usage::{Bucket, Usage};

/// How deep arguments may nest: what every parser after us takes.
const ARGUMENTS_DEPTH_MAX: usize = 100;

const NO_RESPONSE: Malformed = Malformed { what: "a generateContent response" };

/// What has been read so far.
#[derive(Debug)]
pub(super) struct Reader {
    origin: Origin,
    id_seed: String,
    calls: u64,
    started: bool,
    usage: WireUsage,
    /// UTF-8 bytes of text and calls, without thoughts.
    answer_bytes: u64,
    /// Gemini's own word for why it ended.
    finish: Option<String>,
    /// What was told to the caller last.
    told: Option<FinishReason>,
}

impl Reader {
    /// For an answer of `model`, by our name; ids of tool calls are made from `id_seed`.
    pub(super) fn new(model: &str, id_seed: &str) -> Self {
        let origin = Origin { protocol: Dialect::Gemini, model: Arc::from(model) };
        Self {
            origin,
            id_seed: id_seed.to_owned(),
            calls: 0,
            started: false,
            usage: WireUsage::default(),
            answer_bytes: 0,
            finish: None,
            told: None,
        }
    }

    /// Takes the text of one response. An error may come in an array.
    pub(super) fn read(&mut self, json: &[u8], on_event: &mut dyn FnMut(Event)) -> Result<(), StreamFault> {
        match serde_json::from_slice(json) {
            Ok(response) => self.take(response, on_event),
            Err(_) => Err(tail_fault(json).map_or(StreamFault::Malformed(NO_RESPONSE), StreamFault::Upstream)),
        }
    }

    /// Takes one response and hands over what it says. Counts come before a fault, so that they are known.
    fn take(&mut self, response: WireResponse<'_>, on_event: &mut dyn FnMut(Event)) -> Result<(), StreamFault> {
        if let Some(error) = response.error {
            return Err(event_fault(error.get().as_bytes()).into());
        }
        if !self.started {
            self.started = true;
            on_event(Event::Start { upstream_id: response.response_id });
        }
        // We ask for one candidate.
        let candidate = response.candidates.and_then(|candidates| candidates.into_iter().next());
        let has_candidate = candidate.is_some();
        if let Some(candidate) = candidate {
            for part in candidate.content.and_then(|content| content.parts).unwrap_or_default() {
                self.part(part, on_event)?;
            }
            let told = |reason: &String| !matches!(reason.as_str(), "" | "FINISH_REASON_UNSPECIFIED");
            if let Some(reason) = candidate.finish_reason.filter(told) {
                self.finish = Some(reason);
            }
        }
        let blocked = response.prompt_feedback.and_then(|feedback| feedback.block_reason);
        if blocked.is_some() && !has_candidate && self.finish.is_none() {
            self.finish = Some("PROHIBITED_CONTENT".to_owned());
        }
        if let Some(usage) = response.usage_metadata {
            self.usage.update(usage);
            if self.usage.has_prompt() {
                on_event(Event::Usage(self.buckets()));
            }
        }
        self.tell_finish(on_event)
    }

    /// The counts so far. An answer that ended without a count of its text is estimated and marked, since a
    /// finished answer's report is taken as final.
    fn buckets(&self) -> Usage {
        let mut usage = self.usage.buckets();
        if self.finish.is_some() && self.answer_bytes > 0 && !self.usage.has_answer() {
            let estimate = estimated_tokens(self.answer_bytes);
            usage.set(Bucket::Output, usage.get(Bucket::Output).saturating_add(estimate));
            usage.estimated = true;
        }
        usage
    }

    fn delivered(&mut self, bytes: usize) {
        self.answer_bytes = self.answer_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Whether Gemini said why it ended.
    pub(super) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Tells the reason once, and again only where calls that came after it have changed it.
    fn tell_finish(&mut self, on_event: &mut dyn FnMut(Event)) -> Result<(), StreamFault> {
        let Some(reason) = &self.finish else { return Ok(()) };
        let reason = finish_reason(reason, self.calls > 0)?;
        if self.told != Some(reason) {
            self.told = Some(reason);
            on_event(Event::Finish { reason, stop_sequence: None });
        }
        Ok(())
    }

    fn part(&mut self, part: WirePart<'_>, on_event: &mut dyn FnMut(Event)) -> Result<(), Malformed> {
        let signature = part.thought_signature.filter(|value| !value.is_empty());
        let signature = signature.map(|value| Signature { origin: Some(self.origin.clone()), value: value.into() });
        if let Some(call) = part.function_call {
            return self.call(call, signature, on_event);
        }
        if let Some(text) = part.text.filter(|text| !text.is_empty()) {
            if part.thought == Some(true) {
                on_event(Event::Thinking(text));
            } else {
                self.delivered(text.len());
                on_event(Event::Text(text));
            }
        }
        if let Some(signature) = signature {
            on_event(Event::ThinkingSignature(signature));
        }
        Ok(())
    }

    /// A call comes whole. Its id, if it has one at all, may repeat, so ours takes its place.
    fn call(
        &mut self,
        call: WireCall<'_>,
        signature: Option<Signature>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), Malformed> {
        let Some(name) = call.name.filter(|name| !name.is_empty()) else {
            return Err(Malformed { what: "a function call with a name" });
        };
        let arguments = arguments(call.args)?;
        let id = format!("call_{}_{}", self.id_seed, self.calls);
        self.calls += 1;
        self.delivered(name.len() + arguments.map_or(0, str::len));
        on_event(Event::ToolCall { id, name: tool_names::restored(&name).to_owned(), signature });
        if let Some(arguments) = arguments {
            on_event(Event::ToolArguments(arguments.to_owned()));
        }
        on_event(Event::BlockEnd);
        Ok(())
    }
}

/// The text of the object; nothing where it is empty.
fn arguments(args: Option<&RawValue>) -> Result<Option<&str>, Malformed> {
    const NO_OBJECT: Malformed = Malformed { what: "arguments as an object" };
    let text = match args.map(RawValue::get) {
        None | Some("null") => return Ok(None),
        Some(text) => text,
    };
    let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or(NO_OBJECT)?;
    json_depth::check(text.as_bytes(), ARGUMENTS_DEPTH_MAX).map_err(|_| NO_OBJECT)?;
    Ok((!inside.trim().is_empty()).then_some(text))
}
