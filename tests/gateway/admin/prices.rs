//! The price book: versions with a time from which they hold, and requests that pay what held at their admission.

use std::cell::Cell;

use lmhaven_simulator::{Fault, Rule, Usage};
use serde_json::{Value, json};

use crate::harness::{Haven, ask, charge_of, nano, until, usd, within};

/// A million tokens in and a million out: the charge is the sum of the prices over the ratio.
fn a_million_each() -> Rule {
    Rule::new().usage(Usage { input: 1_000_000, output: 1_000_000, ..Usage::default() })
}

async fn publish(haven: &Haven, effective_at: Option<jiff::Timestamp>, row: Value) -> Value {
    let mut body = json!({ "models": [row], "reason": "a new week" });
    if let Some(at) = effective_at {
        body["effective_at"] = at.to_string().into();
    }
    haven.admin_ok("POST", "/prices", &body).await
}

#[actix_web::test]
async fn a_version_published_for_later_is_paid_from_its_time_on_and_not_before() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("100.00").await;
    haven.control.script(a_million_each());
    let body = ask("gpt-sim", "What now?");
    let switch = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1_500);
    let row = json!({ "id": "gpt-sim", "ratio": 20, "list_price": { "input": "3.00", "output": "5.00" } });
    let published = publish(&haven, Some(switch), row).await;
    assert_eq!((&published["version"], &published["in_force"]), (&json!(2), &json!(false)));
    assert!(published["effective_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() <= switch);
    let (old, new) = (nano("0.30"), nano("0.40"));
    let (paid_old, paid_new) = (Cell::new(0), Cell::new(0));
    until("three answers at the new price", || async {
        let before = jiff::Timestamp::now();
        let cost = haven.chat(&workspace.key, &body).await.ok().cost();
        let after = jiff::Timestamp::now();
        assert!(cost == old || cost == new, "{}", usd(cost));
        assert!(after >= switch || cost == old, "{} before its time", usd(cost));
        assert!(before <= switch || cost == new, "{} after its time", usd(cost));
        let counter = if cost == old { &paid_old } else { &paid_new };
        counter.set(counter.get() + 1);
        (paid_new.get() == 3).then_some(())
    })
    .await;
    assert!(paid_old.get() > 0, "some came before the switch");
    for entry in haven.entries(&workspace, "settle").await {
        let version = if charge_of(&entry) == old { 1 } else { 2 };
        assert_eq!(entry["price_version"], version, "{entry}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_request_pays_the_version_in_force_at_its_admission() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("100.00").await;
    let stalled = Rule { fault: Some(Fault::HangBeforeHeaders { ms: Some(1_000) }), ..a_million_each() };
    haven.control.script(stalled.times(1));
    haven.control.script(a_million_each());
    let body = ask("gpt-sim", "Take your time");
    let mut slow = Box::pin(haven.chat(&workspace.key, &body));
    tokio::select! {
        reply = &mut slow => panic!("{}", reply.text),
        _ = within("the call", haven.control.wait_until(|stats| stats.open == 1)) => {}
    }
    let published = publish(&haven, None, json!({ "id": "gpt-sim", "ratio": 100 })).await;
    assert_eq!((&published["version"], &published["in_force"]), (&json!(2), &json!(true)));
    assert_eq!(usd(haven.chat(&workspace.key, &body).await.ok().cost()), usd(nano("0.03")), "the new version");
    assert_eq!(usd(slow.await.ok().cost()), usd(nano("0.30")), "the version when it came");
    haven.finish().await;
}

#[actix_web::test]
async fn models_that_a_version_leaves_out_keep_their_row() {
    let haven = Haven::start().await;
    let rows = |book: &Value| -> Value {
        let rows = book["models"].as_array().unwrap().clone();
        rows.into_iter().filter(|row| row["id"] != "gpt-sim").collect()
    };
    let before = haven.admin_get("/prices").await;
    assert_eq!(before["data"].as_array().unwrap().len(), 1);
    let published = publish(&haven, None, json!({ "id": "gpt-sim", "ratio": "12.5" })).await;
    assert_eq!(rows(&published), rows(&before["data"][0]));
    let own = published["models"].as_array().unwrap().iter().find(|row| row["id"] == "gpt-sim").unwrap().clone();
    assert_eq!(own["ratio"].to_string().trim_matches('"'), "12.5");
    assert_eq!(own["list_price"]["input"], "1.00", "the list price stays where only the ratio changes");
    let after = haven.admin_get("/prices").await;
    let in_force: Vec<&Value> = after["data"].as_array().unwrap().iter().map(|book| &book["in_force"]).collect();
    assert_eq!(in_force, [&json!(false), &json!(true)]);
    haven.finish().await;
}

#[actix_web::test]
async fn a_version_that_cannot_be_right_is_refused_whole() {
    let haven = Haven::start().await;
    let good = json!({ "id": "gpt-sim", "ratio": 3 });
    for (bad, param) in [
        (json!({ "id": "gpt-none", "ratio": 3 }), "models[1].id"),
        (json!({ "id": "gpt-sim", "list_price": { "input": "1.00" } }), "models[1].list_price"),
        (json!({ "id": "gpt-sim", "list_price": { "input": "-1.00", "output": "1.00" } }), "models[1].list_price"),
        (json!({ "id": "gpt-sim", "list_price": { "per_minute": "1.00" } }), "models[1].list_price"),
    ] {
        let reply = haven.admin("POST", "/prices", &json!({ "models": [good, bad] })).await;
        super::assert_refused(&reply, (400, "invalid_request"), param, &bad.to_string());
    }
    for bad in [json!({ "id": "gpt-sim", "ratio": 0 }), json!({ "id": "gpt-sim", "ratio": -2 }), json!({ "ratio": 2 })]
    {
        let reply = haven.admin("POST", "/prices", &json!({ "models": [good, bad] })).await;
        assert_eq!(reply.refusal(), (400, "invalid_request"), "{bad}");
    }
    let when = json!({ "models": [good], "effective_at": "soon" });
    super::assert_refused(
        &haven.admin("POST", "/prices", &when).await,
        (400, "invalid_request"),
        "effective_at",
        "a time",
    );
    assert_eq!(haven.admin_get("/prices").await["data"].as_array().unwrap().len(), 1);
    haven.finish().await;
}
