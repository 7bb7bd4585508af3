//! The provider simulator: every upstream of the gateway on one port, scripted and seeded.
//!
//! It answers as the providers would, refuses what they would refuse, and fails on demand in every way that their
//! networks do. It remembers each call with what it charged, so that tests can count attempts and check bills.
//! It shares no code with the gateway's adapters, so that it cannot share their mistakes.
//!
//! | protocol | paths | key |
//! |---|---|---|
//! | `anthropic` | `POST /v1/messages`, `/v1/messages/count_tokens` | `x-api-key` |
//! | `gemini` | `POST /v1beta/models/{model}:{operation}`; pictures under `/v1` too | `x-goog-api-key` or `?key=` |
//! | `openai` | `POST /v1/chat/completions`, `GET /v1/models` | bearer |
//! | `ark` | `POST /api/v3/images/generations`, downloads under `/tos/` | bearer |
//! | `novelai` | `POST /ai/generate-image`, `GET /user/subscription` | bearer |
//! | `pixai` | `POST /v2/image/create`, `GET /v1/task/{id}`, `GET /v1/media/{id}/image`, downloads under `/cdn/` | bearer |
//! | `elevenlabs` | `POST /v1/text-to-speech/{voice}` and `/stream` | `xi-api-key` |
//!
//! The desk: `POST /__script` (rules), `/__keys`, `/__balances`, `/__reset`; `GET /__calls`, `/__stats`, `/__charges`,
//! `/__balances`. Tests in the same process hold a [`Control`] instead.
//!
//! A request for text goes through [`server`] (routes) to `exchange` (one call's life): the protocol's folder checks
//! it, `compose` makes the answer, the protocol writes it down, `respond` and `deliver` send it with the faults that
//! the `script` asks for. A request for a picture or a sound goes through `media`, which has an exchange of its own and
//! writes each charge into `books` when it is accepted. `control` holds the script and the memory of calls.

mod anthropic;
mod books;
mod cache;
mod call;
mod chance;
mod compose;
mod control;
mod deliver;
mod dialect;
mod example;
mod exchange;
mod gemini;
mod json;
mod media;
mod openai;
mod respond;
mod script;
pub mod server;
mod socket;
pub mod stripe;
#[cfg(test)]
mod tests;
mod words;

pub use books::{Balance, Charge, Unit};
pub use call::{Call, Ending, Stats, Usage};
pub use control::Control;
pub use dialect::Protocol;
pub use media::{
    ArkChange, CorruptZip, ElevenLabsChange, GeminiImageChange, ImageFormat, MediaChange, NovelAiChange, PixAiChange,
    WavSizes,
};
pub use script::{AnswerChange, Fault, Rule, Status, ToolCallChange, Wire};
pub use server::{Latency, Options, Simulator};
