//! Real HTTP against a running simulator.

mod anthropic;
mod client;
mod gemini;
mod openai;
