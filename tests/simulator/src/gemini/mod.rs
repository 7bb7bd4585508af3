//! The Gemini protocol: `generateContent`, `streamGenerateContent` and `countTokens` under `/v1beta/models/`.
//!
//! `proto` reads proto-JSON by the tables in `fields` and refuses what they do not know; `request` checks what the
//! fields mean, `contents` the conversation and its signatures, `schema` JSON Schemas; `response` writes the answer.

mod contents;
mod fields;
mod proto;
mod request;
mod response;
mod schema;

use crate::{
    dialect::{Ask, Dialect, Frame, Protocol, Refusal, Reply, Request},
    script::Status,
};
use serde_json::{Value, json};

const TYPES: &str = "type.googleapis.com/google.rpc";

pub(crate) struct Gemini;

/// A request's body in the canonical spelling of its fields; what they do not know is refused.
pub(crate) fn normalised(body: &Value) -> Result<Value, Refusal> {
    proto::normalise(body, fields::REQUEST, "")
}

pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "INVALID_ARGUMENT", message)
}

fn error_info(reason: &str) -> Value {
    json!({"@type": format!("{TYPES}.ErrorInfo"), "reason": reason, "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"}})
}

impl Dialect for Gemini {
    fn protocol(&self) -> Protocol {
        Protocol::Gemini
    }

    fn key(&self, request: &Request<'_>) -> Option<String> {
        request.header("x-goog-api-key").or_else(|| request.query("key")).map(str::to_owned)
    }

    fn bad_key(&self, key: Option<&str>) -> Refusal {
        if key.is_none() {
            let message = "Method doesn't allow unregistered callers (callers without established identity). Please use \
                           API Key or other form of API consumer identity to call this API.";
            return Refusal::new(403, "PERMISSION_DENIED", message);
        }
        let details = vec![error_info("API_KEY_INVALID")];
        Refusal { details, ..invalid("API key not valid. Please pass a valid API key.") }
    }

    fn bad_json(&self, error: &str) -> Refusal {
        invalid(format!("Invalid JSON payload received. {error}"))
    }

    fn read(&self, request: &Request<'_>) -> Result<Ask, Refusal> {
        request::read(request)
    }

    fn count(&self, tokens: u64) -> Value {
        json!({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})
    }

    fn whole(&self, reply: &Reply<'_>) -> Value {
        response::whole(reply)
    }

    fn frames(&self, reply: &Reply<'_>) -> Vec<Frame> {
        response::frames(reply)
    }

    fn error(&self, refusal: &Refusal, _response_id: &str) -> Value {
        let mut error = json!({"code": refusal.status, "message": refusal.message, "status": refusal.kind});
        if let (Some(map), false) = (error.as_object_mut(), refusal.details.is_empty()) {
            map.insert("details".to_owned(), refusal.details.clone().into());
        }
        json!({"error": error})
    }

    /// Google's servers put the bare JSON over several lines into the stream, without `data:`.
    fn error_frame(&self, refusal: &Refusal, response_id: &str) -> String {
        format!("{:#}\n", self.error(refusal, response_id))
    }

    fn scripted(&self, status: &Status) -> Refusal {
        let (kind, message) = match status.code {
            400 => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
            401 => ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
            403 => ("PERMISSION_DENIED", "The caller does not have permission"),
            404 => ("NOT_FOUND", "Requested entity was not found."),
            429 => {
                ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details.")
            }
            499 => ("CANCELLED", "The operation was cancelled."),
            503 => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
            504 => ("DEADLINE_EXCEEDED", "The request timed out. Please try again."),
            _ => ("INTERNAL", "An internal error has occurred."),
        };
        let mut refusal = Refusal::new(status.code, status.error_type.as_deref().unwrap_or(kind), message);
        if let Some(quota) = &status.quota_id {
            refusal.details.push(json!({"@type": format!("{TYPES}.QuotaFailure"), "violations": [{
                "quotaMetric": "generativelanguage.googleapis.com/generate_requests", "quotaId": quota, "quotaValue": "250",
            }]}));
        }
        if let Some(reason) = &status.error_code {
            refusal.details.push(error_info(reason));
        }
        if let Some(delay) = &status.retry_delay {
            refusal.details.push(json!({"@type": format!("{TYPES}.RetryInfo"), "retryDelay": delay}));
        }
        refusal
    }

    fn headers(&self, _response_id: &str) -> Vec<(&'static str, String)> {
        vec![("vary", "Origin, X-Origin, Referer".to_owned()), ("server", "scaffolding on HTTPServer2".to_owned())]
    }

    fn has_crlf(&self) -> bool {
        true
    }
}
