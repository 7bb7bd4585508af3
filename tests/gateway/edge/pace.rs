//! Callers who send too slowly, by the server's own clock: the test moves it on the server's thread, and nobody waits.

use std::time::Duration;

use actix::{Context, Handler, Message, ResponseFuture};
use lmhaven_actors::workspace::WorkspaceActor;
use tokio::io::AsyncWriteExt;

use super::{Wire, status_of};
use crate::harness::{Haven, Workspace, within};

const BODY: &str = r#"{"model":"gpt-sim","max_tokens":16,"messages":[{"role":"user","content":"Hello"}]}"#;
/// All connections and the workspace are on one thread, so that its clock is theirs.
const ONE_THREAD: [(&str, &str); 1] = [("SERVER__WORKERS", "1")];

/// Moves the clock of the actor's thread, timers and all.
#[derive(Message)]
#[rtype(result = "()")]
struct Leap(Duration);

impl Handler<Leap> for WorkspaceActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Leap(by): Leap, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            tokio::time::pause();
            tokio::time::advance(by).await;
            tokio::time::resume();
        })
    }
}

async fn leap(haven: &Haven, workspace: &Workspace, seconds: u64) {
    let handle = haven.server.gateway.core.directory.find(workspace.id.parse().unwrap()).unwrap();
    within("the clock to move", handle.ask(Leap(Duration::from_secs(seconds)))).await.unwrap();
}

fn head(workspace: &Workspace, more: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: lmhaven.test\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\n{more}\r\n",
        workspace.key
    )
}

/// What a server says that has stopped waiting: nothing, or 408.
#[track_caller]
fn assert_cut_off(told: &str) {
    assert!(told.is_empty() || status_of(told) == 408, "{told}");
}

#[actix_web::test]
async fn a_head_that_comes_too_slowly_is_cut_off_and_a_slow_one_is_served() {
    let haven = Haven::start_with(&ONE_THREAD).await;
    let workspace = haven.workspace("1.00").await;
    let head = head(&workspace, &format!("Content-Length: {}\r\n", BODY.len()));
    let (first, last) = head.split_at(head.len() / 2);
    let (mut slow, mut slower, mut silent) = (Wire::to(&haven).await, Wire::to(&haven).await, Wire::to(&haven).await);
    slow.send(first).await;
    slower.send(first).await;
    // Connections are taken in turn: once a later one is answered, the times of these run.
    let mut later = Wire::to(&haven).await;
    later.send("GET /healthz HTTP/1.1\r\nHost: lmhaven.test\r\n\r\n").await;
    assert_eq!(later.answer().await.status, 200);
    leap(&haven, &workspace, 13).await;
    slow.send(format!("{last}{BODY}")).await;
    assert_eq!(slow.answer().await.status, 200, "13 of 15 seconds");
    leap(&haven, &workspace, 3).await;
    for wire in [&mut slower, &mut silent] {
        assert_cut_off(&String::from_utf8(wire.rest().await).unwrap());
    }
    assert_eq!(haven.control.stats().calls, 1);
    haven.finish().await;
}

/// A body of so many bytes, of which some come at once and the rest after one time or another.
async fn a_body_comes_slowly(length: usize, within_seconds: u64) {
    let haven = Haven::start_with(&ONE_THREAD).await;
    let workspace = haven.workspace("1.00").await;
    let (first, last) = BODY.split_at(10);
    let padding = " ".repeat(length - BODY.len());
    let head = head(&workspace, &format!("Content-Length: {length}\r\nExpect: 100-continue\r\n"));
    let (mut slow, mut slower) = (Wire::to(&haven).await, Wire::to(&haven).await);
    for wire in [&mut slow, &mut slower] {
        wire.send(&head).await;
        assert_eq!(wire.answer().await.status, 100, "the body is waited for");
        wire.send(first).await;
    }
    leap(&haven, &workspace, within_seconds - 1).await;
    slow.send(format!("{last}{padding}")).await;
    let answer = slow.answer().await;
    assert_eq!(answer.status, 200, "{length} bytes: {answer:?}");
    leap(&haven, &workspace, 2).await;
    let answer = slower.answer().await;
    assert_eq!(answer.refusal(), (408, "request_timeout".to_owned()), "{length} bytes");
    // What comes too late is no request of its own. The other side reads on for a moment, so that its answer is not lost.
    // Sending fails where it does so no longer.
    let _ = slower.0.write_all(format!("{last}{padding}").as_bytes()).await;
    let _ = slower.0.shutdown().await;
    assert!(slower.rest().await.is_empty(), "{length} bytes");
    assert_eq!(haven.control.stats().calls, 1, "{length} bytes");
    haven.finish().await;
}

#[actix_web::test]
async fn a_small_body_has_ten_seconds() {
    a_body_comes_slowly(BODY.len(), 10).await;
}

#[actix_web::test]
async fn a_large_body_has_a_second_more_for_every_64_kib() {
    a_body_comes_slowly(640 * 1024, 20).await;
}
