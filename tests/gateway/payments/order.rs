//! Events that come before what they are about.

use lmhaven_actors::domain::payment::CheckoutOpened;
use lmhaven_actors::system::fresh;
use lmhaven_simulator::stripe::Desk;
use serde_json::{Value, json};

use super::{MODEL, available, end, open, start};
use crate::harness::{Haven, ask};

fn parked(haven: &Haven) -> usize {
    haven.server.gateway.core.office(|office| office.payments.parked().len())
}

/// The fake's event of this type.
fn event(desk: &Desk, kind: &str) -> Value {
    let events = desk.state()["events"].as_array().unwrap().clone();
    events.into_iter().find(|event| event["type"] == kind).unwrap()
}

#[actix_web::test]
async fn a_webhook_before_its_checkout_is_parked_and_credited_when_the_checkout_is_known() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let core = &haven.server.gateway.core;
    let at = core.clock.now().wall;
    let checkout = fresh::checkout_id(at);
    let session = json!({
        "id": "cs_early", "object": "checkout.session", "status": "complete", "payment_status": "paid",
        "amount_total": 2_000, "currency": "usd", "client_reference_id": checkout.to_string(), "payment_intent": "pi_early",
    });
    let early = json!({
        "id": "evt_early", "object": "event", "type": "checkout.session.completed", "livemode": false,
        "created": at.0 / 1_000, "data": { "object": session },
    });
    for _ in 0..2 {
        assert_eq!(desk.send_event(early.clone()).await, 200);
    }
    assert_eq!((parked(&haven), available(&haven, &workspace).await.as_str()), (1, "0.000000000"));

    let opened = CheckoutOpened {
        checkout,
        workspace: workspace.id.parse().unwrap(),
        person: None,
        amount: "20.00".parse().unwrap(),
        keep_method: false,
        at,
    };
    core.open_checkout(opened).await.unwrap();
    // What every further checkout does, and the start.
    let _ = open(&haven, &workspace, "5.00", false).await;
    assert_eq!((parked(&haven), available(&haven, &workspace).await.as_str()), (0, "20.000000000"));
    haven.chat(&workspace.key, &ask(MODEL, "hello")).await.ok();
    assert_eq!(desk.send_event(early).await, 200);
    assert_eq!(haven.entries(&workspace, "topup").await.len(), 1);
    end(haven, fake).await;
}

#[actix_web::test]
async fn a_refund_that_is_heard_of_before_its_payment_is_taken_after_it() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let session = open(&haven, &workspace, "20.00", false).await;
    desk.script(|script| script.never = true);
    desk.pay(&session).await;
    desk.refund_outside(&super::intent_of(&desk), 500).await;
    let refund = event(&desk, "refund.created");
    for _ in 0..2 {
        assert_eq!(desk.send_event(refund.clone()).await, 200);
    }
    assert_eq!((parked(&haven), available(&haven, &workspace).await.as_str()), (1, "0.000000000"));
    let paid = event(&desk, "payment_intent.succeeded");
    assert_eq!(desk.send_event(paid).await, 200);
    assert_eq!((parked(&haven), available(&haven, &workspace).await.as_str()), (0, "15.000000000"));
    assert!(desk.resend().await.iter().all(|status| *status == 200));
    assert_eq!(available(&haven, &workspace).await, "15.000000000");
    assert_eq!(super::events(&haven, &workspace), ["topup.succeeded", "refund.succeeded"]);
    end(haven, fake).await;
}
