//! The whole of a generation, from golden answers.

use super::*;
use crate::domain::image_tier::ImageTier;
use crate::media::{Answer, Charge, ImageFormat, ImageRequest, Lost, Pixels, Place, ResponseFormat, Retry, Size};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const SETTING: Setting<'_> = Setting {
    upstream_model: "gemini-3-pro-image",
    base_url: "https://generativelanguage.googleapis.com",
    seed: 7,
    budget_millis: 60_000,
};

fn begin(size: Size) -> (ImageJob, Machine, Call) {
    let request = ImageRequest {
        model: "nano-banana-pro".to_owned(),
        prompt: "a \"cat\"\n猫".into(),
        size,
        count: 1,
        response_format: ResponseFormat::Url,
        output_format: None,
        end_user: None,
    };
    let job = plan(&request).unwrap().jobs.remove(0);
    let (machine, step) = Machine::begin(&job, &SETTING);
    let Step::Call(call) = step else { panic!("{step:?}") };
    (job, machine, call)
}

fn answered(status: u16, body: impl Into<Bytes>) -> Step<Delivery> {
    let answer = Answer { status, body: body.into(), ..Answer::default() };
    begin(Size::Auto).1.next(News::Answer(answer))
}

fn refused(body: &Value) -> MediaFault {
    let step = answered(200, body.to_string());
    let Step::Failed(fault) = step else { panic!("{step:?}") };
    fault
}

/// A JPEG of this width, as base64.
fn jpeg(width: u16) -> String {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0x03, 0x00];
    bytes.extend(width.to_be_bytes());
    bytes.extend([1, 1, 0x11, 0]);
    STANDARD.encode(bytes)
}

fn inline(width: u16) -> Value {
    json!({"inlineData": {"mimeType": "image/png", "data": jpeg(width)}})
}

fn candidate(reason: &str, parts: &Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 1120, "totalTokenCount": 1127}})
}

#[test]
fn the_body_names_ratio_and_size_or_neither() {
    let (job, _, call) = begin(Size::Pixels(Pixels { width: 3840, height: 2400 }));
    assert_eq!((job.tier, call.charge), (ImageTier::K2, Charge::Starts));
    let body = |call: &Call| String::from_utf8(call.body.to_vec()).unwrap();
    insta::assert_snapshot!(body(&call), @r#"{"contents":[{"role":"user","parts":[{"text":"a \"cat\"\n猫"}]}],"generationConfig":{"responseModalities":["IMAGE"],"imageConfig":{"aspectRatio":"3:2","imageSize":"2K"}}}"#);
    let (_, _, call) = begin(Size::Auto);
    insta::assert_snapshot!(body(&call), @r#"{"contents":[{"role":"user","parts":[{"text":"a \"cat\"\n猫"}]}],"generationConfig":{"responseModalities":["IMAGE"]}}"#);
    let path = "/v1beta/models/gemini-3-pro-image:generateContent".to_owned();
    assert_eq!(call.place, Place::Provider { path, auth: Auth::XGoogApiKey });
}

#[test]
fn the_last_image_that_is_no_thought_is_the_result() {
    let mut thought = inline(3);
    thought["thought"] = json!(true);
    let parts = json!([inline(1), {"text": "here"}, inline(2), thought, {"text": "done"}]);
    let Step::Done(delivery) = answered(200, candidate("STOP", &parts).to_string()) else { panic!() };
    let [image] = delivery.images.as_slice() else { panic!("{delivery:?}") };
    assert_eq!((image.format, image.size), (ImageFormat::Jpeg, Pixels { width: 2, height: 768 }), "not the label");
    // proto-JSON may escape what base64 ends with.
    let escaped = candidate("STOP", &json!([inline(1376)])).to_string().replace('=', "\\u003d");
    assert!(matches!(answered(200, escaped), Step::Done(_)));
}

#[test]
fn a_refusal_is_one_in_each_of_its_shapes() {
    for reason in ["SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "IMAGE_SAFETY", "OTHER"] {
        assert_eq!(refused(&json!({"promptFeedback": {"blockReason": reason}})), MediaFault::Policy, "{reason}");
    }
    let reasons = ["IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "SAFETY", "PROHIBITED_CONTENT"];
    for reason in reasons.into_iter().chain(["RECITATION", "BLOCKLIST"]) {
        let bare = json!({"candidates": [{"finishReason": reason, "index": 0}]});
        assert_eq!(refused(&bare), MediaFault::Policy, "{reason}");
        let draft = candidate(reason, &json!([inline(1)]));
        assert_eq!(refused(&draft), MediaFault::Policy, "a draft of what was refused is not delivered");
    }
    let apology = candidate("STOP", &json!([{"text": "I cannot draw this."}]));
    assert_eq!(refused(&apology), MediaFault::Policy);
    assert!(!MediaFault::Policy.may_have_charged() && MediaFault::Policy.retry() == Retry::No);
}

#[test]
fn nothing_made_without_a_reason_is_worth_one_more_try() {
    let mut thought = inline(1);
    thought["thought"] = json!(true);
    for (reason, parts) in [
        ("NO_IMAGE", json!([])),
        ("IMAGE_OTHER", json!([{"text": "hm"}])),
        ("STOP", json!([])),
        ("STOP", json!([thought])),
        ("A_REASON_OF_THE_FUTURE", json!([])),
    ] {
        let fault = refused(&candidate(reason, &parts));
        assert_eq!((fault, fault.retry()), (MediaFault::NothingMade, Retry::AnyAccount), "{reason}");
    }
}

#[test]
fn what_is_no_answer_or_no_image_is_malformed() {
    let no_image = json!([{"inlineData": {"mimeType": "image/png", "data": STANDARD.encode("<svg/>")}}]);
    let no_base64 = json!([{"inlineData": {"mimeType": "image/png", "data": "*"}}]);
    for body in [json!({}), json!({"candidates": []}), candidate("STOP", &no_image), candidate("STOP", &no_base64)] {
        assert!(matches!(refused(&body), MediaFault::Malformed { .. }), "{body}");
    }
    for body in ["", "<html>", "[]"] {
        assert!(matches!(answered(200, body), Step::Failed(MediaFault::Malformed { .. })), "{body}");
    }
}

#[test]
fn every_error_has_its_class() {
    use MediaFault::{BadInput, Busy, Failed, OurKey, OurModel, OurMoney, OurQuota, UnknownOutcome};
    let info = |reason: &str| json!([{"@type": "x/google.rpc.ErrorInfo", "reason": reason}]);
    let retry = json!([{"@type": "x/google.rpc.RetryInfo", "retryDelay": "34s"}]);
    let daily = json!([{"@type": "x/google.rpc.QuotaFailure", "violations": [{"quotaId": "ImagesPerDayPerProject"}]}]);
    for (status, name, details, expected) in [
        (400, "INVALID_ARGUMENT", json!([]), BadInput { param: None }),
        (400, "INVALID_ARGUMENT", info("API_KEY_INVALID"), OurKey),
        (400, "FAILED_PRECONDITION", json!([]), OurMoney),
        (403, "PERMISSION_DENIED", json!([]), OurKey),
        (404, "NOT_FOUND", json!([]), OurModel),
        (429, "RESOURCE_EXHAUSTED", retry, Busy { retry_after_millis: Some(34_000) }),
        (429, "RESOURCE_EXHAUSTED", daily, OurQuota),
        (500, "INTERNAL", json!([]), Failed { status: 500 }),
        (503, "UNAVAILABLE", json!([]), Failed { status: 503 }),
        (504, "DEADLINE_EXCEEDED", json!([]), Failed { status: 504 }),
    ] {
        let error = json!({"code": status, "message": "secret", "status": name, "details": details});
        let body = json!({"error": error}).to_string();
        assert_eq!(answered(status, body.clone()), Step::Failed(expected), "{status} {name}");
        let BadInput { .. } = expected else {
            assert_eq!(answered(200, body), Step::Failed(expected), "{name} at 200");
            continue;
        };
    }
    assert_eq!(answered(502, "<html>"), Step::Failed(UnknownOutcome { status: 502 }));
    let slow = Answer { status: 429, retry_after_millis: Some(2_000), ..Answer::default() };
    let step = begin(Size::Auto).1.next(News::Answer(slow));
    assert_eq!(step, Step::Failed(Busy { retry_after_millis: Some(2_000) }));
    let step = begin(Size::Auto).1.next(News::Lost(Lost::TooLarge));
    assert!(matches!(step, Step::Failed(fault) if fault.may_have_charged()), "{step:?}");
}
