//! Gemini's errors, as a status with a body, as an event in a stream or as its tail, in our own terms.
//!
//! What the caller did is told to the caller, in Google's words without names of our project. What is
//! wrong with our project never looks like the caller's fault: Google says 400 for a bad key and for a
//! region that is not served, and both are 503 and an alarm here.

use serde_json::Value;

use crate::adapters::fault::{BadRequestKind, UpstreamFault};

/// The longest message that is passed on.
const MESSAGE_CHARS_MAX: usize = 600;

/// What is wrong with an account whose key or project is refused.
pub(super) const KEY_REFUSED: &str = "key or project refused";
pub(super) const DAY_USED_UP: &str = "daily quota used up";
pub(super) const SPEND_LIMIT: &str = "spend limit reached";

/// What an answer with an error status means.
pub fn fault(status: u16, body: &[u8]) -> UpstreamFault {
    let error = error_in(body).unwrap_or(Value::Null);
    GoogleError::of(&error).fault(Some(status))
}

/// What an error in a body means that came with a success status.
pub(super) fn body_fault(body: &[u8]) -> UpstreamFault {
    let error = error_in(body).unwrap_or(Value::Null);
    GoogleError::of(&error).fault(None)
}

/// Google itself says it, and not what stands in front of it.
pub(super) fn is_own_word(body: &[u8]) -> bool {
    error_in(body).is_some()
}

/// What the value of `error` in a response means.
pub(super) fn event_fault(error: &[u8]) -> UpstreamFault {
    let error = serde_json::from_slice(error).unwrap_or(Value::Null);
    GoogleError::of(&error).fault(None)
}

/// What stood in a stream outside of its events, if it is an error.
pub(super) fn tail_fault(tail: &[u8]) -> Option<UpstreamFault> {
    error_in(tail).map(|error| GoogleError::of(&error).fault(None))
}

/// The value of `error` in a body, which may be wrapped in an array.
fn error_in(body: &[u8]) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    if let Value::Array(items) = value {
        value = items.into_iter().next()?;
    }
    let error = value.get_mut("error")?.take();
    error.is_object().then_some(error)
}

/// A `google.rpc.Status`.
struct GoogleError<'a> {
    code: Option<u16>,
    status: &'a str,
    message: &'a str,
    details: &'a [Value],
}

impl<'a> GoogleError<'a> {
    fn of(error: &'a Value) -> Self {
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
        Self {
            code: error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()),
            status: text("status"),
            message: text("message"),
            details: error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default(),
        }
    }

    /// The status in words decides, since edges and streams lose the number; then the number. Words that only say
    /// that something failed do not make a failure of Google's out of a 4xx.
    fn fault(&self, http_status: Option<u16>) -> UpstreamFault {
        let status = http_status.or(self.code);
        let is_4xx = status.is_some_and(|status| (400..500).contains(&status));
        match self.status {
            "INVALID_ARGUMENT" | "OUT_OF_RANGE" => self.refused(),
            "FAILED_PRECONDITION" => account("region or billing of the project"),
            "UNAUTHENTICATED" | "PERMISSION_DENIED" => account(KEY_REFUSED),
            "NOT_FOUND" => model_gone(),
            "RESOURCE_EXHAUSTED" => self.exhausted(),
            "INTERNAL" | "UNKNOWN" | "DATA_LOSS" if !is_4xx => UpstreamFault::Failed { status: status.or(Some(500)) },
            "UNAVAILABLE" => UpstreamFault::Failed { status: status.or(Some(503)) },
            "DEADLINE_EXCEEDED" => UpstreamFault::Failed { status: status.or(Some(504)) },
            _ => match status {
                Some(400 | 422) => self.refused(),
                Some(401..=403) => account(KEY_REFUSED),
                Some(404) => model_gone(),
                Some(413) => UpstreamFault::TooLarge,
                Some(429) => self.exhausted(),
                status => UpstreamFault::Failed { status },
            },
        }
    }

    /// A 400: the caller's request, unless it is our key.
    fn refused(&self) -> UpstreamFault {
        const TOO_LONG: [&str; 4] = [
            "exceeds the maximum number of tokens",
            "exceeds the maximum number of input tokens",
            "input context is too long",
            "context window",
        ];
        const POLICY: [&str; 2] = ["responsible ai", "usage guidelines"];
        let lower = self.message.to_ascii_lowercase();
        let contains = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        let is_key = |reason: &str| reason.starts_with("API_KEY_") || reason == "CONSUMER_INVALID";
        if self.texts("reason").any(is_key) || contains(&["api key not valid", "api key expired"]) {
            return account(KEY_REFUSED);
        }
        if contains(&["user location is not supported"]) {
            return account("region or billing of the project");
        }
        if contains(&["request payload size exceeds"]) {
            return UpstreamFault::TooLarge;
        }
        let kind = if contains(&TOO_LONG) {
            BadRequestKind::ContextLength
        } else if contains(&POLICY) {
            BadRequestKind::ContentPolicy
        } else {
            BadRequestKind::Invalid
        };
        let message = match cleaned(self.message) {
            empty if empty.is_empty() => "the provider refused the request".to_owned(),
            message => message,
        };
        UpstreamFault::BadRequest { message, param: self.param(), kind }
    }

    /// A 429: our pace, which another account may not share, or a quota that waiting does not help.
    fn exhausted(&self) -> UpstreamFault {
        const SPENT: [&str; 3] = ["spending cap", "credits are depleted", "spend limit"];
        let violations = || self.lists("violations");
        let is_daily = |violation: &Value| {
            ["quotaId", "quotaMetric", "subject"]
                .iter()
                .filter_map(|key| violation.get(key)?.as_str())
                .any(|quota| quota.contains("PerDay") || quota.contains("per_day"))
        };
        let lower = self.message.to_ascii_lowercase();
        if violations().any(is_daily) {
            return account(DAY_USED_UP);
        }
        if SPENT.iter().any(|words| lower.contains(words)) {
            return account(SPEND_LIMIT);
        }
        UpstreamFault::RateLimited { retry_after_millis: self.texts("retryDelay").find_map(millis) }
    }

    /// The caller's name of the field that Google names.
    fn param(&self) -> Option<String> {
        const FIELDS: [(&str, &str); 12] = [
            ("contents", "messages"),
            ("system_instruction", "messages"),
            ("tools", "tools"),
            ("tool_config", "tool_choice"),
            ("generation_config.temperature", "temperature"),
            ("generation_config.top_p", "top_p"),
            ("generation_config.top_k", "top_k"),
            ("generation_config.seed", "seed"),
            ("generation_config.stop_sequences", "stop"),
            ("generation_config.presence_penalty", "presence_penalty"),
            ("generation_config.frequency_penalty", "frequency_penalty"),
            ("generation_config.response_", "response_format"),
        ];
        let field = self.lists("fieldViolations").find_map(|violation| violation.get("field")?.as_str())?;
        let ours = FIELDS.iter().find(|(theirs, _)| field.starts_with(theirs))?.1;
        Some(ours.to_owned())
    }

    /// The text at `key` in each detail.
    fn texts(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.details.iter().filter_map(move |detail| detail.get(key)?.as_str())
    }

    /// What the lists at `key` in the details hold.
    fn lists(&self, key: &str) -> impl Iterator<Item = &'a Value> {
        self.details.iter().filter_map(move |detail| detail.get(key)?.as_array()).flatten()
    }
}

fn account(what: &'static str) -> UpstreamFault {
    UpstreamFault::OurAccount { what, model_gone: false }
}

fn model_gone() -> UpstreamFault {
    UpstreamFault::OurAccount { what: "the model is gone", model_gone: true }
}

/// A duration in seconds: `7s`, `0.42s`.
fn millis(duration: &str) -> Option<u64> {
    let seconds = duration.strip_suffix('s')?;
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let millis = format!("{fraction:0<3}").get(..3)?.parse::<u64>().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(millis)
}

/// Google's words without keys, and without numbers and ids of our project.
fn cleaned(message: &str) -> String {
    let mut clean = String::with_capacity(message.len());
    let (mut word, mut follows_project) = (String::new(), false);
    for character in message.chars().take(MESSAGE_CHARS_MAX).chain(std::iter::once(' ')) {
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '_') {
            word.push(character);
            continue;
        }
        clean.push_str(if is_private(&word, follows_project) { "[removed]" } else { &word });
        if !word.is_empty() {
            follows_project = word.to_ascii_lowercase().starts_with("project");
            word.clear();
        }
        clean.push(character);
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// A key, or what stands after the word project and is no word of a sentence.
fn is_private(word: &str, follows_project: bool) -> bool {
    let is_key = word.starts_with("AIza") || (word.len() >= 32 && word.bytes().any(|byte| byte.is_ascii_digit()));
    let is_project = follows_project && word.bytes().any(|byte| byte.is_ascii_digit() || byte == b'-');
    is_key || is_project || word.starts_with("gen-lang-client")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(code: u16, status: &str, message: &str, details: &Value) -> Vec<u8> {
        json!({"error": {"code": code, "status": status, "message": message, "details": details}}).to_string().into()
    }

    #[test]
    fn every_status_has_its_meaning() {
        let reason = |reason: &str| json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
        let quota = |id: &str, delay: &str| {
            json!([{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}])
        };
        let field = json!([{"@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "generation_config.top_p", "description": "x"}]}]);
        let none = || json!([]);
        let table: Vec<String> = [
            (400, "INVALID_ARGUMENT", "top_p must be at most 1.", field),
            (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", reason("API_KEY_INVALID")),
            (
                400,
                "INVALID_ARGUMENT",
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                none(),
            ),
            (400, "INVALID_ARGUMENT", "Function call is missing a thought_signature in functionCall parts.", none()),
            (400, "INVALID_ARGUMENT", "Cannot fetch content from the provided URL.", none()),
            (400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes.", none()),
            (400, "INVALID_ARGUMENT", "", none()),
            (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", none()),
            (401, "UNAUTHENTICATED", "x", none()),
            (403, "PERMISSION_DENIED", "Consumer 'project_number:12345' has been suspended.", none()),
            (404, "NOT_FOUND", "models/gemini-3-pro-preview is not found for API version v1beta", none()),
            (413, "", "x", none()),
            (429, "RESOURCE_EXHAUSTED", "Quota exceeded.", quota("GenerateRequestsPerMinutePerProject", "0.42s")),
            (429, "RESOURCE_EXHAUSTED", "Quota exceeded.", quota("GenerateRequestsPerDayPerProject", "7s")),
            (429, "RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap.", none()),
            (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", none()),
            (499, "CANCELLED", "x", none()),
            (500, "INTERNAL", "An internal error has occurred.", none()),
            (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", none()),
            (504, "DEADLINE_EXCEEDED", "x", none()),
        ]
        .into_iter()
        .map(|(code, status, message, details)| {
            let body = body(code, status, message, &details);
            let array = [b"[", body.as_slice(), b"\n]"].concat();
            assert_eq!(fault(code, &array), fault(code, &body), "an array of one is the same");
            let error = error_in(&body).unwrap().to_string();
            format!("{code} {status}: {message}\n{:?}\nstream: {:?}", fault(code, &body), event_fault(error.as_bytes()))
        })
        .collect();
        insta::assert_snapshot!(table.join("\n\n"));
    }

    #[test]
    fn what_is_no_json_is_read_by_its_status() {
        for html in ["<html><title>Error 502</title></html>", "", "[]", "{}", r#"{"error":"x"}"#, "null"] {
            assert_eq!(fault(502, html.as_bytes()), UpstreamFault::Failed { status: Some(502) });
            assert_eq!(fault(404, html.as_bytes()), model_gone());
            assert_eq!(fault(429, html.as_bytes()), UpstreamFault::RateLimited { retry_after_millis: None });
            assert!(matches!(fault(400, html.as_bytes()), UpstreamFault::BadRequest { param: None, .. }));
            assert_eq!(tail_fault(html.as_bytes()), None);
        }
    }

    #[test]
    fn words_of_failure_do_not_hide_a_4xx() {
        for words in ["INTERNAL", "UNKNOWN", "DATA_LOSS"] {
            let body = json!({"error": {"code": 402, "status": words, "message": "x"}}).to_string();
            assert_eq!(fault(402, body.as_bytes()), account("key or project refused"), "{words}");
            assert_eq!(fault(500, body.as_bytes()), UpstreamFault::Failed { status: Some(500) }, "{words}");
        }
    }

    #[test]
    fn names_of_our_project_are_removed_and_counts_stay() {
        let message = "Quota for project 'gen-lang-client-0123' (projects/123456789012, project_number:42) with key \
            AIzaSyA-secret_1 at 1048576 of 104857600 in the project settings of https://x/?project=my-app";
        assert_eq!(
            cleaned(message),
            "Quota for project '[removed]' (projects/[removed], project_number:[removed]) with key [removed] at \
            1048576 of 104857600 in the project settings of https://x/?project=[removed]"
        );
    }

    #[test]
    fn delays_are_seconds_and_nothing_else() {
        let rows = [
            ("7s", Some(7_000)),
            ("0.42s", Some(420)),
            ("1.000000500s", Some(1_000)),
            ("s", None),
            ("7", None),
            ("-1s", None),
            ("99999999999999999999s", None),
        ];
        for (delay, expected) in rows {
            assert_eq!(millis(delay), expected, "{delay}");
        }
    }
}
