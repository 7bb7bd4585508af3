//! Spend caps that start anew: by a clock that the test moves.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::{HOUR, secret, shown, standing_clock};
use crate::harness::{Haven, ask, nano};

#[actix_web::test]
async fn a_daily_cap_refuses_until_midnight_and_says_so() {
    let (hand, clock) = standing_clock();
    let haven = Haven::start_from("", &[], clock).await;
    let workspace = haven.workspace("1.00").await;
    let settings = json!({ "name": "daily", "spend_limit_usd": "0.00005", "spend_limit_reset": "daily" });
    let key = haven.key(&workspace.id, &settings).await;
    assert_eq!((&key["spend_limit_reset"], &key["spend_limit_used_usd"]), (&json!("daily"), &json!("0.00")));
    assert_eq!(key["spend_limit_resets_at"], "2026-11-24T00:00:00Z");
    let body = ask("gpt-sim", "Spend it");
    let spend = async || {
        let mut spent = 0;
        loop {
            let reply = haven.chat(secret(&key), &body).await;
            if reply.status != 200 {
                return (spent, reply);
            }
            spent += reply.cost();
        }
    };
    let (first, refused) = spend().await;
    assert!(first > 0 && first <= nano("0.00005"));
    assert_eq!(refused.refusal(), (402, "key_spend_limit"));
    assert!(refused.text.contains("it resets at 2026-11-24T00:00:00Z"), "{}", refused.text);
    assert!(refused.text.contains("is missing"), "{}", refused.text);
    let listed = shown(&haven, &workspace.id, super::id(&key)).await;
    assert_eq!(nano(listed["spend_limit_used_usd"].as_str().unwrap()), first);
    hand.fetch_add(12 * HOUR - 1, Ordering::Relaxed);
    assert_eq!(haven.chat(secret(&key), &body).await.refusal(), (402, "key_spend_limit"), "the day's last millisecond");
    hand.fetch_add(1, Ordering::Relaxed);
    let (second, refused) = spend().await;
    assert!(second > 0 && refused.text.contains("it resets at 2026-11-25T00:00:00Z"), "{}", refused.text);
    let listed = shown(&haven, &workspace.id, super::id(&key)).await;
    assert_eq!(nano(listed["spend_limit_used_usd"].as_str().unwrap()), second);
    assert_eq!(nano(listed["spent_usd"].as_str().unwrap()), first + second);
    haven.finish().await;
}

#[actix_web::test]
async fn a_cap_for_ever_says_that_it_never_resets_and_a_period_needs_a_cap() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let path = format!("/workspaces/{}/keys", workspace.id);
    for (body, param) in [
        (json!({ "name": "k", "spend_limit_reset": "daily" }), "spend_limit_reset"),
        (json!({ "name": "k", "spend_limit_usd": "0", "spend_limit_reset": "daily" }), "spend_limit_usd"),
        (json!({ "name": "k", "spend_limit_usd": "1.00", "spend_limit_reset": "hourly" }), "spend_limit_reset"),
        (json!({ "name": "k", "kind": "root" }), "kind"),
    ] {
        let refused = haven.admin("POST", &path, &body).await;
        assert_eq!((refused.refusal(), &refused.body["error"]["param"]), ((400, "invalid_request"), &json!(param)));
    }
    let key = haven.key(&workspace.id, &json!({ "name": "tiny", "spend_limit_usd": "0.000000001" })).await;
    let refused = haven.chat(secret(&key), &ask("gpt-sim", "Hello")).await;
    assert_eq!(refused.refusal(), (402, "key_spend_limit"));
    assert!(refused.text.contains("it never resets"), "{}", refused.text);
    assert_eq!(key["spend_limit_resets_at"], json!(null));
    haven.finish().await;
}
