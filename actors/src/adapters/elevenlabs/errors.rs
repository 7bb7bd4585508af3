//! Why ElevenLabs did not answer: its status and `detail`, as our fault (`wire/media.md` §6, §9).
//!
//! Its 401 is as often our credits as our key, its 400 may be a setting of ours. The provider's words are
//! never shown: they name voices, plans and models that the caller does not know.

use std::borrow::Cow;

use serde::Deserialize;

use crate::adapters::fault::{BadRequestKind, UpstreamFault};

/// Longer waits are told as they are; nobody waits a day.
const WAIT_SECONDS_MAX: f64 = 86_400.0;

/// The fault of an answer with an error status; `retry_after` is the value of `Retry-After`.
pub fn fault(status: u16, retry_after: Option<&str>, body: &[u8]) -> UpstreamFault {
    let detail = serde_json::from_slice::<Body<'_>>(body).map(|body| body.detail).unwrap_or_default();
    let retry_after_millis = retry_after.and_then(wait_millis);
    if let Detail::Validation(errors) = &detail {
        return invalid_fields(errors);
    }
    match detail.code() {
        "quota_exceeded" | "insufficient_credits" => return account("credits are used up"),
        "invalid_api_key" | "missing_api_key" | "needs_authorization" | "detected_unusual_activity" => {
            return account("the key is refused");
        }
        "missing_permissions" | "subscription_required" | "output_format_not_allowed" | "only_for_creator_plus" => {
            return account("the plan does not allow this");
        }
        // Ours alone decides it, so another account of ours is refused alike.
        "invalid_ttd_stability" | "invalid_output_format" | "invalid_voice_settings" => {
            return UpstreamFault::OurAccount { what: "a setting of ours is refused", model_gone: true };
        }
        "model_not_found" | "invalid_model_id" | "unsupported_model" => {
            return UpstreamFault::OurAccount { what: "the model is unknown", model_gone: true };
        }
        "voice_not_found" | "invalid_voice_id" => return caller("voice", "the voice is not available"),
        "max_character_limit_exceeded" | "text_too_long" => return caller("input", "the input is too long"),
        "empty_text" | "input_text_empty" => return caller("input", "the input has nothing to be spoken"),
        "too_many_concurrent_requests" | "concurrent_limit_exceeded" | "rate_limit_exceeded" => {
            return UpstreamFault::RateLimited { retry_after_millis };
        }
        "system_busy" => return UpstreamFault::Overloaded { retry_after_millis },
        code if is_policy(code) && matches!(status, 400 | 403 | 422) => return refused(BadRequestKind::ContentPolicy),
        _ => {}
    }
    match status {
        401 => account("the key is refused"),
        402 => account("payment is required"),
        403 => account("access is refused"),
        404 => UpstreamFault::OurAccount { what: "the endpoint is unknown", model_gone: true },
        413 => UpstreamFault::TooLarge,
        429 => UpstreamFault::RateLimited { retry_after_millis },
        400 | 422 => refused(BadRequestKind::Invalid),
        529 => UpstreamFault::Overloaded { retry_after_millis },
        _ => UpstreamFault::Failed { status: Some(status) },
    }
}

/// The body of an error. A crash answers `{"status":…}` without a detail, which says nothing more.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    detail: Detail<'a>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Detail<'a> {
    /// Checks of the web framework, before the service looks.
    Validation(#[serde(borrow)] Vec<FieldError<'a>>),
    /// `status` is the older name of `code`.
    Named {
        #[serde(borrow, default)]
        code: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        status: Option<Cow<'a, str>>,
    },
    /// A text, or anything else.
    Other(serde::de::IgnoredAny),
}

impl Default for Detail<'_> {
    fn default() -> Self {
        Self::Other(serde::de::IgnoredAny)
    }
}

impl Detail<'_> {
    fn code(&self) -> &str {
        match self {
            Self::Named { code, status } => code.as_deref().or(status.as_deref()).unwrap_or_default(),
            Self::Validation(_) | Self::Other(_) => "",
        }
    }
}

#[derive(Deserialize)]
struct FieldError<'a> {
    /// Such as `["body", "text"]`; a place in a list is a number.
    #[serde(borrow, default)]
    loc: Vec<Step<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Step<'a> {
    Name(#[serde(borrow)] Cow<'a, str>),
    Place(serde::de::IgnoredAny),
}

/// The first field that is the caller's; where none is, we sent something wrong.
fn invalid_fields(errors: &[FieldError<'_>]) -> UpstreamFault {
    let names = errors.iter().flat_map(|error| &error.loc).filter_map(|step| match step {
        Step::Name(name) => Some(name.as_ref()),
        Step::Place(_) => None,
    });
    let param = names.filter_map(|name| match name {
        "text" => Some("input"),
        "voice_id" => Some("voice"),
        _ => None,
    });
    match param.into_iter().next() {
        Some(param) => caller(param, "the value is not taken"),
        None => UpstreamFault::OurAccount { what: "a field of ours is refused", model_gone: true },
    }
}

/// Codes of moderation differ by endpoint; what they have in common is told by a word.
fn is_policy(code: &str) -> bool {
    ["policy", "moderation", "safety", "prohibited", "blocked"].iter().any(|word| code.contains(word))
}

fn account(what: &'static str) -> UpstreamFault {
    UpstreamFault::OurAccount { what, model_gone: false }
}

fn caller(param: &str, message: &str) -> UpstreamFault {
    let (message, param) = (message.to_owned(), Some(param.to_owned()));
    UpstreamFault::BadRequest { message, param, kind: BadRequestKind::Invalid }
}

fn refused(kind: BadRequestKind) -> UpstreamFault {
    let message = match kind {
        BadRequestKind::ContentPolicy => "the provider's content policy refuses this input",
        BadRequestKind::Invalid | BadRequestKind::ContextLength => "the provider refused the request",
    };
    UpstreamFault::BadRequest { message: message.to_owned(), param: None, kind }
}

/// Milliseconds of a number of seconds; a date is not understood, since no clock is read here.
fn wait_millis(value: &str) -> Option<u64> {
    let seconds = value.trim().parse::<f64>().ok().filter(|seconds| (0.0..=WAIT_SECONDS_MAX).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    Some((seconds * 1000.0).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write;

    const SECRET: &str = "voice 21m00Tcm4TlvDq8ikWAM of plan Creator";

    /// Every error that is known, as the provider writes it, and what becomes of it.
    #[test]
    fn every_known_error_is_some_fault() {
        let coded = |code: &str| serde_json::json!({"detail": {"type": "t", "code": code, "status": code, "message": SECRET, "param": "x"}});
        let legacy = serde_json::json!({"detail": {"status": "quota_exceeded", "message": SECRET}});
        let field = |loc: serde_json::Value| serde_json::json!({"detail": [{"loc": loc, "msg": SECRET, "type": "t"}]});
        let cases = [
            (401, coded("quota_exceeded")),
            (429, coded("quota_exceeded")),
            (401, legacy),
            (401, coded("invalid_api_key")),
            (401, serde_json::json!({"detail": "Unauthorized"})),
            (402, serde_json::json!({})),
            (403, coded("only_for_creator_plus")),
            (403, serde_json::json!({})),
            (400, coded("invalid_ttd_stability")),
            (400, coded("max_character_limit_exceeded")),
            (400, coded("voice_not_found")),
            (404, coded("voice_not_found")),
            (400, coded("model_not_found")),
            (404, serde_json::json!({"detail": "Not Found"})),
            (400, coded("content_policy_violation")),
            (403, coded("text_moderation_blocked")),
            (400, coded("something_new")),
            (429, coded("too_many_concurrent_requests")),
            (429, coded("concurrent_limit_exceeded")),
            (429, coded("system_busy")),
            (429, serde_json::json!({})),
            (422, field(serde_json::json!(["body", "text"]))),
            (422, field(serde_json::json!(["path", "voice_id"]))),
            (422, field(serde_json::json!(["body", "voice_settings", "stability", 0]))),
            (422, field(serde_json::json!(["query", "output_format"]))),
            (422, serde_json::json!({})),
            (500, serde_json::json!({"status": "internal_server_error"})),
            (503, serde_json::json!("<html>")),
            (529, serde_json::json!(null)),
            (413, serde_json::json!(null)),
        ];
        let mut report = String::new();
        for (status, body) in cases {
            let fault = fault(status, Some("1.5"), body.to_string().as_bytes());
            let shown = format!("{fault:?}");
            assert!(!shown.contains("21m00") && !shown.contains("Creator"), "{shown}");
            writeln!(report, "{status} {body}\n    {shown}").unwrap();
        }
        insta::assert_snapshot!(report.replace(SECRET, "…"));
    }

    #[test]
    fn a_wait_is_seconds_and_nothing_else() {
        for (value, millis) in [("2", Some(2_000)), ("0.25", Some(250)), ("-1", None), ("NaN", None), ("soon", None)] {
            let fault = fault(429, Some(value), b"");
            assert_eq!(fault, UpstreamFault::RateLimited { retry_after_millis: millis }, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_some_fault_and_nothing_of_it_is_shown(status in 300_u16..600, text in "[a-z]{12,40}") {
            let body = serde_json::json!({"detail": {"code": &text, "message": &text}}).to_string();
            let shown = format!("{:?}", fault(status, Some(&text), body.as_bytes()));
            prop_assert!(!shown.contains(&text));
            fault(status, None, text.as_bytes());
        }
    }
}
