//! `PixAI`'s errors. The shape of their bodies is not documented, so only the status decides.

use crate::media::{Answer, MediaFault};

/// What an error status to the creation of a task means. A 5xx is never taken for "nothing happened": the task
/// may stand and be paid for.
pub(super) fn of_create(answer: &Answer) -> MediaFault {
    match answer.status {
        400 | 413 | 422 => MediaFault::BadInput { param: None },
        401 | 403 => MediaFault::OurKey,
        402 => MediaFault::OurMoney,
        404 => MediaFault::OurModel,
        429 => MediaFault::Busy { retry_after_millis: answer.retry_after_millis },
        500..=599 => MediaFault::server(answer.status, false),
        _ => MediaFault::Malformed { what: "a status that is known" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Retry;

    #[test]
    fn every_status_has_its_class() {
        use MediaFault::{BadInput, Busy, OurKey, OurModel, OurMoney, UnknownOutcome};
        for (status, expected) in [
            (400, BadInput { param: None }),
            (401, OurKey),
            (402, OurMoney),
            (403, OurKey),
            (404, OurModel),
            (422, BadInput { param: None }),
            (429, Busy { retry_after_millis: None }),
            (500, UnknownOutcome { status: 500 }),
            (503, UnknownOutcome { status: 503 }),
        ] {
            let fault = of_create(&Answer { status, ..Answer::default() });
            assert_eq!(fault, expected, "{status}");
            assert!(status < 500 || fault.retry() == Retry::No, "a task may stand");
        }
    }
}
