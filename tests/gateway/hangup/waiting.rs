//! Callers who leave before an answer began: free within a second, the prompt after it.

use std::time::Duration;

use futures_util::future::join_all;
use lmhaven_simulator::{Fault, Rule};
use serde_json::Value;

use super::{INPUT, PATIENT, charges, free_slots, prompt_tokens, soon, tokens};
use crate::harness::{Haven, Workspace, ask, within};

/// Longer than what is free, and than it takes to notice.
const PATIENCE: Duration = Duration::from_secs(3);

/// Every way to wait: nothing has come, only headers have come, half of a plain answer has come. Each has requests in both
/// dialects, and streams too where the silence is before their first event.
fn waits(haven: &Haven) -> Vec<(&'static str, Value)> {
    let silences = [
        ("nothing", Fault::HangBeforeHeaders { ms: None }),
        ("headers", Fault::HangAfterHeaders { ms: None }),
        ("one half", Fault::Stall { after: 1, ms: None }),
    ];
    let mut requests = Vec::new();
    for (name, fault) in silences {
        let begins = matches!(fault, Fault::Stall { .. });
        haven.control.script(Rule::new().marker(name).fault(fault));
        let plain = ask("gpt-sim", &format!("Think about {name} for a very long time, please."));
        let mut streamed = plain.clone();
        streamed["stream"] = true.into();
        requests.extend([("/v1/chat/completions", plain.clone()), ("/v1/messages", plain)]);
        if !begins {
            requests.extend([("/v1/chat/completions", streamed.clone()), ("/v1/messages", streamed)]);
        }
    }
    requests
}

/// Makes the requests and leaves them together, as soon as the provider has them or when patience is over.
async fn leave(haven: &Haven, workspace: &Workspace, requests: &[(&str, Value)], patience: Option<Duration>) {
    let asking = join_all(requests.iter().map(|(path, body)| {
        let request = haven.request(&workspace.key, "POST", path).json(body);
        async move {
            match patience {
                Some(patience) => {
                    let gave_up = request.timeout(patience).send().await;
                    assert!(gave_up.as_ref().is_err_and(reqwest::Error::is_timeout), "{path}: {gave_up:?}");
                }
                None => panic!("{path}: {:?}", request.send().await),
            }
        }
    }));
    let all = requests.len() as u64;
    let asked = haven.control.wait_until(|stats| stats.open == all);
    match patience {
        Some(_) => drop(within("the callers to give up", asking).await),
        None => {
            tokio::select! {
                _ = asking => {}
                _ = within("the calls", asked) => {}
            }
        }
    }
    soon("the provider's calls to be cancelled", haven.control.wait_until(|stats| stats.hang_ups == all)).await;
    assert_eq!(free_slots(haven, workspace).await, 200);
}

#[actix_web::test]
async fn leaving_within_a_second_costs_nothing() {
    let haven = Haven::start_with(&PATIENT).await;
    let workspace = haven.workspace("1.00").await;
    leave(&haven, &workspace, &waits(&haven), None).await;
    assert_eq!(charges(&haven, &workspace).await, []);
    haven.finish().await;
}

#[actix_web::test]
async fn leaving_after_a_second_costs_the_prompt() {
    let haven = Haven::start_with(&PATIENT).await;
    let workspace = haven.workspace("1.00").await;
    let requests = waits(&haven);
    leave(&haven, &workspace, &requests, Some(PATIENCE)).await;
    let charges = charges(&haven, &workspace).await;
    assert!(charges.iter().all(|(_, usage)| usage["estimated"] == true && usage.get("output").is_none()));
    let mut charged: Vec<i128> = charges.into_iter().map(|(charged, _)| charged).collect();
    charged.sort_unstable();
    let mut expected: Vec<i128> = requests.iter().map(|(_, body)| prompt_tokens(body) * INPUT).collect();
    expected.sort_unstable();
    assert_eq!(charged, expected);
    haven.finish().await;
}

#[actix_web::test]
async fn leaving_a_stream_that_only_named_its_role_costs_the_prompt_after_a_second() {
    let haven = Haven::start_with(&PATIENT).await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(Rule::new().fault(Fault::Stall { after: 1, ms: None }));
    let prompt = "Think about this for a very long time, please.";
    let mut body = ask("gpt-sim", prompt);
    body["stream"] = true.into();
    let request = haven.request(&workspace.key, "POST", "/v1/chat/completions").json(&body).timeout(PATIENCE);
    let response = within("a stream", request.send()).await.unwrap();
    assert!(within("the caller to give up", response.bytes()).await.unwrap_err().is_timeout());
    soon("the provider's call to be cancelled", haven.control.wait_until(|stats| stats.hang_ups == 1)).await;
    let charges = charges(&haven, &workspace).await;
    let [(charged, usage)] = &charges[..] else { panic!("one charge, not {charges:?}") };
    assert_eq!(*charged, tokens(prompt) * INPUT, "{usage}");
    haven.finish().await;
}
