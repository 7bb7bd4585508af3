//! What people are told of money: one mail for each thing that happened, to owners and finance people.

use lmhaven_actors::domain::mail::MailContent;
use lmhaven_actors::domain::people::Role;
use serde_json::json;

use super::{audit, end, intent_of, open, start};
use crate::harness::{Haven, Workspace, until};

/// The kinds of the mails about a workspace, each with its addressee.
fn told(haven: &Haven, workspace: &Workspace) -> Vec<(&'static str, String)> {
    let id = workspace.id.parse().unwrap();
    haven.server.gateway.core.office(|office| {
        let mut mails: Vec<_> = office.outbox.list(None, 100).into_iter().map(|delivery| delivery.mail).collect();
        mails.retain(|mail| mail.workspace == Some(id));
        mails.into_iter().map(|mail| (mail.content.kind(), mail.to)).collect()
    })
}

fn kinds(haven: &Haven, workspace: &Workspace) -> Vec<&'static str> {
    let balance_notices = ["low_balance", "zero_balance"];
    let all = told(haven, workspace).into_iter().map(|(kind, _)| kind);
    let mut kinds: Vec<_> = all.filter(|kind| !balance_notices.contains(kind)).collect();
    // Mails of one batch have no order among themselves.
    kinds.sort_unstable();
    kinds
}

#[actix_web::test]
async fn a_payment_a_refund_and_a_dispute_are_told_once_each() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let session = open(&haven, &workspace, "600.00", false).await;
    desk.pay(&session).await;
    futures_util::future::join_all((0..10).map(|_| desk.resend())).await;
    assert_eq!(kinds(&haven, &workspace), ["limit_change", "receipt"], "the tier rose with the payment");

    let path = format!("/workspaces/{}/payments/{}/refunds", workspace.id, intent_of(&desk));
    let refund = json!({ "amount_usd": "5.00", "reason": "asked", "idempotency_key": "a" });
    haven.admin_ok("POST", &path, &refund).await;
    desk.resend().await;
    desk.dispute(&intent_of(&desk), None).await;
    desk.dispute(&intent_of(&desk), Some("lost")).await;
    let all = ["dispute_closed", "dispute_opened", "limit_change", "receipt", "refund"];
    assert_eq!(kinds(&haven, &workspace), all);
    let receipt = haven.server.gateway.core.office(|office| {
        office
            .outbox
            .list(None, 100)
            .into_iter()
            .map(|delivery| delivery.mail.content)
            .find(|content| content.kind() == "receipt")
    });
    let expected = MailContent::Receipt { payment: "1".to_owned(), amount_usd: "600.00".parse().unwrap() };
    assert_eq!(receipt, Some(expected), "with the number that the billing page knows");
    end(haven, fake).await;
}

#[actix_web::test]
async fn owners_and_finance_are_told_and_others_are_not() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    for role in [Role::Owner, Role::Finance, Role::Developer, Role::Viewer] {
        haven.stage(&workspace.id, role).await;
    }
    let session = open(&haven, &workspace, "20.00", false).await;
    desk.pay(&session).await;
    let mut to: Vec<_> =
        told(&haven, &workspace).into_iter().filter(|(kind, _)| *kind == "receipt").map(|(_, to)| to).collect();
    to.sort();
    to.dedup();
    let told: Vec<_> = haven.server.gateway.core.office(|office| {
        let members = office.people.members(workspace.id.parse().unwrap());
        let mut paying: Vec<_> = members
            .into_iter()
            .filter(|member| matches!(member.role, Role::Owner | Role::Finance))
            .map(|member| member.email.as_str().to_owned())
            .collect();
        paying.sort();
        paying
    });
    assert_eq!(to, told);
    assert!(to.len() >= 2, "{to:?}");
    end(haven, fake).await;
}

#[actix_web::test]
async fn credit_and_limits_from_an_operator_are_told_once() {
    let (haven, fake, _) = start().await;
    let workspace = haven.workspace("0").await;
    for _ in 0..2 {
        haven.credit(&workspace.id, "7.00", "once").await;
    }
    haven.credit(&workspace.id, "-2.00", "taken back").await;
    assert_eq!(kinds(&haven, &workspace), ["credit"], "the same key again is the same credit");
    let path = format!("/workspaces/{}", workspace.id);
    for limit in [7, 7] {
        haven.admin_ok("PATCH", &path, &json!({ "requests_per_minute": limit })).await;
    }
    haven.admin_ok("PATCH", &path, &json!({ "features": { "voice": false } })).await;
    assert_eq!(kinds(&haven, &workspace), ["credit", "limit_change"], "only what changed");
    end(haven, fake).await;
}

#[actix_web::test]
async fn an_auto_top_up_is_told_and_one_that_fails_says_whether_it_goes_on() {
    let (haven, fake, desk) = start().await;
    let workspace = haven.workspace("0").await;
    let session = open(&haven, &workspace, "5.00", true).await;
    desk.pay(&session).await;
    let rule = lmhaven_actors::domain::payment::AutoTopUpRule {
        threshold: "10.00".parse().unwrap(),
        amount: "30.00".parse().unwrap(),
    };
    desk.script(|script| script.decline = true);
    let payments = &haven.server.gateway.payments;
    payments.set_auto_top_up(workspace.id.parse().unwrap(), Some(rule), audit()).await.unwrap();
    until("the decline is told", || async { kinds(&haven, &workspace).contains(&"auto_top_up_failed").then_some(()) })
        .await;
    let failed = haven.server.gateway.core.office(|office| {
        let mails = office.outbox.list(None, 100).into_iter().map(|delivery| delivery.mail.content);
        mails.filter(|content| content.kind() == "auto_top_up_failed").collect::<Vec<_>>()
    });
    let amount_usd = "30.00".parse().unwrap();
    assert_eq!(
        failed,
        [MailContent::AutoTopUpFailed { amount_usd, switched_off: false }],
        "one decline does not end it"
    );

    desk.script(|script| script.decline = false);
    payments.set_auto_top_up(workspace.id.parse().unwrap(), Some(rule), audit()).await.unwrap();
    until("the top-up is told", || async { kinds(&haven, &workspace).contains(&"auto_top_up_done").then_some(()) })
        .await;
    end(haven, fake).await;
}
