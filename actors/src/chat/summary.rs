//! What admission needs to know of a request before anything is translated: the quote is made from this.

use std::num::NonZeroU32;

use super::CacheTtl;

/// Pages that a PDF counts as: the most that any provider reads of one request (Gemini 1,000, Anthropic fewer).
///
/// Its size bounds nothing. Page objects and their text may be compressed a thousandfold, one object may stand in the
/// page tree many times, and a form that is drawn repeatedly is text each time: a page can take less than a byte, and a
/// page of a few hundred bytes can hold more text than any model reads. Counting what is visible in the file counts what
/// its author wants to show. So a document is bounded by what providers read, and in the end by the context window.
pub const PDF_PAGES_MAX: u64 = 1_000;

/// A protocol that clients or providers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Chat completions.
    Openai,
    /// Messages.
    Anthropic,
    /// generateContent; providers only.
    Gemini,
}

/// A true upper bound of the prompt, in parts that are priced or bounded differently.
///
/// Byte-level tokenizers never make more tokens than bytes, so bytes plus constants bound the text;
/// media counts at the model's maximum per piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputBound {
    /// UTF-8 bytes of everything that becomes text: messages, system, tool definitions and schemas, names,
    /// tool arguments and results.
    pub text_bytes: u64,
    /// Messages, each with a constant on top.
    pub messages: u64,
    /// Tools are given: the provider adds its own prompt for them.
    pub tools: bool,
    /// How many tools are defined.
    pub tool_definitions: u64,
    /// Images.
    pub images: u64,
    /// Pages of documents given as data: [`PDF_PAGES_MAX`] for each.
    pub document_pages: u64,
    /// Seconds of audio, rounded up, at the most its bytes can hold.
    pub audio_seconds: u64,
    /// The dearest cache write that the request asks for.
    pub cache_write: Option<CacheTtl>,
}

/// One request as far as admission, routing and relay need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The model that was asked for.
    pub model: String,
    /// The answer is to be streamed.
    pub stream: bool,
    /// The caller asked for a usage chunk at the end of a stream (OpenAI; always true for Anthropic).
    pub include_usage: bool,
    /// The output limit that the caller set.
    pub output_limit: Option<NonZeroU32>,
    /// Tokens that the caller set aside for thinking within the output limit.
    pub thinking_budget: u32,
    /// What the prompt costs at most.
    pub input: InputBound,
    /// UTF-8 bytes of the prompt's own text, without the JSON around it: what is estimated where the provider does
    /// not count.
    pub prompt_bytes: u64,
}
