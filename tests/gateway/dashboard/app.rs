//! Signed-in pages: what they show, what they do, to whom they refuse it.

use serde_json::{Value, json};

use super::assert_protected;
use lmhaven_actors::domain::people::Role;

use crate::harness::{Haven, Reply, ask, until};

const PAGES: [&str; 10] = [
    "/app",
    "/app/keys",
    "/app/usage",
    "/app/requests",
    "/app/billing",
    "/app/limits",
    "/app/models",
    "/app/playground",
    "/app/settings",
    "/app/usage?from=nonsense&to=2999-01-01&key=x&model=%3Cscript%3E",
];

/// The same page once it shows what has been committed.
async fn page_with(stage: &crate::harness::Stage, path: &str, part: &str) -> String {
    until(part, async || Some(stage.get(path).await.ok().text).filter(|text| text.contains(part))).await
}

#[actix_web::test]
async fn every_page_is_there_for_an_empty_workspace_and_for_a_viewer() {
    let haven = Haven::start().await;
    let body = json!({ "name": "Empty", "owner_email": "ada@example.com" });
    let id = haven.admin_ok("POST", "/workspaces", &body).await["id"].as_str().unwrap().to_owned();
    for role in [Role::Owner, Role::Viewer] {
        let stage = haven.stage(&id, role).await;
        for path in PAGES {
            let reply = stage.get(path).await.ok();
            assert_protected(&reply);
            assert_eq!(reply.header("cache-control"), "no-store", "{path}");
            assert_eq!(reply.text.matches("<h1>").count(), 1, "{path}");
            assert!(reply.text.contains("not confirmed yet"), "the notice on {path}");
            assert!(!reply.text.contains("<script>"), "{path}: {}", reply.text);
        }
        let keys = stage.get("/app/keys").await.text;
        assert_eq!(keys.contains("action=\"/app/keys\""), role == Role::Owner, "a form for whom it obeys");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_key_is_made_shown_once_used_and_revoked() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("5.00").await;
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    let made = stage.submit("/app/keys", &[("name", "laptop"), ("spend_limit", "1.00"), ("models", "gpt-sim")]).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.header("cache-control"), "no-store");
    let secret = made.text.split("id=\"secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(secret.starts_with("sk-lmh-") && made.text.matches(&secret).count() > 4, "in every snippet");
    haven.chat(&secret, &ask("gpt-sim", "Hello")).await.ok();
    let list = stage.get("/app/keys").await.ok().text;
    assert!(list.contains("laptop") && list.contains(&format!("…{}", &secret[secret.len() - 4..])), "{list}");
    assert!(!list.contains(&secret), "shown once");
    let id = list.split("/app/keys/key_").nth(1).unwrap().split('/').next().unwrap();
    let path = format!("/app/keys/key_{id}/revoke");
    for _ in 0..2 {
        let revoked = stage.submit(&path, &[]).await;
        assert_eq!((revoked.status, revoked.header("location")), (303, "/app/keys?done=revoked"));
    }
    assert_eq!(haven.chat(&secret, &ask("gpt-sim", "Hello")).await.refusal(), (401, "revoked_api_key"));
    assert!(stage.get("/app/keys?done=revoked").await.text.contains("The key is revoked"));
    haven.finish().await;
}

/// The secret that a page shows.
fn secret_of(page: &str) -> &str {
    page.split("id=\"secret\">").nth(1).unwrap().split('<').next().unwrap()
}

#[actix_web::test]
async fn a_key_is_rotated_on_its_page_and_the_list_shows_both() {
    let haven = Haven::start().await;
    let (workspace, other) = (haven.workspace("5.00").await, haven.workspace("0").await);
    let stage = haven.stage(&workspace.id, Role::Developer).await;
    let form = [("name", "prod"), ("kind", "read_only"), ("spend_limit", "2.00"), ("spend_limit_reset", "monthly")];
    let made = stage.submit("/app/keys", &form).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let old = secret_of(&made.text).to_owned();
    let list = stage.get("/app/keys").await.ok().text;
    for part in ["read-only", "$0.00 of $2.00 this month, anew on 20"] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let id = list.split("/app/keys/key_").nth(1).unwrap().split('/').next().unwrap();
    let path = format!("/app/keys/key_{id}/rotate");
    assert!(stage.get(&path).await.ok().text.contains("Rotate prod"));
    let rotated = stage.submit(&path, &[("overlap", "24h")]).await;
    assert_eq!((rotated.status, rotated.header("cache-control")), (201, "no-store"), "{}", rotated.text);
    assert!(rotated.text.contains("stays good until 20"));
    let new = secret_of(&rotated.text).to_owned();
    haven.get(&old, "/v1/balance").await.ok();
    haven.get(&new, "/v1/balance").await.ok();
    assert_eq!(haven.chat(&new, &ask("gpt-sim", "Hello")).await.refusal(), (403, "key_scope"), "as the old one");
    let list = stage.get("/app/keys").await.ok().text;
    for (word, key) in [("replaced by", &new), ("replaces", &old)] {
        assert!(list.contains(&format!("{word} …{}", &key[key.len() - 4..])), "{word}: {list}");
    }
    let again = stage.submit(&path, &[("overlap", "0")]).await;
    assert_eq!((again.status, again.header("location")), (303, "/app/keys?done=not-rotated"));
    let unknown = stage.submit(&format!("/app/keys/{}/rotate", workspace.key_id), &[("overlap", "9y")]).await;
    assert_eq!(unknown.status, 303);
    haven.get(&workspace.key, "/v1/balance").await.ok();
    let theirs = format!("/app/keys/{}/rotate", other.key_id);
    assert_eq!(stage.get(&theirs).await.status, 404);
    assert_eq!(stage.submit(&theirs, &[("overlap", "0")]).await.status, 404);
    let viewer = haven.stage(&workspace.id, Role::Viewer).await;
    assert_eq!(viewer.get(&format!("/app/keys/{}/rotate", workspace.key_id)).await.status, 403);
    assert_eq!(viewer.submit(&format!("/app/keys/{}/rotate", workspace.key_id), &[("overlap", "0")]).await.status, 403);
    haven.finish().await;
}

#[actix_web::test]
async fn an_owner_renames_the_workspace_everywhere_and_nobody_else_does() {
    let haven = Haven::start().await;
    let (workspace, other) = (haven.workspace("1.00").await, haven.workspace("0").await);
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    let name = "Acme & <Söhne>";
    let renamed = stage.submit("/app/settings/name", &[("name", " Acme & <Söhne> ")]).await;
    assert_eq!((renamed.status, renamed.header("location")), (303, "/app/settings?saved=1"), "{}", renamed.text);
    for path in ["/app", "/app/settings", "/app/members"] {
        let page = stage.get(path).await.ok().text;
        assert!(page.contains("Acme &#38; &#60;Söhne&#62;") && !page.contains("<Söhne>"), "{path}: {page}");
    }
    assert_eq!(haven.admin_get(&format!("/workspaces/{}", workspace.id)).await["name"], name);
    assert_eq!(haven.admin_get(&format!("/workspaces/{}", other.id)).await["name"], "Tests");
    let audit = haven.admin_get("/audit").await.to_string();
    assert!(audit.contains(r#""after":{"name":"Acme & <Söhne>"}"#), "{audit}");
    for name in ["", "   ", &"x".repeat(101)] {
        assert_eq!(stage.submit("/app/settings/name", &[("name", name)]).await.status, 422, "{name}");
    }
    for role in [Role::Finance, Role::Developer, Role::Viewer] {
        let member = haven.stage(&workspace.id, role).await;
        assert_eq!(member.submit("/app/settings/name", &[("name", "Mine")]).await.status, 403, "{role:?}");
        assert!(!member.get("/app/settings").await.ok().text.contains("/app/settings/name"), "{role:?}");
    }
    let patched = haven.change(&workspace.id, &json!({ "name": "Acme" })).await;
    assert_eq!((&patched["name"], &patched["suspended"]), (&json!("Acme"), &json!(false)));
    assert!(stage.get("/app").await.text.contains("Acme") && !stage.get("/app").await.text.contains("Söhne"));
    let path = format!("/workspaces/{}", workspace.id);
    assert_eq!(haven.admin("PATCH", &path, &json!({ "name": " " })).await.refusal(), (400, "invalid_request"));
    haven.finish().await;
}

#[actix_web::test]
async fn a_form_with_mistakes_comes_back_with_them() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("0").await;
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    let name = "<b>\"&'";
    let wrong = stage.submit("/app/keys", &[("name", name), ("spend_limit", "-3"), ("expires", "2001-01-01")]).await;
    assert_eq!(wrong.status, 422);
    assert_protected(&wrong);
    for part in ["above zero", "This day is over", "aria-invalid", "value=\"-3\""] {
        assert!(wrong.text.contains(part), "{part}");
    }
    assert!(!wrong.text.contains("<b>"), "what was typed is escaped");
    haven.finish().await;
}

#[actix_web::test]
async fn forms_that_are_not_ours_or_not_allowed_change_nothing() {
    let haven = Haven::start().await;
    let (mine, other) = (haven.workspace("1.00").await, haven.workspace("1.00").await);
    let (owner, viewer) = (haven.stage(&mine.id, Role::Owner).await, haven.stage(&mine.id, Role::Viewer).await);
    let (ours, token) = ("https://lmhaven.test", owner.csrf.as_str());
    let body = format!("name=x&csrf={token}");
    for origin in ["https://evil.example", "null", "", "http://lmhaven.test"] {
        assert_eq!(owner.send("/app/keys", origin, &body).await.status, 403, "{origin}");
    }
    for body in ["", "name=x", "name=x&csrf=", "name=x&csrf=wrong", &format!("name=x&csrf={}", viewer.csrf)] {
        assert_eq!(owner.send("/app/keys", ours, body).await.status, 403, "{body}");
    }
    let revoke = format!("/app/keys/{}/revoke", mine.key_id);
    for path in ["/app/keys", revoke.as_str()] {
        let refused = viewer.submit(path, &[("name", "x")]).await;
        assert_eq!(refused.status, 403, "{path}");
        assert_protected(&refused);
    }
    let ask = json!({ "model": "gpt-sim", "prompt": "Hello" });
    assert_eq!(Reply::to(viewer.playground("text", &ask)).await.status, 403);
    let foreign = owner.submit(&format!("/app/keys/{}/revoke", other.key_id), &[]).await;
    let nobody = owner.submit("/app/keys/key_00000000000000000000000000/revoke", &[]).await;
    assert_eq!((foreign.status, nobody.status), (404, 404));
    assert_eq!(foreign.text, nobody.text, "another workspace's key is as one that never was");
    assert_eq!(owner.submit("/app/keys/nonsense/revoke", &[]).await.status, 404);
    let large = format!("name={}&csrf={token}", "x".repeat(600_000));
    assert_eq!(owner.send("/app/keys", ours, &large).await.status, 413);
    let stranger = haven.page("/app/keys").await;
    assert!(stranger.text.contains("Sign in") || stranger.status >= 300, "nobody is signed in: {}", stranger.text);
    assert!(!stranger.text.contains("tests"), "{}", stranger.text);
    for workspace in [&mine, &other] {
        haven.chat(&workspace.key, &crate::harness::ask("gpt-sim", "Hello")).await.ok();
        let shown = haven.admin_ok("GET", &format!("/workspaces/{}", workspace.id), &Value::Null).await;
        assert_eq!(shown["keys"].as_array().unwrap().len(), 1);
    }
    haven.finish().await;
}

#[actix_web::test]
async fn requests_are_found_by_id_key_model_and_outcome_and_never_in_another_workspace() {
    let haven = Haven::start().await;
    let (mine, other) = (haven.workspace("5.00").await, haven.workspace("5.00").await);
    let first = haven.chat(&mine.key, &ask("gpt-sim", "Hello")).await.ok();
    haven.chat(&mine.key, &ask("claude-haiku-4-5", "Hello")).await.ok();
    let theirs = haven.chat(&other.key, &ask("gpt-sim", "Hello")).await.ok();
    let stage = haven.stage(&mine.id, Role::Owner).await;
    let (first, theirs) = (first.header("x-request-id"), theirs.header("x-request-id"));
    let all = page_with(&stage, "/app/requests", "<code>claude-haiku-4-5</code>").await;
    assert!(all.contains(first) && !all.contains(theirs));
    assert!(all.contains("÷ 10 = $0.0") && all.contains("As the provider reported it."), "{all}");
    let rows = |text: &str| text.matches("<tr>").count() - 1;
    assert_eq!(rows(&all), 2);
    for (query, count) in [
        (format!("id={first}"), 1),
        ("model=gpt-sim".to_owned(), 1),
        (format!("key={}", mine.key_id), 2),
        (format!("key={}&model=claude-haiku-4-5&outcome=charged", mine.key_id), 1),
    ] {
        assert_eq!(rows(&stage.get(&format!("/app/requests?{query}")).await.text), count, "{query}");
    }
    let queries = [
        format!("id={theirs}"),
        format!("key={}", other.key_id),
        "outcome=expired".to_owned(),
        "outcome=bogus".to_owned(),
        "id=%3Cscript%3E".to_owned(),
    ];
    for query in queries {
        let none = stage.get(&format!("/app/requests?{query}")).await.ok().text;
        assert!(none.contains("No request is like that") && !none.contains("<script>"), "{query}");
    }
    let csv = stage.get("/app/requests.csv?model=gpt-sim").await.ok();
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"requests.csv\"");
    assert_eq!(csv.text.lines().count(), 2, "{}", csv.text);
    haven.finish().await;
}

#[actix_web::test]
async fn usage_adds_up_to_what_was_charged_and_names_are_no_formulas() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("5.00").await;
    let evil = haven.key(&workspace.id, &json!({ "name": "=cmd()<img src=x>" })).await;
    let evil = evil["secret"].as_str().unwrap();
    haven.chat(evil, &ask("gpt-sim", "Hello")).await.ok();
    haven.chat(&workspace.key, &ask("claude-haiku-4-5", "Hello")).await.ok();
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    let page = page_with(&stage, "/app/usage", "claude-haiku-4-5</th>").await;
    assert!(page.contains("=cmd()&#60;img src=x&#62;") && !page.contains("<img"), "{page}");
    assert!(page.contains("<svg") && page.contains("By modality"));
    let csv = stage.get("/app/usage.csv").await.ok().text;
    assert!(csv.contains("\"'=cmd()<img src=x>\""), "{csv}");
    let costs = csv.lines().skip(1).map(|line| crate::harness::nano(line.rsplit(',').next().unwrap()));
    let spent = crate::harness::nano("5.00") - haven.balance(&workspace).await.balance;
    assert_eq!(costs.sum::<i128>(), spent);
    let only = stage.get(&format!("/app/usage.csv?key={}", workspace.key_id)).await.ok().text;
    assert_eq!(only.lines().count(), 2, "{only}");
    haven.finish().await;
}

#[actix_web::test]
async fn billing_shows_what_moved_the_balance_and_receipts_stay_at_home() {
    let haven = Haven::start().await;
    let (mine, other) = (haven.workspace("5.00").await, haven.workspace("7.00").await);
    haven.credit(&mine.id, "2.50", "second").await;
    haven.chat(&mine.key, &ask("gpt-sim", "Hello")).await.ok();
    let (stage, theirs) = (haven.stage(&mine.id, Role::Owner).await, haven.stage(&other.id, Role::Owner).await);
    let page = page_with(&stage, "/app/billing", "1 request<").await;
    assert!(page.contains("+$5.00") && page.contains("+$2.50") && page.contains("$7.50"), "{page}");
    let receipt = page.split("/app/billing/receipts/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let shown = stage.get(&format!("/app/billing/receipts/{receipt}")).await.ok().text;
    assert!(shown.contains("$2.50") && shown.contains("owner@example.com"), "the newest first: {shown}");
    for path in ["3", "99", "0", "-1", "x", "18446744073709551616"] {
        assert_eq!(stage.get(&format!("/app/billing/receipts/{path}")).await.status, 404, "{path}");
    }
    assert_eq!(theirs.get(&format!("/app/billing/receipts/{receipt}")).await.status, 404);
    let csv = stage.get("/app/billing.csv").await.ok().text;
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(csv.lines().nth(1).unwrap().contains(",Requests,1,-0."), "{csv}");
    haven.finish().await;
}

#[actix_web::test]
async fn the_playground_pays_like_any_request_and_ends_with_its_key() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("5.00").await;
    let stage = haven.stage(&workspace.id, Role::Owner).await;
    for (modality, model) in [("text", "gpt-sim"), ("image", "seedream-5"), ("voice", "elevenlabs-v3")] {
        let body = json!({ "model": model, "prompt": "Good evening.", "voice": "alloy" });
        let sent = stage.playground(modality, &body).send().await.unwrap();
        let (status, id) = (sent.status(), sent.headers()["x-request-id"].to_str().unwrap().to_owned());
        let bytes = sent.bytes().await.unwrap();
        assert!(status.is_success() && !bytes.is_empty(), "{modality}: {}", String::from_utf8_lossy(&bytes));
        let cost = until("the cost", async || {
            let reply = stage.get(&format!("/app/playground/cost?id={id}")).await;
            (!reply.body["cost_usd"].is_null()).then_some(reply)
        });
        let cost = cost.await;
        assert!(crate::harness::nano(cost.body["cost_usd"].as_str().unwrap()) > 0, "{modality}: {}", cost.text);
    }
    let shown = haven.admin_ok("GET", &format!("/workspaces/{}", workspace.id), &Value::Null).await;
    let keys = shown["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "one key for all tries");
    let key = keys.iter().find(|key| key["name"] == "Playground").unwrap()["id"].as_str().unwrap();
    let revoked = stage.submit(&format!("/app/keys/{key}/revoke"), &[]).await;
    assert_eq!(revoked.status, 303);
    let ask = json!({ "model": "gpt-sim", "prompt": "Hello" });
    Reply::to(stage.playground("text", &ask)).await.ok();
    let unknown = Reply::to(stage.playground("text", &json!({ "model": "none", "prompt": "Hello" }))).await;
    assert_eq!(unknown.code(), "model_not_found");
    for body in [json!({ "model": "gpt-sim" }), json!({ "model": "gpt-sim", "prompt": "" }), json!([])] {
        assert_eq!(Reply::to(stage.playground("text", &body)).await.code(), "invalid_request", "{body}");
    }
    assert_eq!(Reply::to(stage.playground("music", &ask)).await.status, 404);
    haven.finish().await;
}

#[actix_web::test]
async fn the_line_of_the_low_balance_is_set_by_whoever_is_in_charge_of_money() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("5.00").await;
    let id = workspace.id.parse().unwrap();
    let line = || haven.server.gateway.core.office(|office| office.notices.line(id).map(|line| line.to_string()));
    assert_eq!(line().as_deref(), Some("5.00"), "until somebody says otherwise");
    let owner = haven.stage(&workspace.id, Role::Owner).await;
    for (given, set) in [("12.50", Some("12.50")), ("", None), (" $3 ", Some("3.00"))] {
        let saved = owner.submit("/app/settings/low-balance", &[("line", given)]).await;
        assert_eq!((saved.status, saved.header("location")), (303, "/app/settings?saved=1"), "{given}");
        assert_eq!(line().as_deref(), set, "{given}");
    }
    for wrong in ["-1", "much", "100000.01"] {
        assert_eq!(owner.submit("/app/settings/low-balance", &[("line", wrong)]).await.status, 400, "{wrong}");
    }
    let viewer = haven.stage(&workspace.id, Role::Viewer).await;
    assert!(!viewer.get("/app/settings").await.text.contains("<form method=\"post\" action=\"/app/settings"));
    assert_eq!(viewer.submit("/app/settings/low-balance", &[("line", "1")]).await.status, 403);
    assert_eq!(line().as_deref(), Some("3.00"));
    haven.finish().await;
}
