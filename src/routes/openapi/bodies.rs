//! The bodies of what is charged, as far as we read them. They pass through us in part, so further fields are not refused:
//! those that a model cannot do are 400 `unsupported_parameter`, others are passed over or on.

#![expect(dead_code, reason = "fields are described, not read")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// A chat in OpenAI's shape. Messages, parts and tools may be Anthropic's as well.
#[derive(ToSchema)]
pub(in crate::routes) struct ChatBody {
    /// Of `GET /v1/models`.
    #[schema(examples("claude-haiku-4-5"))]
    pub model: String,
    /// The conversation, the oldest first.
    #[schema(min_items = 1, max_items = 100_000)]
    pub messages: Vec<ChatMessage>,
    /// Answers as server-sent events.
    #[schema(nullable = false)]
    pub stream: Option<bool>,
    /// What a stream carries besides.
    pub stream_options: Option<StreamOptions>,
    /// The most tokens of the answer, thinking included.
    #[schema(minimum = 1)]
    pub max_completion_tokens: Option<u32>,
    /// The older name of `max_completion_tokens`.
    #[schema(minimum = 1)]
    pub max_tokens: Option<u32>,
    /// Randomness.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Texts that end the answer.
    pub stop: Option<Stop>,
    /// Tools that you run yourself.
    #[schema(max_items = 1024)]
    pub tools: Option<Vec<ChatTool>>,
    /// `auto`, `none`, `required`, or an object that names a tool.
    pub tool_choice: Option<Choice>,
    /// Several calls in one answer.
    pub parallel_tool_calls: Option<bool>,
    /// How much the model thinks.
    pub reasoning_effort: Option<Effort>,
    /// Text, or JSON of a schema.
    pub response_format: Option<ResponseFormat>,
    /// One choice is served.
    #[schema(minimum = 1, maximum = 1)]
    pub n: Option<u32>,
    /// Your own name of your user; forwarded only as a digest, if at all.
    pub user: Option<String>,
}

/// One message.
#[derive(ToSchema)]
pub(in crate::routes) struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// A text, or parts: `text`, `image_url`, `input_audio`, `file`, and Anthropic's.
    pub content: Option<Content>,
    /// The calls that the assistant made.
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Which call a `tool` message answers.
    pub tool_call_id: Option<String>,
}

/// Who speaks.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::routes) enum ChatRole {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

/// A text, or content parts.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::routes) enum Content {
    /// A text.
    Text(String),
    /// Parts, each with a `type`.
    Parts(Vec<Part>),
}

/// A content part. Its other fields depend on its type.
#[derive(ToSchema)]
pub(in crate::routes) struct Part {
    /// `text`, `image_url`, `input_audio`, `file`, `image`, `document`, `tool_use`, `tool_result`, `thinking`, `redacted_thinking`.
    pub r#type: String,
    /// Of a `text`.
    pub text: Option<String>,
}

/// A call of a tool.
#[derive(ToSchema)]
pub(in crate::routes) struct ToolCall {
    /// What the answer refers to.
    pub id: String,
    /// Which function with which arguments.
    pub function: CalledFunction,
}

/// A function with arguments.
#[derive(ToSchema)]
pub(in crate::routes) struct CalledFunction {
    /// Its name.
    pub name: String,
    /// A text of JSON.
    pub arguments: String,
}

/// What a stream carries besides.
#[derive(ToSchema)]
pub(in crate::routes) struct StreamOptions {
    /// A last event with the usage. It comes anyway, with `cost_usd`.
    pub include_usage: Option<bool>,
}

/// One text or up to sixteen.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::routes) enum Stop {
    One(String),
    Several(Vec<String>),
}

/// A tool in OpenAI's shape.
#[derive(ToSchema)]
pub(in crate::routes) struct ChatTool {
    /// Always `function`.
    #[schema(pattern = "^function$")]
    pub r#type: String,
    /// The function.
    pub function: Function,
}

/// A function that the model may call.
#[derive(ToSchema)]
pub(in crate::routes) struct Function {
    /// Its name.
    #[schema(pattern = "^[a-zA-Z0-9_-]{1,64}$")]
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its arguments as a JSON schema.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Value>,
    /// Arguments keep to the schema.
    pub strict: Option<bool>,
}

/// Which tool is called.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::routes) enum Choice {
    Word(String),
    Named(TypedObject),
}

/// How much the model thinks.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::routes) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

/// Text, or JSON.
#[derive(ToSchema)]
pub(in crate::routes) struct ResponseFormat {
    /// `text`, `json_object` or `json_schema`.
    pub r#type: String,
    /// With `json_schema`: `name`, `schema`, `strict`.
    #[schema(value_type = Option<Object>)]
    pub json_schema: Option<Value>,
}

/// A message in Anthropic's shape.
#[derive(ToSchema)]
pub(in crate::routes) struct MessagesBody {
    /// Of `GET /v1/models`.
    #[schema(examples("claude-haiku-4-5"))]
    pub model: String,
    /// The conversation, the oldest first.
    #[schema(min_items = 1, max_items = 100_000)]
    pub messages: Vec<Message>,
    /// The most tokens of the answer, thinking included.
    #[schema(minimum = 1)]
    pub max_tokens: u32,
    /// What holds for the whole conversation.
    pub system: Option<Content>,
    /// Answers as server-sent events.
    pub stream: Option<bool>,
    /// Randomness.
    #[schema(minimum = 0, maximum = 1)]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Sampling from so many.
    pub top_k: Option<u32>,
    /// Texts that end the answer.
    pub stop_sequences: Option<Vec<String>>,
    /// Tools that you run yourself.
    #[schema(max_items = 1024)]
    pub tools: Option<Vec<Tool>>,
    /// `{"type": "auto" | "any" | "tool" | "none", …}`.
    pub tool_choice: Option<TypedObject>,
    /// `{"type": "enabled" | "adaptive" | "disabled", …}`.
    pub thinking: Option<TypedObject>,
    /// `user_id`: your own name of your user; forwarded only as a digest, if at all.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// A prompt whose tokens are counted: a message without what only a generation has.
#[derive(ToSchema)]
pub(in crate::routes) struct CountBody {
    /// Of `GET /v1/models`.
    #[schema(examples("claude-haiku-4-5"))]
    pub model: String,
    /// The conversation, the oldest first.
    #[schema(min_items = 1, max_items = 100_000)]
    pub messages: Vec<Message>,
    /// What holds for the whole conversation.
    pub system: Option<Content>,
    /// Tools that you run yourself.
    pub tools: Option<Vec<Tool>>,
}

/// One message.
#[derive(ToSchema)]
#[schema(as = AnthropicMessage)]
pub(in crate::routes) struct Message {
    /// `user` or `assistant`.
    #[schema(pattern = "^(user|assistant)$")]
    pub role: String,
    /// A text, or blocks: `text`, `image`, `document`, `tool_use`, `tool_result`, `thinking`, `redacted_thinking`.
    pub content: Content,
}

/// A tool in Anthropic's shape.
#[derive(ToSchema)]
#[schema(as = AnthropicTool)]
pub(in crate::routes) struct Tool {
    /// Its name.
    #[schema(pattern = "^[a-zA-Z0-9_-]{1,64}$")]
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its input as a JSON schema.
    #[schema(value_type = Object)]
    pub input_schema: Value,
}

/// An object of the named type. Its other fields depend on it.
#[derive(ToSchema)]
pub(in crate::routes) struct TypedObject {
    /// Which.
    pub r#type: String,
}

/// What an image shows.
#[derive(ToSchema)]
pub(in crate::routes) struct ImageBody {
    /// Of `GET /v1/models`, with the modality `image`.
    #[schema(examples("seedream-5"))]
    pub model: String,
    /// What it shows.
    #[schema(min_length = 1, max_length = 32_000)]
    pub prompt: String,
    /// How many.
    #[schema(minimum = 1, maximum = 10)]
    pub n: Option<u32>,
    /// `auto`, a tier (`1K`, `1.5K`, `2K`, `3K`, `4K`) or pixels such as `1024x1024`.
    pub size: Option<String>,
    /// A link of ours, good for 24 hours, or the file itself.
    pub response_format: Option<ImageResponseFormat>,
    /// `png`, `jpeg` or `webp`, where the model makes it.
    pub output_format: Option<String>,
    /// Your own name of your user.
    pub user: Option<String>,
}

/// A link of ours, or the file itself.
#[derive(ToSchema)]
pub(in crate::routes) enum ImageResponseFormat {
    #[schema(rename = "url")]
    Url,
    #[schema(rename = "b64_json")]
    Base64,
}

/// What is spoken.
#[derive(ToSchema)]
pub(in crate::routes) struct SpeechBody {
    /// Of `GET /v1/models`, with the modality `voice`.
    #[schema(examples("elevenlabs-v3"))]
    pub model: String,
    /// What is spoken.
    #[schema(min_length = 1)]
    pub input: String,
    /// A name of OpenAI's or an id of the provider's.
    pub voice: Voice,
    /// The format of the audio.
    pub response_format: Option<AudioFormat>,
    /// One speed is spoken.
    #[schema(minimum = 1, maximum = 1)]
    pub speed: Option<f64>,
}

/// A name, or an object with an `id`.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::routes) enum Voice {
    Named(String),
    Identified(IdentifiedVoice),
}

/// A voice by its id.
#[derive(ToSchema)]
pub(in crate::routes) struct IdentifiedVoice {
    /// The id.
    pub id: String,
}

/// The format of the audio.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::routes) enum AudioFormat {
    Mp3,
    Opus,
    Wav,
    Pcm,
}
