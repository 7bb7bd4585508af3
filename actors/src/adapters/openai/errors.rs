//! Why an OpenAI-compatible provider did not answer: its status and error object, as our fault.
//!
//! What is our account's fault must not look like the caller's: a 401 to a customer says that their key is
//! bad. Messages are shown to callers where the request itself is at fault, cleaned of what names us.

use serde_json::Value;

use crate::adapters::fault::{BadRequestKind, UpstreamFault};

/// The fault of an answer with an error status. `retry_after` is the value of `Retry-After` in seconds, or
/// of `retry-after-ms` with `ms` behind it; a date is not understood, since no clock is read here.
pub fn fault(status: u16, retry_after: Option<&str>, body: &[u8]) -> UpstreamFault {
    let error = ErrorObject::read(body);
    classify(Some(status), retry_after.and_then(millis), &error)
}

/// The fault of an error event in a stream, or of an error object under a 200.
pub(super) fn fault_in_stream(text: &str) -> UpstreamFault {
    let error = ErrorObject::read(text.as_bytes());
    // Some providers put the status that it would have been into the code.
    let status = error.code.parse().ok().filter(|status| (400..600).contains(status));
    classify(status, None, &error)
}

/// What an error says of itself; empty where it says nothing.
#[derive(Debug, Default)]
struct ErrorObject {
    message: String,
    kind: String,
    code: String,
    param: Option<String>,
}

impl ErrorObject {
    fn read(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        // Gemini's compatible endpoint wraps its error in a list.
        let value = value.get(0).unwrap_or(&value);
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
        let text = |key: &str| match error.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let message = match error {
            Value::String(message) => message.clone(),
            _ => [text("message"), text("detail")].into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
        };
        let param = Some(text("param")).filter(|param| !param.is_empty());
        Self { message, kind: text("type"), code: text("code"), param }
    }

    /// One of the names is this error's code or type.
    fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.code == *name || self.kind == *name)
    }

    fn says(&self, words: &[&str]) -> bool {
        let message = self.message.to_ascii_lowercase();
        words.iter().any(|word| message.contains(word))
    }

    fn bad_request(&self, kind: BadRequestKind) -> UpstreamFault {
        let message = clean(&self.message);
        let message = if message.is_empty() { "the provider refused the request".to_owned() } else { message };
        UpstreamFault::BadRequest { message, param: self.param.as_deref().map(clean), kind }
    }
}

/// Codes of money and quotas that belong to our account.
const QUOTA: [&str; 7] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_hard_limit_reached",
    "billing_not_active",
    "access_terminated",
    "account_deactivated",
    "daily_limit_exceeded",
];
const KEY: [&str; 4] = ["invalid_api_key", "authentication_error", "permission_error", "permission_denied"];
/// What an error is that has no status to say so.
const BAD_REQUEST: [&str; 1] = ["invalid_request_error"];
const NO_MODEL: [&str; 2] = ["model_not_found", "model_not_available"];
const TOO_LONG: [&str; 3] = ["context_length_exceeded", "string_above_max_length", "context_window_exceeded"];
const POLICY: [&str; 5] =
    ["content_policy_violation", "content_filter", "moderation_blocked", "invalid_prompt", "content_policy"];

fn classify(status: Option<u16>, retry_after_millis: Option<u64>, error: &ErrorObject) -> UpstreamFault {
    let ours = |what, model_gone| UpstreamFault::OurAccount { what, model_gone };
    if error.is(&QUOTA) {
        return ours("quota or credit is used up", false);
    }
    if error.is(&["overloaded_error", "engine_overloaded"]) || status == Some(529) {
        return UpstreamFault::Overloaded { retry_after_millis };
    }
    match status {
        Some(401) => ours("the key is refused", false),
        Some(402) => ours("payment is required", false),
        Some(403) => ours("access is refused", false),
        Some(404) => ours("the model or endpoint is unknown", true),
        Some(413) => UpstreamFault::TooLarge,
        Some(429) if error.says(&["per day", "daily", "(rpd)", "(tpd)"]) => ours("the daily quota is used up", false),
        Some(429) => UpstreamFault::RateLimited { retry_after_millis },
        Some(400 | 405..=407 | 409..=412 | 414..=428 | 430..=499) => bad_request(error),
        Some(status) => UpstreamFault::Failed { status: Some(status) },
        None if error.is(&["rate_limit_exceeded", "rate_limit_error"]) => {
            UpstreamFault::RateLimited { retry_after_millis }
        }
        None if [&TOO_LONG[..], &POLICY, &KEY, &NO_MODEL, &BAD_REQUEST].iter().any(|names| error.is(names)) => {
            bad_request(error)
        }
        None => UpstreamFault::Failed { status: None },
    }
}

fn bad_request(error: &ErrorObject) -> UpstreamFault {
    if error.is(&KEY) {
        return UpstreamFault::OurAccount { what: "the key is refused", model_gone: false };
    }
    if error.is(&NO_MODEL) {
        return UpstreamFault::OurAccount { what: "the model is unknown", model_gone: true };
    }
    if error.is(&TOO_LONG) || error.says(&["maximum context length", "context window", "context length"]) {
        return error.bad_request(BadRequestKind::ContextLength);
    }
    if error.is(&POLICY) || error.says(&["content management policy", "content policy", "usage policies"]) {
        return error.bad_request(BadRequestKind::ContentPolicy);
    }
    error.bad_request(BadRequestKind::Invalid)
}

/// Milliseconds of `12`, `1.5` or `350ms`.
fn millis(value: &str) -> Option<u64> {
    let value = value.trim();
    let (number, factor) = value.strip_suffix("ms").map_or((value, 1_000.0), |number| (number, 1.0));
    let millis = (number.trim().parse::<f64>().ok()? * factor).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    (0.0..=86_400_000.0).contains(&millis).then_some(millis as u64)
}

/// A message without the names of our organisation, projects and keys, and no longer than a paragraph.
fn clean(message: &str) -> String {
    const MARKS: [&str; 11] =
        ["org-", "proj_", "proj-", "sk-", "sess-", "user-", "acct_", "key_", "gsk_", "xai-", "AIza"];
    const CHARS_MAX: usize = 1_000;
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '*' | '.');
    let mut out = String::with_capacity(message.len().min(CHARS_MAX));
    let mut rest = message;
    while !rest.is_empty() && out.len() < CHARS_MAX {
        let word_end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(word_end);
        let name = word.trim_start_matches(['.', '*']);
        let is_secret = name.len() >= 8 && MARKS.iter().any(|mark| name.starts_with(mark));
        out.push_str(if is_secret { "[hidden]" } else { word });
        let between = tail.find(is_word).unwrap_or(tail.len());
        let (punctuation, next) = tail.split_at(between);
        out.push_str(punctuation);
        rest = next;
    }
    let end = out.char_indices().nth(CHARS_MAX).map_or(out.len(), |(at, _)| at);
    out.truncate(end);
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(code: &str, message: &str) -> Vec<u8> {
        format!(r#"{{"error":{{"message":"{message}","type":"t","param":"messages","code":"{code}"}}}}"#).into_bytes()
    }

    fn kind(fault: &UpstreamFault) -> BadRequestKind {
        let UpstreamFault::BadRequest { kind, .. } = fault else { panic!("{fault:?}") };
        *kind
    }

    #[test]
    fn what_is_our_accounts_fault_is_never_the_callers() {
        for (status, code) in [
            (401, "invalid_api_key"),
            (402, ""),
            (403, "unsupported_country_region_territory"),
            (429, "insufficient_quota"),
            (429, "credit_balance_exhausted"),
            (400, "billing_hard_limit_reached"),
            (400, "invalid_api_key"),
        ] {
            let fault = fault(status, None, &error(code, "x"));
            assert!(matches!(fault, UpstreamFault::OurAccount { model_gone: false, .. }), "{status} {code}: {fault:?}");
        }
        for (status, code) in [(404, "model_not_found"), (400, "model_not_found"), (404, "")] {
            let fault = fault(status, None, &error(code, "x"));
            assert!(matches!(fault, UpstreamFault::OurAccount { model_gone: true, .. }), "{status} {code}");
        }
        let daily = fault(429, Some("3600"), &error("rate_limit_exceeded", "Limit reached on requests per day (RPD)"));
        assert!(matches!(daily, UpstreamFault::OurAccount { .. }));
    }

    #[test]
    fn pace_is_a_429_with_what_was_asked_to_wait() {
        for (retry_after, millis) in [
            (Some("12"), Some(12_000)),
            (Some("0.25"), Some(250)),
            (Some("350ms"), Some(350)),
            (Some("Wed, 21 Oct 2026 07:28:00 GMT"), None),
            (Some("-5"), None),
            (Some("NaN"), None),
            (None, None),
        ] {
            let fault = fault(429, retry_after, &error("rate_limit_exceeded", "slow down"));
            assert_eq!(fault, UpstreamFault::RateLimited { retry_after_millis: millis }, "{retry_after:?}");
        }
    }

    #[test]
    fn a_bad_request_is_told_apart_and_cleaned() {
        let message =
            "This model's maximum context length is 8 tokens, see org-AbCdEf123456 and sk-proj-abc123*******xyz.";
        let fault = fault(400, None, &error("context_length_exceeded", message));
        let expected = UpstreamFault::BadRequest {
            message: "This model's maximum context length is 8 tokens, see [hidden] and [hidden]".to_owned(),
            param: Some("messages".to_owned()),
            kind: BadRequestKind::ContextLength,
        };
        assert_eq!(fault, expected);
    }

    #[test]
    fn kinds_of_bad_requests() {
        let of = |status, code, message| kind(&fault(status, None, &error(code, message)));
        assert_eq!(of(400, "", "maximum context length is 9"), BadRequestKind::ContextLength);
        assert_eq!(of(400, "content_filter", "x"), BadRequestKind::ContentPolicy);
        assert_eq!(of(400, "content_policy_violation", "x"), BadRequestKind::ContentPolicy);
        assert_eq!(of(422, "", "x"), BadRequestKind::Invalid);
    }

    #[test]
    fn failures_keep_their_status() {
        assert_eq!(fault(413, None, b""), UpstreamFault::TooLarge);
        assert_eq!(fault(529, Some("2"), b""), UpstreamFault::Overloaded { retry_after_millis: Some(2_000) });
        for status in [408, 500, 502, 503, 504, 302] {
            assert_eq!(fault(status, None, b"<html>"), UpstreamFault::Failed { status: Some(status) });
        }
    }

    #[test]
    fn error_events_have_no_status_unless_they_name_one() {
        assert_eq!(fault_in_stream(r#"{"error":"x"}"#), UpstreamFault::Failed { status: None });
        assert_eq!(fault_in_stream(r#"{"error":{"code":502}}"#), UpstreamFault::Failed { status: Some(502) });
        let overloaded = r#"{"type":"error","error":{"type":"overloaded_error"}}"#;
        assert_eq!(fault_in_stream(overloaded), UpstreamFault::Overloaded { retry_after_millis: None });
        let pace = r#"{"error":{"code":"rate_limit_exceeded"}}"#;
        assert_eq!(fault_in_stream(pace), UpstreamFault::RateLimited { retry_after_millis: None });
        assert_eq!(kind(&fault_in_stream(r#"{"error":{"code":"content_filter"}}"#)), BadRequestKind::ContentPolicy);
        let bad = r#"{"error":{"type":"invalid_request_error","code":null,"message":"no such tool"}}"#;
        assert_eq!(kind(&fault_in_stream(bad)), BadRequestKind::Invalid);
        let ours = r#"{"error":{"type":"invalid_request_error","code":"billing_hard_limit_reached"}}"#;
        assert!(matches!(fault_in_stream(ours), UpstreamFault::OurAccount { .. }));
    }

    #[test]
    fn a_list_and_a_bare_object_are_errors_too() {
        let list = br#"[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]"#;
        assert_eq!(kind(&fault(400, None, list)), BadRequestKind::Invalid);
        let UpstreamFault::BadRequest { message, .. } = fault(422, None, br#"{"detail":"nope"}"#) else { panic!() };
        assert_eq!(message, "nope");
    }

    proptest! {
        #[test]
        fn any_body_is_some_fault_and_no_key_passes(status in 300_u16..600, text in ".{0,80}", key in "[A-Za-z0-9]{12,40}") {
            let body = serde_json::json!({"error": {"message": format!("{text} sk-{key} {text}")}}).to_string();
            if let UpstreamFault::BadRequest { message, .. } = fault(status, None, body.as_bytes()) {
                prop_assert!(!message.contains(&key));
            }
            fault(status, Some(&text), text.as_bytes());
        }
    }
}
