//! The Anthropic messages protocol: `POST /v1/messages` and `/v1/messages/count_tokens`.
//!
//! `request` checks the top level, `thinking` the thinking options, `messages` the conversation, `blocks` each content
//! block, `schema` structured output; `prompt` counts tokens and finds cache breakpoints; `response` writes the answer.

mod blocks;
mod messages;
mod prompt;
mod request;
mod response;
mod schema;
mod thinking;

use crate::{
    dialect::{Ask, Dialect, Frame, Protocol, Refusal, Reply, Request},
    script::Status,
};
use serde_json::{Value, json};

pub(crate) struct Anthropic;

/// A 400 with the path of the field before the message, as the API words it.
fn invalid(path: &str, message: impl AsRef<str>) -> Refusal {
    let message = message.as_ref();
    let whole = if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") };
    Refusal::new(400, "invalid_request_error", whole)
}

impl Dialect for Anthropic {
    fn protocol(&self) -> Protocol {
        Protocol::Anthropic
    }

    /// `x-api-key`, or the bearer token that newer clients send.
    fn key(&self, request: &Request<'_>) -> Option<String> {
        let bearer = || request.header("authorization")?.strip_prefix("Bearer ");
        request.header("x-api-key").or_else(bearer).map(str::to_owned)
    }

    fn bad_key(&self, key: Option<&str>) -> Refusal {
        let message = if key.is_some() { "invalid x-api-key" } else { "x-api-key header is required" };
        Refusal::new(401, "authentication_error", message)
    }

    fn bad_json(&self, error: &str) -> Refusal {
        invalid("", format!("The request body is not valid JSON: {error}"))
    }

    fn read(&self, request: &Request<'_>) -> Result<Ask, Refusal> {
        request::read(request)
    }

    fn count(&self, tokens: u64) -> Value {
        json!({"input_tokens": tokens})
    }

    fn whole(&self, reply: &Reply<'_>) -> Value {
        response::whole(reply)
    }

    fn frames(&self, reply: &Reply<'_>) -> Vec<Frame> {
        response::frames(reply)
    }

    fn error(&self, refusal: &Refusal, response_id: &str) -> Value {
        json!({
            "type": "error",
            "error": {"type": refusal.kind, "message": refusal.message},
            "request_id": format!("req_{response_id}"),
        })
    }

    fn error_frame(&self, refusal: &Refusal, response_id: &str) -> String {
        format!("event: error\ndata: {}\n\n", self.error(refusal, response_id))
    }

    fn scripted(&self, status: &Status) -> Refusal {
        let (kind, message) = match status.code {
            400 => ("invalid_request_error", "The request was invalid"),
            401 => ("authentication_error", "invalid x-api-key"),
            402 => ("billing_error", "Your credit balance is too low to access the Anthropic API."),
            403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
            404 => ("not_found_error", "The requested resource could not be found."),
            409 => ("conflict_error", "The request conflicts with another"),
            413 => ("request_too_large", "Request exceeds the maximum allowed number of bytes."),
            429 => ("rate_limit_error", "This request would exceed your organization's rate limit."),
            504 => ("timeout_error", "The request timed out"),
            529 => ("overloaded_error", "Overloaded"),
            _ => ("api_error", "Internal server error"),
        };
        Refusal::new(status.code, status.error_type.as_deref().unwrap_or(kind), message)
    }

    fn headers(&self, response_id: &str) -> Vec<(&'static str, String)> {
        vec![
            ("request-id", format!("req_{response_id}")),
            ("anthropic-ratelimit-requests-limit", "4000".to_owned()),
            ("anthropic-ratelimit-requests-remaining", "3999".to_owned()),
        ]
    }
}
