//! The Anthropic messages dialect, as clients speak it to us and as we speak it to an upstream.
//!
//! | side | file |
//! |---|---|
//! | a client's body | `request/` |
//! | our answer to it, whole and streamed | `answer`, `encoder` |
//! | our request to an upstream of this dialect | `render/`, `schema`, `headers` |
//! | its answer, whole and streamed | `upstream`, `decoder` |
//! | both sides at once: bytes as they came | `request/forward.rs`, `passthrough` |
//! | its errors | `errors` |
//!
//! Everything is pure: the relay sends, waits and charges. Facts and their sources: `wire/anthropic.md`.

mod answer;
mod decoder;
mod encoder;
mod errors;
mod headers;
mod history;
mod model;
mod passthrough;
mod raw_event;
mod render;
pub mod request;
mod schema;
mod stream_event;
mod text;
mod tool_ids;
mod upstream;
mod wire;

pub use answer::render_answer;
pub use decoder::StreamDecoder;
pub use encoder::{KEEP_ALIVE, StreamEncoder, error_event};
pub use errors::fault;
pub use headers::{VERSION_FOR_TRANSLATION, allowed_betas};
pub use passthrough::Passthrough;
pub use render::render;
pub use request::Body;
pub use upstream::{AnswerMeter, COUNT_ENDPOINT, ENDPOINT, read_answer, read_usage, splice_model};
