//! What can be wrong with the bytes of a caller or of a provider.

/// The caller's body cannot be served. Becomes a 400 that names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BodyError {
    /// Which of the envelope's codes it is.
    pub code: BodyErrorCode,
    /// What is wrong, lower case, without the caller's content.
    pub message: String,
    /// The field, as a path such as `messages[2].content`.
    pub param: Option<String>,
}

/// The codes of a bad body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyErrorCode {
    /// Not JSON, or a key twice.
    InvalidJson,
    /// A value that cannot be.
    InvalidRequest,
    /// A parameter that is not served, or that would change the price unseen.
    UnsupportedParameter,
}

impl BodyError {
    /// The text is not JSON or names a key twice.
    pub fn invalid_json(message: impl Into<String>) -> Self {
        Self { code: BodyErrorCode::InvalidJson, message: message.into(), param: None }
    }

    /// The value at `param` cannot be.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: BodyErrorCode::InvalidRequest, message: message.into(), param: Some(param.into()) }
    }

    /// The parameter is not served.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: BodyErrorCode::UnsupportedParameter, message: message.into(), param: Some(param.into()) }
    }
}

/// A provider's answer or stream does not follow its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed upstream answer: {what}")]
pub struct Malformed {
    /// What was expected; never the provider's text.
    pub what: &'static str,
}

/// Why a provider did not answer, from its error status and body, or from an error event in a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamFault {
    /// The request itself is at fault: 400 to the caller, with the provider's words cleaned of names.
    #[error("the provider refused the request")]
    BadRequest {
        /// The provider's message, without organisation or project ids and without keys.
        message: String,
        /// The field, in the caller's terms where it can be told.
        param: Option<String>,
        /// Which code of ours it is.
        kind: BadRequestKind,
    },
    /// The body is larger than the provider takes: 413.
    #[error("the request is larger than the provider takes")]
    TooLarge,
    /// 429 for pace: another account may be free.
    #[error("the provider's rate limit is reached")]
    RateLimited {
        /// What the provider asked to wait.
        retry_after_millis: Option<u64>,
    },
    /// Our account, key, quota, model id or project is at fault: 503 and an alarm.
    #[error("the provider account cannot serve this")]
    OurAccount {
        /// For the log: a short, fixed description.
        what: &'static str,
        /// The model is gone upstream: no other account helps.
        model_gone: bool,
    },
    /// 529 or `overloaded_error`.
    #[error("the provider is overloaded")]
    Overloaded {
        /// What the provider asked to wait.
        retry_after_millis: Option<u64>,
    },
    /// Any other failure of the provider, with its status where it has one (500, 502, 503, 504 are mirrored).
    #[error("the provider failed")]
    Failed {
        /// The status it sent, or none for an error event.
        status: Option<u16>,
    },
    /// Gemini gave up on a function call of its own: nothing was delivered, one retry is worth it.
    #[error("the model made a malformed function call")]
    MalformedFunctionCall,
}

/// The codes of a 400 that a provider decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequestKind {
    /// `invalid_request`.
    Invalid,
    /// `context_length_exceeded`.
    ContextLength,
    /// `content_policy_violation`.
    ContentPolicy,
}
