//! Money as people meet it: topping up at the payment provider's page, and a balance that is empty.

use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::people::Role;
use lmhaven_simulator::stripe::FakeStripe;

use crate::browser::{Browser, LOOPBACK, at_home};
use crate::harness::{Haven, ask, usd};
use crate::pages::PAGES;

#[actix_web::test]
async fn somebody_tops_up_and_sees_the_balance() {
    let fake = FakeStripe::start(([127, 0, 0, 1], 0).into(), "sk_test_fake", "whsec_fake").await.unwrap();
    let (home, url) = (at_home(), fake.url());
    let mut settings: Vec<_> = home.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.extend([
        ("PAYMENTS__STRIPE_SECRET_KEY", "sk_test_fake"),
        ("PAYMENTS__STRIPE_WEBHOOK_SECRETS", "whsec_fake"),
        ("PAYMENTS__STRIPE_BASE_URL", &url),
        ("PAYMENTS__LIVEMODE", "false"),
    ]);
    let haven = Haven::start_from("", &settings, Clock::system()).await;
    fake.desk().send_webhooks_to(&format!("{}/webhooks/stripe", haven.base));
    let workspace = haven.workspace("0").await;
    assert_eq!(haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.refusal(), (402, "insufficient_balance"));
    let stage = haven.stage(&workspace.id, Role::Finance).await;
    let browser = Browser::open().await;
    browser.sign_in(&stage).await;
    browser.goto(&format!("{}/app/billing", stage.base)).await;
    browser.text_with("#balance", "$0.00").await;
    browser.find("#custom").await.send_keys("12.50").await.unwrap();
    browser.find("input[name='keep']").await.click().await.unwrap();
    browser.look("billing-top-up").await;
    browser.find("form[action='/app/billing/top-up'] button").await.click().await.unwrap();
    browser.text_with("h1", "Pay $12.50").await;
    browser.find("#pay").await.click().await.unwrap();
    browser.text_with("main h2", "Thank you: $12.50 is on your balance").await;
    browser.look("paid").await;
    browser.find("main a.button").await.click().await.unwrap();
    browser.text_with("#balance", "$12.50").await;
    browser.find("#auto-threshold").await.send_keys("5").await.unwrap();
    browser.find("#auto-amount").await.send_keys("10").await.unwrap();
    browser.find("#auto-monthly-max").await.send_keys("100").await.unwrap();
    browser.find("form[action='/app/billing/auto-top-up'] button").await.click().await.unwrap();
    let in_force = "When the balance falls below $5.00, the saved card pays $10.00, at most $100.00 a month.";
    browser.text_with("#auto-top-up", in_force).await;
    browser.look("billing-auto-top-up").await;
    browser.find("input[name='remove'] + button").await.click().await.unwrap();
    browser.text_with("#auto-top-up .notice", "The card was removed.").await;
    haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.ok();
    browser.check("paying").await;
    browser.close().await;
    haven.finish().await;
    fake.stop().await;
}

#[actix_web::test]
async fn with_nothing_left_every_page_still_opens_and_says_what_to_do() {
    let haven = Haven::start_with(LOOPBACK).await;
    let workspace = haven.workspace("1.00").await;
    haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.ok();
    let rest = haven.settled_balance(&workspace).await.available;
    haven.credit(&workspace.id, &format!("-{}", usd(rest)), "back").await;
    assert_eq!(haven.balance(&workspace).await.available, 0);
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    let browser = Browser::open().await;
    browser.sign_in(&stage).await;
    for (path, name) in PAGES {
        browser.goto(&format!("{}{path}", stage.base)).await;
        browser.find("main h1").await;
        if !["members", "account"].contains(&name) {
            browser.text_with(".notice.danger", "The balance is empty: requests answer 402. Top up").await;
        }
        browser.look(&format!("broke-{name}")).await;
    }
    browser.close().await;
    haven.finish().await;
}
