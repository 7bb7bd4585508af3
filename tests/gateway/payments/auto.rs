//! Auto top-up: set by a form of the billing page, paid once, told once, and given up on for good reasons only.

use std::sync::atomic::{AtomicI64, Ordering};

use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::mail::MailContent;
use lmhaven_actors::domain::people::Role;
use lmhaven_simulator::stripe::Desk;

use super::{MODEL, end, events, kinds, mails, start, start_from};
use crate::harness::{Haven, Stage, Workspace, ask, nano, until};

const FORM: &str = "/app/billing/auto-top-up";
const RULE: [(&str, &str); 2] = [("threshold", "5"), ("amount", "$30.00")];
const HOUR: i64 = 3_600_000;

/// Pays $5.00 with a card that is kept.
async fn save_card(finance: &Stage, desk: &Desk) {
    let fields = [("amount", "10.00"), ("custom", "5.00"), ("keep", "yes")];
    let sent_on = finance.submit("/app/billing/top-up", &fields).await;
    let session = sent_on.header("location").rsplit('/').next().unwrap().to_owned();
    assert!(desk.pay(&session).await.iter().all(|status| *status == 200));
}

/// The idempotency keys of payments without the customer, in the order in which they were asked for.
fn asked(desk: &Desk) -> Vec<String> {
    let calls = desk.state()["calls"].as_array().unwrap().clone();
    let asked = calls.into_iter().filter(|call| call["path"] == "/v1/payment_intents");
    asked.map(|call| call["idempotency_key"].as_str().unwrap().to_owned()).collect()
}

async fn talk(haven: &Haven, workspace: &Workspace) {
    haven.chat(&workspace.key, &ask(MODEL, "hello")).await.ok();
}

/// The billing page, once it says this.
async fn page_with(stage: &Stage, words: &str) -> String {
    until(words, || async { Some(stage.get("/app/billing").await.ok().text).filter(|page| page.contains(words)) }).await
}

#[actix_web::test]
async fn a_saved_card_pays_once_when_the_balance_falls_below_what_the_form_says() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let finance = haven.stage(&workspace.id, Role::Finance).await;
    let page = finance.get("/app/billing").await.ok().text;
    assert!(page.contains("First save a card") && !page.contains(FORM), "{page}");
    let early = finance.submit(FORM, &RULE).await;
    assert!(early.status == 422 && early.text.contains("there is no saved card"), "{}", early.text);
    save_card(&finance, &desk).await;
    let page = finance.get("/app/billing").await.ok().text;
    assert!(page.contains("Visa ending in 4242, good until 12/2030") && page.contains("Switch on"), "{page}");

    assert_eq!(finance.submit(FORM, &RULE).await.header("location"), "/app/billing?saved=auto#auto-top-up");
    let audit = haven.admin_get("/audit").await.to_string();
    for part in ["auto_topup.change", r#""threshold_usd":"5.00""#, r#""amount_usd":"30.00""#] {
        assert!(audit.contains(part), "{part} is missing in {audit}");
    }
    let body = ask(MODEL, "hello");
    let calls = (0..50).map(|_| haven.chat(&workspace.key, &body));
    for reply in futures_util::future::join_all(calls).await {
        reply.ok();
    }
    until("the auto top-up", || async { (haven.balance(&workspace).await.available > nano("30")).then_some(()) }).await;
    let page = page_with(&finance, "paid</span>").await;
    assert!(page.contains("When the balance falls below $5.00, the saved card pays $30.00."), "{page}");
    assert_eq!(haven.entries(&workspace, "topup").await.len(), 2);
    assert_eq!(asked(&desk).len(), 1);
    assert_eq!(events(&haven, &workspace), ["topup.succeeded", "auto_topup.succeeded"]);
    assert_eq!(kinds(&haven, &workspace), ["receipt", "auto_top_up_done"]);

    assert_eq!(finance.submit(FORM, &[("off", "yes")]).await.status, 303);
    let page = finance.get("/app/billing").await.ok().text;
    assert!(page.contains("It can keep the balance from running out.") && !page.contains("Switch off"), "{page}");
    end(haven, fake).await;
}

#[actix_web::test]
async fn auto_top_up_stops_at_what_a_month_may_cost() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let finance = haven.stage(&workspace.id, Role::Finance).await;
    save_card(&finance, &desk).await;
    for wrong in ["29.99", "0", "-30", "much"] {
        let fields = [("threshold", "1000"), ("amount", "30"), ("monthly_max", wrong)];
        let refused = finance.submit(FORM, &fields).await;
        assert_eq!(refused.status, 422, "{wrong}");
        assert!(refused.text.contains("of one payment at least, or nothing"), "{wrong}: {}", refused.text);
        assert!(refused.text.contains(&format!("value=\"{wrong}\"")), "{wrong} is still there");
    }
    for (most, paid, payments) in [("59.99", "$30.00 of $59.99", 1), ("$60.00", "$60.00 of $60.00", 2)] {
        let fields = [("threshold", "1000"), ("amount", "30"), ("monthly_max", most)];
        assert_eq!(finance.submit(FORM, &fields).await.status, 303);
        talk(&haven, &workspace).await;
        let page = page_with(&finance, paid).await;
        assert!(page.contains("not before"), "{page}");
        until("the payment", || async { (asked(&desk).len() == payments).then_some(()) }).await;
        until("its credit", || async {
            (haven.entries(&workspace, "topup").await.len() == 1 + payments).then_some(())
        })
        .await;
        talk(&haven, &workspace).await;
        assert_eq!(asked(&desk).len(), payments);
    }
    let audit = haven.admin_get("/audit").await.to_string();
    assert!(audit.contains(r#""monthly_max_usd":"60.00""#), "{audit}");
    end(haven, fake).await;
}

#[actix_web::test]
async fn a_card_that_is_removed_is_gone_here_and_at_stripe_and_pays_no_more() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let finance = haven.stage(&workspace.id, Role::Finance).await;
    save_card(&finance, &desk).await;
    assert_eq!(finance.submit(FORM, &RULE).await.status, 303);
    talk(&haven, &workspace).await;
    until("the auto top-up", || async { (haven.balance(&workspace).await.available > nano("30")).then_some(()) }).await;
    for role in [Role::Developer, Role::Viewer] {
        let member = haven.stage(&workspace.id, role).await;
        assert_eq!(member.submit(FORM, &[("remove", "yes")]).await.status, 403, "{role:?}");
    }
    // Stripe fails once, and is asked again.
    desk.script(|script| script.fail_before = 1);
    for _ in 0..2 {
        let removed = finance.submit(FORM, &[("remove", "yes")]).await;
        assert_eq!(removed.header("location"), "/app/billing?saved=card#auto-top-up");
    }
    let calls = desk.state()["calls"].to_string();
    assert_eq!(calls.matches("/detach\"").count(), 2, "one that failed and one more: {calls}");
    let page = finance.get("/app/billing?saved=card").await.ok().text;
    assert!(page.contains("The card was removed.") && page.contains("First save a card"), "{page}");
    assert!(!page.contains("4242") && !page.contains("falls below"), "{page}");
    let refused = finance.submit(FORM, &RULE).await;
    assert!(refused.status == 422 && refused.text.contains("there is no saved card"), "{}", refused.text);
    let audit = haven.admin_get("/audit").await.to_string();
    assert_eq!(audit.matches("auto_topup.remove_card").count(), 1, "{audit}");
    save_card(&finance, &desk).await;
    assert!(finance.get("/app/billing").await.ok().text.contains("4242"), "another can be saved");
    end(haven, fake).await;
}

#[actix_web::test]
async fn a_card_that_stripe_does_not_let_go_is_removed_here() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let owner = haven.stage(&workspace.id, Role::Owner).await;
    save_card(&owner, &desk).await;
    desk.script(|script| script.fail_before = 2);
    assert_eq!(owner.submit(FORM, &[("remove", "yes")]).await.status, 303);
    let calls = desk.state()["calls"].to_string();
    assert_eq!(calls.matches("/detach\"").count(), 2, "both failed: {calls}");
    assert!(owner.get("/app/billing").await.ok().text.contains("First save a card"));
    // Asked again, it does so and the answer is lost: once more tells that it is done, and then there is nothing to ask.
    let payments = &haven.server.gateway.payments;
    desk.script(|script| script.lose_answers = 2);
    for calls in [4, 5, 5] {
        payments.let_go_of_cards(0).await;
        assert_eq!(desk.state()["calls"].to_string().matches("/detach\"").count(), calls);
    }
    end(haven, fake).await;
}

#[actix_web::test]
async fn a_card_that_another_replaced_leaves_stripe() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let owner = haven.stage(&workspace.id, Role::Owner).await;
    let payments = &haven.server.gateway.payments;
    let mut detached = Vec::new();
    for cards in 1..=3 {
        save_card(&owner, &desk).await;
        payments.let_go_of_cards(0).await;
        let calls = desk.state()["calls"].as_array().unwrap().clone();
        let paths = calls.into_iter().map(|call| call["path"].as_str().unwrap().to_owned());
        detached = paths.filter(|path| path.ends_with("/detach")).collect();
        assert_eq!(detached.len(), cards - 1);
    }
    assert_ne!(detached[0], detached[1]);
    assert!(owner.get("/app/billing").await.ok().text.contains("4242"), "the last is kept");
    end(haven, fake).await;
}

#[actix_web::test]
async fn a_form_with_mistakes_comes_back_and_nobody_else_may_send_it() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let owner = haven.stage(&workspace.id, Role::Owner).await;
    save_card(&owner, &desk).await;
    for (threshold, amount, wrong, right) in [
        ("0", "30", "above zero", "from $5.00"),
        ("-1", "30", "above zero", "from $5.00"),
        ("5001", "30", "at most $5,000.00", "from $5.00"),
        ("5", "4.99", "from $5.00 to $5,000.00", "above zero"),
        ("5", "10.001", "in whole cents", "above zero"),
        ("5", "", "in whole cents", "above zero"),
    ] {
        let refused = owner.submit(FORM, &[("threshold", threshold), ("amount", amount)]).await;
        assert_eq!(refused.status, 422, "{threshold} {amount}");
        let errors: Vec<_> = refused.text.split("class=\"error\"").skip(1).map(|rest| &rest[..120]).collect();
        assert!(errors.len() == 1 && errors[0].contains(wrong) && !errors[0].contains(right), "{errors:?}");
        assert!(refused.text.contains(&format!("value=\"{threshold}\"")), "{threshold} is still there");
        assert_eq!(refused.text.matches("aria-invalid").count(), 1);
    }
    let hostile = owner.submit(FORM, &[("threshold", "\"><script>alert(1)"), ("amount", "<b>")]).await;
    assert!(hostile.text.contains("alert(1)") && !hostile.text.contains("<script>alert"), "{}", hostile.text);
    let fields = "threshold=5&amount=30";
    for (origin, body) in [
        ("https://evil.example", format!("{fields}&csrf={}", owner.csrf)),
        ("https://lmhaven.test", fields.to_owned()),
        ("https://lmhaven.test", format!("{fields}&csrf=wrong")),
    ] {
        assert_eq!(owner.send(FORM, origin, &body).await.status, 403, "{origin} {body}");
    }
    for role in [Role::Developer, Role::Viewer] {
        let member = haven.stage(&workspace.id, role).await;
        assert_eq!(member.submit(FORM, &RULE).await.status, 403, "{role:?}");
        let page = member.get("/app/billing").await.ok().text;
        assert!(!page.contains(FORM) && !page.contains("4242"), "{role:?}: {page}");
    }
    assert!(owner.get("/app/billing").await.text.contains("It can keep the balance from running out."));
    end(haven, fake).await;
}

#[actix_web::test]
async fn a_declined_card_is_told_tried_again_after_an_hour_and_then_no_more() {
    // Webhooks of the fake carry the time of this machine, so the clock begins there.
    let millis: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(Clock::system().now().wall.0)));
    let (haven, fake, desk) = start_from(Clock::given(millis)).await;
    let workspace = haven.workspace("0").await;
    let finance = haven.stage(&workspace.id, Role::Finance).await;
    save_card(&finance, &desk).await;
    assert_eq!(finance.submit(FORM, &RULE).await.status, 303);
    desk.script(|script| script.decline = true);
    talk(&haven, &workspace).await;
    let page = page_with(&finance, "declined by the bank").await;
    assert!(page.contains("not before") && page.contains("Switch off"), "{page}");
    talk(&haven, &workspace).await;
    millis.fetch_add(HOUR, Ordering::SeqCst);
    talk(&haven, &workspace).await;
    let page = page_with(&finance, "It switched itself off: the card was declined twice.").await;
    assert!(page.contains("value=\"\"") && page.contains("Switch on"), "{page}");
    let keys = asked(&desk);
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
    let failed: Vec<bool> = mails(&haven, &workspace)
        .into_iter()
        .filter_map(|mail| match mail.content {
            MailContent::AutoTopUpFailed { switched_off, .. } => Some(switched_off),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [false, true], "told each time, and the last time that it is off");
    assert_eq!(haven.entries(&workspace, "topup").await.len(), 1);
    end(haven, fake).await;
}

#[actix_web::test]
async fn a_card_that_is_no_longer_there_is_asked_for_twice_and_no_more() {
    let millis: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(Clock::system().now().wall.0)));
    let (haven, fake, desk) = start_from(Clock::given(millis)).await;
    let workspace = haven.workspace("0").await;
    let finance = haven.stage(&workspace.id, Role::Finance).await;
    save_card(&finance, &desk).await;
    assert_eq!(finance.submit(FORM, &RULE).await.status, 303);
    desk.script(|script| script.cards_gone = true);
    talk(&haven, &workspace).await;
    page_with(&finance, "the saved card is no longer there").await;
    millis.fetch_add(HOUR, Ordering::SeqCst);
    talk(&haven, &workspace).await;
    page_with(&finance, "It switched itself off").await;
    assert_eq!(asked(&desk).len(), 2);
    end(haven, fake).await;
}

#[actix_web::test]
async fn an_attempt_whose_answer_is_lost_is_credited_by_its_webhook_once() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let finance = haven.stage(&workspace.id, Role::Finance).await;
    save_card(&finance, &desk).await;
    desk.script(|script| (script.lose_answers, script.never) = (2, true));
    assert_eq!(finance.submit(FORM, &RULE).await.status, 303);
    talk(&haven, &workspace).await;
    // Both tries are done, under one key, and neither is answered.
    until("both tries", || async { (asked(&desk).len() == 2).then_some(()) }).await;
    let page = page_with(&finance, "under way").await;
    assert!(!page.contains("declined by the bank"), "{page}");
    for _ in 0..2 {
        assert!(desk.resend().await.iter().all(|status| *status == 200));
    }
    assert_eq!(haven.entries(&workspace, "topup").await.len(), 2);
    let keys = asked(&desk);
    assert_eq!(keys[0], keys[1]);
    let standing = haven.balance(&workspace).await.available;
    assert!(standing > nano("34") && standing < nano("35"), "{standing}");
    end(haven, fake).await;
}
