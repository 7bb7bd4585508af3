//! Our own request, answer and stream event for chat, between the dialects that clients and providers speak.
//!
//! A list of typed parts in order, with opaque signatures: the OpenAI shape would lose the order of blocks
//! and the signatures. Pure values; adapters turn dialects into these and back.

mod answer;
mod request;
mod signature;
mod summary;

pub use answer::{Answer, Event, FinishReason};
pub use request::{
    Cache, CacheTtl, Effort, Format, Media, MediaKind, MediaSource, Part, Request, Role, Sampling, Thinking, Tool,
    ToolChoice, ToolSet, Turn,
};
pub use signature::{Origin, Signature, Signed};
pub use summary::{Dialect, InputBound, PDF_PAGES_MAX, Summary};
