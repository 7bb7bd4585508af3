//! Receipts: whom they name, and what an operator's words are not on.

use std::collections::BTreeSet;

use lmhaven_actors::domain::people::Role;
use serde_json::json;

use super::{end, intent_of, mails, open, start};
use crate::harness::{Stage, until};

const FORM: &str = "/app/settings/billed-to";
const HOSTILE: &str = "\"'><script>alert(1)</script></textarea><img src=x>";

/// The pages of all receipts that the billing page leads to, the oldest first, once there are so many.
async fn receipts(stage: &Stage, count: usize) -> Vec<String> {
    let numbers = until("the receipts", async || {
        let page = stage.get("/app/billing").await.ok().text;
        let links = page.split("/app/billing/receipts/").skip(1).map(|rest| rest.split('"').next().unwrap());
        let numbers: BTreeSet<u64> = links.map(|number| number.parse().unwrap()).collect();
        (numbers.len() == count).then_some(numbers)
    });
    let mut pages = Vec::new();
    for number in numbers.await {
        pages.push(stage.get(&format!("/app/billing/receipts/{number}")).await.ok().text);
    }
    pages
}

#[actix_web::test]
async fn receipts_name_on_page_and_mail_whom_finance_people_wrote() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let finance = haven.stage(&workspace.id, Role::Finance).await;
    let company = format!("Acme {HOSTILE}");
    let fields =
        [("company", company.as_str()), ("address", "1 Main Street\r\n\r\n Springfield "), ("tax_id", "DE 123")];
    assert_eq!(finance.submit(FORM, &fields).await.header("location"), "/app/settings?saved=1");
    let settings = finance.get("/app/settings").await.ok().text;
    assert!(settings.contains("1 Main Street\nSpringfield</textarea>") && settings.contains("value=\"DE 123\""));
    assert!(haven.admin_get("/audit").await.to_string().contains("\"tax_id\":\"DE 123\""));
    desk.pay(&open(&haven, &workspace, "20.00", false).await).await;
    let page = receipts(&finance, 1).await.remove(0);
    for part in ["1 Main Street<br>Springfield", "DE 123", "<dt>Number</dt><dd>1</dd>", "Acme "] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    let mail = mails(&haven, &workspace).remove(0);
    let letter = lmhaven::mail::letter_of(&mail, "https://lmhaven.test", &lmhaven::mail::Links::default()).unwrap();
    let (text, html) = (letter.text().unwrap(), letter.html().unwrap());
    for part in ["Billed to: Acme ", "Address: 1 Main Street, Springfield", "Tax id: DE 123"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    for page in [&settings, &page, &html] {
        assert!(page.contains("alert(1)") && !page.contains("<script>alert") && !page.contains("<img src=x"), "{page}");
    }

    assert_eq!(finance.submit(FORM, &[("company", "")]).await.status, 303);
    let page = receipts(&finance, 1).await.remove(0);
    assert!(!page.contains("Billed to") && !page.contains("Springfield"), "{page}");
    end(haven, fake).await;
}

#[actix_web::test]
async fn only_who_is_in_charge_of_money_says_whom_receipts_name_and_within_bounds() {
    let (haven, fake, _) = start().await;
    let workspace = haven.workspace("0").await;
    let owner = haven.stage(&workspace.id, Role::Owner).await;
    let long = "x".repeat(101);
    let fields = [("company", long.as_str()), ("address", HOSTILE), ("tax_id", "1\u{7}2")];
    let refused = owner.submit(FORM, &fields).await;
    assert_eq!((refused.status, refused.text.matches("aria-invalid").count()), (422, 2), "{}", refused.text);
    assert!(refused.text.contains(&long) && !refused.text.contains("<script>alert"), "{}", refused.text);
    assert_eq!(owner.submit(FORM, &[("company", "Acme")]).await.status, 303);
    for role in [Role::Developer, Role::Viewer] {
        let member = haven.stage(&workspace.id, role).await;
        assert_eq!(member.submit(FORM, &[("company", "Mine")]).await.status, 403, "{role:?}");
        let page = member.get("/app/settings").await.ok().text;
        assert!(page.contains("Receipts name Acme.") && !page.contains(FORM), "{role:?}: {page}");
    }
    end(haven, fake).await;
}

#[actix_web::test]
async fn an_operators_reasons_are_in_the_audit_log_and_nowhere_that_customers_look() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let owner = haven.stage(&workspace.id, Role::Owner).await;
    // Nobody is there to hear it: what would be sent is what is kept.
    assert_eq!(owner.submit("/app/webhooks", &[("url", "https://hooks.invalid/")]).await.status, 200);
    desk.pay(&open(&haven, &workspace, "20.00", false).await).await;
    let reason = |what: &str| format!("only for us: {what}");
    for (amount, what) in [("3.00", "given"), ("-1.00", "taken")] {
        let credit = json!({ "amount_usd": amount, "reason": reason(what), "idempotency_key": what });
        haven.admin_ok("POST", &format!("/workspaces/{}/credits", workspace.id), &credit).await;
    }
    let refund = json!({ "amount_usd": "5.00", "reason": reason("sent back"), "idempotency_key": "back" });
    let path = format!("/workspaces/{}/payments/{}/refunds", workspace.id, intent_of(&desk));
    haven.admin_ok("POST", &path, &refund).await;

    let audit = haven.admin_get("/audit").await.to_string();
    for what in ["given", "taken", "sent back"] {
        assert!(audit.contains(&reason(what)), "{what}: {audit}");
    }
    let mut seen = receipts(&owner, 4).await;
    for path in ["/app", "/app/billing", "/app/billing.csv", "/app/billing/events.csv", "/app/webhooks"] {
        seen.push(owner.get(path).await.ok().text);
    }
    assert!(seen.concat().contains("Credit from LMHaven") && seen.concat().contains("credit.removed"));
    let links = lmhaven::mail::Links::default();
    let letters = mails(&haven, &workspace);
    let letters = letters.iter().map(|mail| lmhaven::mail::letter_of(mail, "https://lmhaven.test", &links).unwrap());
    seen.extend(letters.map(|letter| letter.text().unwrap()));
    let id = workspace.id.parse().unwrap();
    let messages = haven.server.gateway.core.office(|office| office.webhooks.newest(id, 100));
    assert_eq!(messages.len(), 4);
    seen.push(format!("{messages:?}"));
    for text in seen {
        assert!(!text.contains("only for us"), "{text}");
    }
    end(haven, fake).await;
}
