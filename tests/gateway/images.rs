//! Images over HTTP: every model both ways, exact charges, and what a caller gets of each failure.
//! `charges` has every size of every model, `faults` every fault of the simulator, `leaving` callers who leave, `lanes`
//! the line before accounts that make one image at a time, `budget` the memory.

mod budget;
mod charges;
mod faults;
mod lanes;
mod leaving;

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
