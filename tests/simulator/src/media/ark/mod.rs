//! Volcengine Ark and `BytePlus` `ModelArk`: Seedream on `POST /api/v3/images/generations`.
//!
//! `request` checks sizes and fields as strictly as each model does, `response` makes pictures and writes them down,
//! `storage` is the object store behind the download addresses. Wire facts: byteplus-python-sdk-v2 3.0.63 and the
//! vendor's page 1299023 for error codes.

mod request;
mod response;
mod storage;

use super::provider::{Incoming, Provider, Route, bearer};
use crate::{
    dialect::{Protocol, Refusal, Request},
    json::text,
    script::Status,
};
use serde_json::{Value, json};

/// How Ark speaks.
struct Ark;

/// Makes pictures.
pub(super) static GENERATE: Route =
    Route { provider: &Ark, generates: true, needs_key: true, answer: response::generate };
/// A download by a signed address. No key is asked for: the signature is the right to it.
pub(super) static DOWNLOAD: Route =
    Route { provider: &Ark, generates: false, needs_key: false, answer: storage::download };

/// What the error of a code has in `type`, and its status.
fn kind(code: &str) -> (u16, &'static str) {
    match code {
        "AuthenticationError" => (401, "Unauthorized"),
        "AccountOverdueError" | "AccessDenied" => (403, "Forbidden"),
        "InvalidEndpointOrModel.NotFound" => (404, "NotFound"),
        "ServerOverloaded" => (429, "TooManyRequests"),
        "InternalServiceError" => (500, "InternalServerError"),
        code if code.contains("RateLimitExceeded") => (429, "TooManyRequests"),
        _ => (400, "BadRequest"),
    }
}

/// The sentence that goes with a code.
fn sentence(code: &str) -> &'static str {
    match code {
        "InputTextSensitiveContentDetected" => {
            "The request failed because the input text may contain sensitive information."
        }
        "InputImageSensitiveContentDetected" => {
            "The request failed because the input image may contain sensitive information."
        }
        "OutputImageSensitiveContentDetected" => {
            "The request failed because the output image may contain sensitive information."
        }
        code if code.contains("Sensitive") || code.contains("Risk") => {
            "The request failed because it may contain sensitive information."
        }
        "AccountOverdueError" => {
            "The request failed because your account has an overdue balance. Please recharge your account."
        }
        "AccessDenied" => "The request failed because you do not have access to the requested resource.",
        "AuthenticationError" => "The API key or AK/SK in the request is missing or invalid.",
        "InvalidEndpointOrModel.NotFound" => "The model or endpoint does not exist or you do not have access to it.",
        "ServerOverloaded" => "The service is currently unable to handle additional requests due to server overload.",
        code if code.contains("RateLimitExceeded") => {
            "The request failed because the images per minute limit of the model was exceeded. Please try again later."
        }
        "InternalServiceError" => "The service encountered an unexpected internal error.",
        _ => "The request failed because a parameter is not valid.",
    }
}

fn refusal(code: &str) -> Refusal {
    let (status, kind) = kind(code);
    Refusal { code: Some(code.to_owned()), ..Refusal::new(status, kind, sentence(code)) }
}

fn invalid(param: &str, message: impl Into<String>) -> Refusal {
    let param = Some(param.to_owned());
    Refusal { param, message: message.into(), ..refusal("InvalidParameter") }
}

impl Provider for Ark {
    fn protocol(&self) -> Protocol {
        Protocol::Ark
    }

    fn key(&self, request: &Request<'_>) -> Option<String> {
        bearer(request)
    }

    fn model(&self, incoming: &Incoming<'_>) -> Option<String> {
        text(incoming.request.body, "model").map(str::to_owned)
    }

    fn bad_key(&self, _key: Option<&str>) -> Refusal {
        refusal("AuthenticationError")
    }

    fn bad_json(&self, error: &str) -> Refusal {
        Refusal { message: format!("The request body is not valid JSON: {error}"), ..refusal("InvalidParameter") }
    }

    /// The id of the request is part of every message.
    fn error(&self, refusal: &Refusal, request_id: &str) -> Value {
        json!({"error": {
            "code": refusal.code,
            "message": format!("{} Request id: {request_id}", refusal.message),
            "param": refusal.param.as_deref().unwrap_or_default(),
            "type": refusal.kind,
        }})
    }

    fn scripted(&self, status: &Status) -> Refusal {
        let usual = match status.code {
            401 => "AuthenticationError",
            403 => "AccountOverdueError",
            404 => "InvalidEndpointOrModel.NotFound",
            429 => "RateLimitExceeded.EndpointIPMExceeded",
            400..=499 => "InvalidParameter",
            _ => "InternalServiceError",
        };
        let code = status.error_code.as_deref().unwrap_or(usual);
        let (_, kind) = kind(code);
        let kind = status.error_type.as_deref().unwrap_or(kind).into();
        Refusal { status: status.code, kind, ..refusal(code) }
    }

    fn headers(&self, request_id: &str) -> Vec<(&'static str, String)> {
        vec![("x-request-id", request_id.to_owned())]
    }
}
