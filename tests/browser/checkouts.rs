//! Payments that take another way than paid and told once: cancelled, told late, told twice; and what of it is on paper.

use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::people::Role;
use lmhaven_simulator::stripe::FakeStripe;

use crate::browser::{Browser, at_home};
use crate::harness::{Haven, Stage, Workspace};

/// A gateway with payments, and somebody in charge of money in front of it.
struct Till {
    haven: Haven,
    fake: FakeStripe,
    workspace: Workspace,
    stage: Stage,
    browser: Browser,
}

impl Till {
    async fn open() -> Self {
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
        let stage = haven.stage(&workspace.id, Role::Finance).await;
        let browser = Browser::open().await;
        browser.sign_in(&stage).await;
        Self { haven, fake, workspace, stage, browser }
    }

    /// From the billing page to the payment provider's, and one of its buttons.
    async fn top_up(&self, amount: &str, button: &str) {
        let Self { stage, browser, .. } = self;
        browser.goto(&format!("{}/app/billing", stage.base)).await;
        browser.find("#custom").await.send_keys(amount).await.unwrap();
        browser.find("form[action='/app/billing/top-up'] button").await.click().await.unwrap();
        browser.text_with("h1", &format!("Pay ${amount}")).await;
        browser.find(button).await.click().await.unwrap();
    }

    /// What a link of the page answers to this session.
    async fn download(&self, path: &str) -> String {
        let script = format!(
            "const ask = new XMLHttpRequest(); ask.open('GET', '{path}', false); ask.send(); return ask.responseText;"
        );
        self.browser.run(&script).await.as_str().unwrap().to_owned()
    }

    async fn close(self) {
        self.browser.close().await;
        self.haven.finish().await;
        self.fake.stop().await;
    }
}

#[actix_web::test]
async fn who_cancels_is_back_on_the_billing_page_and_has_paid_nothing() {
    let till = Till::open().await;
    till.top_up("12.50", "#cancel").await;
    till.browser.text_with("main h1", "Billing").await;
    till.browser.text_with("#balance", "$0.00").await;
    till.browser.check("cancelled").await;
    assert_eq!(till.haven.balance(&till.workspace).await.balance, 0);
    till.close().await;
}

#[actix_web::test]
async fn who_comes_back_before_the_webhook_is_credited_once_and_has_it_on_paper() {
    let till = Till::open().await;
    let desk = till.fake.desk();
    desk.script(|script| script.never = true);
    till.top_up("12.50", "#pay").await;
    // The page asks the payment provider itself, for webhooks may be late or lost.
    till.browser.text_with("main h2", "Thank you: $12.50 is on your balance").await;
    till.browser.look("paid-before-the-webhook").await;
    desk.script(|script| (script.never, script.times) = (false, 2));
    for _ in 0..2 {
        let told = desk.resend().await;
        assert!(!told.is_empty() && told.iter().all(|status| *status == 200), "{told:?}");
    }
    till.browser.find("main a.button").await.click().await.unwrap();
    till.browser.text_with("#balance", "$12.50").await;
    till.browser.look("billing-with-history").await;

    till.browser.find("a[href^='/app/billing/receipts/']").await.click().await.unwrap();
    till.browser.text_with(".receipt .figure", "$12.50").await;
    till.browser.look("receipt").await;
    let history = till.download("/app/billing.csv").await;
    assert_eq!(history.lines().count(), 2, "a head and one top-up: {history}");
    assert!(history.contains("12.50"), "{history}");
    let events = till.download("/app/billing/events.csv").await;
    assert_eq!(events.lines().filter(|line| line.contains("12.50")).count(), 1, "{events}");
    till.close().await;
}

#[actix_web::test]
async fn a_payment_that_the_provider_cannot_confirm_yet_is_waited_for_by_the_page_itself() {
    let till = Till::open().await;
    let desk = till.fake.desk();
    desk.script(|script| script.never = true);
    let visit = format!("{}/app/billing", till.stage.base);
    till.browser.goto(&visit).await;
    till.browser.find("#custom").await.send_keys("12.50").await.unwrap();
    till.browser.find("form[action='/app/billing/top-up'] button").await.click().await.unwrap();
    till.browser.text_with("h1", "Pay $12.50").await;
    // Back by hand, with the payment still open.
    let sessions = desk.state()["sessions"].clone();
    let (session, details) = sessions.as_object().unwrap().iter().next().unwrap();
    let back = details["success_url"].as_str().unwrap().to_owned();
    till.browser.goto(&back).await;
    till.browser.text_with("main h2", "Waiting for the payment of $12.50").await;
    till.browser.look("payment-awaited").await;
    desk.script(|script| script.never = false);
    desk.pay(session).await;
    // Nobody reloads it.
    till.browser.text_with("main h2", "Thank you: $12.50 is on your balance").await;
    till.browser.check("waited").await;
    till.close().await;
}
