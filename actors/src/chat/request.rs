//! A chat request in our own terms.

use std::num::NonZeroU32;

use serde_json::Value;

use super::Signature;

/// One chat request, whatever dialect it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The model that was asked for, by our name.
    pub model: String,
    /// System and developer text in order, hoisted from wherever it stood.
    pub system: Vec<Part>,
    /// User and assistant turns; runs of the same role are already merged.
    pub turns: Vec<Turn>,
    /// Tools that the model may call.
    pub tools: Vec<Tool>,
    /// How it may call them; `None` leaves it to the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// Several calls in one turn; `None` is the provider's default.
    pub parallel_tools: Option<bool>,
    /// The output limit that the caller set.
    pub output_limit: Option<NonZeroU32>,
    /// Stream the answer.
    pub stream: bool,
    /// Temperature and its like.
    pub sampling: Sampling,
    /// Texts that end the answer; empty ones are already dropped.
    pub stop: Vec<String>,
    /// Whether and how much to think.
    pub thinking: Thinking,
    /// The caller wants to read the thoughts.
    pub show_thoughts: bool,
    /// The shape of the answer.
    pub format: Format,
    /// An opaque, already hashed name of the caller's own user.
    pub end_user: Option<String>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The caller.
    User,
    /// The model.
    Assistant,
}

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What, in order. Never empty.
    pub parts: Vec<Part>,
}

/// How long the provider should keep a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheTtl {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    OneHour,
}

/// A cache breakpoint after this part.
pub type Cache = Option<CacheTtl>;

/// One piece of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text, never empty.
    Text {
        /// The text.
        text: String,
        /// A cache breakpoint.
        cache: Cache,
    },
    /// An image, document or audio clip.
    Media {
        /// The piece.
        media: Media,
        /// A cache breakpoint.
        cache: Cache,
    },
    /// The model called a tool.
    ToolCall {
        /// The call's id, as the client knows it.
        id: String,
        /// The tool.
        name: String,
        /// Arguments, always an object.
        arguments: Value,
        /// What Gemini wants back with it.
        signature: Option<Signature>,
        /// A cache breakpoint.
        cache: Cache,
    },
    /// What a tool answered.
    ToolResult {
        /// The call it answers.
        call_id: String,
        /// Text and media, in order; may be empty.
        parts: Vec<Part>,
        /// The tool failed.
        is_error: bool,
        /// A cache breakpoint.
        cache: Cache,
    },
    /// What the model thought.
    Thinking {
        /// The thought; may be empty where only the signature is kept.
        text: String,
        /// Proof that the model made it.
        signature: Option<Signature>,
    },
    /// A thought that only the provider can read. Anthropic only.
    RedactedThinking {
        /// The provider's bytes.
        data: Signature,
    },
}

/// What a piece of media is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A document with pages, such as PDF, or plain text.
    Document,
    /// Sound.
    Audio,
}

/// Where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaSource {
    /// Standard base 64 without white space.
    Base64(String),
    /// An https address that the provider fetches. Images only; we never fetch it.
    Url(String),
    /// Plain text of a document.
    Text(String),
}

/// One image, document or audio clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What it is.
    pub kind: MediaKind,
    /// Its media type, read from its first bytes where it can be.
    pub media_type: String,
    /// Its bytes.
    pub source: MediaSource,
    /// A document's title or file name.
    pub title: Option<String>,
}

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON Schema of its arguments, an object; `None` for a tool without any.
    pub parameters: Option<Value>,
    /// Arguments must satisfy the schema exactly.
    pub strict: Option<bool>,
    /// A cache breakpoint.
    pub cache: Cache,
}

/// How the model may use tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// Not at all.
    None,
    /// At least one call.
    Required,
    /// This tool.
    Named(String),
    /// Only these tools.
    Allowed {
        /// At least one call.
        required: bool,
        /// The tools.
        names: ToolSet,
    },
}

/// Names of tools, in the order given.
pub type ToolSet = Vec<String>;

/// How the next token is drawn; `None` is the provider's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// At least 1.
    pub top_k: Option<u32>,
    /// For repeatable answers.
    pub seed: Option<i64>,
    /// −2 to 2.
    pub presence_penalty: Option<f64>,
    /// −2 to 2.
    pub frequency_penalty: Option<f64>,
}

/// How hard to think, in OpenAI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// As little as the model can.
    Minimal,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Above high.
    XHigh,
    /// All it can.
    Max,
}

/// Whether and how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// The caller said nothing.
    Unset,
    /// No thinking, or as little as the model allows.
    Off,
    /// As much as the model sees fit, with this effort if one was given.
    Adaptive(Option<Effort>),
    /// At most this many tokens.
    Budget(NonZeroU32),
}

/// The shape of the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// Any text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that satisfies a schema.
    JsonSchema {
        /// The schema's name, where the dialect has one.
        name: Option<String>,
        /// The schema.
        schema: Value,
        /// It must be satisfied exactly.
        strict: bool,
    },
}
