//! Callers who talk until the process is gone, and callers who wait for a provider that has fallen silent.

use lmhaven_simulator::{AnswerChange, Control, Fault, Rule};
use reqwest::Response;
use serde_json::Value;
use tokio::sync::watch;

use crate::harness::{Process, Workspace, ask, nano, streamed};

/// A whole answer that said what it cost.
#[derive(Debug)]
pub(super) struct Answer {
    /// Which workspace paid.
    pub(super) workspace: usize,
    /// The request.
    pub(super) request: String,
    /// In nano-dollars.
    pub(super) cost: i128,
}

/// Numbers from a seed (splitmix64), so that a round that failed can be looked at again.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The provider: some calls never get an answer, some fall silent after 2,700 tokens, which are more than a hold covers
/// that is not extended and more than it takes to journal progress.
pub(super) fn script(control: &Control) {
    control.script(Rule::new().marker("silent").fault(Fault::HangBeforeHeaders { ms: None }));
    let text = Some("0123456789".repeat(1_200));
    let answer = AnswerChange { text, pieces: Some(20), ..AnswerChange::default() };
    let fault = Some(Fault::Stall { after: 19, ms: None });
    control.script(Rule { answer, fault, ..Rule::new().marker("stalls") });
}

/// Asks again and again until the process is gone. Counts each answer in `answered`.
pub(super) async fn talk(
    process: &Process,
    number: usize,
    workspace: &Workspace,
    mut random: Random,
    answered: &watch::Sender<u64>,
) -> Vec<Answer> {
    let mut answers = Vec::new();
    loop {
        let key = &workspace.keys[random.below(2) as usize];
        let text = format!("Question {} of many", random.below(1_000_000));
        let outcome = match random.below(10) {
            0..4 => plain(process, key, &ask(&text), number).await,
            4..7 => stream(process, key, "/v1/chat/completions", &text, number).await,
            7..9 => stream(process, key, "/v1/messages", &text, number).await,
            _ => hang_up(process, key, &streamed(&text)).await.map(|()| None),
        };
        match outcome {
            Ok(Some(answer)) => {
                answers.push(answer);
                answered.send_modify(|count| *count += 1);
            }
            // No money, or gone before the end.
            Ok(None) => {}
            Err(_) => return answers,
        }
    }
}

/// Waits for answers that never come, as long as there is a process.
pub(super) async fn wait(process: &Process, workspace: &Workspace) {
    let path = "/v1/chat/completions";
    let silent = process.post(&workspace.keys[0], path, &ask("silent"));
    let mut long = streamed("stalls");
    long["max_tokens"] = 10_000.into();
    let stalls = process.post(&workspace.keys[1], path, &long);
    let read_all = async |request: reqwest::RequestBuilder| request.send().await?.bytes().await;
    let _ = tokio::join!(read_all(silent), read_all(stalls));
}

async fn plain(process: &Process, key: &str, body: &Value, number: usize) -> reqwest::Result<Option<Answer>> {
    let response = process.post(key, "/v1/chat/completions", body).send().await?;
    if refused(&response) {
        return Ok(None);
    }
    let request = header(&response, "x-request-id");
    let cost = nano(&header(&response, "lmhaven-cost-usd"));
    response.bytes().await?;
    Ok(Some(Answer { workspace: number, request, cost }))
}

async fn stream(
    process: &Process,
    key: &str,
    path: &str,
    text: &str,
    number: usize,
) -> reqwest::Result<Option<Answer>> {
    let mut body = streamed(text);
    if path == "/v1/chat/completions" {
        body["stream_options"] = serde_json::json!({ "include_usage": true });
    }
    let response = process.post(key, path, &body).send().await?;
    if refused(&response) {
        return Ok(None);
    }
    let request = header(&response, "x-request-id");
    let text = response.text().await?;
    assert!(text.contains("[DONE]") || text.contains("message_stop"), "a clean end without an end: {text}");
    let cost = text.rsplit_once(r#""cost_usd":""#).and_then(|(_, cost)| cost.split('"').next());
    let cost = nano(cost.unwrap_or_else(|| panic!("no cost in {text}")));
    Ok(Some(Answer { workspace: number, request, cost }))
}

async fn hang_up(process: &Process, key: &str, body: &Value) -> reqwest::Result<()> {
    let mut response = process.post(key, "/v1/chat/completions", body).send().await?;
    if !refused(&response) {
        response.chunk().await?;
    }
    Ok(())
}

/// Whether it was refused for want of money, which is the only refusal there may be.
fn refused(response: &Response) -> bool {
    let status = response.status().as_u16();
    assert!([200, 402, 429].contains(&status), "{response:?}");
    status != 200
}

fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name).unwrap_or_else(|| panic!("no {name}: {response:?}"));
    value.to_str().unwrap().to_owned()
}
