//! The operators' pages as they look and as they are gone through: set up, credit, prices, the way out.

use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::mail::{Mail, MailContent, MailFact, MailFailure};
use lmhaven_actors::domain::payment::{PaymentEvent, Source};
use lmhaven_actors::domain::webhook::WebhookFact;
use lmhaven_actors::system::{ChangeError, fresh};
use serde_json::json;

use crate::browser::{Browser, LOOPBACK};
use crate::harness::{Haven, ask};

const PASSWORD: &str = "correct horse battery";
const TABLE: &str = "model,ratio,input,output,cache_read\ngpt-sim,8,1.00,2.50,0.10\nclaude-haiku-4-5,50,,,\n";

/// Writes into a field.
async fn write(browser: &Browser, css: &str, text: &str) {
    browser.find(css).await.send_keys(text).await.unwrap();
}

async fn press(browser: &Browser, form: &str) {
    browser.find(&format!("form[action$='{form}'] button")).await.click().await.unwrap();
}

/// One mail in each state.
async fn queue_mails(haven: &Haven) {
    let queued = haven.server.gateway.core.decide(|_, at| {
        let mail = |n: u8, content: MailContent| {
            let to = format!("somebody.with.a.long.name.{n}@a-long-domain.example");
            Mail { id: fresh::mail_id(at), at, to, person: None, workspace: None, content }
        };
        let credit = MailContent::Credit {
            amount_usd: "2.50".parse().unwrap(),
            reason: Some("sorry".to_owned()),
            after: lmhaven_actors::domain::mail::After::default(),
        };
        let (sent, given_up, failed) =
            (mail(1, MailContent::PasswordChanged), mail(2, credit), mail(3, MailContent::ZeroBalance));
        let retry_at = at.plus_millis(300_000);
        let ids = (sent.id, given_up.id, failed.id);
        let facts = [
            MailFact::Queued(sent),
            MailFact::Queued(given_up),
            MailFact::Queued(failed),
            MailFact::Sent { mail: ids.0, at },
            MailFact::GivenUp { mail: ids.1, at, reason: MailFailure::Refused { code: 550 } },
            MailFact::AttemptFailed { mail: ids.2, at, retry_at, reason: MailFailure::Unreachable },
        ];
        Ok::<_, ChangeError>(((), facts.into_iter().map(Fact::Mail).collect()))
    });
    queued.await.unwrap();
}

#[actix_web::test]
async fn an_operator_from_the_link_to_the_prices() {
    let haven = Haven::start_with(LOOPBACK).await;
    let workspace = haven.workspace("25.00").await;
    let long = json!({ "name": "a-rather-long-name-that-somebody-chose-without-any-space-in-it-for-a-workspace", "owner_email": "somebody.with.a.long.name@a-long-domain.example" });
    haven.admin_ok("POST", "/workspaces", &long).await;
    haven.chat(&workspace.key, &ask("gpt-sim", "Hello there")).await.ok();
    haven.settled_balance(&workspace).await;
    let gateway = &haven.server.gateway;
    let link = gateway.accounts.begin_set_up(&gateway.core).await.unwrap().unwrap();
    let browser = Browser::open().await;
    let at = |path: &str| format!("{}/operator{path}", haven.admin_base);

    browser.goto(&at("/sign-in")).await;
    browser.look("operator-sign-in").await;
    browser.goto(&link.url).await;
    browser.look("operator-set-up").await;
    write(&browser, "#email", "operator@lmhaven.test").await;
    write(&browser, "#password", PASSWORD).await;
    press(&browser, "/set-up").await;
    browser.text_with("h1", "Workspaces").await;
    browser.look("operator-workspaces").await;
    browser.goto(&link.url).await;
    browser.text_with("h1", "This link does not work").await;
    // The answer is 410, which the console repeats.
    browser.forget_console().await;

    let (endpoint, id) = (fresh::endpoint_id(gateway.core.clock.now().wall), workspace.id.parse().unwrap());
    let webhooks = gateway.core.decide(|_, at| {
        let url = "https://hooks-of-a-customer.with-a-long-name.invalid/lmhaven".to_owned();
        let set = WebhookFact::EndpointSet { endpoint, workspace: id, url, at };
        Ok::<_, ChangeError>(((), vec![Fact::Webhook(set)]))
    });
    webhooks.await.unwrap();
    browser.goto(&at(&format!("/workspaces/{}", workspace.id))).await;
    write(&browser, "#credit-amount", "2.50").await;
    write(&browser, "#credit-reason", "sorry for Monday").await;
    press(&browser, "/credit").await;
    browser.text_with(".notice.ok", "The credit is in the ledger.").await;
    browser.text_with(".figure", "$27.").await;
    browser.look("operator-workspace").await;

    browser.goto(&at("/prices")).await;
    browser.look("operator-prices").await;
    let file = haven.folder.path().join("week-48.csv");
    std::fs::write(&file, TABLE).unwrap();
    write(&browser, "#file", &file.display().to_string()).await;
    crate::harness::until("the file in the field", async || {
        let value = browser.run("return document.querySelector('#book').value").await;
        value.as_str().is_some_and(|text| text.contains("gpt-sim")).then_some(())
    })
    .await;
    press(&browser, "/preview").await;
    browser.text_with("h1", "Import against version 1").await;
    browser.look("operator-price-diff").await;
    write(&browser, "#publish-reason", "week 48").await;
    press(&browser, "/publish").await;
    browser.text_with(".notice.ok", "The prices are published.").await;
    browser.goto(&at("/prices/1")).await;
    browser.look("operator-roll-back").await;

    let source = Source::Checkout(fresh::checkout_id(gateway.core.clock.now().wall));
    let event = PaymentEvent::Paid {
        source,
        intent: "pi_3PqX8Z2eZvKYlo2C1a2b3c4d".into(),
        amount: "12.00".parse().unwrap(),
        method: None,
    };
    gateway.core.tell_payment(&event).await.unwrap();
    queue_mails(&haven).await;
    for (path, name) in [
        ("/providers", "providers"),
        ("/mail", "mail"),
        ("/webhooks", "webhooks"),
        ("/payments", "payments"),
        ("/audit", "audit"),
    ] {
        browser.goto(&at(path)).await;
        if name == "webhooks" {
            browser.text_with("tbody", "credit.added").await;
        }
        if name == "audit" {
            browser.find("tbody summary").await.click().await.unwrap();
        }
        browser.look(&format!("operator-{name}")).await;
    }
    browser.find(".person > summary").await.click().await.unwrap();
    browser.find("form[action='/operator/sign-out'] button").await.click().await.unwrap();
    browser.text_with("h1", "Operator sign-in").await;
    browser.check("operator-out").await;
    browser.close().await;
    haven.finish().await;
}
