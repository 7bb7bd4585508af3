//! Provider accounts, mails, webhooks to customers, events of payments, and the audit log.

use lmhaven_actors::domain::payment::{PaymentEvent, Source};
use lmhaven_actors::domain::people::Role;
use lmhaven_actors::system::fresh;
use serde_json::json;

use super::{Desk, OPERATOR, audited, start};
use crate::harness::{ask, until};

#[actix_web::test]
async fn an_account_is_switched_off_and_on() {
    let (haven, _) = start().await;
    let workspace = haven.workspace("10.00").await;
    let desk = Desk::open(&haven).await;
    assert!(desk.page("/providers").await.contains("healthy"));
    let off = desk.form("/providers/sim/0", &[("enabled", "no"), ("reason", "their bill is due")]).await;
    assert_eq!((off.status, off.header("location")), (303, "/operator/providers?done=disabled"));
    assert_eq!(haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.status, 503);
    let row = audited(&haven, "provider.disable").await;
    assert_eq!((row["actor"].as_str(), row["reason"].as_str()), (Some(OPERATOR), Some("their bill is due")));
    assert_eq!((&row["target"], &row["before"]["state"]), (&json!("sim/0"), &json!("healthy")));
    assert!(desk.page("/providers").await.contains("Switch on"));
    assert_eq!(desk.form("/providers/sim/0", &[("enabled", "yes"), ("reason", "paid")]).await.status, 303);
    haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.ok();
    for path in ["/providers/sim/7", "/providers/none/0", "/providers/sim/x"] {
        assert_eq!(desk.form(path, &[("enabled", "no"), ("reason", "r")]).await.status, 404, "{path}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn mails_are_listed_by_state_and_sent_again() {
    let (haven, stopped) = start().await;
    let desk = Desk::open(&haven).await;
    assert!(desk.page("/mail?state=given-up").await.contains("No mail here"));
    let registered = haven.client.post(format!("{}/app/forgot", haven.base)).header("origin", "https://lmhaven.test");
    let gateway = &haven.server.gateway;
    let (email, password) = ("ann@lmhaven.test".parse().unwrap(), "correct horse battery".to_owned());
    lmhaven::accounts::make_confirmed(&gateway.core, &gateway.accounts, email, password).await.unwrap();
    let forgot = registered.header("content-type", "application/x-www-form-urlencoded");
    forgot.body("email=ann%40lmhaven.test").send().await.unwrap();
    let id = until("the mail to be sent", async || {
        let page = desk.page("/mail?state=sent").await;
        Some(page.split_once("/operator/mail/")?.1.split_once('/')?.0.to_owned())
    })
    .await;
    let page = desk.page("/mail?state=sent").await;
    assert!(page.contains("ann@lmhaven.test") && page.contains("reset_password") && page.contains("Send again"));
    let path = format!("/mail/{id}/resend");
    let unsaid = desk.form(&path, &[("reason", "")]).await;
    assert!(unsaid.status == 422 && unsaid.text.contains("a reason has 1 to 500 characters"));
    let sent = desk.form(&path, &[("reason", "it did not arrive")]).await;
    assert_eq!((sent.status, sent.header("location")), (303, "/operator/mail?done=resent"));
    let row = audited(&haven, "mail.resend").await;
    assert_eq!((row["actor"].as_str(), row["reason"].as_str()), (Some(OPERATOR), Some("it did not arrive")));
    assert_eq!((&row["target"], &row["before"]["kind"]), (&json!(id), &json!("reset_password")));
    stopped.pass(30 * super::MINUTE);
    assert!(desk.page("/mail").await.contains("its link is over"));
    assert_eq!(desk.form(&path, &[("reason", "r")]).await.status, 422);
    assert_eq!(desk.form("/mail/mail_00000000000000000000000001/resend", &[("reason", "r")]).await.status, 404);
    haven.finish().await;
}

#[actix_web::test]
async fn webhooks_to_customers_are_listed_by_state_and_sent_again() {
    let (haven, _) = start().await;
    let workspace = haven.workspace("0").await;
    let owner = haven.stage(&workspace.id, Role::Owner).await;
    let desk = Desk::open(&haven).await;
    assert!(desk.page("/webhooks").await.contains("No message here"));
    // No name server knows it, so nothing is ever taken.
    let fields = [("url", "https://hooks.invalid/a-secret-of-the-receiver")];
    assert_eq!(owner.submit("/app/webhooks", &fields).await.status, 200);
    haven.credit(&workspace.id, "3.00", "gift").await;
    let listed = async |words: &str| {
        until(words, async || Some(desk.page("/webhooks").await).filter(|page| page.contains(words))).await
    };
    let page = listed("1 attempt, the last").await;
    for words in ["credit.added", "hooks.invalid", "failed, tried again", "next 2026-", &workspace.id] {
        assert!(page.contains(words), "{words} is missing in {page}");
    }
    assert!(!page.contains("a-secret-of-the-receiver"), "{page}");
    let id = page.split_once("/operator/webhooks/").unwrap().1.split_once('/').unwrap().0.to_owned();
    assert!(desk.page("/webhooks?state=failed").await.contains(&id));
    for state in ["due", "given-up", "delivered"] {
        assert!(desk.page(&format!("/webhooks?state={state}")).await.contains("No message here"), "{state}");
    }
    let path = format!("/webhooks/{id}/resend");
    let unsaid = desk.form(&path, &[("reason", "")]).await;
    assert!(unsaid.status == 422 && unsaid.text.contains("a reason has 1 to 500 characters"));
    let sent = desk.form(&path, &[("reason", "they asked for it")]).await;
    assert_eq!((sent.status, sent.header("location")), (303, "/operator/webhooks?done=webhook"));
    let row = audited(&haven, "webhook.resend").await;
    assert_eq!((row["actor"].as_str(), row["reason"].as_str()), (Some(OPERATOR), Some("they asked for it")));
    assert_eq!((&row["target"], &row["before"]["type"]), (&json!(id), &json!("credit.added")));
    listed("2 attempts, the last").await;
    assert_eq!(owner.submit("/app/webhooks/remove", &[]).await.status, 303);
    let page = listed("webhooks are off").await;
    assert!(page.contains("given up"), "{page}");
    let refused = desk.form(&path, &[("reason", "r")]).await;
    assert!(refused.status == 422 && refused.text.contains("its owner switches them on"), "{}", refused.text);
    assert_eq!(desk.form("/webhooks/evt_00000000000000000000000001/resend", &[("reason", "r")]).await.status, 404);
    haven.finish().await;
}

#[actix_web::test]
async fn events_that_wait_are_shown() {
    let (haven, _) = start().await;
    let desk = Desk::open(&haven).await;
    assert!(desk.page("/payments").await.contains("Nothing waits"));
    let core = &haven.server.gateway.core;
    let event = PaymentEvent::Paid {
        source: Source::Checkout(fresh::checkout_id(core.clock.now().wall)),
        intent: "pi_<b>early</b>".into(),
        amount: "12.00".parse().unwrap(),
        method: None,
    };
    core.tell_payment(&event).await.unwrap();
    let page = desk.page("/payments").await;
    assert!(page.contains("1 in all") && page.contains("$12.00") && page.contains("early"), "{page}");
    assert!(!page.contains("<b>early"));
    haven.finish().await;
}

#[actix_web::test]
async fn the_audit_log_is_filtered_and_paged_newest_first() {
    let (haven, stopped) = start().await;
    let workspace = haven.workspace("10.00").await;
    let desk = Desk::open(&haven).await;
    for n in 0..60 {
        let body =
            json!({ "amount_usd": "0.01", "reason": format!("number {n:02}"), "idempotency_key": format!("k{n}") });
        haven.admin_ok("POST", &format!("/workspaces/{}/credits", workspace.id), &body).await;
    }
    stopped.pass(24 * 60 * super::MINUTE);
    let suspend = [("suspended", "yes"), ("reason", "the last one")];
    let signed_in = desk.form("/sign-in", &[("email", OPERATOR), ("password", super::PASSWORD)]).await;
    assert_eq!(signed_in.status, 303);
    assert_eq!(desk.form(&format!("/workspaces/{}/suspend", workspace.id), &suspend).await.status, 303);
    let page = desk.page("/audit").await;
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(place("the last one") < place("number 59") && place("number 59") < place("number 30"));
    assert!(!page.contains("number 05"), "on the next page");
    let older = page.split_once("rel=\"next\"").unwrap().0.rsplit_once("href=\"/operator").unwrap().1;
    let older = older.split_once('"').unwrap().0.replace("&#38;", "&");
    assert!(desk.page(&older).await.contains("number 05"));
    for (filter, has, has_not) in [
        (format!("actor={OPERATOR}"), "the last one", "number 59"),
        ("action=credit".to_owned(), "number 59", "the last one"),
        (format!("target={}", workspace.id), "the last one", "operator.set_up"),
        ("to=2026-09-21".to_owned(), "number 59", "the last one"),
        ("from=2026-09-22".to_owned(), "the last one", "number 59"),
    ] {
        let page = desk.page(&format!("/audit?{filter}")).await;
        assert!(page.contains(has) && !page.contains(has_not), "{filter}");
    }
    assert!(desk.page("/audit?actor=nobody").await.contains("Nothing is like that"));
    haven.finish().await;
}
