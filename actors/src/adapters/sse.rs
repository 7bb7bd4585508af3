//! Server-sent events, decoded from bytes in any split.
//!
//! Lines end at `\n` with one `\r` before it stripped, several `data:` lines join, comments and unknown
//! fields are passed over, and nothing is decoded as UTF-8 before a whole event is there. The size of an
//! event is bounded. Lines that are no SSE field are kept aside: Gemini may send a bare JSON error.

use bytes::{Bytes, BytesMut};

use super::fault::Malformed;

/// The largest event: 16 MiB, room for an image in a chat answer.
pub const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One event: its name, empty where it has none, and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent {
    /// The `event:` field.
    pub name: Bytes,
    /// The `data:` lines, joined with `\n`.
    pub data: Bytes,
}

/// Turns bytes into events.
#[derive(Debug, Default)]
pub struct SseDecoder {
    /// Bytes of the line that is not complete yet.
    partial: BytesMut,
    name: Bytes,
    data: Vec<Bytes>,
    data_bytes: usize,
    stray: BytesMut,
}

impl SseDecoder {
    /// Takes the next bytes and calls `on_event` for every event that they complete.
    ///
    /// # Errors
    /// [`Malformed`] for an event beyond [`EVENT_BYTES_MAX`], and whatever `on_event` returns.
    pub fn feed<E: From<Malformed>>(
        &mut self,
        chunk: &Bytes,
        mut on_event: impl FnMut(SseEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk.clone();
        while let Some(at) = memchr::memchr(b'\n', &rest) {
            let head = rest.split_to(at + 1);
            let line = if self.partial.is_empty() {
                head
            } else {
                self.partial.extend_from_slice(&head);
                self.partial.split().freeze()
            };
            if let Some(event) = self.line(line.slice(..line.len() - 1))? {
                on_event(event)?;
            }
        }
        self.partial.extend_from_slice(&rest);
        Self::within_bounds(self.partial.len())?;
        Ok(())
    }

    /// Bytes that were no SSE at all, with the unfinished line: what a provider says before it closes.
    pub fn into_stray(mut self) -> Bytes {
        let partial = self.partial.split();
        self.stray.extend_from_slice(&partial);
        self.stray.freeze()
    }

    fn line(&mut self, line: Bytes) -> Result<Option<SseEvent>, Malformed> {
        let line = if line.last() == Some(&b'\r') { line.slice(..line.len() - 1) } else { line };
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = match memchr::memchr(b':', &line) {
            Some(0) => return Ok(None), // a comment
            Some(at) => {
                let after = if line.get(at + 1) == Some(&b' ') { at + 2 } else { at + 1 };
                (line.slice(..at), line.slice(after..))
            }
            None => (line.clone(), Bytes::new()),
        };
        match field.as_ref() {
            b"data" => {
                self.data_bytes += value.len();
                self.data.push(value);
                Self::within_bounds(self.data_bytes)?;
            }
            b"event" => self.name = value,
            b"id" | b"retry" => {}
            _ => {
                self.stray.extend_from_slice(&line);
                Self::within_bounds(self.stray.len())?;
            }
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        let name = std::mem::take(&mut self.name);
        self.data_bytes = 0;
        let data = match self.data.len() {
            0 => return None,
            1 => self.data.pop().unwrap_or_default(),
            _ => Bytes::from(self.data.drain(..).collect::<Vec<_>>().join(&b'\n')),
        };
        Some(SseEvent { name, data })
    }

    fn within_bounds(size: usize) -> Result<(), Malformed> {
        if size > EVENT_BYTES_MAX { Err(Malformed { what: "an event of at most 16 MiB" }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&[u8]]) -> (Vec<(String, String)>, String) {
        let mut decoder = SseDecoder::default();
        let mut events = Vec::new();
        for chunk in chunks {
            decoder
                .feed(&Bytes::copy_from_slice(chunk), |event| {
                    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                    events.push((text(event.name), text(event.data)));
                    Ok::<(), Malformed>(())
                })
                .unwrap();
        }
        (events, String::from_utf8(decoder.into_stray().to_vec()).unwrap())
    }

    const WIRE: &str = ": hello\r\nevent: a\r\ndata: {\"x\":\"漢字 é 🙂\"}\r\n\r\n\
        data:no space\ndata: two\nid: 7\n\n: ping\n\nevent: lonely\n\ndata: {\"\u{2028}\":1}\n\n{\"error\":\n 1}";

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let whole = decode(&[WIRE.as_bytes()]);
        assert_eq!(
            whole.0,
            [
                ("a".to_owned(), "{\"x\":\"漢字 é 🙂\"}".to_owned()),
                (String::new(), "no space\ntwo".to_owned()),
                (String::new(), "{\"\u{2028}\":1}".to_owned()),
            ]
        );
        assert_eq!(whole.1, "{\"error\": 1}");
        for cut in 0..=WIRE.len() {
            let (left, right) = WIRE.as_bytes().split_at(cut);
            assert_eq!(decode(&[left, right]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = WIRE.as_bytes().chunks(1).collect();
        assert_eq!(decode(&bytes), whole);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut decoder = SseDecoder::default();
        let chunk = Bytes::from(vec![b'x'; EVENT_BYTES_MAX + 1]);
        assert!(decoder.feed(&chunk, |_| Ok::<(), Malformed>(())).is_err());
    }
}
