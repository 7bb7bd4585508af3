//! Ark's errors: at an error status, at the top of a 200, or in the place of an image.

use serde::Deserialize;

use crate::media::{Answer, MediaFault};

/// `error` wherever it stands. Only the code and the field decide; the message holds ids of ours.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WireError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    param: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Envelope {
    error: WireError,
}

/// What an answer with an error status means.
pub(super) fn fault(answer: &Answer) -> MediaFault {
    let error = serde_json::from_slice::<Envelope>(&answer.body).ok().map(|envelope| envelope.error);
    let is_own_word = error.as_ref().is_some_and(|error| error.code.is_some());
    if let Some(fault) = error.as_ref().and_then(|error| of_code(error, answer.retry_after_millis)) {
        return if (answer.status, fault) == (429, MediaFault::OurMoney) { MediaFault::OurQuota } else { fault };
    }
    match answer.status {
        400 | 413 | 422 => MediaFault::BadInput { param: error.as_ref().and_then(param) },
        401 | 403 => MediaFault::OurKey,
        402 => MediaFault::OurMoney,
        404 => MediaFault::OurModel,
        429 => MediaFault::Busy { retry_after_millis: answer.retry_after_millis },
        500..=599 => MediaFault::server(answer.status, is_own_word),
        _ => MediaFault::Malformed { what: "a status that is known" },
    }
}

/// What an error inside a 200 means: the code alone tells, and a failed image is not billed.
pub(super) fn fault_inside(error: &WireError) -> MediaFault {
    of_code(error, None).unwrap_or(MediaFault::Failed { status: 502 })
}

fn of_code(error: &WireError, retry_after_millis: Option<u64>) -> Option<MediaFault> {
    let code = error.code.as_deref()?;
    Some(match code {
        _ if code.contains("Sensitive") || code.contains("RiskDetection") => MediaFault::Policy,
        _ if code.starts_with("AccountOverdue") => MediaFault::OurMoney,
        _ if code.contains("RateLimitExceeded") || code.starts_with("ServerOverloaded") => {
            MediaFault::Busy { retry_after_millis }
        }
        "QuotaExceeded" | "InsufficientBalance" => MediaFault::OurMoney,
        "AuthenticationError" | "AccessDenied" => MediaFault::OurKey,
        _ if code.starts_with("InvalidEndpoint") || code.starts_with("ModelNotOpen") => MediaFault::OurModel,
        _ if code.starts_with("InvalidParameter") || code.starts_with("MissingParameter") => {
            MediaFault::BadInput { param: param(error) }
        }
        "InternalServiceError" => MediaFault::Failed { status: 500 },
        _ => return None,
    })
}

/// The caller's name of the field that is named.
fn param(error: &WireError) -> Option<&'static str> {
    match error.param.as_deref()? {
        "prompt" => Some("prompt"),
        "size" => Some("size"),
        "output_format" => Some("output_format"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn of(status: u16, code: &str) -> MediaFault {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"Request id: 021","param":"size","type":"x"}}}}"#);
        fault(&Answer { status, body: Bytes::from(body), ..Answer::default() })
    }

    #[test]
    fn every_code_has_its_class() {
        use MediaFault::{BadInput, Busy, Failed, OurKey, OurModel, OurMoney, OurQuota, Policy};
        let busy = Busy { retry_after_millis: None };
        for (status, code, expected) in [
            (400, "InputTextSensitiveContentDetected", Policy),
            (400, "OutputImageSensitiveContentDetected", Policy),
            (400, "SensitiveContentDetected.SevereViolation", Policy),
            (400, "InputTextRiskDetection", Policy),
            (400, "OutputImageRiskDetection", Policy),
            (400, "InvalidParameter", BadInput { param: Some("size") }),
            (400, "MissingParameter", BadInput { param: Some("size") }),
            (400, "SomethingNew", BadInput { param: Some("size") }),
            (400, "InvalidEndpoint.ClosedEndpoint", OurModel),
            (401, "AuthenticationError", OurKey),
            (403, "AccountOverdueError", OurMoney),
            (403, "AccessDenied", OurKey),
            (404, "InvalidEndpointOrModel.NotFound", OurModel),
            (403, "InsufficientBalance", OurMoney),
            (429, "QuotaExceeded", OurQuota),
            (429, "RateLimitExceeded.EndpointRPMExceeded", busy),
            (429, "ModelAccountIpmRateLimitExceeded", busy),
            (429, "ServerOverloaded", busy),
            (429, "SomethingNew", busy),
            (500, "InternalServiceError", Failed { status: 500 }),
            (503, "SomethingNew", Failed { status: 503 }),
        ] {
            assert_eq!(of(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_failure_that_is_not_the_providers_own_word_may_have_been_charged() {
        for (status, told) in [(500, 500), (502, 502), (504, 504), (524, 502)] {
            let answer = Answer { status, body: Bytes::from_static(b"<html>"), ..Answer::default() };
            assert_eq!(fault(&answer), MediaFault::UnknownOutcome { status: told });
        }
    }

    #[test]
    fn inside_a_success_an_unknown_code_is_a_failure() {
        let error = WireError { code: Some("SomethingNew".to_owned()), param: None };
        assert_eq!(fault_inside(&error), MediaFault::Failed { status: 502 });
    }
}
