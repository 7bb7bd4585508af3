//! Every fault of an image provider that the simulator knows: the status that the caller gets, that nothing is charged
//! where nothing was delivered, that the hold closes, and what the upstream charged: never twice.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lmhaven_simulator::Protocol;
use serde_json::{Value, json};

use super::{assert_nothing_charged, draw, generate, script};
use crate::harness::{Haven, Workspace};

/// A model, a rule, what the caller is told, and how many generations the upstream charges.
type Row = (&'static str, Value, (u16, &'static str), usize);

const POLICY: (u16, &str) = (400, "content_policy_violation");
const INVALID: (u16, &str) = (400, "invalid_request");
const UNAVAILABLE: (u16, &str) = (503, "upstream_unavailable");
const BUSY: (u16, &str) = (429, "upstream_rate_limited");
const FAILED: (u16, &str) = (502, "upstream_error");
const BROKEN: (u16, &str) = (500, "upstream_error");

fn status(code: u16, error: &str) -> Value {
    json!({"status": {"code": code, "error_code": error}})
}

fn fault(fault: &Value) -> Value {
    json!({ "fault": fault })
}

/// What can go wrong with any connection.
fn of_any_connection(model: &'static str) -> Vec<Row> {
    vec![
        (model, fault(&json!({"kind": "reset_before_headers"})), FAILED, 0),
        (model, fault(&json!({"kind": "close_before_headers"})), FAILED, 0),
        (model, fault(&json!({"kind": "reset_after_charge"})), FAILED, 1),
        (model, fault(&json!({"kind": "html"})), FAILED, 1),
        (model, fault(&json!({"kind": "reset", "after": 1})), FAILED, 1),
        (model, fault(&json!({"kind": "close", "after": 1})), FAILED, 1),
        // A part that looks like a whole.
        (model, fault(&json!({"kind": "cut", "after": 1})), FAILED, 1),
        (model, json!({"status": {"code": 502, "body": "<html>edge</html>"}}), FAILED, 0),
    ]
}

fn of_ark() -> Vec<Row> {
    let ark = |change: Value| json!({ "ark": change });
    vec![
        ("seedream-5", ark(json!({"refusal": "InputTextSensitiveContentDetected"})), POLICY, 0),
        ("seedream-5", ark(json!({"refusal": "OutputImageSensitiveContentDetected"})), POLICY, 0),
        ("seedream-5", ark(json!({"refusal": "InputTextRiskDetection"})), POLICY, 0),
        // The element in the place of the image is an error.
        ("seedream-5", ark(json!({"failures": [0]})), POLICY, 0),
        ("seedream-5", ark(json!({"failures": [0], "failure_code": "InternalServiceError"})), BROKEN, 0),
        ("seedream-5", ark(json!({"top_level_error": "OutputImageRiskDetection"})), POLICY, 0),
        ("seedream-5", ark(json!({"top_level_error": "AccountOverdueError"})), UNAVAILABLE, 0),
        ("seedream-5", ark(json!({"empty": true})), FAILED, 1),
        // The file is gone before it can be fetched.
        ("seedream-5", ark(json!({"url_expires_s": 0})), FAILED, 1),
        ("seedream-5", status(403, "AccountOverdueError"), UNAVAILABLE, 0),
        ("seedream-5", status(401, "AuthenticationError"), UNAVAILABLE, 0),
        ("seedream-5", status(404, "InvalidEndpointOrModel.NotFound"), UNAVAILABLE, 0),
        ("seedream-5", status(400, "InvalidParameter"), INVALID, 0),
        ("seedream-5", status(429, "RateLimitExceeded"), BUSY, 0),
        ("seedream-5", status(429, "ServerOverloaded"), BUSY, 0),
        ("seedream-5", status(500, "InternalServiceError"), BROKEN, 0),
    ]
}

fn of_novelai() -> Vec<Row> {
    let plain = |code: u16| json!({"status": {"code": code}});
    let mut rows = vec![
        ("novelai-v4", plain(400), INVALID, 0),
        ("novelai-v4", plain(401), UNAVAILABLE, 0),
        ("novelai-v4", plain(402), UNAVAILABLE, 0),
        ("novelai-v4", plain(409), BUSY, 0),
        ("novelai-v4", plain(429), BUSY, 0),
        ("novelai-v4", plain(500), BROKEN, 0),
        ("novelai-v4", json!({"novelai": {"html_429": true}}), BUSY, 0),
        ("novelai-v4", json!({"status": {"code": 403, "body": "<html>just a moment</html>"}}), BUSY, 0),
    ];
    for corrupt in ["truncated", "empty", "garbled", "not_an_image", "not_a_zip", "many_entries", "bomb"] {
        rows.push(("novelai-v4", json!({"novelai": {"corrupt": corrupt}}), FAILED, 1));
    }
    rows
}

fn of_pixai() -> Vec<Row> {
    let plain = |code: u16| json!({"status": {"code": code}});
    vec![
        ("pixai-v4", plain(400), INVALID, 0),
        ("pixai-v4", plain(401), UNAVAILABLE, 0),
        ("pixai-v4", plain(402), UNAVAILABLE, 0),
        ("pixai-v4", plain(403), UNAVAILABLE, 0),
        ("pixai-v4", plain(429), BUSY, 0),
        // Behind which a task may stand: never asked again.
        ("pixai-v4", plain(500), BROKEN, 0),
        ("pixai-v4", plain(503), UNAVAILABLE, 0),
        // No reason is ever given.
        ("pixai-v4", json!({"pixai": {"waiting_polls": 1, "outcome": "failed"}}), POLICY, 0),
        ("pixai-v4", json!({"pixai": {"waiting_polls": 1, "outcome": "cancelled"}}), FAILED, 0),
        ("pixai-v4", json!({"pixai": {"waiting_polls": 1, "images": 0}}), FAILED, 1),
    ]
}

fn of_gemini() -> Vec<Row> {
    let gemini = |change: Value| json!({ "gemini_image": change });
    let mut rows = vec![
        ("nano-banana-pro", gemini(json!({"apology": "I cannot draw that."})), POLICY, 0),
        // Without a reason it is asked once more, and then taken for a refusal.
        ("nano-banana-pro", gemini(json!({"finish_reason": "NO_IMAGE"})), POLICY, 0),
        ("nano-banana-pro", gemini(json!({"finish_reason": "IMAGE_OTHER"})), POLICY, 0),
        ("nano-banana-pro", status(400, "API_KEY_INVALID"), UNAVAILABLE, 0),
        ("nano-banana-pro", json!({"status": {"code": 400}}), INVALID, 0),
        ("nano-banana-pro", json!({"status": {"code": 403}}), UNAVAILABLE, 0),
        ("nano-banana-pro", json!({"status": {"code": 404}}), UNAVAILABLE, 0),
        ("nano-banana-pro", json!({"status": {"code": 500}}), BROKEN, 0),
        (
            "nano-banana-pro",
            json!({"status": {"code": 429, "quota_id": "GenerateRequestsPerDayPerProject"}}),
            UNAVAILABLE,
            0,
        ),
    ];
    for reason in ["SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "IMAGE_SAFETY", "OTHER"] {
        rows.push(("nano-banana-pro", gemini(json!({ "block_reason": reason })), POLICY, 0));
    }
    for reason in ["IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "SAFETY", "RECITATION"] {
        rows.push(("nano-banana-pro", gemini(json!({ "finish_reason": reason })), POLICY, 0));
    }
    rows
}

/// Goes through the rows one after the other, each with the accounts as they were at first.
async fn check(rows: Vec<Row>) {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    for (model, rule, told, upstream_charges) in rows {
        haven.control.reset();
        for provider in ["ark", "novelai", "pixai", "gemini"] {
            haven.admin_ok("POST", &format!("/providers/{provider}/accounts/0/enable"), &Value::Null).await;
        }
        script(&haven, rule.clone());
        let reply = generate(&haven, &workspace, &draw(model, 1, "url")).await;
        assert_eq!(reply.refusal(), told, "{model} {rule}");
        assert_eq!(haven.control.charges().len(), upstream_charges, "{model} {rule}");
        if upstream_charges > 0 || told == POLICY {
            assert_eq!(reply.header("x-should-retry"), "false", "{model} {rule}");
        }
        assert_nothing_charged(&haven, &workspace).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn each_fault_of_ark_has_its_status_and_costs_the_caller_nothing() {
    check([of_ark(), of_any_connection("seedream-5")].concat()).await;
}

#[actix_web::test]
async fn each_fault_of_novelai_has_its_status_and_costs_the_caller_nothing() {
    check([of_novelai(), of_any_connection("novelai-v4")].concat()).await;
}

#[actix_web::test]
async fn each_fault_of_pixai_has_its_status_and_costs_the_caller_nothing() {
    check([of_pixai(), of_any_connection("pixai-v4")].concat()).await;
}

#[actix_web::test]
async fn each_fault_of_gemini_has_its_status_and_costs_the_caller_nothing() {
    check([of_gemini(), of_any_connection("nano-banana-pro")].concat()).await;
}

#[actix_web::test]
async fn keys_that_are_refused_and_accounts_without_money_are_ours_to_mend() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    let refused = async |model: &str| {
        let reply = generate(&haven, &workspace, &draw(model, 1, "url")).await;
        assert_eq!(reply.refusal(), UNAVAILABLE, "{model}");
        assert_eq!(haven.control.charges().len(), 0, "{model}");
        assert_nothing_charged(&haven, &workspace).await;
    };
    haven.control.accept_keys(["another"]);
    for model in ["seedream-5", "novelai-v4", "pixai-v4", "nano-banana-pro"] {
        refused(model).await;
    }
    haven.control.accept_keys(Vec::<String>::new());
    haven.control.reset();
    // Gemini without money is a 429 that looks like any other, unless it names the quota: a row of its faults.
    for (model, protocol, key, units) in [
        ("seedream-5", Protocol::Ark, "upstream-ark", 0),
        // An image is twenty Anlas.
        ("novelai-v4", Protocol::NovelAi, "upstream-novelai", 16),
        ("pixai-v4", Protocol::PixAi, "upstream-pixai", 3_199),
    ] {
        haven.control.set_balance(protocol, key, units);
        refused(model).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_provider_that_says_how_long_to_wait_is_believed() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    for (model, rule, millis) in [
        ("seedream-5", json!({"status": {"code": 429, "retry_after": "7"}}), "7000"),
        ("novelai-v4", json!({"status": {"code": 429, "retry_after": "8"}}), "8000"),
        ("pixai-v4", json!({"status": {"code": 429, "retry_after": "9"}}), "9000"),
        // Nothing but the body says it.
        ("nano-banana-pro", json!({"status": {"code": 429, "retry_delay": "34s"}}), "34000"),
    ] {
        haven.control.reset();
        script(&haven, rule);
        let reply = generate(&haven, &workspace, &draw(model, 1, "url")).await;
        assert_eq!((reply.refusal(), reply.header("retry-after-ms")), (BUSY, millis), "{model}");
        assert_nothing_charged(&haven, &workspace).await;
    }
    haven.finish().await;
}

/// The image of an answer in base 64.
async fn image(haven: &Haven, workspace: &Workspace, model: &str) -> Vec<u8> {
    let reply = generate(haven, workspace, &draw(model, 1, "b64_json")).await.ok();
    assert_eq!(reply.header("lmhaven-model"), model);
    STANDARD.decode(reply.body["data"][0]["b64_json"].as_str().unwrap()).unwrap()
}

#[actix_web::test]
async fn every_other_way_to_answer_brings_the_same_image_and_is_charged_once() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    let drip = json!({"wire": {"split": 400}, "gap_ms": 1});
    for (model, rules) in [
        (
            "seedream-5",
            vec![
                // A successor answers in the model's place.
                json!({"ark": {"model": "seedream-6-0-270101"}}),
                json!({"ark": {"omit_usage": true}}),
                json!({"path": "/tos/", "times": 2, "status": {"code": 404}}),
                drip.clone(),
            ],
        ),
        (
            "pixai-v4",
            vec![
                json!({"pixai": {"created": true}}),
                json!({"pixai": {"waiting_polls": 1, "running_polls": 1, "strict_polls": true}}),
                // The file is to be had from its id: with the key, by a redirect.
                json!({"pixai": {"null_media_urls": true}}),
                json!({"path": "/v1/task/", "times": 1, "status": {"code": 429}}),
                drip.clone(),
            ],
        ),
        (
            "nano-banana-pro",
            vec![
                json!({"gemini_image": {"drafts": 2, "thought_drafts": true}}),
                // Drafts that nothing marks: the last one is the image.
                json!({"gemini_image": {"drafts": 2}}),
                json!({"gemini_image": {"text": "Here it is."}}),
                json!({"gemini_image": {"omit_usage": true}}),
                drip.clone(),
            ],
        ),
    ] {
        haven.control.reset();
        let plain = image(&haven, &workspace, model).await;
        for rule in rules {
            haven.control.reset();
            script(&haven, rule.clone());
            assert_eq!(image(&haven, &workspace, model).await, plain, "{model} {rule}");
            assert_eq!(haven.control.charges().len(), 1, "{model} {rule}");
        }
    }
    // Every call of NovelAI's has a seed of its own, so its images differ.
    for rule in [
        json!({"novelai": {"created": true}}),
        json!({"novelai": {"octet_stream": true}}),
        json!({"novelai": {"deflated": true}}),
        json!({"novelai": {"opus": true}}),
        json!({"wire": {"split": 4_000}, "gap_ms": 1}),
    ] {
        haven.control.reset();
        script(&haven, rule.clone());
        let image = image(&haven, &workspace, "novelai-v4").await;
        assert!(image.starts_with(b"\x89PNG"), "{rule}");
        let has = |text: &[u8]| image.windows(text.len()).any(|part| part == text);
        assert!(!has(b"tEXt") && !has(b"NovelAI") && !has(b"lighthouse"), "{rule}: the file tells what it was made of");
        assert_eq!(haven.control.charges().len(), 1, "{rule}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn an_account_with_ten_tasks_of_others_is_busy() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    script(&haven, json!({"pixai": {"waiting_polls": 1_000}}));
    let providers = &haven.server.gateway.config.providers;
    let base = providers.iter().find(|provider| provider.id.as_str() == "pixai").unwrap().base_url.to_string();
    let task = json!({"modelVersionId": "1983308862240288769", "prompt": "somebody else's"});
    for _ in 0..10 {
        let request = haven.client.post(format!("{}/v2/image/create", base.trim_end_matches('/'))).json(&task);
        let created = request.bearer_auth("upstream-pixai").send().await.unwrap();
        assert_eq!(created.status(), 200);
    }
    let reply = generate(&haven, &workspace, &draw("pixai-v4", 1, "url")).await;
    assert_eq!(reply.refusal(), BUSY);
    assert_eq!(haven.control.charges().len(), 10, "nothing was begun for us");
    assert_nothing_charged(&haven, &workspace).await;
    haven.finish().await;
}
