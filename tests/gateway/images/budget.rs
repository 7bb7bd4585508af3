//! The memory that images may take while they are made and handed over.

use serde_json::json;

use super::{assert_nothing_charged, draw, generate, script};
use crate::harness::{Haven, within};

#[actix_web::test]
async fn images_that_are_being_made_have_a_budget_of_bytes() {
    // Room for one image of the largest kind and a request beside it.
    let haven = Haven::start_with(&[("LIMITS__EDGE__BODY_BYTES_IN_FLIGHT", "33 MiB")]).await;
    let workspace = haven.workspace("1").await;
    // 15 MB of base 64.
    script(&haven, json!({"media": {"generate_ms": 500, "pad_bytes": 11_250_000}}));
    let body = draw("nano-banana-pro", 2, "b64_json");
    let replies = futures_util::future::join_all((0..2).map(|_| generate(&haven, &workspace, &body))).await;
    let (good, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!((good.len(), refused.len()), (1, 1));
    assert_eq!(refused[0].refusal(), (503, "overloaded"));
    assert!(good[0].text.len() > 2 * 15_000_000);
    // What was taken comes back.
    generate(&haven, &workspace, &draw("nano-banana-pro", 1, "url")).await.ok();
    haven.finish().await;
}

#[actix_web::test]
async fn an_answer_counts_in_the_budget_until_its_caller_took_it() {
    // Room for both images, and for no third.
    let haven = Haven::start_with(&[("LIMITS__EDGE__BODY_BYTES_IN_FLIGHT", "48 MiB")]).await;
    let workspace = haven.workspace("1").await;
    // More than the buffers of both ends hold.
    script(&haven, json!({"media": {"pad_bytes": 15_000_000}}));
    let body = draw("nano-banana-pro", 2, "b64_json");
    let request = haven.request(&workspace.key, "POST", "/v1/images/generations").json(&body);
    let slow = within("an answer", request.send()).await.unwrap();
    let announced = slow.content_length().unwrap();
    assert!(announced > 40_000_000, "{announced}");
    let refused = generate(&haven, &workspace, &draw("nano-banana-pro", 1, "url")).await;
    assert_eq!(refused.refusal(), (503, "overloaded"));
    assert_eq!(within("the whole answer", slow.bytes()).await.unwrap().len() as u64, announced);
    crate::harness::until("the bytes to be free", || async {
        let reply = generate(&haven, &workspace, &draw("nano-banana-pro", 1, "url")).await;
        (reply.status == 200).then_some(())
    })
    .await;
    haven.finish().await;
}

#[actix_web::test]
async fn an_image_beyond_what_was_lent_for_it_takes_more_of_the_budget_or_fails() {
    // The largest file is 30 MiB, of which 16 are lent from the beginning.
    let limits = [("LIMITS__EDGE__BODY_BYTES_IN_FLIGHT", "24 MiB"), ("LIMITS__EDGE__BODY_BYTES_MAX", "4 MiB")];
    let haven = Haven::start_with(&limits).await;
    let workspace = haven.workspace("1").await;
    // Without a length it is known only as it comes.
    for split in [None, Some(65_536)] {
        for (model, pad_bytes) in [("seedream-5", 28 << 20), ("pixai-v4", 28 << 20), ("nano-banana-pro", 21 << 20)] {
            haven.control.reset();
            let wire = json!({ "split": split });
            script(&haven, json!({ "media": { "pad_bytes": pad_bytes }, "wire": wire }));
            script(&haven, json!({ "path": "/tos/", "wire": wire }));
            script(&haven, json!({ "path": "/cdn/", "wire": wire }));
            let reply = generate(&haven, &workspace, &draw(model, 1, "b64_json")).await;
            assert_eq!(reply.refusal(), (503, "overloaded"), "{model} {split:?}");
            assert_eq!(reply.header("x-should-retry"), "false", "{model}: it was made");
            assert_eq!(haven.control.charges().len(), 1, "{model} {split:?}");
            assert_nothing_charged(&haven, &workspace).await;
        }
    }
    // What was taken has come back, and what fits is delivered.
    haven.control.reset();
    script(&haven, json!({ "media": { "pad_bytes": 20 << 20 } }));
    let reply = generate(&haven, &workspace, &draw("seedream-5", 1, "b64_json")).await.ok();
    assert!(reply.text.len() > 26 << 20);
    haven.finish().await;
}
