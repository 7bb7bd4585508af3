//! Every verb against a server on loopback: what it sends, what it prints, and how it fails.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use clap::Parser;
use parking_lot::Mutex;

use super::*;
use crate::cli::args::{Cli, Command};

const WORKSPACE: &str = "ws_00000000000000000000000001";
const KEY: &str = "key_00000000000000000000000002";

/// What the server answers to each `METHOD /path?query`, and what it was asked.
#[derive(Default)]
struct Script {
    answers: Vec<(String, u16, String)>,
    asked: Mutex<Vec<String>>,
}

async fn answer(script: Data<Script>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let asked = format!("{} {}", request.method(), request.uri());
    let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let body = String::from_utf8_lossy(&body);
    let line = format!("{asked} [{}] {body}", authorization.unwrap_or("-"));
    script.asked.lock().push(line.trim_end().to_owned());
    match script.answers.iter().find(|(of, _, _)| *of == asked) {
        Some((_, status, body)) => HttpResponse::build(StatusCode::from_u16(*status).unwrap()).body(body.clone()),
        None => HttpResponse::NotFound().body("no such page"),
    }
}

/// Runs a command line against a server with these answers; what it printed and what was asked.
async fn run(line: &[&str], answers: &[(&str, u16, &str)]) -> (Result<String, Failure>, Vec<String>) {
    let answers = answers.iter().map(|(of, status, body)| ((*of).to_owned(), *status, (*body).to_owned())).collect();
    let script = Data::new(Script { answers, asked: Mutex::default() });
    let shared = Data::clone(&script);
    let server = HttpServer::new(move || App::new().app_data(Data::clone(&shared)).default_service(web::to(answer)))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let outcome = operation(line, &url).run(Some("admin-token")).await;
    handle.stop(false).await;
    running.await.unwrap().unwrap();
    let asked = Arc::clone(&script.into_inner());
    let asked = asked.asked.lock().clone();
    (outcome, asked)
}

fn operation(line: &[&str], url: &str) -> Operation {
    let line = [&["lmhaven"], line, &["--url", url]].concat();
    match Cli::try_parse_from(line).unwrap().command {
        Command::Workspace(args) => args.into(),
        Command::Key(args) => args.into(),
        Command::Credit(args) => args.into(),
        Command::Price(args) => args.into(),
        Command::Model(args) => args.into(),
        Command::Provider(args) => args.into(),
        Command::Admin(args) => args.into(),
        other => panic!("{other:?} is no operation"),
    }
}

/// What was asked and what was printed, for a snapshot.
async fn story(line: &[&str], answers: &[(&str, u16, &str)]) -> String {
    let (outcome, asked) = run(line, answers).await;
    format!("$ lmhaven {}\n{}\n---\n{}", line.join(" "), asked.join("\n"), outcome.unwrap())
}

const ONE: &str = r#"{"id":"ws_00000000000000000000000001","name":"acme","owner_email":"ops@acme.example",
    "email_verified":true,"suspended":false,"balance_usd":"30.00","reserved_usd":"5.00","available_usd":"25.00",
    "limits":{"requests_per_minute":600,"concurrent_streams":100,"tier":null},
    "features":{"text":true,"image":true,"voice":false},"created_at":"2026-11-23T00:00:00Z",
    "keys":[{"id":"key_00000000000000000000000002","name":"production","last_four":"abcd",
    "created_at":"2026-11-23T00:00:00Z","expires_at":null,"last_used_at":null,"revoked_at":null,
    "spend_limit_usd":"50.00","spent_usd":"1.25","models":null,"ip_allow":null}]}"#;

#[actix_web::test]
async fn workspaces_are_listed_page_by_page() {
    let first = format!(r#"{{"object":"list","data":[{ONE}],"has_more":true,"next_after":"ws_1"}}"#);
    let second = ONE.replace("acme", "be\\u001b[31mta").replace(r#""suspended":false"#, r#""suspended":true"#);
    let second = format!(r#"{{"object":"list","data":[{second}],"has_more":false,"next_after":null}}"#);
    let answers = [
        ("GET /admin/v1/workspaces?limit=100", 200, first.as_str()),
        ("GET /admin/v1/workspaces?limit=100&after=ws_1", 200, second.as_str()),
    ];
    insta::assert_snapshot!(story(&["workspace", "list"], &answers).await);
    let (json, _) = run(&["workspace", "list", "--json"], &answers).await;
    let json: Value = serde_json::from_str(&json.unwrap()).unwrap();
    assert_eq!(json["data"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn a_workspace_is_created_shown_and_set() {
    let path = format!("/admin/v1/workspaces/{WORKSPACE}");
    let (get, patch) = (format!("GET {path}"), format!("PATCH {path}"));
    let answers = [("POST /admin/v1/workspaces", 200, ONE), (get.as_str(), 200, ONE), (patch.as_str(), 200, ONE)];
    let create = ["workspace", "create", "--name", "acme", "--owner-email", "ops@acme.example", "--email-verified"];
    let set = [
        "workspace",
        "set",
        WORKSPACE,
        "--requests-per-minute",
        "1200",
        "--concurrent-streams",
        "tier",
        "--voice",
        "off",
        "--suspended",
        "false",
    ];
    let report = [
        story(&create, &answers).await,
        story(&["workspace", "show", WORKSPACE], &answers).await,
        story(&set, &answers).await,
    ];
    insta::assert_snapshot!(report.join("\n"));
}

#[actix_web::test]
async fn a_key_is_created_listed_and_revoked() {
    let path = format!("/admin/v1/workspaces/{WORKSPACE}");
    let (post, get) = (format!("POST {path}/keys"), format!("GET {path}"));
    let delete = format!("DELETE {path}/keys/{KEY}");
    let answers = [
        (post.as_str(), 200, r#"{"id":"key_00000000000000000000000002","secret":"sk-lmh-shown-once"}"#),
        (get.as_str(), 200, ONE),
        (delete.as_str(), 204, ""),
    ];
    let create = [
        "key",
        "create",
        WORKSPACE,
        "--name",
        "production",
        "--expires-at",
        "2027-01-01T00:00:00Z",
        "--spend-limit-usd",
        "50",
        "--model",
        "gemini-3-flash",
        "--ip-allow",
        "10.0.0.0/8",
        "--ip-allow",
        "::1",
    ];
    let report = [
        story(&create, &answers).await,
        story(&["key", "list", WORKSPACE], &answers).await,
        story(&["key", "revoke", WORKSPACE, KEY], &answers).await,
    ];
    insta::assert_snapshot!(report.join("\n"));
}

#[actix_web::test]
async fn a_key_of_another_kind_is_created_and_rotated() {
    let path = format!("POST /admin/v1/workspaces/{WORKSPACE}/keys");
    let rotate = format!("{path}/{KEY}/rotate");
    let secret = r#"{"id":"key_00000000000000000000000003","secret":"sk-lmh-shown-once"}"#;
    let answers = [(path.as_str(), 201, secret), (rotate.as_str(), 201, secret)];
    let create = ["key", "create", WORKSPACE, "--name", "ci", "--kind", "management"];
    let capped = ["--spend-limit-usd", "5", "--spend-limit-reset", "monthly"];
    let report = [
        story(&[&create[..], &capped[..]].concat(), &answers).await,
        story(&["key", "rotate", WORKSPACE, KEY], &answers).await,
        story(&["key", "rotate", WORKSPACE, KEY, "--overlap", "0"], &answers).await,
    ];
    insta::assert_snapshot!(report.join("\n"));
    assert!(Cli::try_parse_from(["lmhaven", "key", "rotate", WORKSPACE, KEY, "--overlap", "2h"]).is_err());
    assert!(Cli::try_parse_from([&["lmhaven"], &create[..], &["--spend-limit-reset", "daily"]].concat()).is_err());
}

#[actix_web::test]
async fn credits_carry_an_idempotency_key() {
    let post = format!("POST /admin/v1/workspaces/{WORKSPACE}/credits");
    let entry = r#"{"id":"ent_1","seq":1,"kind":"refund","at":"2026-11-23T00:00:00Z","amount_usd":"-5.00"}"#;
    let answers = [(post.as_str(), 200, entry)];
    let line = ["credit", "add", WORKSPACE, "-5.00", "--reason", "invoice 7", "--idempotency-key", "refund-7"];
    insta::assert_snapshot!(story(&line, &answers).await);
    let mut keys = std::collections::BTreeSet::new();
    for _ in 0..2 {
        let (_, asked) = run(&["credit", "add", WORKSPACE, "5", "--reason", "x"], &answers).await;
        let (_, body) = asked[0].split_once("] ").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        keys.insert(body["idempotency_key"].as_str().unwrap().to_owned());
    }
    assert_eq!(keys.len(), 2, "every call without a key makes its own");
}

#[actix_web::test]
async fn prices_are_published_and_models_read_from_them() {
    let book = r#"{"object":"list","has_more":false,"next_after":null,"data":[
        {"version":1,"effective_at":"2026-01-01T00:00:00Z","reason":null,"models":[
            {"id":"claude-opus-4-7","ratio":28,"list_price":{"input":"5.00","output":"25.00"}},
            {"id":"nano-banana-pro","ratio":38,"list_price":{"1K":"0.134"}}]},
        {"version":2,"effective_at":"9999-01-01T00:00:00Z","reason":"far away","models":[]}]}"#;
    let answers = [
        ("GET /admin/v1/prices?limit=100", 200, book),
        ("POST /admin/v1/prices", 200, r#"{"version":3,"effective_at":"2026-12-01T00:00:00Z"}"#),
    ];
    let publish = [
        "price",
        "publish",
        "--model",
        "gemini-3-1-pro",
        "--ratio",
        "27.5",
        "--list-price",
        "input=2.00",
        "--list-price",
        "output=12",
        "--list-price",
        "long_context_over=200000",
        "--effective-at",
        "2026-12-01T00:00:00Z",
        "--reason",
        "week 48",
    ];
    let report = [
        story(&["price", "list"], &answers).await,
        story(&["model", "list"], &answers).await,
        story(&publish, &answers).await,
    ];
    insta::assert_snapshot!(report.join("\n"));
}

#[actix_web::test]
async fn an_operators_link_is_printed_and_nothing_else_of_it() {
    let made = r#"{"email":"op@acme.example","link":"https://admin.acme.example/operator/set-up?token=lnk_1.proof",
        "expires_at":"2026-11-23T12:30:00Z"}"#;
    let (outcome, asked) =
        run(&["admin", "create", "op@acme.example"], &[("POST /admin/v1/operators", 201, made)]).await;
    let printed = outcome.unwrap();
    assert!(printed.contains("https://admin.acme.example/operator/set-up?token=lnk_1.proof\n"), "{printed}");
    assert!(printed.contains("2026-11-23T12:30:00Z") && asked.join("").contains(r#"{"email":"op@acme.example"}"#));
}

#[actix_web::test]
async fn accounts_of_providers_are_listed_and_switched() {
    let list = r#"{"object":"list","has_more":false,"next_after":null,"data":[
        {"id":"anthropic","kind":"anthropic","accounts":[
            {"n":0,"state":"healthy","in_flight":3,"until":null,"last_error":null},
            {"n":1,"state":"cooling","in_flight":0,"until":"2026-11-23T00:00:30Z","last_error":"429"}]},
        {"id":"pixai","kind":"pixai","accounts":[]}]}"#;
    let answers = [
        ("GET /admin/v1/providers?limit=100", 200, list),
        ("POST /admin/v1/providers/anthropic/accounts/1/disable", 200, "{}"),
        ("POST /admin/v1/providers/a%2Fb/accounts/0/enable", 200, "{}"),
    ];
    let report = [
        story(&["provider", "list"], &answers).await,
        story(&["provider", "disable", "anthropic", "1"], &answers).await,
        story(&["provider", "enable", "a/b", "0"], &answers).await,
    ];
    insta::assert_snapshot!(report.join("\n"));
}

#[actix_web::test]
async fn a_refusal_is_told_in_the_gateways_words() {
    let refusal = r#"{"type":"error","error":{"type":"invalid_request_error","code":"insufficient_balance",
        "message":"only 2.00 of 5.00 is available","param":null},"request_id":"req_1"}"#;
    let post = format!("POST /admin/v1/workspaces/{WORKSPACE}/credits");
    let line = ["credit", "add", WORKSPACE, "-5", "--reason", "x"];
    let (outcome, _) = run(&line, &[(post.as_str(), 409, refusal)]).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.to_string(), "only 2.00 of 5.00 is available (insufficient_balance, req_1)");
    assert!(!failure.is_usage() && !failure.is_unknown());
}

#[actix_web::test]
async fn an_answer_of_something_else_is_not_taken_for_ours() {
    for answers in [&[("GET /admin/v1/providers?limit=100", 200, "<html>")][..], &[]] {
        let (outcome, _) = run(&["provider", "list"], answers).await;
        let failure = outcome.unwrap_err();
        assert!(failure.to_string().contains("is this the admin port of LMHaven?"), "{failure}");
    }
}

#[actix_web::test]
async fn nobody_there_is_said_so_and_the_token_is_not() {
    // Bound and closed again: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let operation = operation(&["provider", "list"], &format!("http://{free}"));
    let failure = operation.run(Some("canary-token")).await.unwrap_err();
    let text = format!("{failure} {failure:?}");
    assert!(text.starts_with(&format!("http://{free}: no answer: ")), "{text}");
    assert!(!text.contains("canary-token"), "{text}");
}

#[actix_web::test]
async fn without_token_or_url_nothing_is_sent() {
    let to = |url: &str| operation(&["provider", "list"], url);
    for token in [None, Some(""), Some("two\nlines")] {
        assert!(matches!(to("http://127.0.0.1:1").run(token).await, Err(Failure::NoToken)), "{token:?}");
    }
    for url in ["127.0.0.1:8081", "ftp://127.0.0.1", "unix:/run/x"] {
        let failure = to(url).run(Some("token")).await.unwrap_err();
        assert!(matches!(failure, Failure::Url) && failure.is_usage(), "{url}");
    }
}
