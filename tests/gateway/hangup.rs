//! Callers who leave: noticed while the provider is silent, charged for what they got, nothing left behind.
//!
//! `streams` is about callers who leave a stream, `waiting` about those who leave before an answer began, `staying`
//! about callers who look as if they had left, and whether they have. Providers here are silent for ever and nothing
//! times out on its own, so that only the hang-up can end a call. What one hang-up on a stream costs is in
//! `money/endings.rs`, a key revoked during a stream in `keys.rs`.

mod staying;
mod streams;
mod waiting;

use std::future::Future;
use std::time::Duration;

use lmhaven_simulator::{AnswerChange, Fault, Rule};
use serde_json::Value;

use crate::harness::{Haven, Sse, Workspace, charge_of};

/// `gpt-sim` at ratio 10, in nano-dollars per token.
const INPUT: i128 = 100;
const OUTPUT: i128 = 200;
/// What the silent provider says before it falls silent: five pieces of ten bytes.
const SAID: &str = "01234567890123456789012345678901234567890123456789";
/// The bench asks for a second. Tests share slow machines; but before fifteen seconds are over a keep-alive would find
/// out, and that is not what they are to see.
const SOON: Duration = Duration::from_secs(10);

/// No limit of ours ends a call of a test.
const PATIENT: [(&str, &str); 5] = [
    ("LIMITS__REQUESTS_PER_MINUTE", "100000"),
    ("LIMITS__CONCURRENT_STREAMS", "200"),
    ("PROVIDERS__SIM__FIRST_BYTE_TIMEOUT", "600s"),
    ("PROVIDERS__SIM__ANSWER_TIMEOUT", "600s"),
    ("PROVIDERS__SIM__IDLE_TIMEOUT", "600s"),
];

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let awaited = tokio::time::timeout(SOON, future).await;
    awaited.unwrap_or_else(|_| panic!("{what} did not happen within {SOON:?}"))
}

/// A provider that says [`SAID`] and then nothing more.
fn falls_silent() -> Rule {
    let text = Some(SAID.repeat(2));
    let answer = AnswerChange { text, pieces: Some(10), ..AnswerChange::default() };
    // The role, then the pieces.
    Rule { answer, fault: Some(Fault::Stall { after: 6, ms: None }), ..Rule::new() }
}

fn tokens(text: &str) -> i128 {
    i128::try_from(text.len().div_ceil(4)).unwrap()
}

/// The prompt as it is estimated: by the bytes of its text.
fn prompt_tokens(body: &Value) -> i128 {
    tokens(body["messages"][0]["content"].as_str().unwrap())
}

/// Reads a stream of either dialect until it has said [`SAID`].
async fn hear_said(stream: &mut Sse) {
    let mut text = String::new();
    while text.len() < SAID.len() {
        let event = stream.next_content().await.expect("more of the stream").json();
        let piece = event["choices"][0]["delta"]["content"].as_str().or(event["delta"]["text"].as_str());
        text.push_str(piece.unwrap_or_default());
    }
    assert_eq!(text, SAID);
}

/// What each request was charged, and for what, once no money is held.
async fn charges(haven: &Haven, workspace: &Workspace) -> Vec<(i128, Value)> {
    haven.settled_balance(workspace).await;
    let settles = haven.entries(workspace, "settle").await;
    settles.iter().map(|settle| (charge_of(settle), settle["usage"].clone())).collect()
}

/// Stream slots that are free.
async fn free_slots(haven: &Haven, workspace: &Workspace) -> u32 {
    let reply = haven.get(&workspace.key, "/v1/balance").await.ok();
    reply.header("x-ratelimit-remaining-streams").parse().unwrap()
}
