//! The OpenAI chat-completions dialect: what its SDKs send us, and what OpenAI-compatible providers answer.
//!
//! The relay calls [`Body::read`] for a caller of `/v1/chat/completions` and then either forwards the body
//! ([`Body::forwardable`], answers through [`ChunkRelay`], [`read_usage`] and [`splice_model`]) or turns it
//! into our own request ([`Body::to_chat`], answers through [`ChunkEncoder`] and [`render_answer`]). For a
//! caller of another dialect, [`render`] writes the body for an OpenAI-compatible provider, and
//! [`ChunkDecoder`] and [`read_answer`] read what it says. Statuses of our own errors are not chosen here.

mod answer;
mod chunk;
mod decoder;
mod encoder;
mod errors;
mod frame;
mod image;
mod json;
mod passthrough;
mod plain;
mod raw;
mod render;
mod request;
mod tag;
mod usage;

#[cfg(test)]
mod test_support;

pub use answer::{AnswerMeter, read_answer, read_usage, splice_model};
pub use decoder::ChunkDecoder;
pub use encoder::{ChunkEncoder, KEEP_ALIVE, error_event};
pub use errors::fault;
pub use image::read_image_request;
pub use passthrough::ChunkRelay;
pub use plain::render_answer;
pub use render::render;
pub use request::{Body, Forwardable, json_depth, read_speech};

/// Where an OpenAI-compatible provider takes chat requests, below a base URL that ends in `/v1`.
pub const ENDPOINT: &str = "/chat/completions";
