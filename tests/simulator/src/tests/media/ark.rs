//! Ark as its client sees it.

use crate::{
    Rule, Simulator,
    tests::client::{Response, get, post, simulator, with},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

pub(super) const ARK: &[(&str, &str)] = &[("authorization", "Bearer ark-1")];
const PRO: &str = "dola-seedream-5-0-pro-260628";

pub(super) fn body(more: Value) -> Value {
    with(json!({"model": "seedream-5-0-260128", "prompt": "a red cat", "size": "2K", "watermark": false}), more)
}

pub(super) async fn generate(simulator: &Simulator, more: Value) -> Response {
    post(simulator, "/api/v3/images/generations", ARK, &body(more)).await
}

/// Under the rule `{"ark": …}`.
async fn under(simulator: &Simulator, ark: Value, more: Value) -> Response {
    simulator.control().reset();
    simulator.control().script(serde_json::from_value::<Rule>(json!({ "ark": ark })).unwrap());
    generate(simulator, more).await
}

fn jpeg(bytes: &[u8]) -> (u16, u16, Vec<u8>) {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let pixels = decoder.decode().unwrap();
    let info = decoder.info().unwrap();
    (info.width, info.height, pixels)
}

#[actix_web::test]
async fn a_picture_is_made_charged_and_downloaded() {
    let simulator = simulator().await;
    let response = generate(&simulator, json!({"model": PRO, "size": "1424x800", "seed": null})).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(response.header("x-request-id").is_some());
    let answer = response.json();
    assert_eq!(answer["data"][0]["size"], "1424x800");
    assert_eq!(answer["usage"], json!({"generated_images": 1, "output_tokens": 4450, "total_tokens": 4450}));
    let charges = simulator.control().charges();
    assert_eq!(charges.len(), 1);
    assert_eq!((charges[0].nano_usd, charges[0].pixels), (45_000_000, Some((1424, 800))));
    assert_eq!((charges[0].key.as_str(), charges[0].model.as_str()), ("ark-1", PRO));
    assert!(!charges[0].watermarked);

    let url = answer["data"][0]["url"].as_str().unwrap();
    assert!(url.contains("X-Tos-Expires=86400&X-Tos-Signature="), "{url}");
    let picture = get(&simulator, url.strip_prefix(&simulator.url()).unwrap_or(url)).await;
    assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/jpeg")));
    let (width, height, _) = jpeg(&picture.bytes());
    assert_eq!((width, height), (1424, 800));
    // Downloads are remembered as calls, and cost nothing.
    assert_eq!((simulator.control().calls().len(), simulator.control().charges().len()), (2, 1));
    simulator.stop().await;
}

#[actix_web::test]
async fn an_address_expires_and_cannot_be_changed() {
    let simulator = simulator().await;
    let url = |response: &Response| response.json()["data"][0]["url"].as_str().unwrap().to_owned();
    let good = url(&generate(&simulator, json!({})).await);
    let changed = good.replace("_2048x2048_", "_2048x2047_");
    assert_ne!(changed, good);
    assert!(get(&simulator, &changed).await.text().contains("signature"));
    let longer = get(&simulator, &good.replace("Expires=86400", "Expires=99999")).await;
    assert_eq!(longer.status, 403);
    let expired = get(&simulator, &url(&under(&simulator, json!({"url_expires_s": 0}), json!({})).await)).await;
    assert_eq!((expired.status, &expired.json()["Message"]), (403, &json!("Request has expired")));
    // A rule that names the path meets downloads.
    simulator.control().script(Rule::new().path("/tos/").status(500).times(1));
    assert_eq!(get(&simulator, &good).await.status, 500);
    assert_eq!(get(&simulator, &good).await.status, 200);
    simulator.stop().await;
}

#[actix_web::test]
async fn the_mark_is_seen_unless_refused() {
    let simulator = simulator().await;
    let png = json!({"model": PRO, "size": "1K", "output_format": "png", "response_format": "b64_json"});
    for (watermark, is_marked) in [(json!(null), true), (json!(true), true), (json!(false), false)] {
        let response = generate(&simulator, with(png.clone(), json!({"watermark": watermark}))).await.json();
        assert!(response["data"][0].get("url").is_none());
        let bytes = STANDARD.decode(response["data"][0]["b64_json"].as_str().unwrap()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels.ends_with(&[255; 3 * 1024]), is_marked);
        assert_eq!(simulator.control().charges().last().unwrap().watermarked, is_marked);
    }
    simulator.stop().await;
}

#[actix_web::test]
async fn some_fail_at_200_and_only_the_others_are_charged() {
    let simulator = simulator().await;
    let sequence = json!({"sequential_image_generation": "auto",
        "sequential_image_generation_options": {"max_images": 3}});
    let answer = under(&simulator, json!({"images": 3, "failures": [1]}), sequence.clone()).await.json();
    let data = answer["data"].as_array().unwrap();
    assert_eq!((data.len(), &data[1]["error"]["code"]), (3, &json!("OutputImageSensitiveContentDetected")));
    assert_eq!(answer["usage"]["generated_images"], 2);
    let charges = simulator.control().charges();
    assert_eq!((charges.len(), charges[0].units, charges[0].nano_usd), (1, 2, 70_000_000));
    // The model decides how many there are.
    let drawn = under(&simulator, json!({}), sequence).await.json()["data"].as_array().unwrap().len();
    assert!((1..=3).contains(&drawn));

    let failed = under(&simulator, json!({"failures": [0], "failure_code": "InternalServiceError"}), json!({})).await;
    assert_eq!(failed.json()["data"][0]["error"]["code"], "InternalServiceError");
    assert!(simulator.control().charges().is_empty());
    let top = under(&simulator, json!({"top_level_error": "InternalServiceError"}), json!({})).await;
    assert_eq!((top.status, &top.json()["error"]["code"]), (200, &json!("InternalServiceError")));
    assert!(simulator.control().charges().is_empty());
    let empty = under(&simulator, json!({"empty": true, "omit_usage": true}), json!({})).await.json();
    assert_eq!((&empty["data"], empty.get("usage"), simulator.control().charges().len()), (&json!([]), None, 1));
    let successor = under(&simulator, json!({"model": "seedream-5-1-270101"}), json!({})).await.json();
    assert_eq!(successor["model"], "seedream-5-1-270101");
    simulator.stop().await;
}

#[actix_web::test]
async fn lite_streams_and_pro_does_not() {
    let simulator = simulator().await;
    let more = json!({"stream": true, "sequential_image_generation": "auto"});
    let streamed = under(&simulator, json!({"images": 2, "failures": [0]}), more).await;
    assert!(streamed.text().ends_with("data: [DONE]\n\n") && streamed.chunks.len() == 4);
    let events = streamed.events();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let wanted =
        ["image_generation.partial_failed", "image_generation.partial_succeeded", "image_generation.completed"];
    assert_eq!(kinds, wanted);
    assert_eq!((&events[1]["image_index"], &events[2]["usage"]["generated_images"]), (&json!(1), &json!(1)));
    let refused = generate(&simulator, json!({"model": PRO, "stream": true})).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("stream")));
    simulator.stop().await;
}

#[actix_web::test]
async fn refusals_are_in_arks_words() {
    let simulator = simulator().await;
    for (code, status) in [(401, "AuthenticationError"), (403, "AccountOverdueError"), (500, "InternalServiceError")] {
        simulator.control().reset();
        simulator.control().script(Rule::new().status(code));
        let response = generate(&simulator, json!({})).await;
        assert_eq!((response.status, &response.json()["error"]["code"]), (code, &json!(status)));
    }
    for code in ["InputTextSensitiveContentDetected", "OutputImageSensitiveContentDetected"] {
        let refused = under(&simulator, json!({"refusal": code}), json!({})).await;
        let error = &refused.json()["error"];
        assert_eq!((refused.status, &error["code"], &error["type"]), (400, &json!(code), &json!("BadRequest")));
        assert!(error["message"].as_str().unwrap().contains("Request id: "));
    }
    assert!(simulator.control().charges().is_empty());
    simulator.control().reset();
    let unknown = generate(&simulator, json!({"model": "seedream-5"})).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!("InvalidEndpointOrModel.NotFound")));
    simulator.control().accept_keys(["ark-2"]);
    assert_eq!(generate(&simulator, json!({})).await.status, 401);
    assert_eq!(post(&simulator, "/api/v3/images/generations", &[], &body(json!({}))).await.status, 401);
    simulator.stop().await;
}
