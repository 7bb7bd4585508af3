//! Callers who may seem to have left: one who reads slowly is still there, one who closes his half is not.

use std::time::Duration;

use lmhaven_simulator::{AnswerChange, Rule, Usage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{INPUT, OUTPUT, PATIENT, SAID, charges, falls_silent, soon, tokens};
use crate::harness::{Haven, ask, until, within};

/// Longer than the looks at the sockets are apart.
const HELD_BACK_FOR: Duration = Duration::from_secs(1);

#[actix_web::test]
async fn a_slow_reader_holds_the_provider_back_and_gets_everything() {
    let haven = Haven::start_with(&PATIENT).await;
    let workspace = haven.workspace("1.00").await;
    // More than the buffers of all sockets between the provider and the caller take.
    let (pieces, piece) = (4_000_usize, "0123456789abcdef".repeat(512));
    let counts = Usage { input: 7, output: 9, ..Usage::default() };
    let text = Some(piece.repeat(pieces));
    let answer = AnswerChange { text, pieces: Some(pieces), usage: Some(counts), ..AnswerChange::default() };
    haven.control.script(Rule { answer, ..Rule::new() });
    let mut stream = haven.chat_stream(&workspace.key, &ask("gpt-sim", "Everything")).await;
    stream.next().await.unwrap();
    let (mut sent, mut since) = (0, tokio::time::Instant::now());
    until("the provider to be held back", || {
        let now_sent = haven.control.stats().events;
        if now_sent != sent {
            (sent, since) = (now_sent, tokio::time::Instant::now());
        }
        std::future::ready((since.elapsed() >= HELD_BACK_FOR).then_some(()))
    })
    .await;
    assert!(sent < pieces as u64, "nothing held the provider back: the answer is too short for this test");
    let mut bytes = 0;
    let mut finish = None;
    while let Some(event) = stream.next_content().await {
        if event.data == "[DONE]" {
            finish = Some(event);
            continue;
        }
        bytes += event.json()["choices"][0]["delta"]["content"].as_str().unwrap_or_default().len();
    }
    assert!(finish.is_some() && !stream.is_broken(), "a clean end");
    assert_eq!(bytes, pieces * piece.len());
    assert_eq!(haven.control.stats().complete, 1);
    let charges = charges(&haven, &workspace).await;
    assert_eq!(charges.iter().map(|(charged, _)| *charged).collect::<Vec<_>>(), [7 * INPUT + 9 * OUTPUT]);
    haven.finish().await;
}

/// A connection that is closed in one direction looks like one that is closed in both, and a provider that works for
/// nobody costs more than the few clients that close their half early are worth. `docs/billing.md` says so.
#[actix_web::test]
async fn a_caller_who_closes_his_half_counts_as_gone() {
    let haven = Haven::start_with(&PATIENT).await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(falls_silent());
    let mut body = ask("gpt-sim", "Hello");
    body["stream"] = true.into();
    let body = body.to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: lmhaven.test\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        workspace.key,
        body.len(),
    );
    let mut caller = TcpStream::connect(haven.server.public_address).await.unwrap();
    caller.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let last_piece = format!("\"{}\"", &SAID[40..]);
    while String::from_utf8_lossy(&heard).matches(&last_piece).count() < 5 {
        let read = within("the stream", caller.read_buf(&mut heard)).await.unwrap();
        assert!(read > 0, "the stream ended: {}", String::from_utf8_lossy(&heard));
    }
    caller.shutdown().await.unwrap();
    soon("the provider's call to be cancelled", haven.control.wait_until(|stats| stats.hang_ups == 1)).await;
    // Whoever still listens is told, and can tell this end from a clean one.
    let read = soon("the end of the connection", caller.read_to_end(&mut heard)).await;
    let heard = String::from_utf8_lossy(&heard);
    assert!(!heard.contains("[DONE]") && !heard.ends_with("\r\n0\r\n\r\n"), "{read:?}: {heard}");
    assert!(heard.contains(r#""type":"error""#), "{read:?}: {heard}");
    let charges = charges(&haven, &workspace).await;
    let [(charged, usage)] = &charges[..] else { panic!("one charge, not {charges:?}") };
    assert_eq!(*charged, tokens("Hello") * INPUT + tokens(SAID) * OUTPUT, "{usage}");
    haven.finish().await;
}
