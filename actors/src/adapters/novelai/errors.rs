//! `NovelAI`'s errors: JSON with the status and a message, or a page of the edge in front of it.

use serde::Deserialize;

use crate::media::{Answer, MediaFault};

/// The provider's own word; its message is not read, since every class has a status of its own.
#[derive(Deserialize)]
struct WireError {
    #[serde(rename = "statusCode")]
    _status_code: u16,
}

/// What an answer with an error status means.
pub(super) fn fault(answer: &Answer) -> MediaFault {
    let is_own_word = serde_json::from_slice::<WireError>(&answer.body).is_ok();
    let busy = MediaFault::Busy { retry_after_millis: answer.retry_after_millis };
    match answer.status {
        400 | 413 | 422 => MediaFault::BadInput { param: None },
        401 => MediaFault::OurKey,
        402 => MediaFault::OurMoney,
        // The edge turns away what comes too fast with either; the provider itself says 403 for a bad token.
        403 if is_own_word => MediaFault::OurKey,
        // 409: a generation of this account conflicts with another.
        403 | 409 | 429 => busy,
        404 => MediaFault::OurModel,
        500..=599 => MediaFault::server(answer.status, is_own_word),
        _ => MediaFault::Malformed { what: "a status that is known" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const PAGE: &[u8] = b"<!DOCTYPE html><title>Just a moment...</title>";

    #[test]
    fn every_status_has_its_class_in_both_voices() {
        use MediaFault::{BadInput, Busy, Failed, OurKey, OurModel, OurMoney, UnknownOutcome};
        let busy = Busy { retry_after_millis: Some(2_000) };
        for (status, own, page) in [
            (400, BadInput { param: None }, BadInput { param: None }),
            (401, OurKey, OurKey),
            (402, OurMoney, OurMoney),
            (403, OurKey, busy),
            (404, OurModel, OurModel),
            (409, busy, busy),
            (413, BadInput { param: None }, BadInput { param: None }),
            (429, busy, busy),
            (500, Failed { status: 500 }, UnknownOutcome { status: 500 }),
            (502, Failed { status: 502 }, UnknownOutcome { status: 502 }),
            (524, Failed { status: 502 }, UnknownOutcome { status: 502 }),
        ] {
            let json = format!(r#"{{"statusCode":{status},"message":"Concurrent generation is locked"}}"#);
            for (body, expected) in [(Bytes::from(json), own), (Bytes::from_static(PAGE), page)] {
                let answer = Answer { status, body, retry_after_millis: Some(2_000), ..Answer::default() };
                assert_eq!(fault(&answer), expected, "{status}");
            }
        }
    }
}
