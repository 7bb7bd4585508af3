//! Images over HTTP: every model both ways, exact charges, and what a caller gets of each failure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lmhaven_simulator::Rule;
use serde_json::{Value, json};

use crate::harness::{Haven, Reply, Workspace, charge_of, charges_of, within};

/// A model, and what one image of its default size costs: list price ÷ ratio, rounded up, worked out by hand.
const MODELS: [(&str, &str, i128); 4] = [
    ("seedream-5", "image_2k", 875_000),
    ("novelai-v4", "image_1k", 622_223),
    ("pixai-v4", "image_1k", 1_783_334),
    ("nano-banana-pro", "image_1k", 3_526_316),
];

fn draw(model: &str, n: u32, format: &str) -> Value {
    json!({ "model": model, "prompt": "a lighthouse at dusk", "n": n, "response_format": format })
}

fn script(haven: &Haven, rule: Value) {
    haven.control.script(serde_json::from_value::<Rule>(rule).unwrap());
}

async fn generate(haven: &Haven, workspace: &Workspace, body: &Value) -> Reply {
    haven.post(&workspace.key, "/v1/images/generations", body).await
}

async fn assert_nothing_charged(haven: &Haven, workspace: &Workspace) {
    assert_eq!(haven.settled_balance(workspace).await.balance, 1_000_000_000);
    assert_eq!(charges_of(&haven.ledger(workspace).await).iter().sum::<i128>(), 0);
}

fn is_image(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG") || bytes.starts_with(b"\xff\xd8\xff")
}

#[actix_web::test]
async fn every_model_answers_with_a_link_or_the_bytes_and_charges_to_the_nano_dollar() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    for (model, tier, price) in MODELS {
        let reply = generate(&haven, &workspace, &draw(model, 1, "url")).await.ok();
        assert_eq!((reply.header("lmhaven-model"), reply.cost()), (model, price));
        assert!(reply.body["created"].is_u64(), "{}", reply.text);
        let [image] = &reply.body["data"].as_array().unwrap()[..] else { panic!("one image: {}", reply.text) };
        assert!(image["b64_json"].is_null(), "never both");
        let url = image["url"].as_str().unwrap();
        let path = url.strip_prefix("https://lmhaven.test").unwrap_or_else(|| panic!("not ours: {url}"));
        let file = within("the file", haven.client.get(format!("{}{path}", haven.base)).send()).await.unwrap();
        assert_eq!(file.status(), 200, "{model}");
        assert!(is_image(&file.bytes().await.unwrap()), "{model}");
        let settle = haven.last_settle(&workspace).await;
        assert_eq!((charge_of(&settle), settle["usage"][tier].as_u64()), (price, Some(1)), "{settle}");

        let reply = generate(&haven, &workspace, &draw(model, 1, "b64_json")).await.ok();
        let image = &reply.body["data"][0];
        assert!(image["url"].is_null(), "never both");
        assert!(is_image(&STANDARD.decode(image["b64_json"].as_str().unwrap()).unwrap()), "{model}");
        assert_eq!(reply.cost(), price);
        for told in ["ark", "volces", "novelai", "pixai", "gemini", "google"] {
            let text = reply.text.replace(model, "");
            assert!(text.len() > 10_000 || !text.contains(told), "{told} in {text}");
        }
    }
    assert_eq!(haven.control.charges().len(), 2 * MODELS.len(), "each was charged once upstream");
    haven.finish().await;
}

#[actix_web::test]
async fn several_images_are_several_charges_and_what_failed_is_free() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    let reply = generate(&haven, &workspace, &draw("nano-banana-pro", 3, "b64_json")).await.ok();
    assert_eq!(reply.body["data"].as_array().unwrap().len(), 3);
    // Three times the list price, divided and rounded once.
    assert_eq!(reply.cost(), (3 * 134_000_000_i128 + 37) / 38);

    haven.control.reset();
    script(&haven, json!({"times": 1, "gemini_image": {"block_reason": "SAFETY"}}));
    let reply = generate(&haven, &workspace, &draw("nano-banana-pro", 3, "b64_json")).await.ok();
    assert_eq!(reply.body["data"].as_array().unwrap().len(), 2);
    assert_eq!(reply.cost(), (2 * 134_000_000_i128 + 37) / 38);
    haven.finish().await;
}

#[actix_web::test]
async fn a_larger_size_costs_its_own_tier_and_one_without_a_price_is_refused() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    let mut body = draw("nano-banana-pro", 1, "b64_json");
    body["size"] = "4096x4096".into();
    let reply = generate(&haven, &workspace, &body).await.ok();
    assert_eq!(reply.cost(), (240_000_000_i128 + 37) / 38);
    assert_eq!(reply.body["size"], "4096x4096");
    let price = json!({ "reason": "no 4K", "models": [
        { "id": "nano-banana-pro", "ratio": 38, "list_price": { "1K": "0.134", "2K": "0.134" } }
    ] });
    haven.admin_ok("POST", "/prices", &price).await;
    let reply = generate(&haven, &workspace, &body).await;
    assert_eq!(reply.refusal(), (400, "invalid_request"));
    assert_eq!(reply.body["error"]["param"], "size");
    // What was asked for has a price, but a smaller image may come back, and that one has none.
    let price = json!({ "reason": "no 2K", "models": [
        { "id": "nano-banana-pro", "ratio": 38, "list_price": { "1K": "0.134", "4K": "0.24" } }
    ] });
    haven.admin_ok("POST", "/prices", &price).await;
    let reply = generate(&haven, &workspace, &body).await;
    assert_eq!(reply.refusal(), (400, "invalid_request"));
    assert_eq!(haven.control.charges().len(), 1, "nobody was asked");
    haven.finish().await;
}

#[actix_web::test]
async fn what_cannot_be_drawn_is_refused_before_anybody_is_asked() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    let with = |field: &str, value: Value| {
        let mut body = draw("seedream-5", 1, "url");
        body[field] = value;
        body
    };
    for (body, code, param) in [
        (with("n", 0.into()), "invalid_request", "n"),
        (with("n", 11.into()), "invalid_request", "n"),
        (with("prompt", "".into()), "invalid_request", "prompt"),
        (with("size", "big".into()), "invalid_request", "size"),
        (with("response_format", "gif".into()), "invalid_request", "response_format"),
        (with("stream", true.into()), "unsupported_parameter", "stream"),
        (with("model", "gpt-sim".into()), "invalid_request", "model"),
    ] {
        let reply = generate(&haven, &workspace, &body).await;
        assert_eq!(reply.refusal(), (400, code), "{body}");
        assert_eq!(reply.body["error"]["param"], param, "{body}");
    }
    let reply = generate(&haven, &workspace, &with("model", "no-such-model".into())).await;
    assert_eq!(reply.refusal(), (404, "model_not_found"));
    haven.change(&workspace.id, &json!({"features": {"image": false}})).await;
    let reply = generate(&haven, &workspace, &draw("seedream-5", 1, "url")).await;
    assert_eq!(reply.refusal(), (403, "feature_not_enabled"));
    let poor = haven.workspace("0.0001").await;
    let reply = generate(&haven, &poor, &draw("seedream-5", 1, "url")).await;
    assert_eq!(reply.refusal(), (402, "insufficient_balance"));
    assert!(haven.control.calls().is_empty());
    haven.finish().await;
}

#[actix_web::test]
async fn each_failure_has_its_status_costs_the_caller_nothing_and_us_at_most_one_image() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    let status = |code: u16, error: &str| json!({"status": {"code": code, "error_code": error}});
    for (model, rule, told, upstream_charges) in [
        (
            "seedream-5",
            json!({"ark": {"refusal": "InputTextSensitiveContentDetected"}}),
            (400, "content_policy_violation"),
            0,
        ),
        ("seedream-5", status(403, "AccountOverdueError"), (503, "upstream_unavailable"), 0),
        ("seedream-5", status(429, "RateLimitExceeded"), (429, "upstream_rate_limited"), 0),
        ("seedream-5", json!({"fault": {"kind": "reset_after_charge"}}), (502, "upstream_error"), 1),
        ("seedream-5", json!({"ark": {"empty": true}}), (502, "upstream_error"), 1),
        ("novelai-v4", json!({"status": {"code": 402}}), (503, "upstream_unavailable"), 0),
        ("novelai-v4", json!({"novelai": {"corrupt": "truncated"}}), (502, "upstream_error"), 1),
        ("novelai-v4", json!({"novelai": {"corrupt": "bomb"}}), (502, "upstream_error"), 1),
        ("novelai-v4", json!({"fault": {"kind": "reset_after_charge"}}), (502, "upstream_error"), 1),
        ("pixai-v4", json!({"fault": {"kind": "reset_after_charge"}}), (502, "upstream_error"), 1),
        (
            "nano-banana-pro",
            json!({"gemini_image": {"block_reason": "PROHIBITED_CONTENT"}}),
            (400, "content_policy_violation"),
            0,
        ),
        (
            "nano-banana-pro",
            json!({"gemini_image": {"finish_reason": "IMAGE_SAFETY"}}),
            (400, "content_policy_violation"),
            0,
        ),
        ("nano-banana-pro", json!({"fault": {"kind": "reset_after_charge"}}), (502, "upstream_error"), 1),
    ] {
        haven.control.reset();
        script(&haven, rule.clone());
        let reply = generate(&haven, &workspace, &draw(model, 1, "url")).await;
        assert_eq!(reply.refusal(), told, "{model} {rule}");
        assert_eq!(haven.control.charges().len(), upstream_charges, "{model} {rule}");
        if upstream_charges > 0 {
            assert_eq!(reply.header("x-should-retry"), "false", "{model} {rule}");
        }
        assert_nothing_charged(&haven, &workspace).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn one_lane_is_shared_fairly_and_a_full_line_says_how_long() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    script(&haven, json!({"media": {"generate_ms": 400}}));
    let body = draw("novelai-v4", 1, "b64_json");
    // One runs, four wait, and the sixth is told when to come back.
    let replies = futures_util::future::join_all((0..6).map(|_| generate(&haven, &workspace, &body))).await;
    let (good, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!((good.len(), refused.len()), (5, 1));
    assert_eq!(refused[0].refusal(), (429, "upstream_rate_limited"));
    // Nobody has finished, so it is the first guess of how long one takes.
    assert_eq!((refused[0].header("retry-after"), refused[0].header("retry-after-ms")), ("10", "10000"));
    assert_eq!(haven.control.charges().len(), 5, "the account was never asked for two at once");
    assert_eq!(haven.control.calls().len(), 5, "and never turned anybody away");
    haven.finish().await;
}

#[actix_web::test]
async fn a_caller_who_leaves_late_pays_for_what_is_made_and_one_who_leaves_at_once_does_not() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    script(&haven, json!({"media": {"generate_ms": 3_000}}));
    let leave_after = async |millis| {
        let request = haven.request(&workspace.key, "POST", "/v1/images/generations");
        let request =
            request.json(&draw("nano-banana-pro", 1, "url")).timeout(std::time::Duration::from_millis(millis));
        assert!(request.send().await.is_err());
    };
    leave_after(300).await;
    assert_nothing_charged(&haven, &workspace).await;
    leave_after(1_500).await;
    haven.settled_balance(&workspace).await;
    assert_eq!(charge_of(&haven.last_settle(&workspace).await), 3_526_316);
    haven.finish().await;
}

#[actix_web::test]
async fn images_that_are_being_made_have_a_budget_of_bytes() {
    // Room for one image of the largest kind and a request beside it.
    let haven = Haven::start_with(&[("LIMITS__EDGE__BODY_BYTES_IN_FLIGHT", "33 MiB")]).await;
    let workspace = haven.workspace("1").await;
    // 15 MB of base 64.
    script(&haven, json!({"media": {"generate_ms": 500, "pad_bytes": 11_250_000}}));
    let body = draw("nano-banana-pro", 2, "b64_json");
    let replies = futures_util::future::join_all((0..2).map(|_| generate(&haven, &workspace, &body))).await;
    let (good, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!((good.len(), refused.len()), (1, 1));
    assert_eq!(refused[0].refusal(), (503, "overloaded"));
    assert!(good[0].text.len() > 2 * 15_000_000);
    // What was taken comes back.
    generate(&haven, &workspace, &draw("nano-banana-pro", 1, "url")).await.ok();
    haven.finish().await;
}

#[actix_web::test]
async fn images_that_cannot_be_kept_cost_the_caller_nothing_and_are_counted_as_our_cost() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    // The place of images is a file now, in which nothing can be kept.
    let place = haven.folder.path().join("store").join("images");
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "in the way").unwrap();
    let reply = generate(&haven, &workspace, &draw("nano-banana-pro", 2, "url")).await;
    assert_eq!(reply.refusal(), (503, "overloaded"));
    assert_eq!(reply.header("x-should-retry"), "false", "they were made");
    assert_nothing_charged(&haven, &workspace).await;
    assert_eq!(haven.control.charges().len(), 2);
    let scrape = haven.client.get(format!("{}/metrics", haven.admin_base)).send().await.unwrap().text().await.unwrap();
    let value = |name: &str| {
        let mut lines = scrape.lines().filter(|line| line.starts_with(name) && line.contains("\"nano-banana-pro\""));
        let line = lines.next().unwrap_or_else(|| panic!("no {name} in {scrape}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    let close = |left: f64, right: f64| (left - right).abs() < 1e-9;
    assert!(close(value("lmhaven_upstream_cost_usd_total{"), 0.268), "twice the list price");
    assert!(close(value("lmhaven_charged_usd_total{"), 0.0) && close(value("lmhaven_images_total{"), 0.0));
    // The bytes need no place.
    generate(&haven, &workspace, &draw("nano-banana-pro", 1, "b64_json")).await.ok();
    haven.finish().await;
}

#[actix_web::test]
async fn an_answer_counts_in_the_budget_until_its_caller_took_it() {
    let haven = Haven::start_with(&[("LIMITS__EDGE__BODY_BYTES_IN_FLIGHT", "33 MiB")]).await;
    let workspace = haven.workspace("1").await;
    // More than the buffers of both ends hold.
    script(&haven, json!({"media": {"pad_bytes": 15_000_000}}));
    let body = draw("nano-banana-pro", 2, "b64_json");
    let request = haven.request(&workspace.key, "POST", "/v1/images/generations").json(&body);
    let slow = within("an answer", request.send()).await.unwrap();
    let announced = slow.content_length().unwrap();
    assert!(announced > 40_000_000, "{announced}");
    let refused = generate(&haven, &workspace, &draw("nano-banana-pro", 1, "url")).await;
    assert_eq!(refused.refusal(), (503, "overloaded"));
    assert_eq!(within("the whole answer", slow.bytes()).await.unwrap().len() as u64, announced);
    crate::harness::until("the bytes to be free", || async {
        let reply = generate(&haven, &workspace, &draw("nano-banana-pro", 1, "url")).await;
        (reply.status == 200).then_some(())
    })
    .await;
    haven.finish().await;
}

#[actix_web::test]
async fn what_a_file_says_beside_its_picture_stays_here_unless_it_is_signed() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    let draw_one = async |model: &str, media: &Value| {
        haven.control.reset();
        script(&haven, json!({ "media": media }));
        let reply = generate(&haven, &workspace, &draw(model, 1, "b64_json")).await.ok();
        STANDARD.decode(reply.body["data"][0]["b64_json"].as_str().unwrap()).unwrap()
    };
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    for (model, format) in [
        ("seedream-5", "jpeg"),
        ("seedream-5", "png"),
        ("pixai-v4", "png"),
        ("pixai-v4", "jpeg"),
        ("nano-banana-pro", "jpeg"),
        ("nano-banana-pro", "png"),
    ] {
        let plain = draw_one(model, &json!({ "image_format": format })).await;
        let cleaned = draw_one(model, &json!({ "image_format": format, "metadata": true })).await;
        assert_eq!(cleaned, plain, "{model} {format}");
        let signed = draw_one(model, &json!({ "image_format": format, "metadata": true, "signed": true })).await;
        assert!(has(&signed, "c2pa") && has(&signed, "metadata-canary"), "{model} {format}: a signature covers all");
    }
    haven.finish().await;
}
