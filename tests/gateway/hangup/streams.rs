//! Callers who leave a stream.

use futures_util::future::join_all;
use lmhaven_simulator::{Fault, Rule};

use super::{INPUT, OUTPUT, PATIENT, SAID, charges, falls_silent, free_slots, hear_said, prompt_tokens, soon, tokens};
use crate::harness::{Haven, ask, until};

const ALL: usize = 200;

#[actix_web::test]
async fn two_hundred_silent_streams_end_upstream_when_their_callers_leave() {
    let haven = Haven::start_with(&PATIENT).await;
    let workspace = haven.workspace("10.00").await;
    haven.control.script(falls_silent());
    let body = ask("gpt-sim", "Say something, then stop talking.");
    // Half of them are forwarded as they come, half translated.
    let streams = join_all((0..ALL).map(|number| {
        let (haven, key, body) = (&haven, &workspace.key, &body);
        async move {
            let mut stream = match number % 2 {
                0 => haven.chat_stream(key, body).await,
                _ => haven.messages_stream(key, body).await,
            };
            hear_said(&mut stream).await;
            stream
        }
    }))
    .await;
    assert_eq!(haven.control.stats().open_streams, ALL as u64);
    assert_eq!(free_slots(&haven, &workspace).await, 0);
    drop(streams);
    let none_open = haven.control.wait_until(|stats| stats.open_streams == 0);
    let stats = soon("the provider's calls to be cancelled", none_open).await;
    assert_eq!((stats.open, stats.hang_ups, stats.complete), (0, ALL as u64, 0));
    let all_free =
        until("slots to be free", || async { (free_slots(&haven, &workspace).await == ALL as u32).then_some(()) });
    soon("slots to be free", all_free).await;
    let charges = charges(&haven, &workspace).await;
    assert!(charges.iter().all(|(_, usage)| usage["estimated"] == true));
    let charged: Vec<i128> = charges.into_iter().map(|(charged, _)| charged).collect();
    let price = prompt_tokens(&body) * INPUT + tokens(SAID) * OUTPUT;
    assert_eq!(charged, vec![price; ALL], "each once, for what its caller got");
    haven.finish().await;
}

#[actix_web::test]
async fn leaving_a_stream_that_has_not_said_a_word_costs_nothing_within_a_second() {
    let haven = Haven::start_with(&PATIENT).await;
    let workspace = haven.workspace("1.00").await;
    // The first event of this protocol names the role; no content has come.
    haven.control.script(Rule::new().fault(Fault::Stall { after: 1, ms: None }));
    let mut stream = haven.chat_stream(&workspace.key, &ask("gpt-sim", "Never mind")).await;
    assert_eq!(stream.next().await.unwrap().json()["choices"][0]["delta"]["role"], "assistant");
    drop(stream);
    soon("the provider's call to be cancelled", haven.control.wait_until(|stats| stats.hang_ups == 1)).await;
    assert_eq!(charges(&haven, &workspace).await, []);
    assert_eq!(free_slots(&haven, &workspace).await, 200);
    haven.finish().await;
}

#[actix_web::test]
async fn leaving_a_stream_that_keeps_talking_ends_it_upstream_too() {
    let haven = Haven::start_with(&PATIENT).await;
    let workspace = haven.workspace("1.00").await;
    let talk = Rule::new().text(&"word ".repeat(20_000));
    haven.control.script(Rule { gap_ms: 5, ..talk });
    let mut body = ask("gpt-sim", "Talk");
    body["max_tokens"] = 16_384.into();
    let mut stream = haven.chat_stream(&workspace.key, &body).await;
    while stream.next().await.unwrap().json()["choices"][0]["delta"]["content"].as_str().is_none_or(str::is_empty) {}
    drop(stream);
    let stats =
        soon("the provider's call to be cancelled", haven.control.wait_until(|stats| stats.hang_ups == 1)).await;
    let charges = charges(&haven, &workspace).await;
    let [(charged, usage)] = &charges[..] else { panic!("one charge, not {charges:?}") };
    // What was on its way when the caller left counts as delivered, never what came after. The provider rounds down.
    let sent = i128::from(stats.charged.output) + 1;
    assert!((1..=sent).contains(&((charged - tokens("Talk") * INPUT) / OUTPUT)), "{charged} for {sent}: {usage}");
    haven.finish().await;
}
