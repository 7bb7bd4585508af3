//! What people do: make a key and call with it, try the playground and stop it, find their way without a mouse.

use serde_json::json;
use thirtyfour::prelude::*;

use crate::browser::{Browser, LOOPBACK};
use lmhaven_actors::domain::people::Role;
use lmhaven_simulator::{Fault, Rule};

use crate::harness::{Haven, ask, until};

#[actix_web::test]
async fn a_key_is_made_copied_used_and_revoked() {
    let haven = Haven::start_with(LOOPBACK).await;
    let workspace = haven.workspace("5.00").await;
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    let browser = Browser::open().await;
    browser.sign_in(&stage).await;
    browser.goto(&format!("{}/app/keys", stage.base)).await;
    browser.find("#name").await.send_keys("laptop").await.unwrap();
    browser.find("#create button.button").await.click().await.unwrap();
    let secret = browser.text_with("#secret", "sk-lmh-").await;
    browser.run("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }").await;
    browser.find("[data-copy='#secret']").await.click().await.unwrap();
    browser.text_with("[data-copy='#secret']", "Copied").await;
    assert_eq!(browser.run("return window.copied").await, json!(secret));
    browser.look("key-created").await;
    haven.chat(&secret, &ask("gpt-sim", "Hello")).await.ok();
    browser.goto(&format!("{}/app/keys", stage.base)).await;
    assert!(!browser.driver.source().await.unwrap().contains(&secret), "shown once");
    browser.find("[aria-label='Revoke laptop']").await.click().await.unwrap();
    browser.say_yes().await;
    browser.text_with(".notice.ok", "The key is revoked").await;
    assert_eq!(haven.chat(&secret, &ask("gpt-sim", "Hello")).await.refusal(), (401, "revoked_api_key"));
    browser.check("keys").await;
    browser.close().await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_key_is_rotated_and_both_secrets_are_taken_until_the_old_one_is_revoked() {
    let haven = Haven::start_with(LOOPBACK).await;
    let workspace = haven.workspace("5.00").await;
    let stage = haven.stage(&workspace.id, Role::Developer).await;
    let browser = Browser::open().await;
    browser.sign_in(&stage).await;
    browser.goto(&format!("{}/app/keys", stage.base)).await;
    browser.find("[aria-label='Rotate tests']").await.click().await.unwrap();
    browser.text_with("h1", "Rotate tests").await;
    browser.look("key-rotate").await;
    browser.find("input[value='1h']").await.click().await.unwrap();
    browser.find("main form button.button").await.click().await.unwrap();
    let secret = browser.text_with("#secret", "sk-lmh-").await;
    browser.text_with(".notice.ok", "The old secret stays good until").await;
    for key in [&workspace.key, &secret] {
        haven.chat(key, &ask("gpt-sim", "Hello")).await.ok();
    }
    browser.goto(&format!("{}/app/keys", stage.base)).await;
    let table = browser.text_with("tbody", "replaced by").await;
    assert!(table.contains("replaces") && !table.contains(&secret), "{table}");
    browser.look("keys-rotated").await;
    let old = format!("form[action='/app/keys/{}/revoke'] button", workspace.key_id);
    browser.find(&old).await.click().await.unwrap();
    browser.say_yes().await;
    browser.text_with(".notice.ok", "The key is revoked").await;
    assert_eq!(haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.refusal(), (401, "revoked_api_key"));
    haven.chat(&secret, &ask("gpt-sim", "Hello")).await.ok();
    browser.check("keys").await;
    browser.close().await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_management_key_is_made_with_a_monthly_cap_and_shows_how_it_is_used() {
    let haven = Haven::start_with(LOOPBACK).await;
    let workspace = haven.workspace("5.00").await;
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    let browser = Browser::open().await;
    browser.sign_in(&stage).await;
    browser.goto(&format!("{}/app/keys", stage.base)).await;
    browser.find("#name").await.send_keys("deploy").await.unwrap();
    browser.find("input[value='management']").await.click().await.unwrap();
    browser.find("#create summary").await.click().await.unwrap();
    browser.find("#spend_limit").await.send_keys("10").await.unwrap();
    browser.find("#spend_limit_reset option[value='monthly']").await.click().await.unwrap();
    browser.look("key-form").await;
    browser.find("#create button.button").await.click().await.unwrap();
    let secret = browser.text_with("#secret", "sk-lmh-").await;
    browser.text_with("#create", "/v1/keys").await;
    browser.look("key-created-management").await;
    assert_eq!(haven.get(&secret, "/v1/keys").await.ok().body["data"].as_array().unwrap().len(), 2);
    browser.goto(&format!("{}/app/keys", stage.base)).await;
    browser.text_with("tbody", "$0.00 of $10.00 this month, anew on").await;
    browser.check("keys").await;
    browser.close().await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_stream_is_stopped_in_the_middle_and_costs_what_had_come() {
    let haven = Haven::start_with(LOOPBACK).await;
    let workspace = haven.workspace("5.00").await;
    haven.control.script(Rule::new().fault(Fault::Stall { after: 5, ms: None }));
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    let browser = Browser::open().await;
    browser.sign_in(&stage).await;
    browser.goto(&format!("{}/app/playground", stage.base)).await;
    browser.find("#model option[value='gpt-sim']").await.click().await.unwrap();
    browser.find("#prompt").await.send_keys("Tell me a long story.").await.unwrap();
    browser.find("#run").await.click().await.unwrap();
    let begun = until("the first words", async || {
        let text = browser.driver.find(By::Css("#output")).await.ok()?.text().await.ok()?;
        (!text.is_empty()).then_some(text)
    })
    .await;
    // No look at the page here: on a slow machine that takes longer than a stream may be silent.
    browser.text_with("#status", "Running…").await;
    browser.find("#stop").await.click().await.unwrap();
    browser.text_with("#status", "Stopped. Cost: $0.").await;
    assert!(browser.find("#output").await.text().await.unwrap().starts_with(&begun), "what came stays");
    assert!(!browser.find("#stop").await.is_displayed().await.unwrap());
    browser.look("playground-stopped").await;
    let charges = haven.entries(&workspace, "settle").await;
    assert_eq!(charges.len(), 1, "{charges:?}");
    browser.close().await;
    haven.finish().await;
}

#[actix_web::test]
async fn the_playground_answers_in_every_modality_and_shows_what_it_cost() {
    let haven = Haven::start_with(LOOPBACK).await;
    let workspace = haven.workspace("5.00").await;
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    let browser = Browser::open().await;
    browser.sign_in(&stage).await;
    browser.goto(&format!("{}/app/playground", stage.base)).await;
    for (model, made) in [("gpt-sim", ""), ("seedream-5", " img"), ("elevenlabs-v3", " audio")] {
        browser.find(&format!("#model option[value='{model}']")).await.click().await.unwrap();
        let prompt = browser.find("#prompt").await;
        prompt.clear().await.unwrap();
        prompt.send_keys("Good evening.").await.unwrap();
        browser.find("#run").await.click().await.unwrap();
        browser.text_with("#status", "Cost: $0.").await;
        let output = browser.find(&format!("#output{made}")).await;
        if made.is_empty() {
            assert!(!output.text().await.unwrap().is_empty());
        } else if made == " img" {
            let script =
                "const img = document.querySelector('#output img'); return img.complete && img.naturalWidth > 0";
            until("the image", async || browser.run(script).await.as_bool().filter(|shown| *shown)).await;
        }
        browser.look(&format!("playground-{model}")).await;
    }
    browser.find("#prompt").await.send_keys(" ").await.unwrap();
    browser.close().await;
    haven.finish().await;
}

#[actix_web::test]
async fn the_theme_that_was_chosen_stays_and_every_page_has_a_way_past_its_navigation() {
    let haven = Haven::start_with(LOOPBACK).await;
    let browser = Browser::open().await;
    browser.goto(&haven.base).await;
    let theme = "return document.documentElement.dataset.theme ?? null";
    assert_eq!(browser.run(theme).await, json!(null));
    browser.find("[data-theme-toggle]").await.click().await.unwrap();
    let chosen = browser.run(theme).await;
    assert!(chosen == "dark" || chosen == "light");
    browser.goto(&format!("{}/docs", haven.base)).await;
    assert_eq!(browser.run(theme).await, chosen);
    let body = browser.find("body").await;
    body.send_keys(Key::Tab + "").await.unwrap();
    assert_eq!(browser.run("return document.activeElement.className").await, json!("skip"));
    browser.driver.active_element().await.unwrap().send_keys(Key::Enter + "").await.unwrap();
    assert!(browser.driver.current_url().await.unwrap().as_str().ends_with("#main"));
    browser.check("docs").await;
    browser.close().await;
    haven.finish().await;
}
