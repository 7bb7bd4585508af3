//! Payments by card against the fake of Stripe: credited once whatever happens to webhooks, and spendable at once.

mod auto;
mod order;
mod receipts;

use lmhaven::payments::{Order, PaymentError};
use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::people::Role;
use lmhaven_simulator::stripe::{Desk, FakeStripe};
use serde_json::json;

use crate::harness::{Haven, Workspace, ask, usd};

const MODEL: &str = "claude-haiku-4-5";

pub(crate) async fn start() -> (Haven, FakeStripe, Desk) {
    start_from(Clock::system()).await
}

async fn start_from(clock: Clock) -> (Haven, FakeStripe, Desk) {
    let fake = FakeStripe::start(([127, 0, 0, 1], 0).into(), "sk_test_fake", "whsec_fake").await.unwrap();
    let url = fake.url();
    let settings = [
        ("PAYMENTS__STRIPE_SECRET_KEY", "sk_test_fake"),
        ("PAYMENTS__STRIPE_WEBHOOK_SECRETS", "whsec_old,whsec_fake"),
        ("PAYMENTS__STRIPE_BASE_URL", &url),
        ("PAYMENTS__LIVEMODE", "false"),
    ];
    let haven = Haven::start_from("", &settings, clock).await;
    let desk = fake.desk();
    desk.send_webhooks_to(&format!("{}/webhooks/stripe", haven.base));
    (haven, fake, desk)
}

pub(crate) async fn end(haven: Haven, fake: FakeStripe) {
    haven.finish().await;
    fake.stop().await;
}

fn order(workspace: &Workspace, amount: &str, keep_method: bool) -> Order {
    Order {
        workspace: workspace.id.parse().unwrap(),
        person: None,
        email: Some("owner@example.com".to_owned()),
        amount: amount.parse().unwrap(),
        keep_method,
        success_path: "/app/billing".to_owned(),
        cancel_path: "/app/billing".to_owned(),
    }
}

/// Opens a checkout; answers the session's id.
pub(crate) async fn open(haven: &Haven, workspace: &Workspace, amount: &str, keep_method: bool) -> String {
    let (_, url) = haven.server.gateway.payments.open_checkout(order(workspace, amount, keep_method)).await.unwrap();
    url.rsplit('/').next().unwrap().to_owned()
}

async fn available(haven: &Haven, workspace: &Workspace) -> String {
    usd(haven.balance(workspace).await.available)
}

pub(crate) fn intent_of(desk: &Desk) -> String {
    desk.state()["intents"].as_object().unwrap().keys().next().unwrap().clone()
}

/// What a script changes.
type Change = fn(&mut lmhaven_simulator::stripe::Script);

#[actix_web::test]
async fn the_next_call_after_the_webhook_succeeds_with_the_new_limits() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let body = ask(MODEL, "hello");
    assert_eq!(haven.chat(&workspace.key, &body).await.refusal(), (402, "insufficient_balance"));
    let session = open(&haven, &workspace, "600.00", false).await;
    assert_eq!(desk.pay(&session).await, [200, 200]);
    let reply = haven.chat(&workspace.key, &body).await.ok();
    assert_eq!(reply.header("x-ratelimit-limit-requests"), "3000", "the tier rises with the credit");
    end(haven, fake).await;
}

#[actix_web::test]
async fn the_same_payment_many_times_at_once_and_out_of_order_credits_once() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let session = open(&haven, &workspace, "20.00", false).await;
    desk.script(|script| (script.times, script.reversed) = (2, true));
    desk.pay(&session).await;
    let again = futures_util::future::join_all((0..10).map(|_| desk.resend())).await;
    assert!(again.iter().flatten().all(|status| *status == 200), "{again:?}");
    let topups = haven.entries(&workspace, "topup").await;
    assert_eq!(topups.len(), 1, "{topups:?}");
    assert_eq!(available(&haven, &workspace).await, "20.000000000");
    end(haven, fake).await;
}

#[actix_web::test]
async fn who_is_in_charge_of_money_tops_up_on_the_billing_page_and_nobody_else() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let finance = haven.stage(&workspace.id, Role::Finance).await;
    assert!(finance.get("/app/billing").await.text.contains("Pay by card"));
    let refused = finance.submit("/app/billing/top-up", &[("amount", "25.00"), ("custom", "1.00")]).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("pay from 5.00 to 5000.00"), "{}", refused.text);
    let developer = haven.stage(&workspace.id, Role::Developer).await;
    assert!(!developer.get("/app/billing").await.text.contains("Pay by card"));
    assert_eq!(developer.submit("/app/billing/top-up", &[("amount", "25.00")]).await.status, 403);

    let sent_on = finance.submit("/app/billing/top-up", &[("amount", "25.00")]).await;
    assert_eq!(sent_on.status, 303, "{}", sent_on.text);
    let url = sent_on.header("location").to_owned();
    assert!(url.starts_with(&fake.url()), "{url}");
    let session = url.rsplit('/').next().unwrap();
    let checkout = desk.state()["sessions"][session]["client_reference_id"].as_str().unwrap().to_owned();
    let back = format!("/app/billing/paid?checkout={checkout}");
    assert!(finance.get(&back).await.text.contains("Waiting for the payment of $25.00"));
    let elsewhere = haven.workspace("0").await;
    let stranger = haven.stage(&elsewhere.id, Role::Owner).await;
    assert_eq!(stranger.get(&back).await.status, 404, "another workspace's checkout");

    assert!(desk.pay(session).await.iter().all(|status| *status == 200));
    assert!(finance.get(&back).await.text.contains("$25.00 is on your balance"));
    assert_eq!(available(&haven, &workspace).await, "25.000000000");
    end(haven, fake).await;
}

#[actix_web::test]
async fn what_is_not_signed_or_not_what_was_asked_for_credits_nothing() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let changes: [(&str, Change); 4] = [
        ("another secret", |script| script.wrong_secret = true),
        ("live mode", |script| script.livemode = true),
        ("another currency", |script| script.currency = Some("eur".to_owned())),
        ("another amount", |script| script.surplus = 1),
    ];
    for (name, change) in changes {
        desk.script(|script| *script = lmhaven_simulator::stripe::Script::default());
        let session = open(&haven, &workspace, "20.00", false).await;
        desk.script(change);
        assert_eq!(desk.pay(&session).await, [400, 400], "{name}");
        assert_eq!(available(&haven, &workspace).await, "0.000000000", "{name}");
    }
    let unsigned = haven.client.post(format!("{}/webhooks/stripe", haven.base)).body("{}").send().await.unwrap();
    assert_eq!(unsigned.status(), 400);
    end(haven, fake).await;
}

#[actix_web::test]
async fn a_lost_answer_and_a_lost_webhook_still_credit_once() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    // Both tries are done and neither is answered: there is a session that no row of ours names.
    desk.script(|script| (script.lose_answers, script.never) = (2, true));
    let opened = haven.server.gateway.payments.open_checkout(order(&workspace, "20.00", false)).await;
    assert!(matches!(opened, Err(PaymentError::Stripe(_))), "{opened:?}");
    let sessions = desk.state()["sessions"].as_object().unwrap().clone();
    assert_eq!(sessions.len(), 1, "one idempotency key, one session");
    desk.pay(sessions.keys().next().unwrap()).await;
    assert_eq!(available(&haven, &workspace).await, "0.000000000");
    for _ in 0..2 {
        haven.server.gateway.payments.reconcile().await.unwrap();
    }
    assert_eq!(available(&haven, &workspace).await, "20.000000000");
    assert!(desk.resend().await.iter().all(|status| *status == 200));
    assert_eq!(available(&haven, &workspace).await, "20.000000000");
    end(haven, fake).await;
}

#[actix_web::test]
async fn a_refund_goes_back_once_and_a_dispute_suspends() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let session = open(&haven, &workspace, "20.00", false).await;
    desk.pay(&session).await;
    let path = format!("/workspaces/{}/payments/{}/refunds", workspace.id, intent_of(&desk));
    let refund = |amount: &str, key: &str| json!({ "amount_usd": amount, "reason": "asked", "idempotency_key": key });
    assert_eq!(haven.admin("POST", &path, &refund("20.01", "a")).await.refusal(), (409, "insufficient_balance"));
    for _ in 0..2 {
        let made = haven.admin_ok("POST", &path, &refund("5.00", "b")).await;
        assert_eq!(made["state"], "confirmed", "{made}");
    }
    assert_eq!(available(&haven, &workspace).await, "15.000000000");
    let listed = haven.admin_get(&format!("/workspaces/{}/payments", workspace.id)).await;
    assert_eq!((&listed["data"][0]["receipt"], &listed["data"][0]["returned_usd"]), (&json!(1), &json!("5.00")));
    // Half of what is left is spent, as far as the account knows.
    haven.credit(&workspace.id, "-10.00", "spent").await;
    desk.dispute(&intent_of(&desk), None).await;
    assert_eq!(available(&haven, &workspace).await, "0.000000000");
    let reply = haven.chat(&workspace.key, &ask(MODEL, "hello")).await;
    assert_eq!(reply.refusal(), (403, "workspace_suspended"));
    desk.dispute(&intent_of(&desk), Some("won")).await;
    assert_eq!(available(&haven, &workspace).await, "5.000000000", "what was taken, not what was written off");
    end(haven, fake).await;
}

/// The mails of a workspace, the oldest first.
fn mails(haven: &Haven, workspace: &Workspace) -> Vec<lmhaven_actors::domain::mail::Mail> {
    let id = workspace.id.parse().unwrap();
    let listed = haven.server.gateway.core.office(|office| office.outbox.list(None, 1_000));
    listed.into_iter().rev().map(|known| known.mail).filter(|mail| mail.workspace == Some(id)).collect()
}

/// The kinds of mail about money that a workspace got, the oldest first.
fn kinds(haven: &Haven, workspace: &Workspace) -> Vec<&'static str> {
    let told = mails(haven, workspace).into_iter().map(|mail| mail.content.kind());
    told.filter(|kind| !kind.ends_with("_balance")).collect()
}

/// The types of a workspace's billing events, the oldest first.
fn events(haven: &Haven, workspace: &Workspace) -> Vec<&'static str> {
    let id = workspace.id.parse().unwrap();
    let newest = haven.server.gateway.core.office(|office| office.billing.newest(id, 0, 100));
    newest.iter().rev().map(|event| event.happened.name()).collect()
}

#[actix_web::test]
async fn a_payment_is_told_once_in_its_own_batch_with_amount_receipt_and_balance() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let session = open(&haven, &workspace, "20.00", false).await;
    desk.script(|script| script.times = 10);
    let statuses = desk.pay(&session).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(kinds(&haven, &workspace), ["receipt"]);
    assert_eq!(events(&haven, &workspace), ["topup.succeeded"]);
    let mail = mails(&haven, &workspace).remove(0);
    assert_eq!(mail.to, "owner@example.com");
    let links = lmhaven::mail::Links::default();
    let text = lmhaven::mail::letter_of(&mail, "https://lmhaven.test", &links).unwrap().text().unwrap();
    let entry = haven.entries(&workspace, "topup").await.remove(0);
    let receipt = format!("https://lmhaven.test/app/billing/receipts/{}", entry["seq"]);
    for part in ["$20.00", &receipt, "Balance now: $20.00"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    // Where the receipt leads.
    let finance = haven.stage(&workspace.id, Role::Finance).await;
    assert!(finance.get(&format!("/app/billing/receipts/{}", entry["seq"])).await.text.contains("$20.00"));
    end(haven, fake).await;
}

#[actix_web::test]
async fn members_in_charge_of_money_are_told_of_refunds_disputes_credits_and_limits() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let session = open(&haven, &workspace, "20.00", false).await;
    desk.pay(&session).await;
    let path = format!("/workspaces/{}/payments/{}/refunds", workspace.id, intent_of(&desk));
    let body = json!({ "amount_usd": "5.00", "reason": "asked", "idempotency_key": "a" });
    haven.admin_ok("POST", &path, &body).await;
    desk.dispute(&intent_of(&desk), None).await;
    desk.dispute(&intent_of(&desk), Some("won")).await;
    for _ in 0..2 {
        haven.credit(&workspace.id, "3.00", "gift").await;
    }
    let before = kinds(&haven, &workspace);
    assert_eq!(before, ["receipt", "refund", "dispute_opened", "dispute_closed", "credit"]);
    let finance = haven.stage(&workspace.id, Role::Finance).await;
    let _developer = haven.stage(&workspace.id, Role::Developer).await;
    haven.change(&workspace.id, &json!({ "requests_per_minute": 7, "reason": "tests" })).await;
    haven.change(&workspace.id, &json!({ "suspended": false, "reason": "tests" })).await;
    let told = mails(&haven, &workspace);
    let told: Vec<_> = told.iter().filter(|mail| mail.content.kind() == "limit_change").collect();
    assert!(told.iter().all(|mail| mail.person.is_some()), "{told:?}");
    assert_eq!(told.len(), 1, "finance and not the developer: {told:?}");
    assert_eq!(
        events(&haven, &workspace),
        ["topup.succeeded", "refund.succeeded", "dispute.opened", "dispute.closed", "credit.added", "limits.changed"]
    );
    let page = finance.get("/app/billing").await.text;
    for words in ["Dispute opened", "the payment stands", "Limits changed", "7 requests per minute"] {
        assert!(page.contains(words), "{words} is missing in {page}");
    }
    let csv = finance.get("/app/billing/events.csv").await.text;
    assert_eq!(csv.lines().count(), 7, "{csv}");
    assert!(csv.contains(",refund.succeeded,5.00,15.00,"), "{csv}");
    end(haven, fake).await;
}
