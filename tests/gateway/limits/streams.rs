//! The slots of streams: exactly as many as shown, each free again once its stream has ended.

use futures_util::future::join_all;
use lmhaven_simulator::{Fault, Rule};
use serde_json::json;

use super::{number, remaining};
use crate::harness::{Haven, Workspace, ask, until};

/// Streams that begin and do not end.
fn endless() -> Rule {
    Rule::new().marker("endless").fault(Fault::Stall { after: 3, ms: None })
}

async fn until_free(haven: &Haven, workspace: &Workspace, slots: u32) {
    until("slots to be free", || async { (remaining(haven, workspace).await.1 == slots).then_some(()) }).await;
}

#[actix_web::test]
async fn the_hundred_and_first_stream_waits_until_one_of_the_hundred_ends() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    haven.control.script(endless());
    let mut body = ask("gpt-sim", "endless");
    let mut streams = join_all((0..100).map(|_| haven.chat_stream(&workspace.key, &body))).await;
    assert_eq!(remaining(&haven, &workspace).await.1, 0);
    body["stream"] = true.into();
    let refused = haven.chat(&workspace.key, &body).await;
    assert_eq!(refused.refusal(), (429, "too_many_streams"));
    assert_eq!((refused.header("retry-after"), refused.header("retry-after-ms")), ("1", "1000"));
    assert_eq!(number(&refused, "x-ratelimit-limit-streams"), 100);
    haven.chat(&workspace.key, &ask("gpt-sim", "a plain answer needs no slot")).await.ok();
    assert_eq!(haven.control.stats().open_streams, 100);
    drop(streams.pop());
    until_free(&haven, &workspace, 1).await;
    streams.push(haven.messages_stream(&workspace.key, &ask("gpt-sim", "endless")).await);
    assert_eq!(haven.messages(&workspace.key, &body).await.refusal(), (429, "too_many_streams"));
    drop(streams);
    until_free(&haven, &workspace, 100).await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_slot_is_free_by_the_last_byte_of_its_stream() {
    let haven = Haven::start_with(&[("LIMITS__CONCURRENT_STREAMS", "1")]).await;
    let workspace = haven.workspace("1.00").await;
    for _ in 0..10 {
        let events = haven.chat_stream(&workspace.key, &ask("gpt-sim", "Hello")).await.rest().await;
        assert_eq!(events.last().unwrap().data, "[DONE]");
        let events = haven.messages_stream(&workspace.key, &ask("claude-haiku-4-5", "Hello")).await.rest().await;
        assert_eq!(events.last().unwrap().name, "message_stop");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_stream_that_fails_gives_its_slot_back() {
    let haven = Haven::start_with(&[("LIMITS__CONCURRENT_STREAMS", "1")]).await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(Rule::new().marker("fail").status(400));
    haven.control.script(Rule::new().marker("break").fault(Fault::Reset { after: 4 }));
    let mut failing = ask("gpt-sim", "fail");
    failing["stream"] = true.into();
    for _ in 0..3 {
        assert_eq!(haven.chat(&workspace.key, &failing).await.status, 400);
        let mut broken = haven.chat_stream(&workspace.key, &ask("gpt-sim", "break")).await;
        assert!(broken.rest().await.last().unwrap().is_error());
        until_free(&haven, &workspace, 1).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn slots_are_raised_and_lowered_while_streams_run() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(endless());
    let mut body = ask("gpt-sim", "endless");
    let streams = join_all((0..3).map(|_| haven.chat_stream(&workspace.key, &body))).await;
    body["stream"] = true.into();
    haven.change(&workspace.id, &json!({ "concurrent_streams": 2 })).await;
    assert_eq!(remaining(&haven, &workspace).await.1, 0, "those that run are left alone");
    assert_eq!(haven.chat(&workspace.key, &body).await.refusal(), (429, "too_many_streams"));
    haven.change(&workspace.id, &json!({ "concurrent_streams": 4 })).await;
    let fourth = haven.chat_stream(&workspace.key, &body).await;
    assert_eq!(haven.chat(&workspace.key, &body).await.refusal(), (429, "too_many_streams"));
    haven.change(&workspace.id, &json!({ "concurrent_streams": null })).await;
    assert_eq!(remaining(&haven, &workspace).await.1, 96);
    drop((streams, fourth));
    until_free(&haven, &workspace, 100).await;
    haven.finish().await;
}
