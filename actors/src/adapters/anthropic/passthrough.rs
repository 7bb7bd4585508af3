//! A messages stream from an Anthropic upstream to an Anthropic client: the bytes as they came.
//!
//! Events are looked at and passed on unchanged. Three things differ: the upstream's pings are left out
//! (ours tell the caller that *we* live; theirs would hide a dead upstream), the model's name is replaced
//! where it is sold under another one, and the closing events wait until their cost is known.

use bytes::{Bytes, BytesMut};

use super::decoder::UsageCount;
use super::encoder::{MESSAGE_STOP, put_block_stop, put_message_end, put_message_start};
use super::errors::{event_fault, truncated};
use super::raw_event::{RawEvent, RawEvents};
use super::stream_event::{self, StreamEvent};
use super::upstream::spliced;
use crate::adapters::Label;
use crate::adapters::fault::Malformed;
use crate::adapters::stream::{Closing, Flow, Meter, StreamFault, StreamRelay};
use crate::chat::FinishReason;

/// One stream, forwarded.
#[derive(Debug)]
pub struct Passthrough {
    events: RawEvents,
    state: State,
}

#[derive(Debug)]
struct State {
    label: Label,
    splice_model: bool,
    usage: UsageCount,
    meter: Meter,
    started: bool,
    open_block: Option<u64>,
    /// The `message_delta`, until it may be written.
    held: Option<RawEvent>,
    complete: bool,
}

/// What becomes of an event.
enum Fate {
    Dropped,
    Held,
    Forwarded,
    /// Forwarded with these bytes.
    Changed(Vec<u8>),
}

impl Passthrough {
    /// A relay for one answer. `splice_model` where the upstream knows the model by another name than ours.
    pub fn new(label: Label, splice_model: bool) -> Self {
        let usage = UsageCount::new(label.input_estimate);
        let state = State {
            label,
            splice_model,
            usage,
            meter: Meter::default(),
            started: false,
            open_block: None,
            held: None,
            complete: false,
        };
        Self { events: RawEvents::default(), state }
    }
}

impl State {
    fn pass(&mut self, event: RawEvent, out: &mut BytesMut) -> Result<(), StreamFault> {
        if self.complete {
            return Ok(());
        }
        let fate = self.look_at(&event)?;
        self.meter.delivered_bytes = self.usage.delivered_bytes;
        match fate {
            Fate::Dropped => {}
            Fate::Held => {
                self.flush_held(out);
                self.held = Some(event);
            }
            Fate::Forwarded => {
                self.flush_held(out);
                out.extend_from_slice(event.bytes());
            }
            Fate::Changed(bytes) => {
                self.flush_held(out);
                out.extend_from_slice(&bytes);
            }
        }
        Ok(())
    }

    fn look_at(&mut self, event: &RawEvent) -> Result<Fate, StreamFault> {
        let kind = stream_event::kind(event.name(), event.data())?;
        let read = stream_event::read(&kind, event.data())?;
        if let StreamEvent::Ping = read {
            return Ok(Fate::Dropped);
        }
        self.meter.events = self.meter.events.saturating_add(1);
        Ok(match read {
            StreamEvent::MessageStart(message) => {
                self.started = true;
                if let Some(usage) = message.usage {
                    self.meter.reported = Some(self.usage.started(&usage));
                }
                let changed = message
                    .model
                    .filter(|_| self.splice_model)
                    .and_then(|model| spliced(event.bytes(), model.get(), &self.label.model));
                changed.map_or(Fate::Forwarded, Fate::Changed)
            }
            StreamEvent::BlockStart { index, block } => {
                self.open_block = Some(index);
                let texts = [&block.text, &block.thinking, &block.name];
                self.usage.delivered(texts.into_iter().flatten().map(|text| text.len()).sum());
                Fate::Forwarded
            }
            StreamEvent::BlockDelta { delta } => {
                self.usage.delivered(delta.delivered_bytes());
                Fate::Forwarded
            }
            StreamEvent::BlockStop => {
                self.open_block = None;
                Fate::Forwarded
            }
            StreamEvent::MessageDelta { stop_reason, usage, .. } => {
                self.meter.finished |= stop_reason.is_some();
                self.meter.reported = Some(self.usage.ended(usage.as_ref()));
                Fate::Held
            }
            StreamEvent::MessageStop if self.meter.finished => {
                self.complete = true;
                Fate::Dropped
            }
            StreamEvent::MessageStop => return Err(Malformed { what: "a stop reason before message_stop" }.into()),
            StreamEvent::Error(error) => return Err(event_fault(&error).into()),
            StreamEvent::Ping | StreamEvent::Unknown => Fate::Forwarded,
        })
    }

    /// Writes a held event that turned out not to be the last one.
    fn flush_held(&mut self, out: &mut BytesMut) {
        if let Some(held) = self.held.take() {
            out.extend_from_slice(held.bytes());
        }
    }
}

impl StreamRelay for Passthrough {
    fn feed(&mut self, chunk: &Bytes, out: &mut BytesMut) -> Result<Flow, StreamFault> {
        out.reserve(chunk.len());
        let Self { events, state } = self;
        events.feed(chunk, |event| state.pass(event, out))?;
        Ok(if state.complete { Flow::Complete } else { Flow::More })
    }

    fn end_of_input(&mut self, _out: &mut BytesMut) -> Result<Flow, StreamFault> {
        if self.state.complete { Ok(Flow::Complete) } else { Err(truncated(self.events.tail())) }
    }

    fn meter(&self) -> Meter {
        self.state.meter
    }

    fn conclude(&mut self, closing: &Closing, out: &mut BytesMut) {
        match self.state.held.take() {
            Some(held) => {
                held.put_with_cost(closing, out);
                out.extend_from_slice(MESSAGE_STOP);
            }
            None => self.cut_short(closing, out),
        }
    }

    fn cut_short(&mut self, closing: &Closing, out: &mut BytesMut) {
        if !self.state.started {
            put_message_start(&self.state.label, out);
        }
        if let Some(index) = self.state.open_block.take() {
            put_block_stop(index, out);
        }
        put_message_end(FinishReason::Length, None, closing, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::anthropic::{StreamDecoder, StreamEncoder};
    use crate::adapters::fault::UpstreamFault;
    use crate::adapters::translated::Translated;
    use crate::domain::money::NanoUsd;
    use crate::domain::usage::{Bucket, Usage};

    const STREAM: &str = include_str!("fixtures/stream.sse");

    fn closing() -> Closing {
        let usage = Usage::default().with(Bucket::Input, 20).with(Bucket::Output, 9);
        Closing { usage, cost: NanoUsd::from_nano(1_500_000) }
    }

    fn relay(model: &str) -> Passthrough {
        let label = Label {
            id: "01J0000000000000000000TEST".into(),
            model: model.into(),
            created: 1_790_000_000,
            include_usage: true,
            show_thoughts: true,
            input_estimate: 11,
        };
        Passthrough::new(label, model != "claude-opus-4-7")
    }

    fn fed(relay: &mut Passthrough, chunks: &[&[u8]]) -> (String, Result<Flow, StreamFault>) {
        let (mut out, mut flow) = (BytesMut::new(), Ok(Flow::More));
        for chunk in chunks {
            flow = relay.feed(&Bytes::copy_from_slice(chunk), &mut out);
            if flow.is_err() {
                break;
            }
        }
        (String::from_utf8(out.to_vec()).unwrap(), flow)
    }

    fn concluded(relay: &mut Passthrough) -> String {
        let mut out = BytesMut::new();
        relay.conclude(&closing(), &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    /// The stream as it is to reach the caller, to the closing events.
    fn expected() -> String {
        let without_pings =
            STREAM.replace("event: ping\ndata: {\"type\":\"ping\"}\n\n", "").replace(": a comment\n\n", "");
        without_pings[..without_pings.find("event: message_delta").unwrap()].to_owned()
    }

    #[test]
    fn bytes_pass_as_they_came_and_the_end_waits_for_its_cost() {
        let mut whole = relay("claude-opus-4-7");
        let (out, flow) = fed(&mut whole, &[STREAM.as_bytes()]);
        assert_eq!((out, flow), (expected(), Ok(Flow::Complete)));
        assert_eq!(whole.end_of_input(&mut BytesMut::new()), Ok(Flow::Complete));
        let delta = &STREAM[STREAM.find("event: message_delta").unwrap()..];
        let with_cost = delta.replace("\"thinking_tokens\":12}}", "\"thinking_tokens\":12},\"cost_usd\":\"0.0015\"}");
        assert_eq!(concluded(&mut whole), with_cost);
    }

    #[test]
    fn the_output_is_the_same_however_the_bytes_are_cut() {
        let mut whole = relay("claude-opus-4-7");
        let _ = fed(&mut whole, &[STREAM.as_bytes()]);
        let (meter, end) = (whole.meter(), concluded(&mut whole));
        for cut in 0..STREAM.len() {
            let (left, right) = STREAM.as_bytes().split_at(cut);
            let mut parts = relay("claude-opus-4-7");
            assert_eq!(fed(&mut parts, &[left, right]), (expected(), Ok(Flow::Complete)), "cut at {cut}");
            assert_eq!((parts.meter(), concluded(&mut parts)), (meter, end.clone()), "cut at {cut}");
        }
        let mut bytes = relay("claude-opus-4-7");
        assert_eq!(fed(&mut bytes, &STREAM.as_bytes().chunks(1).collect::<Vec<_>>()).0, expected());
        let mut crlf = relay("claude-opus-4-7");
        assert_eq!(fed(&mut crlf, &[STREAM.replace('\n', "\r\n").as_bytes()]).0, expected().replace('\n', "\r\n"));
    }

    #[test]
    fn the_meter_counts_what_a_translating_relay_counts() {
        let mut forwarded = relay("claude-opus-4-7");
        let _ = fed(&mut forwarded, &[STREAM.as_bytes()]);
        let decoder = StreamDecoder::new("claude-opus-4-7".into(), 11);
        let mut translated = Translated::new(decoder, StreamEncoder::new(forwarded.state.label.clone()));
        translated.feed(&Bytes::from_static(STREAM.as_bytes()), &mut BytesMut::new()).unwrap();
        let (mine, theirs) = (forwarded.meter(), translated.meter());
        assert_eq!((mine.reported, mine.finished), (theirs.reported, theirs.finished));
        assert_eq!(mine.delivered_bytes, theirs.delivered_bytes);
    }

    #[test]
    fn the_model_is_spliced_where_it_is_sold_under_another_name() {
        let (out, _) = fed(&mut relay("our-\"opus\""), &[STREAM.as_bytes()]);
        assert_eq!(out, expected().replacen("\"model\":\"claude-opus-4-7\"", r#""model":"our-\"opus\"""#, 1));
    }

    #[test]
    fn a_report_without_usage_gets_ours() {
        for (usage, written) in [
            ("", r#"{"delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":20,"#),
            (",\"usage\":null", r#"{"delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":20,"#),
            (",\"usage\":{ }", r#"{"delta":{"stop_reason":"end_turn"},"usage":{ "cost_usd":"0.0015"}}"#),
        ] {
            let mut relay = relay("claude-opus-4-7");
            let delta =
                format!("event: message_delta\ndata: {{\"delta\":{{\"stop_reason\":\"end_turn\"}}{usage}}}\n\n");
            assert_eq!(fed(&mut relay, &[delta.as_bytes(), MESSAGE_STOP]), (String::new(), Ok(Flow::Complete)));
            assert!(relay.meter().reported.unwrap().estimated);
            let end = concluded(&mut relay);
            assert!(end.contains(written) && end.contains("\"cost_usd\":\"0.0015\"}}\n\n"), "{end}");
        }
    }

    #[test]
    fn money_that_ends_closes_the_open_block() {
        let mut begun = relay("claude-opus-4-7");
        let _ = fed(&mut begun, &[&STREAM.as_bytes()[..STREAM.find("rich").unwrap() - 120]]);
        let mut out = BytesMut::new();
        begun.cut_short(&closing(), &mut out);
        insta::assert_snapshot!(String::from_utf8(out.to_vec()).unwrap());
        let mut silent = BytesMut::new();
        relay("claude-opus-4-7").cut_short(&closing(), &mut silent);
        assert!(silent.starts_with(b"event: message_start\n"), "a stream without a start is none");
    }

    #[test]
    fn errors_and_early_ends_are_faults_and_what_came_before_is_delivered() {
        let error =
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n";
        let (out, flow) = fed(&mut relay("claude-opus-4-7"), &[expected().as_bytes(), error.as_bytes()]);
        let overloaded = UpstreamFault::Overloaded { retry_after_millis: None };
        assert_eq!((out, flow), (expected(), Err(overloaded.into())));
        for cut in 0..STREAM.len() - 1 {
            let mut relay = relay("claude-opus-4-7");
            let _ = fed(&mut relay, &[&STREAM.as_bytes()[..cut]]);
            assert!(relay.end_of_input(&mut BytesMut::new()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_name_that_a_proxy_lost_is_said_again() {
        let unnamed = "data: {\"type\":\"content_block_delta\",\ndata:\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n";
        let (out, _) = fed(&mut relay("claude-opus-4-7"), &[unnamed.as_bytes()]);
        assert_eq!(
            out,
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n"
        );
    }
}
