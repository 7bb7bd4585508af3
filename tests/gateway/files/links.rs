//! Whose link is good: for 24 hours, unchanged, signed with a key that is still known.

use lmhaven::images::link::Signer;
use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::time::UnixMillis;
use reqwest::Method;

use super::{PUBLIC_URL, Tomorrow, png, rest_of};
use crate::harness::{Haven, Reply};

const DAY: i64 = 86_400;
const OLD: &str = "an-old-key-of-the-tests-of-at-least-43-characters";
const NEW: &str = "a-newer-key-of-the-tests-of-at-least-43-characters";

#[actix_web::test]
async fn a_link_works_for_24_hours_less_a_second_and_is_refused_after() {
    let tomorrow = Tomorrow::new();
    let haven = Haven::start_from("", &[], tomorrow.clock()).await;
    let link = haven.keep(png(500)).await;
    for seconds in [0, 1, DAY / 2, DAY - 1] {
        tomorrow.set(seconds);
        let file = haven.file(&link, &[]).await;
        assert_eq!((file.status, file.bytes.len()), (200, 500), "{seconds}");
        // Made half a second into a second, it is over half a second earlier than it was made.
        let left = DAY - seconds - 1;
        assert_eq!(file.header("cache-control"), format!("private, max-age={left}, immutable"));
    }
    for seconds in [DAY, DAY + 1, DAY + 7200] {
        tomorrow.set(seconds);
        let refused = haven.refused_file(rest_of(&link)).await;
        assert_eq!(refused.refusal(), (403, "invalid_link"), "{seconds}");
        assert_eq!(refused.header("cache-control"), "no-store");
        assert_eq!(refused.header("access-control-allow-origin"), "*", "a script may read why");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn two_hundred_changed_links_are_all_refused_with_one_answer() {
    let haven = Haven::start().await;
    let link = haven.keep(png(500)).await;
    let rest = rest_of(&link);
    let start = "/v1/files/".len();
    let letters = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.&=?";
    let mut messages = std::collections::BTreeSet::new();
    for turn in 0..200 {
        let place = start + (turn * 7) % (rest.len() - start);
        let before = rest.as_bytes()[place];
        let others: Vec<u8> = letters.iter().copied().filter(|letter| *letter != before).collect();
        let other = others[turn * 13 % others.len()];
        let mut changed = rest.as_bytes().to_vec();
        changed[place] = other;
        let changed = String::from_utf8(changed).unwrap();
        let refused = haven.refused_file(&changed).await;
        assert_eq!(refused.refusal(), (403, "invalid_link"), "{changed}");
        messages.insert(refused.body["error"]["message"].as_str().unwrap().to_owned());
    }
    assert_eq!(messages.len(), 1, "nobody is told how near they are: {messages:?}");
    assert_eq!(haven.file(&link, &[]).await.status, 200);
    haven.finish().await;
}

#[actix_web::test]
async fn what_is_missing_added_or_spelled_otherwise_is_refused() {
    let haven = Haven::start().await;
    let link = haven.keep(png(500)).await;
    let rest = rest_of(&link);
    let (path, query) = rest.split_once('?').unwrap();
    let others = [
        path.to_owned(),
        format!("{rest}&download=1"),
        format!("{rest}&{query}"),
        format!("{rest}="),
        format!("{path}/?{query}"),
        rest.replace("img_", "img%5F"),
        rest.replace("/v1/files/", "/v1/%66iles/"),
        rest.replace("/v1/files/", "/v1/files/x/"),
        "/v1/files/".to_owned(),
    ];
    for other in others {
        assert_eq!(haven.refused_file(&other).await.refusal(), (403, "invalid_link"), "{other}");
    }
    // Another host is another deployment, whatever a request's Host says.
    let elsewhere = haven.file_request(Method::GET, rest).header("host", "evil.example");
    assert_eq!(elsewhere.send().await.unwrap().status(), 200);
    haven.finish().await;
}

#[actix_web::test]
async fn an_old_key_still_verifies_the_newest_signs_and_an_unknown_one_is_refused() {
    let keys =
        format!("\n[[images.link_keys]]\nkid = 2\nkey = \"{NEW}\"\n[[images.link_keys]]\nkid = 1\nkey = \"{OLD}\"\n");
    let haven = Haven::start_from(&keys, &[], Clock::system()).await;
    let link = haven.keep(png(500)).await;
    assert!(link.url().contains("&kid=2&sig="), "the highest kid signs");
    // The same image's link as each key would have signed it.
    let made = UnixMillis((link.named.expires_at - DAY) * 1000);
    let signed = |kid, key: &str| {
        let signer = Signer::new(PUBLIC_URL, [(kid, key.as_bytes())]).unwrap();
        signer.sign(link.named.id, link.named.format, made)
    };
    assert_eq!(signed(2, NEW), link);
    assert_eq!(haven.file(&signed(1, OLD), &[]).await.status, 200);
    for (kid, key) in [(3, NEW), (0, OLD), (1, NEW), (2, OLD)] {
        assert_eq!(haven.file(&signed(kid, key), &[]).await.status, 403, "{kid}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn no_key_is_asked_for_nothing_is_counted_and_draining_refuses() {
    let haven = Haven::start_with(&[("LIMITS__REQUESTS_PER_MINUTE", "1")]).await;
    let workspace = haven.workspace("1.00").await;
    let link = haven.keep(png(500)).await;
    for _ in 0..5 {
        let file = haven.file(&link, &[("authorization", &format!("Bearer {}", workspace.key))]).await;
        assert_eq!(file.status, 200);
        let of_a_key = |name: &str| name.contains("ratelimit") || name.starts_with("lmhaven-");
        assert!(!file.headers.keys().any(|name| of_a_key(name.as_str())), "{:?}", file.headers);
        assert!(file.header("x-request-id").starts_with("req_"));
    }
    assert_eq!(haven.file(&link, &[("authorization", "Bearer sk-lmh-nonsense")]).await.status, 200);
    let balance = haven.get(&workspace.key, "/v1/balance").await.ok();
    assert_eq!(balance.header("x-ratelimit-remaining-requests"), "1");
    // Nor does a link authorise anything else.
    let posted = Reply::to(haven.file_request(Method::POST, rest_of(&link))).await;
    assert_eq!(posted.refusal(), (405, "method_not_allowed"));
    assert_eq!(posted.header("allow"), "GET, HEAD, OPTIONS");
    haven.server.gateway.drain();
    let drained = haven.refused_file(rest_of(&link)).await;
    assert_eq!(drained.refusal(), (503, "draining"));
    assert_eq!(drained.header("connection"), "close");
    haven.finish().await;
}
