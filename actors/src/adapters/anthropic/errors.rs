//! An upstream's error, as a status with a body or as an event in a stream, in our own terms.
//!
//! What the caller did is told to the caller, in the provider's words without names of our account. What
//! is wrong with our account never looks like the caller's fault: it is 503 and an alarm.

use serde::Deserialize;

use super::wire::WireError;
use crate::adapters::fault::{BadRequestKind, Malformed, UpstreamFault};
use crate::adapters::stream::StreamFault;

/// The longest message that is passed on.
const MESSAGE_CHARS_MAX: usize = 600;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    error: Option<WireError<'a>>,
}

/// What an answer with an error status means.
pub fn fault(status: u16, retry_after: Option<&str>, body: &[u8]) -> UpstreamFault {
    let error = serde_json::from_slice::<Body<'_>>(body).ok().and_then(|body| body.error).unwrap_or_default();
    let message = error.message.as_deref().unwrap_or_default();
    let retry_after_millis = retry_after.and_then(wait_millis);
    match status {
        400 | 422 => refused(message),
        401..=403 => account("key or account refused"),
        404 => missing(message),
        413 => UpstreamFault::TooLarge,
        429 if is_spend_limit(&error) => account("spend limit reached"),
        429 => UpstreamFault::RateLimited { retry_after_millis },
        529 => UpstreamFault::Overloaded { retry_after_millis },
        _ if error.kind.as_deref() == Some("overloaded_error") => UpstreamFault::Overloaded { retry_after_millis },
        _ => UpstreamFault::Failed { status: Some(status) },
    }
}

/// What an `error` event means.
pub(crate) fn event_fault(error: &WireError<'_>) -> UpstreamFault {
    let message = error.message.as_deref().unwrap_or_default();
    match error.kind.as_deref().unwrap_or_default() {
        "overloaded_error" => UpstreamFault::Overloaded { retry_after_millis: None },
        "rate_limit_error" if is_spend_limit(error) => account("spend limit reached"),
        "rate_limit_error" => UpstreamFault::RateLimited { retry_after_millis: None },
        "invalid_request_error" => refused(message),
        "authentication_error" | "permission_error" | "billing_error" => account("key or account refused"),
        "not_found_error" => missing(message),
        "request_too_large" => UpstreamFault::TooLarge,
        "timeout_error" => UpstreamFault::Failed { status: Some(504) },
        _ => UpstreamFault::Failed { status: None },
    }
}

/// The fault of a stream that ended before its end mark; the tail may be an error in plain JSON.
pub(crate) fn truncated(tail: &[u8]) -> StreamFault {
    match serde_json::from_slice::<Body<'_>>(tail) {
        Ok(Body { error: Some(error) }) => event_fault(&error).into(),
        _ => Malformed { what: "message_stop before the end of the stream" }.into(),
    }
}

fn account(what: &'static str) -> UpstreamFault {
    UpstreamFault::OurAccount { what, model_gone: false }
}

/// `not_found_error` names the model where that is what is missing.
fn missing(message: &str) -> UpstreamFault {
    if message.to_ascii_lowercase().contains("model") {
        UpstreamFault::OurAccount { what: "the model is gone", model_gone: true }
    } else {
        account("the endpoint is not there")
    }
}

/// A 400 or 422: the caller's request, unless it is about what our account may spend.
fn refused(message: &str) -> UpstreamFault {
    const OURS: [&str; 6] = [
        "credit balance",
        "spend limit",
        "spending limit",
        "usage limits",
        "usage limit",
        "organization has been disabled",
    ];
    const TOO_LONG: [&str; 5] = [
        "prompt is too long",
        "exceed context limit",
        "exceeds the context",
        "context window",
        "maximum context length",
    ];
    let lower = message.to_ascii_lowercase();
    let param = param(message);
    // A message that begins with a field may quote what stands there, so its words are not the provider's.
    if param.is_none() && OURS.iter().any(|words| lower.contains(words)) {
        return account("spend limit reached");
    }
    let kind = if TOO_LONG.iter().any(|words| lower.contains(words)) {
        BadRequestKind::ContextLength
    } else if lower.contains("content filtering policy") || lower.contains("usage policy") {
        BadRequestKind::ContentPolicy
    } else {
        BadRequestKind::Invalid
    };
    UpstreamFault::BadRequest { message: cleaned(message), param, kind }
}

fn is_spend_limit(error: &WireError<'_>) -> bool {
    let details = error.details.as_ref();
    let codes = [
        error.code.as_deref(),
        details.and_then(|details| details.error_code.as_deref()),
        details.and_then(|details| details.code.as_deref()),
    ];
    let message = error.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    codes.into_iter().flatten().any(|code| code.ends_with("spend_limit_reached"))
        || ["spend_limit_reached", "spend limit", "spending limit"].iter().any(|words| message.contains(words))
}

/// Seconds, whole or with a fraction. A date would need a clock, and Anthropic sends none.
fn wait_millis(value: &str) -> Option<u64> {
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let millis = format!("{fraction:0<3}").get(..3)?.parse::<u64>().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(millis)
}

/// The field that a message begins with (`messages.0.content.1.text: …`), as a path of ours.
fn param(message: &str) -> Option<String> {
    let (field, _) = message.split_once(':')?;
    let is_path = field.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    if field.is_empty() || field.len() > 120 || !is_path || field.starts_with(|first: char| !first.is_ascii_lowercase())
    {
        return None;
    }
    let mut path = String::with_capacity(field.len() + 4);
    for part in field.split('.') {
        if part.is_empty() {
            return None;
        }
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push('[');
            path.push_str(part);
            path.push(']');
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(part);
        }
    }
    Some(path)
}

/// The provider's words without keys and without ids of its requests and of our account.
fn cleaned(message: &str) -> String {
    let mut clean = String::with_capacity(message.len());
    let mut word = String::new();
    for character in message.chars().take(MESSAGE_CHARS_MAX).chain(std::iter::once(' ')) {
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '_') {
            word.push(character);
            continue;
        }
        clean.push_str(if is_private(&word) { "[removed]" } else { &word });
        word.clear();
        clean.push(character);
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// A key, an id of an account, project, workspace or request, or a UUID.
fn is_private(word: &str) -> bool {
    const PREFIXES: [&str; 13] = [
        "sk-",
        "req_",
        "req-",
        "org-",
        "org_",
        "proj_",
        "proj-",
        "wrkspc_",
        "workspace_",
        "acct_",
        "user_",
        "apikey_",
        "msg_",
    ];
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let is_id = PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && (has_digit || word.len() >= 20);
    let is_uuid = word.len() == 36
        && word.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    is_id || is_uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &str, message: &str) -> Vec<u8> {
        let error =
            serde_json::json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
        error.to_string().into_bytes()
    }

    #[test]
    fn every_status_has_its_meaning() {
        let table: Vec<String> = [
            (400, "invalid_request_error", "messages.0.content.1.text: text must be non-empty"),
            (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
            (
                400,
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000",
            ),
            (
                400,
                "invalid_request_error",
                "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
            ),
            (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
            (400, "invalid_request_error", "tools.0.name: my credit balance"),
            (400, "invalid_request_error", "Output blocked by content filtering policy"),
            (401, "authentication_error", "invalid x-api-key"),
            (402, "billing_error", "x"),
            (403, "permission_error", "x"),
            (404, "not_found_error", "model: claude-opus-9"),
            (404, "not_found_error", "Not Found"),
            (408, "timeout_error", "x"),
            (409, "conflict_error", "x"),
            (413, "request_too_large", "x"),
            (422, "", "tools.3.name: too long"),
            (429, "rate_limit_error", "Number of request tokens has exceeded your rate limit"),
            (500, "api_error", "Internal server error"),
            (500, "overloaded_error", "Overloaded"),
            (503, "", ""),
            (504, "timeout_error", "x"),
            (529, "overloaded_error", "Overloaded"),
        ]
        .into_iter()
        .map(|(status, kind, message)| format!("{status} {kind}: {:?}", fault(status, Some("7"), &body(kind, message))))
        .collect();
        insta::assert_debug_snapshot!(table);
    }

    #[test]
    fn a_spend_limit_of_ours_is_not_the_callers_pace() {
        for code in ["contract_spend_limit_reached", "enforced_spend_limit_reached"] {
            let body = format!(
                r#"{{"error":{{"type":"rate_limit_error","message":"x","details":{{"error_code":"{code}"}}}}}}"#
            );
            assert_eq!(fault(429, None, body.as_bytes()), account("spend limit reached"));
            let body = format!(r#"{{"error":{{"type":"rate_limit_error","message":"x","code":"{code}"}}}}"#);
            assert_eq!(fault(429, None, body.as_bytes()), account("spend limit reached"));
        }
        assert_eq!(fault(429, None, b"<html>"), UpstreamFault::RateLimited { retry_after_millis: None });
    }

    #[test]
    fn names_of_our_account_are_removed_and_fields_stay() {
        let message = "messages.3: organization org-01HXY (a1b2c3d4-0000-4000-8000-0123456789ab) with key \
            sk-ant-api03-secret may not; see wrkspc_01ABC and req_011CQ, tool_use ids toolu_01 and max_tokens";
        assert_eq!(
            cleaned(message),
            "messages.3: organization [removed] ([removed]) with key [removed] may not; see [removed] and [removed], \
            tool_use ids toolu_01 and max_tokens"
        );
        assert_eq!(param(message).as_deref(), Some("messages[3]"));
        assert_eq!(param("tools.0.custom.input_schema: x").as_deref(), Some("tools[0].custom.input_schema"));
        assert_eq!(param("Some sentence: x"), None);
    }

    #[test]
    fn waits_are_seconds_and_nothing_else() {
        for (value, millis) in [
            ("7", Some(7_000)),
            (" 0.25 ", Some(250)),
            ("0", Some(0)),
            ("-1", None),
            ("", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(wait_millis(value), millis, "{value}");
        }
    }
}
