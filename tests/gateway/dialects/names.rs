//! What providers learn of names: neither whom a customer serves nor what it calls its caches, and nothing by which one
//! customer could meet another.

use serde_json::{Value, json};

use crate::harness::{Haven, Workspace, ask};

/// What a call upstream names.
fn named(haven: &Haven, pointer: &str) -> String {
    let body = haven.control.last_call().expect("a call").body;
    let text = body.to_string();
    assert!(!text.contains("alice@example.com") && !text.contains("the-handbook"), "{text}");
    body.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {text}")).as_str().unwrap().to_owned()
}

async fn chat(haven: &Haven, workspace: &Workspace, more: &Value) {
    let mut body = ask("gpt-sim", "Hello");
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    haven.chat(&workspace.key, &body).await.ok();
}

/// One alias for each workspace and name, the same every time.
fn check(aliases: &[String; 4]) {
    let [first, again, of_another, unnamed] = aliases;
    assert_eq!(first, again);
    assert!(first != of_another && first != unnamed, "{aliases:?}");
    assert!(aliases.iter().all(|alias| alias.len() == 32), "{aliases:?}");
}

#[actix_web::test]
async fn users_and_caches_of_two_workspaces_never_meet_upstream() {
    let haven = Haven::start().await;
    let (one, other) = (haven.workspace("5").await, haven.workspace("5").await);
    let names = json!({ "user": "alice@example.com", "prompt_cache_key": "the-handbook" });
    let (mut users, mut caches) = (Vec::new(), Vec::new());
    for workspace in [&one, &one, &other] {
        chat(&haven, workspace, &names).await;
        users.push(named(&haven, "/user"));
        caches.push(named(&haven, "/prompt_cache_key"));
    }
    chat(&haven, &one, &json!({ "prompt_cache_key": "another" })).await;
    users.push(named(&haven, "/user"));
    caches.push(named(&haven, "/prompt_cache_key"));
    check(&users.clone().try_into().unwrap());
    check(&caches.try_into().unwrap());
    // A cache that nobody named has no name, and the user's older and newer field are one.
    chat(&haven, &one, &json!({ "safety_identifier": "alice@example.com" })).await;
    assert_eq!(named(&haven, "/user"), users[0]);
    assert!(haven.control.last_call().unwrap().body.get("prompt_cache_key").is_none());
    let mut wrong = ask("gpt-sim", "Hello");
    wrong["prompt_cache_key"] = json!(["the-handbook"]);
    let refused = haven.chat(&one.key, &wrong).await;
    assert_eq!(
        (refused.refusal(), &refused.body["error"]["param"]),
        ((400, "invalid_request"), &json!("prompt_cache_key"))
    );
    haven.finish().await;
}

#[actix_web::test]
async fn a_user_is_the_same_alias_for_claude_in_both_dialects() {
    let haven = Haven::start().await;
    let (one, other) = (haven.workspace("5").await, haven.workspace("5").await);
    let body = |more: Value| {
        let mut body = ask("claude-haiku-4-5", "Hello");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let mut users = Vec::new();
    haven.chat(&one.key, &body(json!({ "user": "alice@example.com" }))).await.ok();
    users.push(named(&haven, "/metadata/user_id"));
    for (workspace, metadata) in [
        (&one, json!({ "user_id": "alice@example.com" })),
        (&other, json!({ "user_id": "alice@example.com" })),
        (&one, json!({})),
    ] {
        haven.messages(&workspace.key, &body(json!({ "metadata": metadata }))).await.ok();
        users.push(named(&haven, "/metadata/user_id"));
    }
    check(&users.try_into().unwrap());
    haven.finish().await;
}
