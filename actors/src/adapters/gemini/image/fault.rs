//! Google's errors in the classes of media: the chat side reads them, this drops the words.

use crate::adapters::fault::{BadRequestKind, UpstreamFault};
use crate::adapters::gemini::errors::{self, DAY_USED_UP, KEY_REFUSED, SPEND_LIMIT};
use crate::media::MediaFault;

/// What an error status means.
pub(super) fn of_answer(status: u16, body: &[u8], retry_after_millis: Option<u64>) -> MediaFault {
    match of_upstream(errors::fault(status, body), errors::is_own_word(body)) {
        MediaFault::Busy { retry_after_millis: None } => MediaFault::Busy { retry_after_millis },
        fault => fault,
    }
}

/// What an error in a body means that came with a success status.
pub(super) fn of_body(body: &[u8]) -> MediaFault {
    // The number inside stands for the status that is missing.
    of_upstream(errors::body_fault(body), true)
}

fn of_upstream(fault: UpstreamFault, is_own_word: bool) -> MediaFault {
    match fault {
        UpstreamFault::BadRequest { kind: BadRequestKind::ContentPolicy, .. } => MediaFault::Policy,
        UpstreamFault::BadRequest { kind: BadRequestKind::ContextLength, .. } | UpstreamFault::TooLarge => {
            MediaFault::BadInput { param: Some("prompt") }
        }
        UpstreamFault::BadRequest { kind: BadRequestKind::Invalid, param, .. } => {
            // Named in the terms of chat, where the text is in the messages.
            MediaFault::BadInput { param: (param.as_deref() == Some("messages")).then_some("prompt") }
        }
        UpstreamFault::RateLimited { retry_after_millis } | UpstreamFault::Overloaded { retry_after_millis } => {
            MediaFault::Busy { retry_after_millis }
        }
        UpstreamFault::OurAccount { model_gone: true, .. } => MediaFault::OurModel,
        UpstreamFault::OurAccount { what: KEY_REFUSED, .. } => MediaFault::OurKey,
        UpstreamFault::OurAccount { what: DAY_USED_UP | SPEND_LIMIT, .. } => MediaFault::OurQuota,
        UpstreamFault::OurAccount { .. } => MediaFault::OurMoney,
        UpstreamFault::Failed { status } => MediaFault::server(status.unwrap_or(502), is_own_word),
        UpstreamFault::MalformedFunctionCall => MediaFault::NothingMade,
    }
}
