//! A stream as a client reads it: event by event, told apart from a stream that broke.

use serde_json::Value;

use super::within;

/// One event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Event {
    /// Its `event:` line, or nothing.
    pub(crate) name: String,
    /// Its `data:` lines.
    pub(crate) data: String,
}

impl Event {
    /// The data as JSON; `null` for `[DONE]`.
    pub(crate) fn json(&self) -> Value {
        if self.data == "[DONE]" {
            return Value::Null;
        }
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Whether it tells of a failure, in either dialect.
    pub(crate) fn is_error(&self) -> bool {
        self.name == "error" || self.json().get("error").is_some_and(|error| !error.is_null())
    }
}

/// A stream being read. Dropping it hangs up.
pub(crate) struct Sse {
    response: reqwest::Response,
    buffer: Vec<u8>,
    ended: bool,
    broken: bool,
}

impl Sse {
    /// Reads an answer that must have begun as a stream.
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status();
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let is_stream = status == 200 && content_type.starts_with("text/event-stream");
        if is_stream {
            return Self { response, buffer: Vec::new(), ended: false, broken: false };
        }
        panic!("{status} {content_type} is no stream: {}", response.text().await.unwrap_or_default());
    }

    /// The next event; nothing at the end. Comments and keep-alives are passed over.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(block) = self.block() {
                match parse(&block) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            if self.ended {
                assert!(self.broken || self.buffer.is_empty(), "the stream ends in the middle of an event");
                return None;
            }
            match within("the next bytes of a stream", self.response.chunk()).await {
                Ok(Some(bytes)) => self.buffer.extend_from_slice(&bytes),
                Ok(None) => self.ended = true,
                Err(_) => (self.ended, self.broken) = (true, true),
            }
        }
    }

    /// The next event that is not there only to keep the connection alive.
    pub(crate) async fn next_content(&mut self) -> Option<Event> {
        loop {
            let event = self.next().await?;
            if event.name != "ping" {
                return Some(event);
            }
        }
    }

    /// All events that are left.
    pub(crate) async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Whether the connection broke instead of ending in order. Only known once [`Sse::next`] answered nothing.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    fn block(&mut self) -> Option<String> {
        let end = self.buffer.windows(2).position(|pair| pair == b"\n\n")?;
        let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
        Some(String::from_utf8(block).expect("events are UTF-8"))
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let values = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let values: Vec<&str> = values.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect();
        (!values.is_empty()).then(|| values.join("\n"))
    };
    let data = field("data")?;
    Some(Event { name: field("event").unwrap_or_default(), data })
}
