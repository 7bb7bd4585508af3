//! The way through: sign up, confirm, sign in, forget, come back; and how sessions and links end.

use serde_json::json;

use super::{Browser, HOUR, MINUTE, PASSWORD, mails, reset_token, start, token};
use crate::harness::{Haven, ask};

#[actix_web::test]
async fn a_confirmed_address_makes_the_keys_of_ones_workspace_work() {
    let (haven, _) = start().await;
    let browser = Browser::new(&haven);
    browser.sign_up("ann@example.com").await.ok();
    assert_eq!(browser.cookie("__Host-lmhaven"), None, "nobody is signed in by signing up");
    let workspaces = haven.admin_get("/workspaces").await;
    let id = workspaces["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(workspaces["data"][0]["owner_email"], "ann@example.com");
    haven.credit(&id, "1.00", "first").await;
    let key = haven.key(&id, &json!({ "name": "k" })).await["secret"].as_str().unwrap().to_owned();
    let refused = haven.chat(&key, &ask("claude-haiku-4-5", "hi")).await;
    assert_eq!(refused.refusal(), (403, "email_not_verified"));

    let token = token(&haven, "ann@example.com", "verify_address");
    let page = browser.get(&format!("/app/verify?token={token}")).await.ok();
    assert!(page.text.contains("ann@example.com"));
    let again = browser.get(&format!("/app/verify?token={token}")).await;
    assert_eq!(again.status, 200, "opening it uses nothing up");
    assert_eq!(haven.chat(&key, &ask("claude-haiku-4-5", "hi")).await.status, 403);
    let wrong = browser.form("/app/verify", &[("token", &token), ("password", "not the password")]).await;
    assert_eq!(wrong.status, 401, "whoever confirms knows the password");
    let confirmed = browser.form("/app/verify", &[("token", &token), ("password", PASSWORD)]).await;
    assert_eq!(confirmed.status, 303);
    assert_eq!(haven.chat(&key, &ask("claude-haiku-4-5", "hi")).await.status, 200);
    assert_eq!(browser.get("/app").await.status, 200);
    assert_eq!(browser.form("/app/verify", &[("token", &token), ("password", PASSWORD)]).await.status, 410, "used");
    haven.finish().await;
}

#[actix_web::test]
async fn a_workspace_opened_for_an_address_is_shown_to_whoever_confirms_it() {
    let (haven, _) = start().await;
    let body = json!({ "name": "Opened by us", "owner_email": "ann@example.com" });
    let opened = haven.admin_ok("POST", "/workspaces", &body).await;
    let browser = Browser::new(&haven);
    browser.join("ann@example.com").await;
    assert!(browser.get("/app").await.text.contains("Opened by us"));
    let id = opened["id"].as_str().unwrap();
    assert_eq!(haven.admin_get(&format!("/workspaces/{id}")).await["email_verified"], true);
    haven.finish().await;
}

#[actix_web::test]
async fn links_end_with_their_time() {
    let (haven, clock) = start().await;
    let browser = Browser::new(&haven);
    browser.sign_up("ann@example.com").await.ok();
    let token = token(&haven, "ann@example.com", "verify_address");
    clock.pass(24 * HOUR - 1);
    browser.get(&format!("/app/verify?token={token}")).await.ok();
    clock.pass(1);
    assert_eq!(browser.get(&format!("/app/verify?token={token}")).await.status, 410);
    assert_eq!(browser.form("/app/verify", &[("token", &token), ("password", PASSWORD)]).await.status, 410);

    browser.form("/app/forgot", &[("email", "ann@example.com")]).await.ok();
    let token = reset_token(&haven, "ann@example.com", 0).await;
    clock.pass(30 * MINUTE);
    let late = browser.form("/app/reset", &[("token", &token), ("password", "another password")]).await;
    assert_eq!(late.status, 410);
    haven.finish().await;
}

#[actix_web::test]
async fn a_new_password_ends_every_session_and_its_link_works_once() {
    let (haven, _) = start().await;
    let (one, two) = (Browser::new(&haven), Browser::new(&haven));
    one.join("ann@example.com").await;
    assert_eq!(two.sign_in("ann@example.com", PASSWORD).await.status, 303);
    Browser::new(&haven).form("/app/forgot", &[("email", "Ann@Example.com")]).await.ok();
    let token = reset_token(&haven, "ann@example.com", 0).await;
    assert!(one.is_signed_in().await && two.is_signed_in().await);
    let stranger = Browser::new(&haven);
    let short = stranger.form("/app/reset", &[("token", &token), ("password", "short")]).await;
    assert_eq!(short.status, 422);
    stranger.form("/app/reset", &[("token", &token), ("password", "another password")]).await.ok();
    assert!(!one.is_signed_in().await && !two.is_signed_in().await);
    let again = stranger.form("/app/reset", &[("token", &token), ("password", "a third password")]).await;
    assert_eq!(again.status, 410);
    assert_eq!(stranger.sign_in("ann@example.com", PASSWORD).await.status, 401);
    assert_eq!(stranger.sign_in("ann@example.com", "another password").await.status, 303);
    assert_eq!(mails(&haven, "ann@example.com", "password_changed").len(), 1);
    haven.finish().await;
}

#[actix_web::test]
async fn sessions_are_listed_and_ended_at_once_and_only_ones_own() {
    let (haven, clock) = start().await;
    let (one, two, other) = (Browser::new(&haven), Browser::new(&haven), Browser::new(&haven));
    one.join("ann@example.com").await;
    clock.pass(MINUTE);
    two.sign_in("ann@example.com", PASSWORD).await;
    other.join("ben@example.com").await;
    let page = two.get("/app/account").await.ok().text;
    let ids: Vec<&str> = page.match_indices("/sessions/ses_").map(|(at, _)| &page[at + 10..at + 40]).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    let path = |id: &str| format!("/app/account/sessions/{id}/end");
    for id in &ids {
        assert_eq!(other.form(&path(id), &[]).await.status, 404, "somebody else's");
    }
    assert!(one.is_signed_in().await);
    assert_eq!(two.form(&path(ids[1]), &[]).await.status, 303);
    assert!(!one.is_signed_in().await && two.is_signed_in().await, "the older one ended");
    one.sign_in("ann@example.com", PASSWORD).await;
    assert_eq!(two.form("/app/account/sessions/end-others", &[]).await.status, 303);
    assert!(!one.is_signed_in().await && two.is_signed_in().await && other.is_signed_in().await);
    let token = two.cookie("__Host-lmhaven").unwrap();
    assert_eq!(two.form("/app/sign-out", &[]).await.status, 303);
    two.plant("__Host-lmhaven", &token);
    assert!(!two.is_signed_in().await, "the token itself is dead");
    haven.finish().await;
}

#[actix_web::test]
async fn a_session_ends_after_twelve_idle_hours() {
    let (haven, clock) = start().await;
    let browser = Browser::new(&haven);
    browser.join("ann@example.com").await;
    clock.pass(12 * HOUR - 1);
    assert!(browser.is_signed_in().await);
    crate::harness::until("the use to be noted", || async {
        let people = |office: &lmhaven_actors::office::Office| {
            let person = office.people.by_email(&"ann@example.com".parse().unwrap()).unwrap().id;
            let now = haven.server.gateway.core.clock.now().wall;
            office.people.sessions(person, now)[0].seen_at == now
        };
        haven.server.gateway.core.office(people).then_some(())
    })
    .await;
    clock.pass(12 * HOUR - 1);
    assert!(browser.is_signed_in().await, "it was used meanwhile");
    clock.pass(13 * HOUR);
    assert!(!browser.is_signed_in().await);
    haven.finish().await;
}

#[actix_web::test]
async fn no_token_and_no_password_is_on_the_disk() {
    // The digest of the token is journalled, and nothing else of it.
    let (haven, _) = start().await;
    let browser = Browser::new(&haven);
    browser.join("ann@example.com").await;
    let token = browser.cookie("__Host-lmhaven").unwrap();
    let link = token_of_verify(&haven);
    let folder = haven.folder.path().join("store");
    haven.server.gateway.core.journal.flush().await.unwrap();
    let mut found = Vec::new();
    look_for(&folder, &[token.as_bytes(), PASSWORD.as_bytes(), link.as_bytes()], &mut found);
    assert_eq!(found, Vec::<String>::new());
    look_for(&folder, &[b"ann@example.com"], &mut found);
    assert_ne!(found, Vec::<String>::new(), "what is no secret is found");
    haven.finish().await;
}

fn token_of_verify(haven: &Haven) -> String {
    token(haven, "ann@example.com", "verify_address").split_once('.').unwrap().1.to_owned()
}

fn look_for(folder: &std::path::Path, secrets: &[&[u8]], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_for(&path, secrets, found);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        if secrets.iter().any(|secret| bytes.windows(secret.len()).any(|window| window == *secret)) {
            found.push(path.display().to_string());
        }
    }
}
