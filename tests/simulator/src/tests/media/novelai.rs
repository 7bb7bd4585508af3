//! `NovelAI` as its client sees it.

use crate::{
    Protocol, Rule, Simulator,
    tests::client::{PATIENCE, Response, get_with, open, post, receive, simulator},
};
use serde_json::{Value, json};
use std::io::{Cursor, Read};
use tokio::time::timeout;

const KEY: &[(&str, &str)] = &[("authorization", "Bearer pst-1")];

fn body(samples: u64) -> Value {
    json!({"action": "generate", "input": "a red cat", "model": "nai-diffusion-4-full", "parameters": {
        "params_version": 3, "width": 128, "height": 192, "scale": 5, "sampler": "k_euler_ancestral", "steps": 28,
        "seed": 1, "n_samples": samples, "v4_prompt": {"caption": {"base_caption": "a red cat", "char_captions": []}},
    }})
}

async fn generate(simulator: &Simulator, body: &Value) -> Response {
    post(simulator, "/ai/generate-image", KEY, body).await
}

async fn under(simulator: &Simulator, change: Value) -> Response {
    simulator.control().reset();
    simulator.control().script(serde_json::from_value::<Rule>(json!({ "novelai": change })).unwrap());
    generate(simulator, &body(1)).await
}

/// The pictures of an archive.
fn unpacked(bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index(at).map_err(|error| error.to_string())?;
        let mut content = Vec::new();
        entry.take(1 << 20).read_to_end(&mut content).map_err(|error| error.to_string())?;
        files.push(content);
    }
    Ok(files)
}

fn pixels(picture: &[u8]) -> (png::Info<'static>, Vec<u8>) {
    let mut reader = png::Decoder::new(Cursor::new(picture)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    (reader.info().clone(), pixels)
}

#[actix_web::test]
async fn an_archive_of_pictures_comes_and_is_paid_in_anlas() {
    let simulator = simulator().await;
    let response = generate(&simulator, &body(2)).await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/x-zip-compressed")));
    let files = unpacked(response.bytes()).unwrap();
    assert_eq!(files.len(), 2);
    let (info, first) = pixels(&files[0]);
    assert_eq!((info.width, info.height), (128, 192));
    let texts: Vec<_> = info.uncompressed_latin1_text.iter().map(|text| text.keyword.as_str()).collect();
    assert_eq!(texts, ["Title", "Description", "Software", "Source", "Comment"]);
    assert_ne!(first, pixels(&files[1]).1);
    let charges = simulator.control().charges();
    assert_eq!((charges.len(), charges[0].units, charges[0].images), (1, 4, 2));
    let left = get_with(&simulator, "/user/subscription", KEY).await.json();
    assert_eq!(left["trainingStepsLeft"]["fixedTrainingStepsLeft"], 9_996);
    assert_eq!(get_with(&simulator, "/user/subscription", &[]).await.status, 401);

    simulator.control().set_balance(Protocol::NovelAi, "pst-1", 3);
    assert_eq!(generate(&simulator, &body(2)).await.json()["statusCode"], 402);
    assert_eq!(generate(&simulator, &body(1)).await.status, 200);
    assert_eq!(simulator.control().balance(Protocol::NovelAi, "pst-1"), Some(1));
    simulator.stop().await;
}

#[actix_web::test]
async fn a_prompt_in_the_wrong_place_is_not_drawn() {
    let simulator = simulator().await;
    let mut wrong = body(1);
    wrong["parameters"]["v4_prompt"] = json!(null);
    let files = unpacked(generate(&simulator, &wrong).await.bytes()).unwrap();
    assert!(pixels(&files[0]).1.iter().all(|sample| *sample == 255));
    assert_eq!(simulator.control().charges().len(), 1);
    let files = unpacked(generate(&simulator, &body(1)).await.bytes()).unwrap();
    assert!(pixels(&files[0]).1.iter().any(|sample| *sample != 255));
    simulator.stop().await;
}

#[actix_web::test]
async fn one_call_of_a_token_runs_at_a_time() {
    let simulator = simulator().await;
    let control = simulator.control();
    control.script(Rule::new().key("pst-1").times(1).generate_ms(60_000));
    let running = open(simulator.address(), "/ai/generate-image", KEY, &body(1).to_string()).await;
    timeout(PATIENCE, control.wait_for_charge(|charge| charge.key == "pst-1")).await.unwrap();
    let locked = generate(&simulator, &body(1)).await;
    assert_eq!(locked.json(), json!({"statusCode": 429, "message": "Concurrent generation is locked"}));
    let other = post(&simulator, "/ai/generate-image", &[("authorization", "Bearer pst-2")], &body(1)).await;
    assert_eq!((other.status, control.charges().len()), (200, 2));
    drop(running);
    timeout(PATIENCE, control.wait_until(|stats| stats.open == 0)).await.unwrap();
    assert_eq!(generate(&simulator, &body(1)).await.status, 200);
    // The place is free again when the answer has come.
    assert_eq!(generate(&simulator, &body(1)).await.status, 200);
    simulator.stop().await;
}

#[actix_web::test]
async fn archives_are_broken_in_every_way() {
    let simulator = simulator().await;
    for kind in ["truncated", "garbled", "not_a_zip"] {
        let broken = under(&simulator, json!({ "corrupt": kind })).await;
        assert_eq!(broken.status, 200);
        assert!(unpacked(broken.bytes()).is_err(), "{kind}");
        assert_eq!(simulator.control().charges().len(), 1);
    }
    assert_eq!(unpacked(under(&simulator, json!({"corrupt": "empty"})).await.bytes()).unwrap().len(), 0);
    assert_eq!(unpacked(under(&simulator, json!({"corrupt": "many_entries"})).await.bytes()).unwrap().len(), 1000);
    let text = unpacked(under(&simulator, json!({"corrupt": "not_an_image"})).await.bytes()).unwrap();
    assert!(text[0].starts_with(b"this is not"));
    let bomb = unpacked(under(&simulator, json!({"corrupt": "bomb"})).await.bytes()).unwrap();
    assert_eq!(bomb[0].len(), 1 << 20, "and it would go on");
    simulator.stop().await;
}

#[actix_web::test]
async fn the_other_forms_are_good_too() {
    let simulator = simulator().await;
    let other = under(&simulator, json!({"octet_stream": true, "created": true, "deflated": true})).await;
    assert_eq!((other.status, other.header("content-type")), (201, Some("binary/octet-stream")));
    assert_eq!(unpacked(other.bytes()).unwrap().len(), 1);
    under(&simulator, json!({"opus": true})).await;
    assert_eq!(simulator.control().charges()[0].units, 0);
    let page = under(&simulator, json!({"html_429": true})).await;
    assert_eq!((page.status, page.header("content-type")), (429, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("cloudflare") && simulator.control().charges().is_empty());
    simulator.control().reset();
    simulator.control().script(serde_json::from_value::<Rule>(json!({"media": {"units": 17}})).unwrap());
    let mut stream = open(simulator.address(), "/ai/generate-image", KEY, "{").await;
    assert_eq!(receive(&mut stream).await.json()["statusCode"], 400);
    generate(&simulator, &body(1)).await;
    assert_eq!(simulator.control().charges()[0].units, 17);
    simulator.stop().await;
}
