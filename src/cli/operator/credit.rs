//! `credit add`.

use lmhaven_actors::domain::ids::encode_base32;
use reqwest::Method;
use serde_json::json;

use super::Answer;
use super::args::CreditVerb;
use super::client::{Client, Failure};
use crate::cli::output::print_problem;
use crate::cli::table::print_fields;

/// Runs one verb.
pub(super) async fn run(client: &Client, verb: &CreditVerb) -> Result<Answer, Failure> {
    let CreditVerb::Add { workspace, amount, reason, idempotency_key } = verb;
    let idempotency_key = match idempotency_key {
        Some(key) => key.clone(),
        None => new_key()?,
    };
    let body = json!({"amount_usd": amount, "reason": reason, "idempotency_key": idempotency_key});
    let path = ["workspaces", &workspace.to_string(), "credits"];
    let sent = client.send(Method::POST, &path, Some(&body)).await;
    if sent.as_ref().is_err_and(Failure::is_unknown) {
        // Money may have moved: repeating under another key could move it twice.
        print_problem(&format!("to try again without crediting twice, add --idempotency-key {idempotency_key}"));
    }
    let json = sent?;
    let fields = [("entry", "/id"), ("kind", "/kind"), ("amount", "/amount_usd"), ("at", "/at")];
    Ok(Answer { people: print_fields(&json, &fields), json })
}

fn new_key() -> Result<String, Failure> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| Failure::Given(format!("no random numbers: {error}")))?;
    Ok(format!("cli-{}", encode_base32(u128::from_be_bytes(random))))
}
