//! Money that comes in and goes back.

use futures_util::future::join_all;
use lmhaven_simulator::{Fault, Rule};
use serde_json::json;

use crate::harness::{Haven, ask, nano, within};

#[actix_web::test]
async fn the_same_credit_ten_times_at_once_is_one_credit() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("0").await;
    let entries = join_all((0..10).map(|_| haven.credit(&workspace.id, "12.345678901", "invoice-7"))).await;
    assert!(entries.iter().all(|entry| *entry == entries[0]), "{entries:?}");
    assert_eq!((&entries[0]["kind"], &entries[0]["amount_usd"]), (&"credit".into(), &"12.345678901".into()));
    assert_eq!(haven.balance(&workspace).await.balance, 12_345_678_901);
    let again = json!({ "amount_usd": "12.35", "reason": "tests", "idempotency_key": "invoice-7" });
    let path = format!("/workspaces/{}/credits", workspace.id);
    assert_eq!(haven.admin("POST", &path, &again).await.refusal(), (409, "idempotency_conflict"));
    let other = haven.workspace("0").await;
    haven.credit(&other.id, "12.35", "invoice-7").await;
    assert_eq!(haven.balance(&other).await.balance, nano("12.35"), "keys are per workspace");
    haven.finish().await;
}

#[actix_web::test]
async fn a_refund_takes_no_more_than_what_is_available() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(Rule::new().fault(Fault::HangBeforeHeaders { ms: None }));
    let body = ask("gpt-sim", "Hold some of it");
    let mut running = Box::pin(haven.chat(&workspace.key, &body));
    tokio::select! {
        reply = &mut running => panic!("{}", reply.text),
        _ = within("the call", haven.control.wait_until(|stats| stats.open == 1)) => {}
    }
    let held = haven.balance(&workspace).await;
    assert!(held.reserved > 0);
    let refund = |amount: i128, key: &str| {
        let amount = crate::harness::usd(-amount);
        let body = json!({ "amount_usd": amount, "reason": "they asked for it", "idempotency_key": key });
        let (haven, path) = (&haven, format!("/workspaces/{}/credits", workspace.id));
        async move { haven.admin("POST", &path, &body).await }
    };
    let refused = refund(held.available + 1, "all").await;
    assert_eq!(refused.refusal(), (409, "insufficient_balance"));
    assert_eq!(refused.body["error"]["param"], "amount_usd");
    let entry = refund(held.available, "what is there").await.ok().body;
    assert_eq!(entry["kind"], "refund");
    let left = haven.balance(&workspace).await;
    assert_eq!((left.available, left.reserved), (0, held.reserved));
    drop(running);
    haven.finish().await;
}
