//! What belongs to one workspace, asked for by another: every route of `/app` and of `/v1`, with the other's ids in every place.
//!
//! The table below names every route of the dashboard; a test reads the routing table and fails for one that is not in it.

use std::collections::BTreeMap;

use lmhaven::dashboard::query::encoded;
use lmhaven_actors::domain::people::Role;
use serde_json::json;

use crate::harness::{Haven, Stage, Workspace, ask, until};

/// How a route is tried with ids that are not one's own.
enum Way {
    /// Opened with them in the query and in the cookie of the workspace: shows nothing of the other workspace.
    Page,
    /// Opened with one in its path: 404.
    Missing,
    /// Sent with one in its path or fields: 404.
    Form(&'static [(&'static str, &'static str)]),
    /// Takes no id: it is about the session, or about nobody yet. Links in mails are tried in `accounts`.
    Idless,
}

use Way::{Form, Idless, Missing, Page};

/// Every path below `/app`, with its GET and its POST. `{key}` and the like stand for the other workspace's.
const ROUTES: &[(&str, Option<Way>, Option<Way>)] = &[
    ("/sign-up", Some(Idless), Some(Idless)),
    ("/sign-in", Some(Idless), Some(Idless)),
    ("/sign-out", None, Some(Idless)),
    ("/verify", Some(Idless), Some(Idless)),
    ("/verify/again", None, Some(Idless)),
    ("/forgot", Some(Idless), Some(Idless)),
    ("/reset", Some(Idless), Some(Idless)),
    ("/account", Some(Page), None),
    ("/account/name", None, Some(Idless)),
    ("/account/password", None, Some(Idless)),
    ("/account/sessions/end-others", None, Some(Idless)),
    ("/account/sessions/{session}/end", None, Some(Form(&[]))),
    ("/workspace", None, Some(Form(&[("workspace", "{workspace}")]))),
    ("/members", Some(Page), Some(Idless)),
    ("/members/{person}/role", None, Some(Form(&[("role", "viewer")]))),
    ("/members/{person}/remove", None, Some(Form(&[]))),
    ("/members/invitations/{link}/withdraw", None, Some(Form(&[]))),
    ("/invite", Some(Idless), Some(Idless)),
    ("", Some(Page), None),
    ("/keys", Some(Page), Some(Idless)),
    ("/keys/{key}/revoke", None, Some(Form(&[]))),
    ("/keys/{key}/rotate", Some(Missing), Some(Form(&[("overlap", "24h")]))),
    ("/usage", Some(Page), None),
    ("/usage.csv", Some(Page), None),
    ("/requests", Some(Page), None),
    ("/requests.csv", Some(Page), None),
    ("/billing", Some(Page), None),
    ("/billing.csv", Some(Page), None),
    ("/billing/events.csv", Some(Page), None),
    ("/billing/receipts/{number}", Some(Missing), None),
    ("/billing/top-up", None, Some(Idless)),
    ("/billing/auto-top-up", None, Some(Idless)),
    ("/billing/paid", Some(Page), None),
    ("/billing/paid.json", Some(Page), None),
    ("/limits", Some(Page), None),
    ("/models", Some(Page), None),
    ("/playground", Some(Page), None),
    ("/playground/cost", Some(Page), None),
    ("/playground/{modality}", None, Some(Idless)),
    ("/settings", Some(Page), None),
    ("/webhooks", Some(Page), Some(Idless)),
    ("/webhooks/remove", None, Some(Idless)),
    ("/webhooks/rotate", None, Some(Idless)),
    ("/webhooks/test", None, Some(Idless)),
    ("/webhooks/{event}/resend", None, Some(Form(&[]))),
    ("/settings/name", None, Some(Idless)),
    ("/settings/low-balance", None, Some(Idless)),
    ("/settings/billed-to", None, Some(Idless)),
];

#[test]
fn every_route_of_the_dashboard_is_in_the_table() {
    let source = include_str!("../../src/routes/mod.rs");
    let below_app = source.split("\nfn ").filter(|part| part.starts_with("people(") || part.starts_with("dashboard("));
    let calls = below_app.flat_map(|part| part.split("\n}").next().unwrap().split(';'));
    let mut registered = 0;
    for (method, arguments) in calls.filter_map(|call| call.split_once("(routes, \"")) {
        let path = arguments.split('"').next().unwrap();
        let entry = ROUTES.iter().find(|(known, _, _)| *known == path);
        let (_, get, post) = entry.unwrap_or_else(|| panic!("/app{path} is not tried with another workspace's ids"));
        assert_eq!((get.is_some(), post.is_some()), (method.contains("get"), method.contains("post")), "/app{path}");
        registered += 1;
    }
    assert_eq!(registered, ROUTES.len(), "a route in the table is not there any more");
}

/// The part of a page between two texts.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    page.split(before).nth(1).unwrap_or_else(|| panic!("no {before} in {page}")).split(after).next().unwrap()
}

/// The ids of a workspace by their places in paths, and what nobody else may read of it.
async fn ids(haven: &Haven, theirs: &Workspace) -> (Stage, BTreeMap<&'static str, String>, Vec<String>) {
    let owner = haven.stage(&theirs.id, Role::Owner).await;
    let _ = haven.stage(&theirs.id, Role::Viewer).await;
    // Nobody is there to hear it: what is listed can be sent again.
    assert_eq!(owner.submit("/app/webhooks", &[("url", "https://hooks.invalid/lmhaven")]).await.status, 200);
    haven.credit(&theirs.id, "3.21", "the newest").await;
    let request = haven.chat(&theirs.key, &ask("gpt-sim", "Hello")).await.ok().header("x-request-id").to_owned();
    assert_eq!(owner.submit("/app/members", &[("email", "guest@example.org"), ("role", "viewer")]).await.status, 303);
    let members = owner.get("/app/members").await.ok().text;
    let account = owner.get("/app/account").await.ok().text;
    let billing = until("the receipt", async || {
        Some(owner.get("/app/billing").await.ok().text).filter(|page| page.contains("+$3.21"))
    })
    .await;
    let person = members.split("/app/members/").filter_map(|rest| rest.split_once("/role")).map(|(id, _)| id);
    let person = person.filter(|id| !id.contains(['/', '"'])).last().unwrap().to_owned();
    let webhooks = owner.get("/app/webhooks").await.ok().text;
    let ids = BTreeMap::from([
        ("{event}", between(&webhooks, "/app/webhooks/evt_", "/").replacen("", "evt_", 1)),
        ("{session}", between(&account, "/app/account/sessions/", "/").to_owned()),
        ("{workspace}", theirs.id.clone()),
        ("{person}", person),
        ("{link}", between(&members, "/app/members/invitations/", "/").to_owned()),
        ("{key}", theirs.key_id.clone()),
        ("{number}", between(&billing, "/app/billing/receipts/", "\"").to_owned()),
        ("{modality}", "text".to_owned()),
        ("{request}", request),
    ]);
    let secrets = vec!["theirs-and-nobody-elses".to_owned(), "guest@example.org".to_owned(), "3.21".to_owned()];
    (owner, ids, secrets)
}

fn filled(text: &str, ids: &BTreeMap<&'static str, String>) -> String {
    ids.iter().fold(text.to_owned(), |text, (place, id)| text.replace(place, id))
}

#[actix_web::test]
async fn no_route_of_the_dashboard_reaches_into_another_workspace() {
    let haven = Haven::start().await;
    let (mine, theirs) = (haven.workspace("5.00").await, haven.workspace("7.00").await);
    haven.key(&theirs.id, &json!({ "name": "theirs-and-nobody-elses" })).await;
    let (owner, ids, secrets) = ids(&haven, &theirs).await;
    let mut stage = haven.stage(&mine.id, Role::Owner).await;
    // A cookie says which workspace one looks at; one's own session goes with the other's.
    stage.cookie.1 = format!("{}; __Host-lmhaven-workspace={}", stage.cookie.1, theirs.id);
    let state = async || {
        let pages = ["/app/members", "/app/keys", "/app/billing", "/app/account"];
        let mut texts = Vec::new();
        for page in pages {
            texts.push(owner.get(page).await.ok().text);
        }
        texts
    };
    assert!(state().await.concat().contains(&secrets[0]), "there is something to see");
    let before = state().await;
    for (path, get, post) in ROUTES {
        let path = format!("/app{}", filled(path, &ids));
        match get {
            None | Some(Idless) => {}
            Some(Missing | Form(_)) => assert_eq!(stage.get(&path).await.status, 404, "{path}"),
            Some(Page) => {
                let values = ["{key}", "{request}", "{workspace}", "{person}", "{number}"].map(|place| &ids[place]);
                let names = ["key", "id", "workspace", "person", "payment"];
                for (name, value) in names.into_iter().zip(values).chain([("request", &ids["{request}"])]) {
                    let reply = stage.get(&format!("{path}?{name}={}", encoded(value))).await;
                    assert!(reply.status < 500, "{path}: {}", reply.status);
                    for secret in &secrets {
                        assert!(!reply.text.contains(secret), "{path}?{name}= shows {secret}: {}", reply.text);
                    }
                }
            }
        }
        if let Some(Form(fields)) = post {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, filled(value, &ids))).collect();
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(stage.submit(&path, &fields).await.status, 404, "{path}");
        }
    }
    assert_eq!(state().await, before, "nothing of the other workspace has changed");
    haven.finish().await;
}

#[actix_web::test]
async fn a_key_knows_only_its_own_workspace() {
    let haven = Haven::start().await;
    let (mine, theirs) = (haven.workspace("5.00").await, haven.workspace("7.00").await);
    let request = haven.chat(&theirs.key, &ask("gpt-sim", "Hello")).await.ok().header("x-request-id").to_owned();
    let spent = haven.balance(&theirs).await;
    let document = haven.get(&mine.key, "/openapi.json").await.ok().body;
    let gets =
        document["paths"].as_object().unwrap().iter().filter(|(path, item)| {
            path.starts_with("/v1/") && !path.starts_with("/v1/files") && item.get("get").is_some()
        });
    let mut tried = 0;
    for (path, _) in gets {
        for id in [&theirs.id, &theirs.key_id, &request] {
            let path = path.replace("{id}", id).replace("{request_id}", id);
            for name in ["workspace_id", "workspace", "key_id", "key", "id", "request_id"] {
                let path = format!("{path}?group_by=key&{name}={id}");
                let reply = haven.get(&mine.key, &path).await;
                // A key that is for models may not read keys.
                let is_for_others = reply.status == 403 && reply.body["error"]["code"] == "key_scope";
                assert!(reply.status == 200 || reply.status == 404 || is_for_others, "{path}: {}", reply.status);
                assert!(!reply.text.contains(id.as_str()), "{path}: {}", reply.text);
                tried += 1;
            }
        }
    }
    assert!(tried > 60, "{tried}");
    let own = haven.get(&mine.key, &format!("/v1/balance?workspace_id={}", theirs.id)).await.ok().body;
    assert_eq!((own["workspace_id"].as_str(), own["balance_usd"].as_str()), (Some(mine.id.as_str()), Some("5.00")));
    assert_eq!(haven.balance(&theirs).await.balance, spent.balance);
    haven.finish().await;
}

/// What breaks out of an attribute, an element, a script and a comment.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>--></title><svg/onload=alert(3)>";

/// Text that a browser would take for markup of ours.
fn assert_text(page: &str, path: &str) {
    for live in ["<script>alert", "<img src=x", "<svg/onload", "\"'><"] {
        assert!(!page.contains(live), "{path} shows {live}: {page}");
    }
}

#[actix_web::test]
async fn every_text_that_anybody_sets_is_text_on_every_page() {
    let haven = Haven::start().await;
    let body = json!({ "name": HOSTILE, "owner_email": "\"'><script>alert(1)</script>@x", "email_verified": true });
    let id = haven.admin_ok("POST", "/workspaces", &body).await["id"].as_str().unwrap().to_owned();
    let credit = json!({ "amount_usd": "4.00", "reason": HOSTILE, "idempotency_key": HOSTILE });
    haven.admin_ok("POST", &format!("/workspaces/{id}/credits"), &credit).await;
    let key = haven.key(&id, &json!({ "name": HOSTILE })).await;
    let key = key["secret"].as_str().unwrap().to_owned();
    let stage = haven.stage(&id, Role::Owner).await;
    // A caller's own fields, and a provider's words on a failure.
    let mut request = ask("gpt-sim", HOSTILE);
    request["user"] = HOSTILE.into();
    haven.chat(&key, &request).await.ok();
    let unknown = haven.chat(&key, &ask(HOSTILE, "Hello")).await;
    assert_eq!(unknown.refusal(), (404, "model_not_found"));
    assert_eq!(unknown.header("content-type"), "application/json");
    // A name that a form brings back, and one that it keeps.
    let made = stage.submit("/app/keys", &[("name", HOSTILE), ("spend_limit", HOSTILE), ("models", HOSTILE)]).await;
    assert_text(&made.text, "a form with mistakes");
    assert_eq!(stage.submit("/app/account/name", &[("name", HOSTILE)]).await.status, 303);
    let invited = stage.submit("/app/members", &[("email", HOSTILE), ("role", HOSTILE)]).await;
    assert_text(&invited.text, "an invitation with mistakes");
    let asked = json!({ "model": HOSTILE, "prompt": HOSTILE });
    let answer = crate::harness::Reply::to(stage.playground("text", &asked)).await;
    assert!(answer.status >= 400 && !answer.header("content-type").contains("html"), "{}", answer.text);
    let listed = until("the key's use", async || {
        Some(stage.get("/app/requests").await.ok().text).filter(|page| page.contains("gpt-sim</code>"))
    })
    .await;
    assert!(listed.contains("alert(1)"), "the key's name stands there as text");
    let query = encoded(HOSTILE);
    let mut shown = 0;
    for (path, get, _) in ROUTES.iter().filter(|(path, ..)| !path.contains('{') && !path.contains(".csv")) {
        if get.is_none() {
            continue;
        }
        let names =
            ["next", "token", "key", "model", "outcome", "id", "from", "to", "after", "done", "payment", "session_id"];
        let all: Vec<String> = names.iter().map(|name| format!("{name}={query}")).collect();
        for query in [String::new(), all.join("&")].into_iter().chain(all) {
            let page = stage.get(&format!("/app{path}?{query}")).await;
            assert!(page.status < 500, "/app{path}?{query}: {}", page.status);
            if page.header("content-type").contains("html") {
                assert_text(&page.text, &format!("/app{path}?{query}"));
                shown += 1;
            }
        }
    }
    assert!(shown > 100, "{shown}");
    for path in [
        format!("/app/{query}"),
        format!("/{query}"),
        format!("/app/billing/receipts/{query}"),
        format!("/models?x={query}"),
    ] {
        assert_text(&stage.get(&path).await.text, &path);
    }
    haven.finish().await;
}

#[actix_web::test]
async fn the_name_of_a_browser_is_text_in_the_list_of_sessions() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let stage = haven.stage_from(&workspace.id, Role::Owner, HOSTILE).await;
    let page = stage.get("/app/account").await.ok().text;
    assert!(page.contains("alert(1)"), "{page}");
    assert_text(&page, "/app/account");
    haven.finish().await;
}
