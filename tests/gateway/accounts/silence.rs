//! What does not show: whether an address has an account. And what does: how often one may try.

use super::{Browser, MINUTE, PASSWORD, mails, start};
use crate::harness::{Haven, Reply, until};

/// Everything that a caller sees, the address and what is new each time taken out.
fn seen(reply: &Reply, email: &str) -> (u16, String, Vec<String>) {
    let named = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        format!("{name}: {}", value.to_str().unwrap())
    };
    let mut headers: Vec<String> =
        reply.headers.iter().filter(|(name, _)| *name != "date" && *name != "content-length").map(named).collect();
    headers.sort();
    (reply.status, reply.text.replace(email, "ADDRESS"), headers)
}

fn work(haven: &Haven) -> u64 {
    haven.server.gateway.accounts.passwords.work()
}

#[actix_web::test]
async fn a_known_and_an_unknown_address_look_the_same_and_cost_the_same() {
    let (haven, _) = start().await;
    Browser::new(&haven).join("known@example.com").await;
    let stranger = Browser::new(&haven);
    for (path, password) in [("/app/sign-in", "wrong password"), ("/app/sign-up", PASSWORD), ("/app/forgot", "")] {
        let mut answers = Vec::new();
        for email in ["known@example.com", "other@example.com"] {
            let before = work(&haven);
            let reply = stranger.form(path, &[("email", email), ("password", password)]).await;
            answers.push((seen(&reply, email), work(&haven) - before));
        }
        assert_eq!(answers[0], answers[1], "{path}");
    }
    assert_eq!(mails(&haven, "known@example.com", "account_exists").len(), 1);
    assert_eq!(mails(&haven, "other@example.com", "verify_address").len(), 1);
    until("the mail to be queued", || async {
        (mails(&haven, "known@example.com", "reset_password").len() == 1).then_some(())
    })
    .await;
    haven.finish().await;
}

#[actix_web::test]
async fn the_sixth_wrong_password_waits_and_another_account_does_not() {
    let (haven, clock) = start().await;
    let browser = Browser::new(&haven);
    browser.join("ann@example.com").await;
    Browser::new(&haven).join("ben@example.com").await;
    let stranger = Browser::new(&haven);
    for _ in 0..5 {
        assert_eq!(stranger.sign_in("ann@example.com", "wrong password").await.status, 401);
    }
    clock.pass(MINUTE);
    let before = work(&haven);
    let refused = stranger.sign_in("Ann@Example.com", PASSWORD).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "840"), "the right one too");
    assert_eq!(work(&haven), before, "nothing is hashed for whoever waits");
    assert!(browser.is_signed_in().await, "who is in stays in");
    assert_eq!(Browser::new(&haven).sign_in("ben@example.com", PASSWORD).await.status, 303);
    for _ in 0..5 {
        assert_eq!(stranger.sign_in("nobody@example.com", "wrong password").await.status, 401);
    }
    let unknown = stranger.sign_in("nobody@example.com", "wrong password").await;
    assert_eq!(unknown.status, 429, "an address without an account as well");
    clock.pass(14 * MINUTE - 1);
    assert_eq!(stranger.sign_in("ann@example.com", PASSWORD).await.status, 429);
    clock.pass(1);
    assert_eq!(stranger.sign_in("ann@example.com", PASSWORD).await.status, 303, "as long as was said");
    haven.finish().await;
}

#[actix_web::test]
async fn guesses_at_the_same_moment_are_counted_too() {
    let (haven, _) = start().await;
    Browser::new(&haven).join("ann@example.com").await;
    let stranger = Browser::new(&haven);
    let all = (0..20).map(|_| stranger.sign_in("ann@example.com", "wrong password"));
    let statuses = futures_util::future::join_all(all).await;
    let guessed = statuses.iter().filter(|reply| reply.status == 401).count();
    assert_eq!(guessed, 5, "{:?}", statuses.iter().map(|reply| reply.status).collect::<Vec<_>>());
    haven.finish().await;
}

#[actix_web::test]
async fn one_address_of_the_network_tries_twenty_times() {
    let haven =
        Haven::start_from("", &[("SERVER__TRUSTED_PROXIES", "127.0.0.0/8")], super::Stopped::new().clock()).await;
    let stranger = Browser::new(&haven);
    let from = |address: &'static str, n: usize| {
        let email = format!("n{n}@example.com");
        let form = stranger.bare_form("/app/sign-in", &[("email", &email), ("password", "wrong password")]);
        let form = form.header("origin", super::ORIGIN).header("x-forwarded-for", address);
        stranger.send(form)
    };
    for n in 0..20 {
        assert_eq!(from("2001:db8::1", n).await.status, 401);
    }
    assert_eq!(from("2001:db8::ffff", 20).await.status, 429, "the same /64");
    assert_eq!(from("2001:db8:0:1::1", 21).await.status, 401, "another one");
    haven.finish().await;
}
