//! Events with their own bytes, for a stream that is forwarded as it came.
//!
//! The shared SSE decoder hands out names and data and forgets how they were written. Here an event keeps
//! its bytes up to its blank line, so that passing it on is one copy.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::put_usage;
use super::encoder::put_cost;
use super::stream_event;
use crate::adapters::fault::Malformed;
use crate::adapters::sse::EVENT_BYTES_MAX;
use crate::adapters::stream::Closing;
use crate::adapters::weave::offset_in;

/// Cuts bytes into events.
#[derive(Debug, Default)]
pub(crate) struct RawEvents {
    /// Bytes of the event that is not complete yet.
    partial: BytesMut,
    /// How far `partial` was searched, and where its last line begins.
    searched: usize,
    line_start: usize,
}

impl RawEvents {
    /// Takes the next bytes and calls `on_event` for every event with data that they complete.
    pub(crate) fn feed<E: From<Malformed>>(
        &mut self,
        chunk: &Bytes,
        mut on_event: impl FnMut(RawEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = if self.partial.is_empty() {
            chunk.clone()
        } else {
            self.partial.extend_from_slice(chunk);
            self.partial.split().freeze()
        };
        while let Some(at) = rest.get(self.searched..).and_then(|tail| memchr::memchr(b'\n', tail)) {
            let line_end = self.searched + at;
            let is_blank = matches!(rest.get(self.line_start..line_end), Some([] | [b'\r']));
            (self.searched, self.line_start) = (line_end + 1, line_end + 1);
            if is_blank {
                let bytes = rest.split_to(line_end + 1);
                (self.searched, self.line_start) = (0, 0);
                if let Some(event) = RawEvent::of(bytes)? {
                    on_event(event)?;
                }
            }
        }
        self.searched = rest.len();
        if rest.len() > EVENT_BYTES_MAX {
            return Err(Malformed { what: "an event of at most 16 MiB" }.into());
        }
        // Nothing is copied where the bytes ended with an event. Where one is long, taking the buffer back
        // instead of copying it keeps many small chunks from costing the square of their number.
        self.partial = rest.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        Ok(())
    }

    /// The bytes of an event that never ended.
    pub(crate) fn tail(&self) -> &[u8] {
        &self.partial
    }
}

/// One event as it came, to its blank line.
#[derive(Debug)]
pub(crate) struct RawEvent {
    bytes: Bytes,
    name: Bytes,
    /// A part of `bytes`.
    data: Bytes,
}

impl RawEvent {
    /// Nothing where the bytes carry no data: a comment, a blank line.
    fn of(bytes: Bytes) -> Result<Option<Self>, Malformed> {
        let (mut name, mut data) = (Bytes::new(), None::<Bytes>);
        let mut start = 0;
        while let Some(at) = bytes.get(start..).and_then(|tail| memchr::memchr(b'\n', tail)) {
            let line = start..start + at;
            start += at + 1;
            if let Some(value) = field(&bytes, line.clone(), b"data:") {
                if data.is_some() {
                    return Self::rewritten(&bytes).map(Some);
                }
                data = Some(value);
            } else if let Some(value) = field(&bytes, line, b"event:") {
                name = value;
            }
        }
        match data {
            None => Ok(None),
            Some(_) if name.is_empty() => Self::rewritten(&bytes).map(Some),
            Some(data) => Ok(Some(Self { bytes, name, data })),
        }
    }

    /// An event that lost its name, or had its data wrapped, on the way: SDKs would drop it. JSON does not
    /// mind being on one line, and says its type.
    fn rewritten(bytes: &Bytes) -> Result<Self, Malformed> {
        let not_text = Malformed { what: "an event in UTF-8" };
        let text = std::str::from_utf8(bytes).map_err(|_| not_text)?;
        let data: String = text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|value| value.strip_prefix(' ').unwrap_or(value))
            .collect();
        let name = text.lines().filter_map(|line| line.strip_prefix("event:")).next_back().unwrap_or_default().trim();
        let kind = stream_event::kind(name.as_bytes(), data.as_bytes())?;
        if kind.contains(['\r', '\n']) {
            return Err(Malformed { what: "the name of an event" });
        }
        let head = format!("event: {}\ndata: ", &*kind);
        let name = Bytes::copy_from_slice(kind.as_bytes());
        let bytes = Bytes::from(format!("{head}{data}\n\n"));
        let data = bytes.slice(head.len()..bytes.len() - 2);
        Ok(Self { bytes, name, data })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The event with its cost in the usage object; with a usage of ours where it has none.
    pub(crate) fn put_with_cost(&self, closing: &Closing, out: &mut BytesMut) {
        #[derive(Deserialize)]
        struct Counted<'a> {
            #[serde(borrow, default)]
            usage: Option<&'a RawValue>,
            #[serde(borrow, default)]
            delta: Option<&'a RawValue>,
        }
        let counted = serde_json::from_slice::<Counted<'_>>(&self.data);
        let Ok(Counted { usage, delta }) = counted else {
            out.extend_from_slice(&self.bytes); // it was read as an event before, so this cannot be
            return;
        };
        let place =
            |value: &RawValue| offset_in(&self.bytes, value.get().as_bytes()).map(|at| (at, at + value.get().len()));
        let head = |end: usize| self.bytes.get(..end).unwrap_or_default();
        let tail = |start: usize| self.bytes.get(start..).unwrap_or_default();
        if let Some((at, end)) = usage.and_then(place) {
            let inner = self.bytes.get(at + 1..end - 1).unwrap_or_default();
            out.extend_from_slice(head(end - 1));
            if !inner.trim_ascii().is_empty() {
                out.extend_from_slice(b",");
            }
            put_cost(closing.cost, out);
            out.extend_from_slice(tail(end - 1));
        } else if let Some((_, end)) = delta.and_then(place) {
            // Without a usage, or with null in its place, ours stands behind the delta.
            out.extend_from_slice(head(end));
            out.extend_from_slice(b",\"usage\":");
            put_usage(&closing.usage, Some(closing.cost), out);
            out.extend_from_slice(b"}\n\n");
        } else {
            out.extend_from_slice(&self.bytes);
        }
    }
}

/// The value of a line's field, without the space and the carriage return around it.
fn field(bytes: &Bytes, line: std::ops::Range<usize>, name: &[u8]) -> Option<Bytes> {
    let text = bytes.get(line.clone())?;
    let value = text.strip_prefix(name)?;
    let value = value.strip_prefix(b" ").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    Some(bytes.slice_ref(value))
}
