//! `PixAI` as its client sees it.

use crate::{
    Protocol, Rule, Simulator,
    tests::client::{Response, get, get_with, open, post, receive, simulator, with},
};
use serde_json::{Value, json};
use std::io::Cursor;

const KEY: &[(&str, &str)] = &[("authorization", "Bearer px-1")];

fn body(more: Value) -> Value {
    with(json!({"modelVersionId": "1983308862240288769", "prompt": "a red cat", "size": "1k"}), more)
}

async fn create(simulator: &Simulator, more: Value) -> Response {
    post(simulator, "/v2/image/create", KEY, &body(more)).await
}

async fn poll(simulator: &Simulator, task: &Value) -> Response {
    get_with(simulator, &format!("/v1/task/{}", task["id"].as_str().unwrap()), KEY).await
}

/// A task created under the rule `{"pixai": …}`, which then is gone.
async fn under(simulator: &Simulator, pixai: Value) -> Response {
    simulator.control().reset();
    simulator.control().script(serde_json::from_value::<Rule>(json!({ "pixai": pixai, "times": 1 })).unwrap());
    create(simulator, json!({})).await
}

fn size(picture: &[u8]) -> (u32, u32) {
    let reader = png::Decoder::new(Cursor::new(picture)).read_info().unwrap();
    (reader.info().width, reader.info().height)
}

#[actix_web::test]
async fn a_task_is_created_polled_and_fetched() {
    let simulator = simulator().await;
    let created = create(&simulator, json!({"batchSize": 4, "aspectRatio": "3:1"})).await;
    assert_eq!(created.status, 200);
    let task = created.json();
    assert_eq!((&task["status"], &task["startedAt"]), (&json!("waiting"), &json!(null)));
    assert_eq!(task["outputs"], json!({"mediaIds": [], "mediaUrls": []}));
    let charges = simulator.control().charges();
    assert_eq!((charges.len(), charges[0].units, charges[0].images), (1, 12_800, 4));
    assert_eq!(charges[0].reference, task["id"]);

    let done = poll(&simulator, &task).await.json();
    assert_eq!((&done["status"], done["endAt"].is_string()), (&json!("completed"), true));
    let urls = done["outputs"]["mediaUrls"].as_array().unwrap();
    assert_eq!((urls.len(), done["outputs"]["mediaIds"].as_array().unwrap().len()), (4, 4));
    let picture = get(&simulator, urls[0].as_str().unwrap()).await;
    assert_eq!((picture.header("content-type"), size(&picture.bytes())), (Some("image/png"), (1776, 592)));
    // Polls cost nothing; those of others find nothing.
    assert_eq!(simulator.control().charges().len(), 1);
    let path = format!("/v1/task/{}", task["id"].as_str().unwrap());
    assert_eq!(get_with(&simulator, &path, &[("authorization", "Bearer px-2")]).await.status, 404);
    assert_eq!(get(&simulator, &path).await.status, 401);
    assert_eq!(get_with(&simulator, "/v1/task/17", KEY).await.json()["message"], "Task not found");
    simulator.stop().await;
}

#[actix_web::test]
async fn polls_or_the_clock_move_a_task() {
    let simulator = simulator().await;
    let task = under(&simulator, json!({"waiting_polls": 1, "running_polls": 2, "created": true})).await;
    assert_eq!(task.status, 201);
    let task = task.json();
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(poll(&simulator, &task).await.json()["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(told, ["waiting", "running", "running", "completed", "completed"]);

    simulator.control().script(Rule::new().times(1).generate_ms(60_000));
    let task = create(&simulator, json!({})).await.json();
    assert_eq!(poll(&simulator, &task).await.json()["status"], "waiting");
    simulator.stop().await;
}

#[actix_web::test]
async fn a_picture_without_an_address_is_had_with_the_key() {
    let simulator = simulator().await;
    let task = under(&simulator, json!({"null_media_urls": true})).await.json();
    let outputs = poll(&simulator, &task).await.json()["outputs"].clone();
    assert_eq!(outputs["mediaUrls"], json!([null]));
    let path = format!("/v1/media/{}/image", outputs["mediaIds"][0].as_str().unwrap());
    assert_eq!(get(&simulator, &path).await.status, 401);
    let redirect = get_with(&simulator, &path, KEY).await;
    assert_eq!(redirect.status, 302);
    let location = redirect.header("location").unwrap();
    let location = &location[location.find("/cdn/").unwrap()..];
    assert_eq!(size(&get(&simulator, location).await.bytes()), (1024, 1024));
    assert_eq!(get_with(&simulator, "/v1/media/1/image", KEY).await.status, 404);
    simulator.stop().await;
}

#[actix_web::test]
async fn the_eleventh_task_is_refused() {
    let simulator = simulator().await;
    simulator.control().script(Rule::new().generate_ms(60_000));
    for _ in 0..10 {
        assert_eq!(create(&simulator, json!({})).await.status, 200);
    }
    assert_eq!(create(&simulator, json!({})).await.status, 429);
    let other = post(&simulator, "/v2/image/create", &[("authorization", "Bearer px-2")], &body(json!({}))).await;
    assert_eq!((other.status, simulator.control().charges().len()), (200, 11));
    simulator.stop().await;
}

#[actix_web::test]
async fn tasks_fail_without_a_reason_and_polls_come_too_fast() {
    let simulator = simulator().await;
    for outcome in ["failed", "cancelled"] {
        let task = under(&simulator, json!({ "outcome": outcome })).await.json();
        let failed = poll(&simulator, &task).await.json();
        assert_eq!((&failed["status"], &failed["outputs"]["mediaIds"]), (&json!(outcome), &json!([])));
        assert!(simulator.control().charges().is_empty());
    }
    let task = under(&simulator, json!({"strict_polls": true})).await.json();
    assert_eq!(poll(&simulator, &task).await.status, 429);
    // A rule for the polls themselves.
    let task = under(&simulator, json!({})).await.json();
    simulator.control().script(Rule::new().path("/v1/task/").status(503).times(1));
    assert_eq!(poll(&simulator, &task).await.status, 503);
    assert_eq!(poll(&simulator, &task).await.json()["status"], "completed");
    simulator.stop().await;
}

#[actix_web::test]
async fn a_lost_creation_is_a_paid_task() {
    let simulator = simulator().await;
    let rule = json!({"protocol": "pixai", "fault": {"kind": "reset_after_charge"}, "times": 1});
    simulator.control().script(serde_json::from_value::<Rule>(rule).unwrap());
    let mut stream = open(simulator.address(), "/v2/image/create", KEY, &body(json!({})).to_string()).await;
    assert_eq!(receive(&mut stream).await.status, 0);
    let charges = simulator.control().charges();
    assert_eq!((charges.len(), charges[0].protocol), (1, Protocol::PixAi));
    let task = json!({"id": charges[0].reference});
    assert_eq!(poll(&simulator, &task).await.json()["status"], "completed");
    simulator.control().set_balance(Protocol::PixAi, "px-1", 3_199);
    assert_eq!(create(&simulator, json!({})).await.status, 402);
    simulator.stop().await;
}
