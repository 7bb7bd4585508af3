//! The whole of a generation, from golden answers.

use super::*;
use crate::domain::image_tier::ImageTier;
use crate::media::{Call, Charge, Image, ImageRequest, Lost, Place, ResponseFormat, Retry, Size};
use bytes::Bytes;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x08\0\0\0\x08\0\x08\x02\0\0\0";
const SETTING: Setting<'_> = Setting {
    upstream_model: "seedream-5-0-260128",
    base_url: "https://ark.ap-southeast.bytepluses.com",
    seed: 7,
    budget_millis: 60_000,
};

fn a_job() -> ImageJob {
    let request = ImageRequest {
        model: "seedream-5".to_owned(),
        prompt: "a \"cat\"\n猫".into(),
        size: Size::Auto,
        count: 1,
        response_format: ResponseFormat::Url,
        output_format: Some(crate::media::ImageFormat::Png),
        end_user: None,
    };
    super::super::plan(&request, SETTING.upstream_model).unwrap().jobs.remove(0)
}

fn begin() -> (Machine, Call) {
    let (machine, step) = Machine::begin(&a_job(), &SETTING);
    let Step::Call(call) = step else { panic!("{step:?}") };
    (machine, call)
}

fn answer(status: u16, body: impl Into<Bytes>) -> News {
    News::Answer(Answer { status, body: body.into(), ..Answer::default() })
}

/// What a generation fails with when the provider answers so.
fn refused(status: u16, body: &'static str) -> MediaFault {
    let step = begin().0.next(answer(status, body));
    let Step::Failed(fault) = step else { panic!("{step:?}") };
    fault
}

#[test]
fn the_call_asks_for_one_image_without_a_watermark() {
    let (_, call) = begin();
    assert_eq!(call.charge, Charge::Starts);
    insta::assert_snapshot!(std::str::from_utf8(&call.body).unwrap(), @r#"{"model":"seedream-5-0-260128","prompt":"a \"cat\"\n猫","size":"2K","response_format":"url","output_format":"png","watermark":false}"#);
    insta::assert_debug_snapshot!(call.place, @r#"
    Provider {
        path: "/api/v3/images/generations",
        auth: Bearer,
    }
    "#);
}

#[test]
fn the_file_is_fetched_and_reported_as_it_is() {
    let (mut machine, _) = begin();
    let body = include_str!("../fixtures/answer.json");
    let Step::Call(call) = machine.next(answer(200, body)) else { panic!() };
    assert_eq!(call.charge, Charge::Free);
    let Place::Host { url } = &call.place else { panic!() };
    assert!(
        url.starts_with("https://ark-content.tos-ap-southeast-1.volces.com/") && url.ends_with("SignedHeaders=host")
    );
    let step = machine.next(answer(200, PNG));
    let image = Image::read(Bytes::from_static(PNG)).unwrap();
    assert_eq!(a_job().charged_tier(&image), ImageTier::K2);
    assert_eq!(step, Step::Done(Delivery { images: vec![image], missing: None }));
}

#[test]
fn an_error_inside_a_success_is_no_success() {
    assert_eq!(refused(200, include_str!("../fixtures/partial.json")), MediaFault::Policy);
    assert_eq!(refused(200, include_str!("../fixtures/error_at_200.json")), MediaFault::Failed { status: 500 });
    assert!(refused(200, r#"{"data":[]}"#).may_have_charged());
    assert!(refused(200, "<html>").may_have_charged());
    assert_eq!(refused(400, include_str!("../fixtures/policy.json")), MediaFault::Policy);
    assert_eq!(refused(403, include_str!("../fixtures/overdue.json")), MediaFault::OurMoney);
}

#[test]
fn a_file_on_another_host_is_not_fetched() {
    let fault = refused(200, r#"{"data":[{"url":"https://volces.com.evil.example/x.png","size":"2048x2048"}]}"#);
    assert_eq!(fault, MediaFault::Malformed { what: "a file on a host that is allowed" });
    let fault = refused(200, r#"{"data":[{"url":"http://169.254.169.254/"}]}"#);
    assert!(fault.may_have_charged() && fault.retry() == Retry::No);
}

#[test]
fn a_lost_answer_is_not_asked_for_twice_but_a_lost_file_is() {
    for (lost, retry) in [(Lost::NotSent, Retry::AnyAccount), (Lost::BrokeOff, Retry::No), (Lost::TimedOut, Retry::No)]
    {
        let step = begin().0.next(News::Lost(lost));
        let Step::Failed(fault) = step else { panic!("{step:?}") };
        assert_eq!((fault.retry(), fault.may_have_charged()), (retry, retry == Retry::No), "{lost:?}");
    }
    let (mut machine, _) = begin();
    let fetch = machine.next(answer(200, include_str!("../fixtures/answer.json")));
    for _ in 0..2 {
        assert!(matches!(machine.next(News::Lost(Lost::BrokeOff)), Step::Wait { .. }));
        assert_eq!(machine.next(News::Waited), fetch);
    }
    let step = machine.next(answer(200, "not an image"));
    assert_eq!(step, Step::Failed(MediaFault::Malformed { what: "a PNG, JPEG or WebP file" }));
}
