//! The `OpenAI` protocol: `POST /v1/chat/completions` and `GET /v1/models`, as `OpenAI` and its imitators speak it.
//!
//! Any model name is known. `request` checks the top level, `messages` the conversation; `response` writes the answer.

mod messages;
mod request;
mod response;

use crate::{
    dialect::{Ask, Dialect, Frame, Protocol, Refusal, Reply, Request},
    script::Status,
};
use serde_json::{Value, json};

/// The models listed, though every name is answered.
const LISTED: &[&str] = &["gpt-5.5", "gpt-5.5-mini", "sim-large", "sim-small"];

pub(crate) struct OpenAi;

fn invalid(param: &str, message: impl Into<String>) -> Refusal {
    let mut refusal = Refusal::new(400, "invalid_request_error", message);
    refusal.param = Some(param.to_owned()).filter(|param| !param.is_empty());
    refusal
}

fn model_json(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_760_000_000, "owned_by": "simulator"})
}

pub(crate) fn models() -> Value {
    json!({"object": "list", "data": LISTED.iter().map(|id| model_json(id)).collect::<Vec<_>>()})
}

pub(crate) fn model(id: &str) -> Result<Value, Refusal> {
    if LISTED.contains(&id) {
        return Ok(model_json(id));
    }
    let mut refusal = invalid("model", format!("The model '{id}' does not exist"));
    refusal.status = 404;
    refusal.code = Some("model_not_found".to_owned());
    Err(refusal)
}

impl Dialect for OpenAi {
    fn protocol(&self) -> Protocol {
        Protocol::OpenAi
    }

    fn key(&self, request: &Request<'_>) -> Option<String> {
        request.header("authorization")?.strip_prefix("Bearer ").map(str::to_owned)
    }

    fn bad_key(&self, key: Option<&str>) -> Refusal {
        let message = if key.is_some() {
            "Incorrect API key provided: sk-…. You can find your API key at https://platform.openai.com/account/api-keys."
        } else {
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth."
        };
        let code = key.map(|_| "invalid_api_key".to_owned());
        Refusal { code, ..Refusal::new(401, "invalid_request_error", message) }
    }

    fn bad_json(&self, error: &str) -> Refusal {
        invalid("", format!("We could not parse the JSON body of your request: {error}"))
    }

    fn read(&self, request: &Request<'_>) -> Result<Ask, Refusal> {
        request::read(request)
    }

    fn count(&self, tokens: u64) -> Value {
        json!({"tokens": tokens})
    }

    fn whole(&self, reply: &Reply<'_>) -> Value {
        response::whole(reply)
    }

    fn frames(&self, reply: &Reply<'_>) -> Vec<Frame> {
        response::frames(reply)
    }

    fn error(&self, refusal: &Refusal, _response_id: &str) -> Value {
        let Refusal { message, kind, param, code, .. } = refusal;
        json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
    }

    fn error_frame(&self, refusal: &Refusal, response_id: &str) -> String {
        format!("data: {}\n\n", self.error(refusal, response_id))
    }

    fn scripted(&self, status: &Status) -> Refusal {
        let (kind, code, message) = match status.code {
            400 => ("invalid_request_error", None, "The request was invalid"),
            401 => ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided"),
            403 => ("invalid_request_error", Some("unsupported_country_region_territory"), "Not supported here"),
            404 => ("invalid_request_error", Some("model_not_found"), "The model does not exist"),
            429 => ("requests", Some("rate_limit_exceeded"), "Rate limit reached for requests"),
            503 => ("server_error", None, "The engine is currently overloaded, please try again later"),
            _ => ("server_error", None, "The server had an error while processing your request"),
        };
        let mut refusal = Refusal::new(status.code, status.error_type.as_deref().unwrap_or(kind), message);
        refusal.code = status.error_code.clone().or(code.map(str::to_owned));
        refusal
    }

    fn headers(&self, response_id: &str) -> Vec<(&'static str, String)> {
        vec![
            ("x-request-id", format!("req_{response_id}")),
            ("openai-processing-ms", "12".to_owned()),
            ("openai-version", "2020-10-01".to_owned()),
            ("x-ratelimit-limit-requests", "10000".to_owned()),
            ("x-ratelimit-remaining-requests", "9999".to_owned()),
            ("x-ratelimit-reset-requests", "6ms".to_owned()),
        ]
    }
}
