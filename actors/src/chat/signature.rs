//! Opaque proof that a model made a thought or a tool call, tagged with who made it.
//!
//! A signature means something only to the provider and model that issued it: sent elsewhere it is an
//! error upstream, so it is stripped on a mismatch (`wire/translation.md` §5).

use std::sync::Arc;

use super::Dialect;

/// Who issued a signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The provider's protocol: `anthropic`, `gemini` or `openai`.
    pub protocol: Dialect,
    /// The model's name, as we sell it.
    pub model: Arc<str>,
}

/// A signature and its origin; `origin` is `None` where a client replays one in the provider's own field,
/// which carries no tag: then the provider asked decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Who issued it, if it says so.
    pub origin: Option<Origin>,
    /// The provider's bytes as text, never re-encoded.
    pub value: Arc<str>,
}

impl Signature {
    /// Whether it may be sent to this provider's model.
    pub fn fits(&self, protocol: Dialect, model: &str) -> bool {
        self.origin.as_ref().is_none_or(|origin| origin.protocol == protocol && *origin.model == *model)
    }
}
