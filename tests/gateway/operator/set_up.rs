//! How the first operator comes to be, and further ones.

use serde_json::json;

use super::{Desk, MINUTE, OPERATOR, PASSWORD, audited, set_up_token, start};

#[actix_web::test]
async fn the_link_sets_up_one_operator_once() {
    let (haven, _) = start().await;
    let desk = Desk::empty(&haven);
    assert!(desk.page("/sign-in").await.contains("There is no operator yet"));
    let first = set_up_token(&haven).await;
    let token = set_up_token(&haven).await;
    assert_eq!(desk.get(&format!("/set-up?token={first}")).await.status, 410, "taken back by the second");
    let page = desk.page(&format!("/set-up?token={token}")).await;
    assert!(page.contains("You are the first") && page.contains(&token), "{page}");
    let weak = desk.form("/set-up", &[("token", &token), ("email", OPERATOR), ("password", "short")]).await;
    assert_eq!(weak.status, 422);
    let made = desk.form("/set-up", &[("token", &token), ("email", OPERATOR), ("password", PASSWORD)]).await;
    assert_eq!((made.status, made.header("location")), (303, "/operator"));
    assert!(desk.page("").await.contains(OPERATOR), "signed in by that");
    let row = audited(&haven, "operator.set_up").await;
    assert_eq!((row["actor"].as_str(), row["after"]["email"].as_str()), (Some(OPERATOR), Some(OPERATOR)));

    let other = Desk::empty(&haven);
    let fields = [("token", token.as_str()), ("email", "mallory@lmhaven.test"), ("password", PASSWORD)];
    assert_eq!(other.form("/set-up", &fields).await.status, 410, "used");
    assert_eq!(other.get("").await.status, 303);
    let gateway = &haven.server.gateway;
    assert!(gateway.accounts.begin_set_up(&gateway.core).await.unwrap().is_none(), "there is one");
    assert!(!other.page("/sign-in").await.contains("There is no operator yet"));
    haven.finish().await;
}

#[actix_web::test]
async fn the_link_is_over_after_thirty_minutes_and_is_in_no_journal() {
    let (haven, stopped) = start().await;
    let desk = Desk::empty(&haven);
    let token = set_up_token(&haven).await;
    let (id, proof) = token.split_once('.').unwrap();
    let (mut folders, mut looked_at) = (vec![haven.folder.path().join("store")], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            looked_at += usize::from(text.contains(id));
            assert!(!text.contains(proof), "{}", path.display());
        }
    }
    assert!(looked_at > 0, "the link's id is journalled");
    stopped.pass(30 * MINUTE - 1);
    assert_eq!(desk.get(&format!("/set-up?token={token}")).await.status, 200);
    stopped.pass(1);
    assert_eq!(desk.get(&format!("/set-up?token={token}")).await.status, 410);
    let fields = [("token", token.as_str()), ("email", OPERATOR), ("password", PASSWORD)];
    assert_eq!(desk.form("/set-up", &fields).await.status, 410);
    assert_eq!(desk.get("").await.status, 303);
    haven.finish().await;
}

#[actix_web::test]
async fn whoever_has_the_admin_token_makes_another_one() {
    let (haven, _) = start().await;
    let made = haven.admin_ok("POST", "/operators", &json!({ "email": "second@lmhaven.test" })).await;
    let token = made["link"].as_str().unwrap().split_once("token=").unwrap().1.to_owned();
    let desk = Desk::empty(&haven);
    let page = desk.page(&format!("/set-up?token={token}")).await;
    assert!(page.contains("second@lmhaven.test") && page.contains("readonly"), "{page}");
    // Whatever the form says, the link is for its own address.
    let fields = [("token", token.as_str()), ("email", "mallory@lmhaven.test"), ("password", PASSWORD)];
    assert_eq!(desk.form("/set-up", &fields).await.status, 303);
    let listed = haven.admin_ok("GET", "/operators", &json!(null)).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(listed["data"][0]["email"], "second@lmhaven.test");
    assert_eq!(audited(&haven, "operator.invite").await["target"], "second@lmhaven.test");
    assert_eq!(
        haven.admin("POST", "/operators", &json!({ "email": "nobody" })).await.refusal(),
        (400, "invalid_request")
    );
    haven.finish().await;
}
