//! Real HTTP against a running simulator.

mod anthropic;
mod client;
mod faults;
mod gemini;
mod media;
mod openai;
