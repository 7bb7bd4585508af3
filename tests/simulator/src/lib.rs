//! The provider simulator: Anthropic, Gemini and `OpenAI` on one port, scripted and seeded.
//!
//! It answers as the providers would, refuses what they would refuse, and fails on demand in every way that their
//! networks do. It remembers each call with what it charged, so that tests can count attempts and check bills.
//! It shares no code with the gateway's adapters, so that it cannot share their mistakes.
//!
//! A request goes through [`server`] (routes) to `exchange` (one call's life): the protocol's folder checks it,
//! `compose` makes the answer, the protocol writes it down, `respond` and `deliver` send it with the faults that the
//! `script` asks for. `control` holds the script and the memory of calls.

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
