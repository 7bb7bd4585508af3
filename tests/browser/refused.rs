//! What a guard refuses, as people see it: too many wrong passwords, a form that is not the session's, a role that only looks.

use std::sync::atomic::{AtomicI64, Ordering};

use lmhaven::accounts::throttle::{ACCOUNT_TRIES, WINDOW};
use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::people::Role;
use serde_json::json;

use crate::browser::{Browser, LOOPBACK};
use crate::harness::{Haven, ask};
use crate::pages::PAGES;

const PASSWORD: &str = "correct horse battery";

/// Fills the form for signing in and sends it.
async fn sign_in(browser: &Browser, base: &str, password: &str) {
    browser.goto(&format!("{base}/app/sign-in")).await;
    browser.find("#email").await.send_keys("ann@example.com").await.unwrap();
    browser.find("#password").await.send_keys(password).await.unwrap();
    browser.find("main form button").await.click().await.unwrap();
}

#[actix_web::test]
async fn who_guesses_a_password_waits_and_then_comes_in() {
    let time: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(1_790_000_000_000)));
    let haven = Haven::start_from("", LOOPBACK, Clock::given(time)).await;
    let browser = Browser::open().await;
    browser.goto(&format!("{}/app/sign-up", haven.base)).await;
    browser.find("#email").await.send_keys("ann@example.com").await.unwrap();
    browser.find("#password").await.send_keys(PASSWORD).await.unwrap();
    browser.find("main form button").await.click().await.unwrap();
    browser.text_with("h1", "Check your mail").await;
    for _ in 0..ACCOUNT_TRIES {
        sign_in(&browser, &haven.base, "wrong horse battery").await;
        browser.text_with(".notice.danger", "The address or the password is not right").await;
    }
    // A browser notes answers of 401 and 429 in its console.
    browser.forget_console().await;
    browser.look("sign-in-wrong").await;
    sign_in(&browser, &haven.base, PASSWORD).await;
    browser.text_with("main", "15 minutes").await;
    browser.forget_console().await;
    browser.look("sign-in-wait").await;
    time.fetch_add(WINDOW, Ordering::Relaxed);
    sign_in(&browser, &haven.base, PASSWORD).await;
    browser.find("form[action='/app/sign-out']").await;
    browser.check("waited").await;
    browser.close().await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_form_that_is_not_of_this_session_changes_nothing_and_says_so() {
    let haven = Haven::start_with(LOOPBACK).await;
    let workspace = haven.workspace("5.00").await;
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    let browser = Browser::open().await;
    browser.sign_in(&stage).await;
    browser.goto(&format!("{}/app/keys", stage.base)).await;
    browser.find("#name").await.send_keys("planted").await.unwrap();
    browser.run("document.querySelector('#create input[name=csrf]').value = 'x'.repeat(43);").await;
    browser.find("#create button.button").await.click().await.unwrap();
    browser.text_with("main", "Nothing was changed").await;
    browser.forget_console().await;
    browser.look("csrf-refused").await;
    assert_eq!(haven.admin_get(&format!("/workspaces/{}", workspace.id)).await["keys"].as_array().unwrap().len(), 1);
    browser.close().await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_viewer_sees_everything_and_no_button_that_changes_anything() {
    let haven = Haven::start_with(LOOPBACK).await;
    let workspace = haven.workspace("25.00").await;
    haven.key(&workspace.id, &json!({ "name": "second" })).await;
    haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.ok();
    let stage = haven.stage(&workspace.id, Role::Viewer).await;
    let browser = Browser::open().await;
    browser.sign_in(&stage).await;
    for (path, name) in PAGES {
        browser.goto(&format!("{}{path}", stage.base)).await;
        browser.find("main h1").await;
        let forms = browser
            .run("return [...document.querySelectorAll('main form')].filter(form => form.method === 'post').map(form => form.getAttribute('action'));")
            .await;
        // One's own account and membership are one's own, whatever the role.
        let leave = format!("/app/members/{}/remove", stage.person);
        match name {
            "account" => {}
            "members" => assert_eq!(forms, json!([leave])),
            _ => assert_eq!(forms, json!([]), "{name} has forms that change something"),
        }
        browser.look(&format!("viewer-{name}")).await;
    }
    browser.close().await;
    haven.finish().await;
}
