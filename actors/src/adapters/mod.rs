//! Translation between dialects, as pure functions and state machines over bytes.
//!
//! Nothing here sends, sleeps, reads a clock, draws a random number or picks a key: the relay does, and
//! hands in what it got. So golden files cover each adapter whole. One folder per protocol, with
//! fixtures beside the code. What every adapter has in common stands in this file and in [`stream`].

pub mod anthropic;
pub mod ark;
mod download;
pub mod elevenlabs;
pub mod fault;
pub mod gemini;
pub mod image;
pub mod json_depth;
pub mod media_type;
mod metadata;
pub mod novelai;
pub mod openai;
pub mod pixai;
pub mod quantity;
pub mod sse;
pub mod stream;
pub mod translated;
mod weave;

pub use fault::{BodyError, Malformed, UpstreamFault};
pub use stream::{Closing, Flow, Meter, StreamFault, StreamRelay};
pub use translated::{Decoder, Encoder, Translated};

/// What an upstream body is made for: values that we own, whatever the caller wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The model by our name; decides which parameters the model takes.
    pub model: &'a str,
    /// The model by the provider's name.
    pub upstream_model: &'a str,
    /// The output limit to send; always sent.
    pub output_limit: u32,
    /// An opaque name for the workspace and its user, safe to show to the provider.
    pub end_user: Option<&'a str>,
    /// An opaque name for the cache that the caller named, if it named one.
    pub cache_key: Option<&'a str>,
}

/// What an answer to the caller is labelled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Our request id's 26 characters, without prefix: becomes `chatcmpl-…` or `msg_…`.
    pub id: String,
    /// The model as the caller wrote it.
    pub model: String,
    /// Seconds since the Unix epoch.
    pub created: i64,
    /// The caller asked for a usage chunk (OpenAI streams).
    pub include_usage: bool,
    /// The caller asked to see thinking (Anthropic: only then are thinking blocks sent).
    pub show_thoughts: bool,
    /// An estimate of the prompt's tokens, for dialects that must tell it first.
    pub input_estimate: u64,
}
