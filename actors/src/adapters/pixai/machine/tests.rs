//! Whole tasks, told step by step.

use super::*;
use crate::domain::image_tier::ImageTier;
use crate::media::{Call, Charge, ImageRequest, Pixels, Place, ResponseFormat, Retry, Size};
use bytes::Bytes;
use serde_json::json;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x04\0\0\0\x04\0\x08\x02\0\0\0";
const BUDGET: u64 = 60_000;
const SETTING: Setting<'_> = Setting {
    upstream_model: "1983308862240288769",
    base_url: "https://api.pixai.art",
    seed: 7,
    budget_millis: BUDGET,
};

fn begin(count: u32) -> (Machine, Call) {
    let request = ImageRequest {
        model: "pixai-v4".to_owned(),
        prompt: "a \"cat\"\n猫".into(),
        size: Size::Pixels(Pixels { width: 1536, height: 864 }),
        count,
        response_format: ResponseFormat::Url,
        output_format: None,
        end_user: None,
    };
    let job = super::super::plan(&request).unwrap().jobs.remove(0);
    assert_eq!(job.tier, ImageTier::K1Half);
    let (machine, step) = Machine::begin(&job, &SETTING);
    let Step::Call(call) = step else { panic!("{step:?}") };
    (machine, call)
}

fn answer(status: u16, body: impl Into<Bytes>) -> News {
    News::Answer(Answer { status, body: body.into(), ..Answer::default() })
}

fn task(status: &str, outputs: serde_json::Value) -> News {
    let outputs = if outputs.is_null() { json!({"mediaIds": [], "mediaUrls": []}) } else { outputs };
    answer(200, json!({"id": "17", "status": status, "startedAt": null, "outputs": outputs}).to_string())
}

fn link(n: u32) -> String {
    format!("https://images-ng.pixai.art/images/orig/{n}?sig=a")
}

fn place(step: Step<Delivery>) -> Place {
    let Step::Call(call) = step else { panic!("{step:?}") };
    assert_eq!(call.charge, Charge::Free);
    call.place
}

fn below(path: &str) -> Place {
    Place::Provider { path: path.to_owned(), auth: Auth::Bearer }
}

/// A machine whose task runs.
fn running(count: u32) -> Machine {
    let (mut machine, _) = begin(count);
    assert_eq!(machine.next(task("waiting", json!(null)), 100), Step::Wait { millis: POLL_MILLIS });
    assert_eq!(place(machine.next(News::Waited, 1_600)), below("/v1/task/17"));
    machine
}

#[test]
fn the_body_of_a_task() {
    let (_, call) = begin(4);
    assert_eq!((call.charge, call.place.clone()), (Charge::Starts, below("/v2/image/create")));
    insta::assert_snapshot!(std::str::from_utf8(&call.body).unwrap(), @r#"{"modelVersionId":"1983308862240288769","prompt":"a \"cat\"\n猫","aspectRatio":"16:9","size":"1.5k","mode":"standard","batchSize":4,"promptHelper":"disable"}"#);
}

#[test]
fn a_task_is_created_asked_after_and_fetched() {
    let mut machine = running(1);
    assert_eq!(machine.next(task("running", json!(null)), 1_700), Step::Wait { millis: POLL_MILLIS });
    assert_eq!(place(machine.next(News::Waited, 3_200)), below("/v1/task/17"));
    let step = machine.next(task("completed", json!({"mediaIds": ["5"], "mediaUrls": [link(5)]})), 3_300);
    assert_eq!(place(step), Place::Host { url: link(5) });
    let Step::Done(delivery) = machine.next(answer(200, PNG), 3_400) else { panic!() };
    assert_eq!((delivery.images.len(), delivery.missing), (1, None));
}

#[test]
fn a_task_that_is_complete_at_once_is_not_asked_after() {
    let (mut machine, _) = begin(1);
    let created = task("completed", json!({"mediaUrls": [link(1)]}));
    assert_eq!(place(machine.next(created, 50)), Place::Host { url: link(1) });
}

#[test]
fn a_file_without_a_link_is_fetched_with_the_key_and_its_redirect_without() {
    let mut machine = running(1);
    let step = machine.next(task("completed", json!({"mediaIds": ["5"], "mediaUrls": [null]})), 2_000);
    assert_eq!(place(step), below("/v1/media/5/image"));
    let redirect = News::Answer(Answer { status: 302, location: Some(link(5)), ..Answer::default() });
    assert_eq!(place(machine.next(redirect, 2_100)), Place::Host { url: link(5) });
    assert!(matches!(machine.next(answer(200, PNG), 2_200), Step::Done(_)));
}

#[test]
fn three_of_four_files_are_delivered() {
    let mut machine = running(4);
    let urls = json!([link(1), "https://elsewhere.example/2", link(3), link(4)]);
    let mut step = machine.next(task("completed", json!({"mediaUrls": urls})), 2_000);
    for n in [1, 3, 4] {
        assert_eq!(place(step), Place::Host { url: link(n) });
        step = machine.next(answer(200, PNG), 2_000);
    }
    let Step::Done(Delivery { images, missing }) = step else { panic!("{step:?}") };
    assert_eq!(images.len(), 3);
    assert_eq!(missing, Some(MediaFault::Malformed { what: "a file on a host that is allowed" }));
}

#[test]
fn a_completed_task_with_too_few_files_is_a_part_and_with_none_a_fault() {
    let mut machine = running(4);
    machine.next(task("completed", json!({"mediaUrls": [link(1)]})), 2_000);
    let step = machine.next(answer(200, PNG), 2_000);
    assert!(matches!(step, Step::Done(Delivery { images, missing: Some(_) }) if images.len() == 1));
    let step = running(1).next(task("completed", json!(null)), 2_000);
    assert!(matches!(step, Step::Failed(fault) if fault.may_have_charged()), "{step:?}");
}

#[test]
fn a_lost_create_is_never_sent_again() {
    for (news, retry) in [
        (News::Lost(Lost::NotSent), Retry::AnyAccount),
        (News::Lost(Lost::BrokeOff), Retry::No),
        (News::Lost(Lost::TimedOut), Retry::No),
        (answer(502, "<html>"), Retry::No),
        (answer(200, "{}"), Retry::No),
        (answer(201, r#"{"id":"../me","status":"waiting"}"#), Retry::No),
        (answer(429, ""), Retry::OtherAccount),
    ] {
        let step = begin(1).0.next(news, 10);
        let Step::Failed(fault) = step else { panic!("{step:?}") };
        assert_eq!((fault.retry(), fault.may_have_charged()), (retry, retry == Retry::No), "{fault:?}");
    }
}

#[test]
fn trouble_with_asking_is_waited_out_until_the_budget_ends() {
    let slow = News::Answer(Answer { status: 429, retry_after_millis: Some(9_000), ..Answer::default() });
    for (trouble, millis) in [
        (News::Lost(Lost::TimedOut), PAUSE_MILLIS),
        (News::Lost(Lost::NotSent), PAUSE_MILLIS),
        (answer(500, ""), PAUSE_MILLIS),
        (answer(404, ""), PAUSE_MILLIS),
        (answer(200, "<html>"), PAUSE_MILLIS),
        (slow, 9_000),
        (task("a state of the future", json!(null)), POLL_MILLIS),
    ] {
        let mut machine = running(1);
        assert_eq!(machine.next(trouble.clone(), 2_000), Step::Wait { millis });
        assert_eq!(place(machine.next(News::Waited, 2_000 + millis)), below("/v1/task/17"));
        let late = machine.next(trouble, BUDGET - POLL_MILLIS + 1);
        assert_eq!(late, Step::Failed(MediaFault::UnknownOutcome { status: 504 }));
    }
}

#[test]
fn tasks_that_end_without_a_picture() {
    assert_eq!(running(1).next(task("failed", json!(null)), 2_000), Step::Failed(MediaFault::Policy));
    let cancelled = running(1).next(task("cancelled", json!(null)), 2_000);
    assert!(matches!(cancelled, Step::Failed(fault) if fault.retry() == Retry::No));
    let other = json!({"id": "18", "status": "completed", "outputs": {"mediaUrls": [link(1)]}}).to_string();
    assert!(matches!(running(1).next(answer(200, other), 2_000), Step::Failed(MediaFault::Malformed { .. })));
}
