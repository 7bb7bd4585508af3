//! Forms from elsewhere, cookies that were planted, pages to go to, and texts that are no HTML.

use super::{Browser, ORIGIN, PASSWORD, Stopped, start};
use crate::harness::Haven;

#[actix_web::test]
async fn the_session_is_a_new_one_at_every_sign_in_and_never_one_that_was_planted() {
    let (haven, _) = start().await;
    let owner = Browser::new(&haven);
    owner.join("ann@example.com").await;
    let first = owner.cookie("__Host-lmhaven").unwrap();
    let victim = Browser::new(&haven);
    let planted = "A".repeat(43);
    victim.plant("__Host-lmhaven", &planted);
    assert_eq!(victim.sign_in("ann@example.com", PASSWORD).await.status, 303);
    let second = victim.cookie("__Host-lmhaven").unwrap();
    assert!(second != planted && second != first);
    let attacker = Browser::new(&haven);
    attacker.plant("__Host-lmhaven", &planted);
    assert!(!attacker.is_signed_in().await);

    // Somebody signs in over their own session, without its page: the old one is dead.
    let again = Browser::new(&haven);
    again.plant("__Host-lmhaven", &second);
    let csrf = again.csrf().await.unwrap();
    let fields = [("email", "ann@example.com"), ("password", PASSWORD), ("csrf", csrf.as_str())];
    let reply = again.send(again.bare_form("/app/sign-in", &fields).header("origin", ORIGIN)).await;
    assert_eq!(reply.status, 303);
    assert_ne!(again.cookie("__Host-lmhaven").unwrap(), second);
    assert!(!victim.is_signed_in().await && again.is_signed_in().await && owner.is_signed_in().await);
    haven.finish().await;
}

#[actix_web::test]
async fn a_form_from_elsewhere_or_of_another_session_changes_nothing() {
    let (haven, _) = start().await;
    let (browser, other) = (Browser::new(&haven), Browser::new(&haven));
    browser.join("ann@example.com").await;
    other.join("ben@example.com").await;
    let (csrf, foreign) = (browser.csrf().await.unwrap(), other.csrf().await.unwrap());
    let form = |csrf: &str| browser.bare_form("/app/account/name", &[("name", "Renamed"), ("csrf", csrf)]);
    let refused = [
        form(&csrf),
        form(&csrf).header("origin", "https://evil.example"),
        form(&csrf).header("origin", "null"),
        form(&csrf).header("origin", ORIGIN).header("sec-fetch-site", "cross-site"),
        form(&csrf).header("origin", ORIGIN).header("sec-fetch-site", "same-site"),
        form(&foreign).header("origin", ORIGIN),
        form("").header("origin", ORIGIN),
        browser.bare_form("/app/account/name", &[("name", "Renamed")]).header("origin", ORIGIN),
    ];
    for (n, request) in refused.into_iter().enumerate() {
        assert_eq!(browser.send(request).await.status, 403, "number {n}");
    }
    assert!(!browser.get("/app/account").await.text.contains("Renamed"));
    let good = form(&csrf).header("origin", ORIGIN).header("sec-fetch-site", "same-origin");
    assert_eq!(browser.send(good).await.status, 303);
    assert!(browser.get("/app/account").await.text.contains("Renamed"));

    // Whoever has no session yet is guarded by the origin, on every path below /app.
    let stranger = Browser::new(&haven);
    for path in
        ["/app/sign-in", "/app/sign-up", "/app/forgot", "/app/reset", "/app/verify", "/app/keys", "/app/nothing"]
    {
        let foreign = stranger.bare_form(path, &[("email", "a@b.c")]).header("origin", "https://evil.example");
        assert_eq!(stranger.send(foreign).await.status, 403, "{path}");
        assert_eq!(stranger.send(stranger.bare_form(path, &[])).await.status, 403, "{path}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn cookies_are_flagged_for_the_host_alone_and_on_loopback_they_still_work() {
    let (haven, _) = start().await;
    let browser = Browser::new(&haven);
    browser.join("ann@example.com").await;
    let reply = browser.sign_in("ann@example.com", PASSWORD).await;
    let cookie = reply.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-lmhaven="), "{cookie}");
    for flag in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/;"] {
        assert!(cookie.contains(flag), "{flag} in {cookie}");
    }
    assert!(!cookie.contains("Domain"));
    haven.finish().await;

    let stopped = Stopped::new();
    let haven = Haven::start_from("", &[("SERVER__PUBLIC_URL", "http://127.0.0.1:8080")], stopped.clock()).await;
    let browser = Browser::new(&haven);
    let own = haven.base.clone();
    let fields = [("email", "ann@example.com"), ("password", PASSWORD)];
    let signed_up = browser.send(browser.bare_form("/app/sign-up", &fields).header("origin", &own)).await;
    assert_eq!(signed_up.status, 200, "{}", signed_up.text);
    let reply = browser.send(browser.bare_form("/app/sign-in", &fields).header("origin", &own)).await;
    let cookie = reply.header("set-cookie").to_owned();
    assert!(cookie.starts_with("lmhaven=") && !cookie.contains("Secure"), "{cookie}");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(browser.is_signed_in().await);
    haven.finish().await;
}

#[actix_web::test]
async fn after_signing_in_one_stays_here() {
    let (haven, _) = start().await;
    Browser::new(&haven).join("ann@example.com").await;
    for (next, to) in [
        ("/app/keys?x=1", "/app/keys?x=1"),
        ("https://evil.example", "/app"),
        ("//evil.example", "/app"),
        ("/\\evil.example", "/app"),
        ("/app/../../evil", "/app"),
        ("/app\r\nSet-Cookie: a=b", "/app"),
        ("javascript:alert(1)", "/app"),
    ] {
        let browser = Browser::new(&haven);
        let fields = [("email", "ann@example.com"), ("password", PASSWORD), ("next", next)];
        let reply = browser.form("/app/sign-in", &fields).await;
        assert_eq!((reply.status, reply.header("location")), (303, to), "{next:?}");
        let page = browser.get(&format!("/app/sign-in?next={}", lmhaven::dashboard::query::encoded(next))).await;
        assert_eq!((page.status, page.header("location")), (303, to), "{next:?}");
    }
    let stranger = Browser::new(&haven).get("/app/usage?from=2026-11-01").await;
    assert_eq!(stranger.header("location"), "/app/sign-in?next=/app/usage%3Ffrom%3D2026-11-01");
    haven.finish().await;
}

#[actix_web::test]
async fn what_people_write_is_text() {
    let (haven, _) = start().await;
    let browser = Browser::new(&haven);
    let script = "\"><script>alert(1)</script>";
    for (path, fields) in [
        ("/app/sign-in", vec![("email", script), ("password", "x"), ("next", script)]),
        ("/app/sign-up", vec![("email", script), ("password", PASSWORD), ("workspace", script), ("next", script)]),
        ("/app/forgot", vec![("email", script)]),
        ("/app/reset", vec![("token", script)]),
        ("/app/verify", vec![("token", script)]),
    ] {
        let reply = browser.form(path, &fields).await;
        assert!((400..500).contains(&reply.status) && !reply.text.contains("<script>alert"), "{path}: {}", reply.text);
    }
    for path in
        ["/app/sign-in?next=", "/app/sign-up?next=", "/app/verify?token=", "/app/reset?token=", "/app/invite?token="]
    {
        let reply = browser.get(&format!("{path}{}", lmhaven::dashboard::query::encoded(script))).await;
        assert!(!reply.text.contains("<script>alert"), "{path}");
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
    }
    let fields = [("email", "o'ann+<b>@example.com"), ("password", PASSWORD)];
    assert_eq!(browser.form("/app/sign-up", &fields).await.status, 422, "brackets are in no address");
    browser.join("o'ann&co@example.com").await;
    assert_eq!(browser.form("/app/account/name", &[("name", script)]).await.status, 303);
    for path in ["/app/account", "/app/members"] {
        let page = browser.get(path).await.ok().text;
        assert!(!page.contains("<script>alert") && !page.contains("ann&co"), "{path}");
        assert!(page.contains("alert(1)"), "{path}: it is shown as text");
    }
    haven.finish().await;
}
