//! Gemini's pictures as their client sees them.

use crate::{
    Rule, Simulator,
    tests::client::{GEMINI, Response, post, simulator},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

const PATH: &str = "/v1beta/models/gemini-3-pro-image:generateContent";

fn body(config: &Value) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "a red cat"}]}], "generationConfig": config})
}

async fn generate(simulator: &Simulator, config: &Value) -> Response {
    post(simulator, PATH, GEMINI, &body(config)).await
}

/// Under a rule given as JSON.
async fn under(simulator: &Simulator, rule: Value) -> Response {
    simulator.control().reset();
    simulator.control().script(serde_json::from_value::<Rule>(rule).unwrap());
    generate(simulator, &json!({"responseModalities": ["IMAGE"]})).await
}

fn parts(response: &Value) -> &[Value] {
    response["candidates"][0]["content"]["parts"].as_array().unwrap()
}

fn picture(part: &Value) -> Vec<u8> {
    STANDARD.decode(part["inlineData"]["data"].as_str().unwrap()).unwrap()
}

fn size(picture: &[u8]) -> (u16, u16) {
    let mut decoder = jpeg_decoder::Decoder::new(picture);
    decoder.decode().unwrap();
    let info = decoder.info().unwrap();
    (info.width, info.height)
}

#[actix_web::test]
async fn both_versions_answer_a_jpeg() {
    let simulator = simulator().await;
    let config = json!({"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": "21:9", "imageSize": "1K"}});
    for version in ["v1", "v1beta"] {
        let path = format!("/{version}/models/gemini-3-pro-image:generateContent");
        let answer = post(&simulator, &path, GEMINI, &body(&config)).await.json();
        assert_eq!(answer["candidates"][0]["finishReason"], "STOP");
        let parts = parts(&answer);
        assert_eq!((parts.len(), &parts[0]["inlineData"]["mimeType"]), (1, &json!("image/jpeg")));
        assert_eq!(size(&picture(&parts[0])), (1584, 672));
        let usage = &answer["usageMetadata"];
        assert_eq!(usage["candidatesTokensDetails"], json!([{"modality": "IMAGE", "tokenCount": 1120}]));
        let charge = simulator.control().charges().pop().unwrap();
        assert_eq!(json!(charge.units), usage["totalTokenCount"]);
        // 13.44 cents for the picture, and a little for thoughts and prompt.
        assert!((134_400_000..139_000_000).contains(&charge.nano_usd), "{}", charge.nano_usd);
        assert_eq!((charge.images, charge.pixels), (1, Some((1584, 672))));
    }
    assert_eq!(simulator.control().charges().len(), 2);
    let text = post(&simulator, "/v1/models/gemini-3-flash-preview:generateContent", GEMINI, &body(&json!({}))).await;
    assert_eq!((text.status, &text.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    simulator.stop().await;
}

#[actix_web::test]
async fn drafts_come_before_the_picture() {
    let simulator = simulator().await;
    let plain = under(&simulator, json!({})).await.json();
    let wanted = picture(&parts(&plain)[0]);
    for is_marked in [true, false] {
        let change = json!({"drafts": 2, "thought_drafts": is_marked, "text": "Here it is."});
        let answer = under(&simulator, json!({"gemini_image": change, "times": 1})).await.json();
        let parts = parts(&answer);
        assert_eq!((parts.len(), parts[0]["text"].as_str()), (4, Some("Here it is.")));
        assert_eq!(parts[1].get("thought").is_some(), is_marked);
        assert!(parts[3].get("thought").is_none());
        assert!(picture(&parts[3]) == wanted && picture(&parts[1]) != wanted);
        assert_eq!(simulator.control().charges().len(), 1);
    }
    simulator.stop().await;
}

#[actix_web::test]
async fn refusals_look_like_answers_and_cost_nothing() {
    let simulator = simulator().await;
    for reason in ["SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "IMAGE_SAFETY", "OTHER"] {
        let blocked = under(&simulator, json!({"gemini_image": {"block_reason": reason}})).await;
        assert_eq!((blocked.status, &blocked.json()["promptFeedback"]["blockReason"]), (200, &json!(reason)));
        assert!(blocked.json().get("candidates").is_none());
    }
    for reason in ["IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "NO_IMAGE"] {
        let finished = under(&simulator, json!({"gemini_image": {"finish_reason": reason}})).await.json();
        assert_eq!(finished["candidates"][0]["finishReason"], reason);
        assert_eq!(finished["usageMetadata"]["candidatesTokenCount"], 0);
    }
    let apology = under(&simulator, json!({"gemini_image": {"apology": "Sorry."}})).await.json();
    assert_eq!(parts(&apology), [json!({"text": "Sorry."})]);
    assert_eq!(apology["candidates"][0]["finishReason"], "STOP");
    assert!(simulator.control().charges().is_empty());
    simulator.stop().await;
}

#[actix_web::test]
async fn errors_are_in_googles_words() {
    let simulator = simulator().await;
    for config in [json!({"candidateCount": 2}), json!({"imageConfig": {"imageSize": "2k"}})] {
        let refused = generate(&simulator, &config).await;
        assert_eq!((refused.status, &refused.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    }
    let status = json!({"code": 429, "retry_delay": "34s", "quota_id": "GenerateRequestsPerDayPerProjectPerModel"});
    let exhausted = under(&simulator, json!({ "status": status })).await.json();
    assert_eq!(exhausted["error"]["details"][1]["retryDelay"], "34s");
    simulator.control().reset();
    simulator.control().accept_keys(["AIza-2"]);
    let bad_key = generate(&simulator, &json!({})).await;
    assert_eq!((bad_key.status, &bad_key.json()["error"]["details"][0]["reason"]), (400, &json!("API_KEY_INVALID")));
    assert!(simulator.control().charges().is_empty());
    simulator.stop().await;
}

#[actix_web::test]
async fn bodies_become_very_large() {
    let simulator = simulator().await;
    let large = under(&simulator, json!({"media": {"pad_bytes": 11_250_000}})).await;
    assert!(large.bytes().len() > 15_000_000);
    assert_eq!(size(&picture(&parts(&large.json())[0])), (1024, 1024));
    let other = under(&simulator, json!({"media": {"image_format": "png", "pixels": [40, 30]}})).await.json();
    assert!(picture(&parts(&other)[0]).starts_with(b"\x89PNG"));
    assert_eq!(simulator.control().charges()[0].pixels, Some((40, 30)));
    simulator.stop().await;
}
