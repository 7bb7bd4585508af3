//! What operators do to a workspace: money with a fresh password, everything with a reason, all of it in the audit log.

use serde_json::{Value, json};

use super::{Desk, MINUTE, OPERATOR, PASSWORD, audited, start};
use crate::harness::{Haven, Workspace, ask};
use crate::payments;

async fn view(haven: &Haven, workspace: &Workspace) -> Value {
    haven.admin_get(&format!("/workspaces/{}", workspace.id)).await
}

#[actix_web::test]
async fn credit_and_its_return_are_entries_and_audit_rows() {
    let (haven, _) = start().await;
    let workspace = haven.workspace("10.00").await;
    let desk = Desk::open(&haven).await;
    let path = format!("/workspaces/{}/credit", workspace.id);
    let page = desk.page(&format!("/workspaces/{}", workspace.id)).await;
    assert!(page.contains("$10.00") && page.contains("name=\"key\" value=\"op-") && !page.contains("credit-password"));
    let give = [("amount", "$2.50"), ("direction", "give"), ("reason", "sorry for Monday"), ("key", "op-1")];
    for _ in 0..2 {
        let reply = desk.form(&path, &give).await;
        let to = format!("/operator/workspaces/{}?done=credit", workspace.id);
        assert_eq!((reply.status, reply.header("location")), (303, to.as_str()), "{}", reply.text);
    }
    assert_eq!(view(&haven, &workspace).await["balance_usd"], "12.50", "the same form twice credits once");
    let row = audited(&haven, "credit.add").await;
    assert_eq!((row["actor"].as_str(), row["reason"].as_str()), (Some(OPERATOR), Some("sorry for Monday")));
    assert_eq!((&row["before"]["balance_usd"], &row["after"]["amount_usd"]), (&json!("10.00"), &json!("2.50")));
    assert!(
        desk.page(&format!("/workspaces/{}?done=credit", workspace.id)).await.contains("The credit is in the ledger.")
    );

    let other = [("amount", "3"), ("direction", "give"), ("reason", "again"), ("key", "op-1")];
    assert_eq!(desk.form(&path, &other).await.status, 409, "the key is of another amount");
    let take = [("amount", "100"), ("direction", "take"), ("reason", "too much"), ("key", "op-2")];
    let refused = desk.form(&path, &take).await;
    assert_eq!(refused.status, 409);
    for kept in ["value=\"op-2\"", "value=\"100\"", "value=\"too much\"", "value=\"take\" checked"] {
        assert!(refused.text.contains(kept), "the form keeps {kept}");
    }
    let take = [("amount", "0.50"), ("direction", "take"), ("reason", "a mistake"), ("key", "op-3")];
    assert_eq!(desk.form(&path, &take).await.status, 303);
    assert_eq!(view(&haven, &workspace).await["balance_usd"], "12.00");
    assert_eq!(audited(&haven, "credit.refund").await["actor"], OPERATOR);
    for amount in ["-5", "0", "five", ""] {
        let wrong = [("amount", amount), ("direction", "give"), ("reason", "r"), ("key", "op-4")];
        assert_eq!(desk.form(&path, &wrong).await.status, 422, "{amount}");
    }
    assert_eq!(desk.form("/workspaces/ws_00000000000000000000000001/credit", &give).await.status, 404);
    haven.finish().await;
}

#[actix_web::test]
async fn money_asks_for_a_password_that_was_given_lately() {
    let (haven, stopped) = start().await;
    let workspace = haven.workspace("10.00").await;
    let desk = Desk::open(&haven).await;
    let path = format!("/workspaces/{}/credit", workspace.id);
    let give = [("amount", "1"), ("direction", "give"), ("reason", "r"), ("key", "op-1")];
    stopped.pass(10 * MINUTE);
    assert!(desk.page(&format!("/workspaces/{}", workspace.id)).await.contains("id=\"credit-password\""));
    let stale = desk.form(&path, &give).await;
    assert_eq!(stale.status, 403);
    assert!(stale.text.contains("Enter your password to go on") && stale.text.contains("value=\"op-1\""));
    let with = |password| give.iter().copied().chain([("password", password)]).collect::<Vec<_>>();
    let wrong = desk.form(&path, &with("wrong horse battery")).await;
    assert!(wrong.status == 403 && wrong.text.contains("The password is not right."));
    assert_eq!(view(&haven, &workspace).await["balance_usd"], "10.00");
    assert_eq!(desk.form(&path, &with(PASSWORD)).await.status, 303);
    assert_eq!(view(&haven, &workspace).await["balance_usd"], "11.00");
    // It is fresh again, for ten minutes.
    stopped.pass(10 * MINUTE - 1);
    let again = [("amount", "1"), ("direction", "give"), ("reason", "r"), ("key", "op-2")];
    assert_eq!(desk.form(&path, &again).await.status, 303);
    stopped.pass(1);
    assert_eq!(desk.form(&path, &again).await.status, 403);
    // Other changes need none.
    let suspend = [("suspended", "yes"), ("reason", "r")];
    assert_eq!(desk.form(&format!("/workspaces/{}/suspend", workspace.id), &suspend).await.status, 303);
    // Guesses are counted as at the sign-in.
    let tries = [5, 1].map(|count| (0..count).map(|_| with("wrong horse battery")).collect::<Vec<_>>());
    for tried in &tries[0] {
        assert_eq!(desk.form(&path, tried).await.status, 403);
    }
    assert_eq!(desk.form(&path, &tries[1][0]).await.status, 429);
    haven.finish().await;
}

#[actix_web::test]
async fn a_payment_goes_back_to_its_card_once() {
    let (haven, fake, stripe) = payments::start().await;
    let workspace = haven.workspace("0").await;
    let session = payments::open(&haven, &workspace, "20.00", false).await;
    stripe.pay(&session).await;
    let intent = payments::intent_of(&stripe);
    let desk = Desk::open(&haven).await;
    let page = desk.page(&format!("/workspaces/{}", workspace.id)).await;
    assert!(page.contains(&intent) && page.contains("at most 20.00"), "{page}");
    let path = format!("/workspaces/{}/payments/{intent}/refund", workspace.id);
    let refund = [("amount", "5.00"), ("reason", "asked for it"), ("key", "op-1")];
    for _ in 0..2 {
        assert_eq!(desk.form(&path, &refund).await.status, 303);
    }
    assert_eq!(view(&haven, &workspace).await["balance_usd"], "15.00");
    let row = audited(&haven, "payment.refund").await;
    assert_eq!((row["actor"].as_str(), &row["after"]["payment"]), (Some(OPERATOR), &json!(intent)));
    let more = [("amount", "15.01"), ("reason", "r"), ("key", "op-2")];
    let refused = desk.form(&path, &more).await;
    assert!(refused.status == 409 && refused.text.contains("value=\"15.01\""), "{}", refused.text);
    assert_eq!(desk.form(&path, &[("amount", "1.00"), ("reason", ""), ("key", "op-3")]).await.status, 422);
    assert_eq!(view(&haven, &workspace).await["balance_usd"], "15.00");
    payments::end(haven, fake).await;
}

#[actix_web::test]
async fn suspension_features_and_limits_hold_from_the_next_request_on() {
    let (haven, _) = start().await;
    let workspace = haven.workspace("10.00").await;
    let desk = Desk::open(&haven).await;
    let at = |form: &str| format!("/workspaces/{}/{form}", workspace.id);
    let chat = async || haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await;
    assert_eq!(desk.form(&at("suspend"), &[("suspended", "yes"), ("reason", "chargeback")]).await.status, 303);
    assert_eq!(chat().await.refusal(), (403, "workspace_suspended"));
    let row = audited(&haven, "workspace.change").await;
    assert_eq!((row["actor"].as_str(), row["reason"].as_str()), (Some(OPERATOR), Some("chargeback")));
    assert_eq!((&row["before"]["suspended"], &row["after"]), (&json!(false), &json!({ "suspended": true })));
    assert!(desk.page("").await.contains("suspended"));
    assert_eq!(desk.form(&at("suspend"), &[("suspended", "no"), ("reason", "settled")]).await.status, 303);
    chat().await.ok();

    let only_images = [("image", "yes"), ("reason", "trial")];
    assert_eq!(desk.form(&at("features"), &only_images).await.status, 303);
    assert_eq!(chat().await.refusal(), (403, "feature_not_enabled"));
    assert_eq!(view(&haven, &workspace).await["features"], json!({ "text": false, "image": true, "voice": false }));
    let all = [("text", "yes"), ("image", "yes"), ("voice", "yes"), ("reason", "paid")];
    assert_eq!(desk.form(&at("features"), &all).await.status, 303);

    let limits = [("requests_per_minute", "7"), ("concurrent_streams", ""), ("reason", "asked for it")];
    assert_eq!(desk.form(&at("limits"), &limits).await.status, 303);
    let now = view(&haven, &workspace).await["limits"].clone();
    assert_eq!((&now["requests_per_minute"], &now["concurrent_streams"]), (&json!(7), &json!(100)));
    assert!(desk.page(&format!("/workspaces/{}", workspace.id)).await.contains("set by an operator"));
    for wrong in ["0", "-1", "many", "99999999999"] {
        let limits = [("requests_per_minute", wrong), ("reason", "r")];
        assert_eq!(desk.form(&at("limits"), &limits).await.status, 422, "{wrong}");
    }
    let tier = [("requests_per_minute", ""), ("concurrent_streams", ""), ("reason", "back")];
    assert_eq!(desk.form(&at("limits"), &tier).await.status, 303);
    assert_eq!(view(&haven, &workspace).await["limits"]["requests_per_minute"], 600);
    haven.finish().await;
}

#[actix_web::test]
async fn workspaces_are_found_and_shown() {
    let (haven, _) = start().await;
    let workspace = haven.workspace("10.00").await;
    let other = json!({ "name": "Acme & Sons", "owner_email": "ops@acme.example" });
    let other = haven.admin_ok("POST", "/workspaces", &other).await["id"].as_str().unwrap().to_owned();
    haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.ok();
    haven.settled_balance(&workspace).await;
    let desk = Desk::open(&haven).await;
    for (search, finds) in
        [("acme", true), ("OPS@acme", true), (other.as_str(), true), ("tests", false), ("zzz", false)]
    {
        let page = desk.page(&format!("?q={}", lmhaven::dashboard::query::encoded(search))).await;
        assert_eq!(page.contains("Acme &#38; Sons"), finds, "{search}");
    }
    let page = desk.page(&format!("/workspaces/{}", workspace.id)).await;
    for part in [workspace.id.as_str(), &workspace.key_id, "owner@example.com", "gpt-sim", "req_", "settled", "credit"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains(&workspace.key), "never the secret");
    assert_eq!(desk.get("/workspaces/ws_00000000000000000000000001").await.status, 404);
    assert_eq!(desk.get("/workspaces/x").await.status, 404);
    haven.finish().await;
}
