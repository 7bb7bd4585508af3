//! The body of a response: a plan of steps, and the stream that carries it out.
//!
//! [`plan`] is pure: it turns the frames of an answer, the fault and the wire form into steps. The stream only sends,
//! waits and breaks. actix-web writes what it has whenever the body pauses, so a break is preceded by a pause:
//! otherwise the events before it would be lost with the connection.

use crate::{
    call::{Ending, Usage},
    control::OpenCall,
    dialect::Frame,
    script::{Fault, Wire},
    socket::Socket,
};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use std::{collections::VecDeque, io, time::Duration};

/// One step of a response body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Sends bytes as one HTTP chunk; `charged` on the last chunk of an event.
    Send { bytes: Bytes, charged: Option<Usage> },
    /// Waits so long, or for ever.
    Pause(Option<Duration>),
    /// Lets the bytes so far reach the kernel.
    Flush,
    /// Resets the connection.
    Reset,
    /// Closes the connection, the body unfinished.
    Close,
    /// Ends the body properly, though the answer is not complete.
    Cut,
}

/// What is sent as one event: a frame of text, or a part of any other body.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    /// What the call has cost with it.
    pub(crate) usage: Usage,
}

impl From<Frame> for Piece {
    fn from(Frame { text, usage }: Frame) -> Self {
        Self { bytes: text.into(), usage }
    }
}

/// What a plan is made from besides the pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manner {
    pub(crate) fault: Option<Fault>,
    pub(crate) wire: Wire,
    pub(crate) crlf: bool,
    /// Waits before each event.
    pub(crate) gaps: Vec<Duration>,
    /// The event that a [`Fault::ErrorEvent`] sends.
    pub(crate) error_frame: String,
}

/// Whether a fault plays out in the body, so that the body must be sent in steps.
pub(crate) fn concerns_body(fault: &Fault) -> bool {
    match fault {
        Fault::HangAfterHeaders { .. }
        | Fault::Reset { .. }
        | Fault::Close { .. }
        | Fault::Cut { .. }
        | Fault::Stall { .. }
        | Fault::Malformed { .. } => true,
        Fault::HangBeforeHeaders { .. }
        | Fault::ResetBeforeHeaders
        | Fault::CloseBeforeHeaders
        | Fault::ResetAfterCharge
        | Fault::HangAfterCharge { .. }
        | Fault::Html
        | Fault::ErrorEvent { .. } => false,
    }
}

/// The steps that send the pieces in this manner.
pub(crate) fn plan(pieces: Vec<Piece>, manner: &Manner) -> VecDeque<Step> {
    let mut steps = VecDeque::with_capacity(pieces.len() + 2);
    if let Some(Fault::HangAfterHeaders { ms }) = manner.fault {
        steps.push_back(Step::Pause(ms.map(Duration::from_millis)));
    }
    let mut charged = Usage::default();
    let mut sent = 0;
    let mut gaps = manner.gaps.iter();
    for Piece { bytes, usage } in pieces {
        if break_off(&mut steps, manner, sent, charged) {
            return coalesced(steps, manner);
        }
        if let Some(gap) = gaps.next().filter(|gap| !gap.is_zero()) {
            steps.push_back(Step::Pause(Some(*gap)));
        }
        sent += 1;
        charged = usage;
        let is_malformed = matches!(manner.fault, Some(Fault::Malformed { event }) if event == sent);
        let bytes = if is_malformed { without_last_brace(&String::from_utf8_lossy(&bytes)).into() } else { bytes };
        send(&mut steps, bytes, manner, charged);
    }
    break_off(&mut steps, manner, sent, charged);
    coalesced(steps, manner)
}

/// Adds the fault that is due after `sent` events. Answers whether the rest is not to be sent.
fn break_off(steps: &mut VecDeque<Step>, manner: &Manner, sent: u64, charged: Usage) -> bool {
    let Some(fault) = &manner.fault else { return false };
    let last = match fault {
        Fault::Reset { after } if *after == sent => Step::Reset,
        Fault::Close { after } if *after == sent => Step::Close,
        Fault::Cut { after } if *after == sent => Step::Cut,
        Fault::ErrorEvent { after, .. } if *after == sent => {
            send(steps, manner.error_frame.clone().into(), manner, charged);
            Step::Cut
        }
        Fault::Stall { after, ms } if *after == sent => {
            steps.push_back(Step::Flush);
            steps.push_back(Step::Pause(ms.map(Duration::from_millis)));
            return false;
        }
        _ => return false,
    };
    steps.push_back(Step::Flush);
    steps.push_back(last);
    true
}

fn send(steps: &mut VecDeque<Step>, bytes: Bytes, manner: &Manner, usage: Usage) {
    let bytes = if manner.crlf { String::from_utf8_lossy(&bytes).replace('\n', "\r\n").into() } else { bytes };
    let Some(length) = manner.wire.split.filter(|length| *length > 0 && *length < bytes.len()) else {
        return steps.push_back(Step::Send { bytes, charged: Some(usage) });
    };
    let mut rest = bytes;
    while rest.len() > length {
        steps.push_back(Step::Send { bytes: rest.split_to(length), charged: None });
    }
    steps.push_back(Step::Send { bytes: rest, charged: Some(usage) });
}

/// Joins neighbouring sends into one, where the wire form asks for it. Each event is still counted.
fn coalesced(steps: VecDeque<Step>, manner: &Manner) -> VecDeque<Step> {
    if !manner.wire.coalesce {
        return steps;
    }
    let mut joined: Vec<u8> = Vec::new();
    let mut counted = VecDeque::new();
    let mut rest = VecDeque::new();
    for step in steps {
        match step {
            Step::Send { bytes, charged } if rest.is_empty() => {
                joined.extend_from_slice(&bytes);
                counted.push_back(Step::Send { bytes: Bytes::new(), charged });
            }
            other => rest.push_back(other),
        }
    }
    if !joined.is_empty() {
        counted.push_front(Step::Send { bytes: joined.into(), charged: None });
    }
    counted.extend(rest);
    counted
}

/// The event with the last closing brace or bracket of its JSON missing.
fn without_last_brace(text: &str) -> String {
    match text.rfind(['}', ']']) {
        Some(at) => text.char_indices().filter(|(own, _)| *own != at).map(|(_, letter)| letter).collect(),
        None => format!("{{{text}"),
    }
}

struct Delivery {
    steps: VecDeque<Step>,
    call: OpenCall,
    socket: Socket,
}

/// The body that carries out the steps. Dropped before its end, it counts as a hang-up.
pub(crate) fn body(steps: VecDeque<Step>, call: OpenCall, socket: Socket) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(Delivery { steps, call, socket }), |delivery| async move { delivery?.advance().await })
}

impl Delivery {
    async fn advance(mut self) -> Option<(io::Result<Bytes>, Option<Self>)> {
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::Send { bytes, charged } => {
                    if let Some(usage) = charged {
                        self.call.sent(usage);
                    }
                    // An empty chunk would end the body.
                    if !bytes.is_empty() {
                        return Some((Ok(bytes), Some(self)));
                    }
                }
                Step::Pause(time) => {
                    if self.socket.pause(time, self.call.control()).await.is_err() {
                        self.call.end(Ending::HungUp);
                        return Some((Err(io::ErrorKind::ConnectionAborted.into()), None));
                    }
                }
                Step::Flush => tokio::task::yield_now().await,
                Step::Reset => {
                    self.call.end(Ending::Cut);
                    self.socket.reset();
                    return Some((Err(io::ErrorKind::ConnectionReset.into()), None));
                }
                Step::Close => {
                    self.call.end(Ending::Cut);
                    self.socket.close();
                    return Some((Err(io::ErrorKind::ConnectionAborted.into()), None));
                }
                Step::Cut => {
                    self.call.end(Ending::Cut);
                    return None;
                }
            }
        }
        self.call.end(Ending::Complete);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(texts: &[&str]) -> Vec<Piece> {
        texts.iter().map(|text| Piece { bytes: (*text).to_owned().into(), usage: Usage::default() }).collect()
    }

    fn sent(steps: &VecDeque<Step>) -> Vec<String> {
        let text = |step: &Step| match step {
            Step::Send { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        };
        steps.iter().filter_map(text).collect()
    }

    #[test]
    fn faults_take_their_place() {
        let with = |fault| plan(frames(&["a", "b", "c"]), &Manner { fault: Some(fault), ..Manner::default() });
        let cut = with(Fault::Cut { after: 2 });
        assert_eq!(sent(&cut), ["a", "b"]);
        assert_eq!(cut.back(), Some(&Step::Cut));
        assert_eq!(with(Fault::Reset { after: 0 }), [Step::Flush, Step::Reset]);
        let stalled = with(Fault::Stall { after: 1, ms: None });
        assert_eq!(sent(&stalled), ["a", "b", "c"]);
        assert_eq!(stalled.get(2), Some(&Step::Pause(None)));
        assert_eq!(with(Fault::HangAfterHeaders { ms: Some(1) }).len(), 4);
        let broken = Manner { fault: Some(Fault::Malformed { event: 1 }), ..Manner::default() };
        assert_eq!(sent(&plan(frames(&["data: {\"a\":{}}\n\n"]), &broken)), ["data: {\"a\":{}\n\n"]);
    }

    #[test]
    fn bytes_are_split_joined_and_given_crlf() {
        let with = |wire, crlf| sent(&plan(frames(&["é\n", "b\n"]), &Manner { wire, crlf, ..Manner::default() }));
        let split = Wire { split: Some(1), ..Wire::default() };
        assert_eq!(with(split, false).len(), 5);
        let joined = Wire { coalesce: true, ..Wire::default() };
        assert_eq!(with(joined, true).concat(), "é\r\nb\r\n");
        assert_eq!(with(Wire::default(), true), ["é\r\n", "b\r\n"]);
    }
}
