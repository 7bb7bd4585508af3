//! The seam between the protocols and the rest: what a protocol reads from a request, and what it writes.
//!
//! A protocol checks a request and turns it into an [`Ask`]; [`crate::compose`] makes an [`Answer`] of it; the
//! protocol writes that as one JSON value or as the frames of a stream. Nothing here knows sockets or scripts'
//! faults.

use crate::{
    cache::Breakpoint,
    call::Usage,
    chance::Rng,
    script::{AnswerChange, Status},
    words::size,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The protocols spoken, all on one port.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Protocol {
    /// `/v1/messages`
    Anthropic,
    /// `/v1beta/models/…`, for text and for images
    Gemini,
    /// `/v1/chat/completions`
    OpenAi,
    /// `/api/v3/images/generations`: Seedream
    Ark,
    /// `/ai/generate-image`
    NovelAi,
    /// `/v2/image/create` and the polls
    PixAi,
    /// `/v1/text-to-speech/…`
    ElevenLabs,
}

/// What a protocol must be able to do.
pub(crate) trait Dialect: Sync {
    /// Which protocol this is.
    fn protocol(&self) -> Protocol;
    /// The API key of a request.
    fn key(&self, request: &Request<'_>) -> Option<String>;
    /// The answer to a request with a key that is missing or wrong.
    fn bad_key(&self, key: Option<&str>) -> Refusal;
    /// The answer to a body that is no JSON.
    fn bad_json(&self, error: &str) -> Refusal;
    /// Checks the request as strictly as the provider would.
    fn read(&self, request: &Request<'_>) -> Result<Ask, Refusal>;
    /// The answer to a request that only counts tokens.
    fn count(&self, tokens: u64) -> Value;
    /// An answer that is not streamed.
    fn whole(&self, reply: &Reply<'_>) -> Value;
    /// A streamed answer.
    fn frames(&self, reply: &Reply<'_>) -> Vec<Frame>;
    /// The body of an error.
    fn error(&self, refusal: &Refusal, response_id: &str) -> Value;
    /// An error in the middle of a stream, as the bytes of one event.
    fn error_frame(&self, refusal: &Refusal, response_id: &str) -> String;
    /// The provider's usual error for a status that a script asks for.
    fn scripted(&self, status: &Status) -> Refusal;
    /// Headers that identify the response.
    fn headers(&self, response_id: &str) -> Vec<(&'static str, String)>;
    /// Whether event streams end their lines with CRLF.
    fn has_crlf(&self) -> bool {
        false
    }
}

/// A request as a protocol sees it.
pub(crate) struct Request<'a> {
    pub(crate) counts_only: bool,
    /// From the path, where the protocol names model and operation there.
    pub(crate) model: Option<&'a str>,
    pub(crate) streams: bool,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a Value,
    /// The size of the body as it came.
    pub(crate) body_bytes: usize,
    pub(crate) seed: u64,
}

impl Request<'_> {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// What is asked for, in words that all protocols share.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of a protocol, set in one place")]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// The last text of the user.
    pub(crate) last_text: String,
    /// The content of a tool result, when that is what the request ends with.
    pub(crate) tool_result: Option<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    pub(crate) parallel: bool,
    /// How the ids of tool calls begin.
    pub(crate) call_prefix: &'static str,
    /// The schema that the whole answer must satisfy.
    pub(crate) schema: Option<Value>,
    pub(crate) tokens_max: Option<u64>,
    pub(crate) stops: Vec<String>,
    pub(crate) thinking: Thinking,
    pub(crate) input_tokens: u64,
    pub(crate) cache: CacheAsk,
    /// `OpenAI`: a usage chunk at the end of the stream.
    pub(crate) include_usage: bool,
    /// Gemini without `alt=sse`: the stream is one JSON array.
    pub(crate) as_array: bool,
}

#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) enum Choice {
    #[default]
    Auto,
    Never,
    Any,
    /// One of these must be called.
    OneOf(Vec<String>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Thinking {
    #[default]
    Off,
    /// Charged, but not shown.
    Hidden,
    Shown,
}

#[derive(Debug, Default)]
pub(crate) enum CacheAsk {
    #[default]
    None,
    Marked(Vec<Breakpoint>),
    Automatic {
        prefix: u64,
        tokens: u64,
        tokens_min: u64,
    },
}

/// What the model answers.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) parts: Vec<Part>,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
}

#[derive(Debug)]
pub(crate) enum Part {
    Thought(String),
    /// A thought that only its owner can read.
    Redacted,
    Text(String),
    Call {
        id: String,
        name: String,
        arguments: Value,
        /// Scripted text in place of the arguments' JSON.
        raw: Option<String>,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Finish {
    #[default]
    Stop,
    Length,
    Calls,
    Sequence(String),
}

/// Everything that is needed to write an answer.
pub(crate) struct Reply<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) answer: &'a Answer,
    pub(crate) change: &'a AnswerChange,
    pub(crate) seed: u64,
    /// Made from the request: the same for the same request.
    pub(crate) rng: Rng,
    /// Different for every response.
    pub(crate) response_id: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
}

impl Reply<'_> {
    /// The usage object to send: the one made here, the scripted one, or none.
    pub(crate) fn usage(&self, made: Value) -> Option<Value> {
        if self.change.omit_usage { None } else { Some(self.change.usage_json.clone().unwrap_or(made)) }
    }

    /// The finish reason to send.
    pub(crate) fn finish<'b>(&'b self, own: &'b str) -> &'b str {
        self.change.finish.as_deref().unwrap_or(own)
    }

    pub(crate) fn meter(&self) -> Meter {
        let shown = |part: &Part| match part {
            Part::Thought(text) if self.ask.thinking == Thinking::Shown => text.chars().count(),
            Part::Thought(_) | Part::Redacted => 0,
            Part::Text(text) => text.chars().count(),
            Part::Call { arguments, raw, .. } => raw.clone().unwrap_or(arguments.to_string()).chars().count(),
        };
        let total = size(self.answer.parts.iter().map(shown).sum());
        let hidden = if self.ask.thinking == Thinking::Shown { 0 } else { self.answer.usage.thinking };
        Meter { usage: self.answer.usage, hidden, total, sent: 0 }
    }
}

/// What a stream has cost so far: the input at once, hidden thinking at once, the rest in proportion to what was sent.
pub(crate) struct Meter {
    usage: Usage,
    hidden: u64,
    total: u64,
    sent: u64,
}

impl Meter {
    pub(crate) fn send(&mut self, text: &str) -> Usage {
        self.sent = self.sent.saturating_add(size(text.chars().count()));
        self.so_far()
    }

    pub(crate) fn so_far(&self) -> Usage {
        let visible = self.usage.output.saturating_sub(self.hidden);
        let share = u128::from(visible) * u128::from(self.sent.min(self.total)) / u128::from(self.total.max(1));
        let output = self.hidden.saturating_add(u64::try_from(share).unwrap_or(u64::MAX));
        Usage { output, thinking: self.usage.thinking.min(output), ..self.usage }
    }

    pub(crate) fn all(&self) -> Usage {
        self.usage
    }
}

/// One event of a stream with its framing, lines ended by LF, and what the call has cost with it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) text: String,
    pub(crate) usage: Usage,
}

impl Frame {
    /// A server-sent event without a name.
    pub(crate) fn data(data: &Value, usage: Usage) -> Self {
        Self { text: format!("data: {data}\n\n"), usage }
    }
}

/// An error, in the provider's own words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// Anthropic and `OpenAI`: `error.type`; Gemini: `error.status`.
    pub(crate) kind: Box<str>,
    pub(crate) message: String,
    pub(crate) code: Option<String>,
    pub(crate) param: Option<String>,
    pub(crate) details: Vec<Value>,
}

impl Refusal {
    pub(crate) fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        Self { status, kind: kind.into(), message: message.into(), ..Self::default() }
    }
}
