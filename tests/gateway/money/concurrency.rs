//! A thousand requests at once against money for a hundred.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lmhaven_simulator::{Fault, Rule, Usage};
use serde_json::Value;

use crate::harness::{Haven, Workspace, ask, charges_of, nano, usd, within};

/// Requests made at once.
const ALL: usize = 1_000;
/// Requests that the money covers.
const AFFORDABLE: usize = 100;
/// `gpt-sim` at ratio 10, in nano-dollars per token.
const INPUT: i128 = 100;
const OUTPUT: i128 = 200;
/// Below this no output limit is lowered, so every request holds the same.
const OUTPUT_TOKENS: i128 = 16;

/// No limit but money.
const UNLIMITED: [(&str, &str); 3] = [
    ("LIMITS__REQUESTS_PER_MINUTE", "100000"),
    ("LIMITS__CONCURRENT_STREAMS", "10000"),
    ("PROVIDERS__SIM__MAX_IN_FLIGHT", "10000"),
];

fn request() -> Value {
    let mut body = ask("gpt-sim", "How much is left?");
    body["max_tokens"] = (OUTPUT_TOKENS as u64).into();
    body
}

/// A workspace with money for exactly a hundred worst cases, and the prompt tokens of one.
async fn workspace(haven: &Haven) -> (Workspace, u64) {
    let probe = haven.workspace("1.00").await;
    haven.chat(&probe.key, &request()).await.ok();
    let hold = nano(haven.entries(&probe, "hold").await[0]["amount_usd"].as_str().unwrap());
    let prompt = hold - OUTPUT_TOKENS * OUTPUT;
    assert_eq!(prompt % INPUT, 0, "the worst case is whole tokens at the price of gpt-sim");
    let workspace = haven.workspace(&usd(hold * AFFORDABLE as i128)).await;
    (workspace, u64::try_from(prompt / INPUT).unwrap())
}

#[actix_web::test]
async fn no_more_requests_run_at_once_than_the_money_covers() {
    let haven = Haven::start_with(&UNLIMITED).await;
    let (workspace, _) = workspace(&haven).await;
    haven.control.reset();
    haven.control.script(Rule::new().fault(Fault::HangBeforeHeaders { ms: None }));
    let body = request();
    let mut all: FuturesUnordered<_> = (0..ALL).map(|_| haven.chat(&workspace.key, &body)).collect();
    // Nothing settles, so each of the others has to be told that the money is held.
    for _ in 0..ALL - AFFORDABLE {
        let refused = within("a refusal", all.next()).await.unwrap();
        assert_eq!(refused.refusal(), (429, "balance_reserved"));
        assert!(refused.headers.contains_key("retry-after-ms"));
    }
    let held = haven.balance(&workspace).await;
    assert_eq!((held.available, held.reserved), (0, held.balance));
    let stats = within("the admitted", haven.control.wait_until(|stats| stats.open == AFFORDABLE as u64)).await;
    assert_eq!(stats.calls, AFFORDABLE as u64);
    drop(all);
    haven.finish().await;
}

#[actix_web::test]
async fn a_thousand_at_once_spend_money_for_a_hundred_to_the_last_nano_dollar() {
    let haven = Haven::start_with(&UNLIMITED).await;
    let (workspace, prompt_tokens) = workspace(&haven).await;
    haven.control.reset();
    let worst = Usage { input: prompt_tokens, output: OUTPUT_TOKENS as u64, ..Usage::default() };
    haven.control.script(Rule::new().usage(worst));
    let before = haven.balance(&workspace).await.balance;
    let body = request();
    let mut all: FuturesUnordered<_> = (0..ALL).map(|_| haven.chat(&workspace.key, &body)).collect();
    let mut served = 0;
    while let Some(reply) = within("an answer", all.next()).await {
        match reply.status {
            200 => served += 1,
            402 => assert_eq!(reply.code(), "insufficient_balance"),
            429 => assert_eq!(reply.code(), "balance_reserved"),
            _ => panic!("{}: {}", reply.status, reply.text),
        }
    }
    assert_eq!(served, AFFORDABLE, "each costs what it held, so neither more nor fewer can be served");
    assert_eq!(haven.control.stats().calls, AFFORDABLE as u64);
    assert_eq!(haven.balance(&workspace).await.balance, 0);
    assert_eq!(charges_of(&haven.ledger(&workspace).await), vec![before / AFFORDABLE as i128; AFFORDABLE]);
    let refused = haven.chat(&workspace.key, &body).await;
    assert_eq!(refused.refusal(), (402, "insufficient_balance"));
    let message = refused.body["error"]["message"].as_str().unwrap();
    let missing = message.split_once('$').and_then(|(_, rest)| rest.split(' ').next()).unwrap();
    assert_eq!(nano(missing), before / AFFORDABLE as i128, "{message}");
    assert!(message.contains("https://lmhaven.test/app/billing"), "{message}");
    drop(all);
    haven.finish().await;
}

#[actix_web::test]
async fn streams_and_plain_answers_together_never_take_the_balance_below_zero() {
    let haven = Haven::start_with(&UNLIMITED).await;
    let workspace = haven.workspace("0.004").await;
    let call = |number: usize| {
        let (haven, workspace) = (&haven, &workspace);
        async move {
            let mut body = ask("gpt-sim", &format!("Question {number}"));
            body["max_tokens"] = 2_000.into();
            body["stream"] = number.is_multiple_of(2).into();
            let reply = haven.chat(&workspace.key, &body).await;
            assert!([200, 402, 429].contains(&reply.status), "{}: {}", reply.status, reply.text);
            reply.status == 200
        }
    };
    let mut all: FuturesUnordered<_> = (0..400).map(call).collect();
    let mut served = 0;
    while let Some(was_served) = within("an answer", all.next()).await {
        served += i32::from(was_served);
    }
    assert!((1..400).contains(&served), "{served} were served");
    drop(all);
    haven.finish().await;
}
