//! Attempts at webhooks as pages write them, a customer's and an operator's alike.

use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::domain::webhook::Outcome;

use super::format;

/// An attempt in a line: when it was over, what came of it, how long it took.
pub fn attempt((at, outcome, took_ms): (UnixMillis, Outcome, u32)) -> String {
    format!("{}: {}, {took_ms} ms", format::second(at), words(outcome))
}

/// What an attempt came to, in words.
fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Status(status) => format!("answered {status}"),
        Outcome::Unreachable => "not reached".to_owned(),
        Outcome::TimedOut => "no answer in time".to_owned(),
        Outcome::Forbidden => "not a public address".to_owned(),
    }
}
