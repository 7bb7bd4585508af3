//! Images and speech of a model with two providers: who is asked when the first cannot, and who is not, because the
//! first may have been paid. Never another model, and the upstream charges are counted.

use std::fmt::Write;

use lmhaven_simulator::{Call, Rule};
use serde_json::{Value, json};

use crate::harness::{Haven, Reply, Workspace, charges_of};

/// What each kind of provider calls a model, and the price of a request for it at ratio 1, in nano-dollars.
const KINDS: [(&str, &str, &str); 5] = [
    ("ark", "seedream-5-0-260128", "image"),
    ("gemini", "gemini-3-pro-image", "image"),
    ("novelai", "nai-diffusion-4-full", "image"),
    ("pixai", "1983308862240288769", "image"),
    ("elevenlabs", "eleven_v3", "voice"),
];

/// Two providers of each kind, `one` and `two`, and a model of both; and one that nobody answers for, before `two`.
fn twins(simulator: &str, patience: &str) -> String {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut text = String::new();
    for (kind, upstream_model, modality) in KINDS {
        let address = format!("http://{gone}");
        for (name, base_url) in [("one", simulator), ("two", simulator), ("gone", &address)] {
            let _ = write!(
                text,
                "\n[[providers]]\nid = \"{kind}-{name}\"\nkind = \"{kind}\"\nbase_url = \"{base_url}\"\n\
                 api_keys = [\"{name}\"]\nfirst_byte_timeout = \"{patience}\"\n\
                 answer_timeout = \"{patience}\"\n"
            );
        }
        let price = if modality == "image" {
            r#"{ 1K = "0.1", "1.5K" = "0.1", 2K = "0.1", 3K = "0.1", 4K = "0.1" }"#
        } else {
            r#"{ per_minute = "0.01", per_1k_characters = "100.00" }"#
        };
        for first in ["one", "gone"] {
            let _ = write!(
                text,
                "\n[[models]]\nid = \"{kind}-{first}-two\"\nmodality = \"{modality}\"\n\
                 provider = [\"{kind}-{first}\", \"{kind}-two\"]\nupstream_model = \"{upstream_model}\"\nratio = 1\n\
                 list_price = {price}\n"
            );
        }
    }
    text
}

struct Case {
    reply: Reply,
    /// Generations that were asked for, in order.
    asked: Vec<Call>,
    /// How many the upstream charged.
    upstream_charges: usize,
    charged: i128,
}

impl Case {
    fn keys(&self) -> Vec<&str> {
        self.asked.iter().map(|call| call.key.as_deref().unwrap_or_default()).collect()
    }
}

async fn start() -> (Haven, Workspace) {
    start_with("20s").await
}

/// With providers that are waited for so long.
async fn start_with(patience: &str) -> (Haven, Workspace) {
    let haven = Haven::start_with_more(|simulator| twins(simulator, patience), &[]).await;
    let workspace = haven.workspace("100").await;
    (haven, workspace)
}

/// Asks the model of a kind once, with this rule for whatever the key `one` asks.
async fn ask(haven: &Haven, workspace: &Workspace, kind: &str, first: &str, rule: &Value) -> Case {
    haven.control.reset();
    for name in ["one", "two"] {
        haven.admin_ok("POST", &format!("/providers/{kind}-{name}/accounts/0/enable"), &Value::Null).await;
    }
    if !rule.is_null() {
        let mut rule = rule.clone();
        rule["key"] = "one".into();
        haven.control.script(serde_json::from_value::<Rule>(rule).unwrap());
    }
    let before = charges_of(&haven.ledger(workspace).await).len();
    let model = format!("{kind}-{first}-two");
    let reply = if kind == "elevenlabs" {
        let body = json!({ "model": model, "voice": "alloy", "input": "Ten letters", "response_format": "pcm" });
        let request = haven.request(&workspace.key, "POST", "/v1/audio/speech").json(&body);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Reply { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text }
    } else {
        let body = json!({ "model": model, "prompt": "a lighthouse", "response_format": "b64_json" });
        haven.post(&workspace.key, "/v1/images/generations", &body).await
    };
    haven.settled_balance(workspace).await;
    let mut charges = charges_of(&haven.ledger(workspace).await).split_off(before);
    assert!(charges.len() <= 1, "{charges:?}");
    let asked: Vec<Call> = haven.control.calls().into_iter().filter(|call| call.method == "POST").collect();
    let upstream = KINDS.iter().find(|known| known.0 == kind).unwrap().1;
    assert!(asked.iter().all(|call| call.model.as_deref() == Some(upstream)), "another model: {asked:?}");
    let charged = charges.pop().unwrap_or_default();
    Case { reply, asked, upstream_charges: haven.control.charges().len(), charged }
}

fn status(code: u16) -> Value {
    json!({ "status": { "code": code } })
}

#[actix_web::test]
async fn the_second_provider_answers_where_the_first_is_busy_or_says_that_it_failed() {
    let (haven, workspace) = start().await;
    for (kind, _, modality) in KINDS {
        // A task of PixAI may stand behind a 5xx.
        let codes: &[u16] = if kind == "pixai" { &[429] } else { &[429, 500, 503] };
        for code in codes {
            let case = ask(&haven, &workspace, kind, "one", &status(*code)).await;
            assert_eq!((case.reply.status, case.keys()), (200, vec!["one", "two"]), "{kind} {code}");
            assert_eq!(case.upstream_charges, 1, "{kind} {code}");
            let price = if modality == "image" { 100_000_000 } else { 1_100_000_000 };
            assert_eq!(case.charged, price, "{kind} {code}");
        }
        let case = ask(&haven, &workspace, kind, "gone", &Value::Null).await;
        assert_eq!((case.reply.status, case.keys(), case.upstream_charges), (200, vec!["two"], 1), "{kind}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn nobody_is_asked_again_after_what_the_first_provider_may_have_charged_for() {
    let (haven, workspace) = start_with("2s").await;
    for (kind, ..) in KINDS {
        let fault = |kind: &str| json!({ "fault": { "kind": kind } });
        for (rule, told, upstream_charges) in [
            (fault("reset_after_charge"), (502, "upstream_error"), 1),
            (fault("hang_after_charge"), (504, "upstream_timeout"), 1),
            (fault("reset_before_headers"), (502, "upstream_error"), 0),
            (fault("close_before_headers"), (502, "upstream_error"), 0),
            (fault("hang_before_headers"), (504, "upstream_timeout"), 0),
            (json!({ "status": { "code": 502, "body": "<html>edge</html>" } }), (502, "upstream_error"), 0),
        ] {
            let case = ask(&haven, &workspace, kind, "one", &rule).await;
            assert_eq!(case.reply.refusal(), told, "{kind} {rule}");
            assert_eq!((case.keys(), case.upstream_charges), (vec!["one"], upstream_charges), "{kind} {rule}");
            assert_eq!(case.reply.header("x-should-retry"), "false", "{kind} {rule}");
            assert_eq!(case.charged, 0, "{kind} {rule}");
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn an_image_that_comes_too_slowly_is_given_up_and_not_asked_for_again() {
    let (haven, workspace) = start_with("2s").await;
    for (kind, ..) in KINDS.into_iter().filter(|(_, _, modality)| *modality == "image") {
        for rule in [
            // Byte by byte, and never silent for long.
            json!({ "wire": { "split": 8 }, "gap_ms": 300 }),
            json!({ "fault": { "kind": "stall", "after": 1 } }),
            json!({ "fault": { "kind": "hang_after_headers" } }),
        ] {
            let case = ask(&haven, &workspace, kind, "one", &rule).await;
            assert_eq!(case.reply.refusal(), (504, "upstream_timeout"), "{kind} {rule}");
            assert_eq!((case.keys(), case.upstream_charges, case.charged), (vec!["one"], 1, 0), "{kind} {rule}");
            assert_eq!(case.reply.header("x-should-retry"), "false", "{kind} {rule}");
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_4xx_is_not_asked_twice_but_an_account_that_cannot_pay_stands_aside_for_the_second_provider() {
    let (haven, workspace) = start().await;
    for (kind, code, error) in [
        ("ark", 403, Some("AccountOverdueError")),
        ("ark", 401, Some("AuthenticationError")),
        ("gemini", 403, None),
        ("novelai", 402, None),
        ("novelai", 401, None),
        ("pixai", 402, None),
        ("elevenlabs", 401, Some("quota_exceeded")),
        ("elevenlabs", 401, Some("invalid_api_key")),
    ] {
        let rule = json!({ "status": { "code": code, "error_code": error } });
        let case = ask(&haven, &workspace, kind, "one", &rule).await;
        assert_eq!(case.reply.refusal(), (503, "upstream_unavailable"), "{kind} {code}");
        assert_eq!((case.keys(), case.charged, case.upstream_charges), (vec!["one"], 0, 0), "{kind} {code}");
        // The next request is not taken to the same wall.
        let shown = haven.admin_get("/providers").await;
        let id = format!("{kind}-one");
        let own = shown["data"].as_array().unwrap().iter().find(|own| own["id"] == *id).unwrap();
        assert_eq!(own["accounts"][0]["state"], "cooling", "{own}");
    }
    let one = |kind: &str| format!("/providers/{kind}-one/accounts/0/enable");
    haven.admin_ok("POST", &one("ark"), &Value::Null).await;
    haven.control.reset();
    let overdue = json!({ "key": "one", "status": { "code": 403, "error_code": "AccountOverdueError" } });
    haven.control.script(serde_json::from_value::<Rule>(overdue).unwrap());
    let body = json!({ "model": "ark-one-two", "prompt": "a lighthouse", "response_format": "b64_json" });
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(haven.post(&workspace.key, "/v1/images/generations", &body).await.status);
    }
    assert_eq!(statuses, [503, 200, 200]);
    haven.finish().await;
}

#[actix_web::test]
async fn what_the_request_is_blamed_for_goes_nowhere_else() {
    let (haven, workspace) = start().await;
    for (kind, rule, code) in [
        ("ark", json!({ "ark": { "refusal": "InputTextSensitiveContentDetected" } }), "content_policy_violation"),
        ("gemini", json!({ "gemini_image": { "block_reason": "SAFETY" } }), "content_policy_violation"),
        ("novelai", status(400), "invalid_request"),
        ("pixai", status(400), "invalid_request"),
        ("elevenlabs", status(400), "invalid_request"),
    ] {
        let case = ask(&haven, &workspace, kind, "one", &rule).await;
        assert_eq!(case.reply.refusal(), (400, code), "{kind}");
        assert_eq!((case.keys(), case.charged, case.upstream_charges), (vec!["one"], 0, 0), "{kind}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn there_are_two_attempts_at_most_whoever_makes_them() {
    let (haven, workspace) = start().await;
    for (kind, ..) in KINDS.into_iter().filter(|(kind, ..)| *kind != "pixai") {
        haven.control.reset();
        haven.control.script(Rule::new().status(500));
        let (reply, asked) = ask_as_scripted(&haven, &workspace, kind).await;
        assert_eq!(reply.refusal(), (500, "upstream_error"), "{kind}");
        assert_eq!((asked, reply.header("x-should-retry")), (2, "false"), "{kind}");
    }
    haven.finish().await;
}

/// Asks once by the rules that stand; answers the reply and how often somebody was asked.
async fn ask_as_scripted(haven: &Haven, workspace: &Workspace, kind: &str) -> (Reply, usize) {
    let model = format!("{kind}-one-two");
    let (path, body) = if kind == "elevenlabs" {
        ("/v1/audio/speech", json!({ "model": model, "voice": "alloy", "input": "Hello" }))
    } else {
        ("/v1/images/generations", json!({ "model": model, "prompt": "a lighthouse" }))
    };
    let reply = haven.post(&workspace.key, path, &body).await;
    (reply, haven.control.calls().iter().filter(|call| call.method == "POST").count())
}

#[actix_web::test]
async fn a_provider_that_is_full_or_switched_off_is_passed_over_without_an_attempt() {
    let (haven, workspace) = start().await;
    haven.admin_ok("POST", "/providers/gemini-one/accounts/0/disable", &Value::Null).await;
    let (reply, asked) = ask_as_scripted(&haven, &workspace, "gemini").await;
    assert_eq!((reply.status, asked), (200, 1));
    // One runs and four wait at the first; the sixth does not wait for them.
    haven.control.reset();
    let slow = json!({ "key": "one", "media": { "generate_ms": 300 } });
    haven.control.script(serde_json::from_value::<Rule>(slow).unwrap());
    let body = json!({ "model": "novelai-one-two", "prompt": "a lighthouse", "response_format": "b64_json" });
    let draw = || haven.post(&workspace.key, "/v1/images/generations", &body);
    let replies = futures_util::future::join_all((0..6).map(|_| draw())).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    let made_by = |key: &str| haven.control.charges().iter().filter(|charge| charge.key == key).count();
    assert_eq!((made_by("one"), made_by("two")), (5, 1));
    haven.finish().await;
}
