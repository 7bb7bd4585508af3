//! One event of an upstream's stream, read without copying: what decoder and pass-through both look at.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::Text;
use super::wire::{WireError, WireUsage};
use crate::adapters::fault::Malformed;
use crate::adapters::quantity::readable;

const NOT_AN_EVENT: Malformed = Malformed { what: "an event of the messages stream" };

/// What an event is.
#[derive(Debug)]
pub(crate) enum StreamEvent<'a> {
    MessageStart(MessageStart<'a>),
    BlockStart {
        index: u64,
        block: BlockStart<'a>,
    },
    BlockDelta {
        delta: Delta<'a>,
    },
    BlockStop,
    MessageDelta {
        stop_reason: Option<Text<'a>>,
        stop_sequence: Option<Text<'a>>,
        usage: Option<WireUsage>,
    },
    MessageStop,
    Error(WireError<'a>),
    Ping,
    /// A kind that we do not know: it is passed over.
    Unknown,
}

/// `message` of the first event.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct MessageStart<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) model: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "readable")]
    pub(crate) usage: Option<WireUsage>,
}

/// `content_block`.
#[derive(Debug, Deserialize)]
pub(crate) struct BlockStart<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) thinking: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) signature: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) data: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) input: Option<&'a RawValue>,
}

/// `delta`, of a block and of the message.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Delta<'a> {
    #[serde(borrow, default)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) thinking: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) signature: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) partial_json: Option<Text<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    stop_sequence: Option<Text<'a>>,
}

impl Delta<'_> {
    /// Bytes that the caller gets to read.
    pub(crate) fn delivered_bytes(&self) -> usize {
        let texts = [&self.text, &self.thinking, &self.partial_json];
        texts.into_iter().flatten().map(|text| text.len()).sum()
    }
}

/// The fields of the events that carry a block or the message's end.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    content_block: Option<BlockStart<'a>>,
    #[serde(borrow, default)]
    message: Option<MessageStart<'a>>,
    #[serde(default, deserialize_with = "readable")]
    usage: Option<WireUsage>,
    #[serde(borrow, default)]
    error: Option<WireError<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
}

/// The kind of an event: its name, or the type within where a proxy has lost the name.
pub(crate) fn kind<'a>(name: &'a [u8], data: &'a [u8]) -> Result<Text<'a>, Malformed> {
    if name.is_empty() {
        return serde_json::from_slice::<Named<'_>>(data).map(|named| named.kind).map_err(|_| NOT_AN_EVENT);
    }
    std::str::from_utf8(name).map(|name| Text(name.into())).map_err(|_| NOT_AN_EVENT)
}

/// Reads one event of this kind.
pub(crate) fn read<'a>(kind: &str, data: &'a [u8]) -> Result<StreamEvent<'a>, Malformed> {
    match kind {
        "ping" => return Ok(StreamEvent::Ping),
        "message_stop" => return Ok(StreamEvent::MessageStop),
        "message_start"
        | "content_block_start"
        | "content_block_delta"
        | "content_block_stop"
        | "message_delta"
        | "error" => {}
        _ => return Ok(StreamEvent::Unknown),
    }
    let fields: Fields<'a> = serde_json::from_slice(data).map_err(|_| NOT_AN_EVENT)?;
    Ok(match kind {
        "message_start" => StreamEvent::MessageStart(fields.message.ok_or(NOT_AN_EVENT)?),
        "content_block_start" => StreamEvent::BlockStart {
            index: fields.index.ok_or(NOT_AN_EVENT)?,
            block: fields.content_block.ok_or(NOT_AN_EVENT)?,
        },
        "content_block_delta" => StreamEvent::BlockDelta { delta: fields.delta.ok_or(NOT_AN_EVENT)? },
        "content_block_stop" => StreamEvent::BlockStop,
        "message_delta" => {
            let delta = fields.delta.unwrap_or_default();
            let (stop_reason, stop_sequence) = (delta.stop_reason, delta.stop_sequence);
            StreamEvent::MessageDelta { stop_reason, stop_sequence, usage: fields.usage }
        }
        _ => StreamEvent::Error(fields.error.unwrap_or_default()),
    })
}
