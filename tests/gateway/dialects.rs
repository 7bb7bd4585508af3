//! Every client dialect against every provider protocol.
//!
//! `openai` and `anthropic` are what clients of each send to all providers, `names` what providers
//! learn of names, `routes` is which paths there are.
//! What the real SDKs make of the answers is tested in `tests/sdk`, single fields beside each adapter.

mod anthropic;
mod names;
mod openai;
mod routes;

use serde_json::{Value, json};

/// One model of each protocol upstream.
const ONE_OF_EACH: [&str; 3] = ["claude-haiku-4-5", "gemini-3-1-pro", "gpt-sim"];

/// Letters of one to four bytes, which are easily cut in two.
const UNICODE: &str = "Grüße aus 東京 — 👩‍🚀 \"quoted\" \\ and\nnew lines\t\u{2028}.";

/// A single white pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII=";

/// A schema with one text.
fn city() -> Value {
    json!({
        "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"],
        "additionalProperties": false,
    })
}

/// What was asked upstream last, as text.
fn sent(haven: &crate::harness::Haven) -> String {
    haven.control.last_call().expect("a call").body.to_string()
}
