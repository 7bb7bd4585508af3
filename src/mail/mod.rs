//! Mails leave: put into words, written as a message, handed to a server or a folder.
//!
//! Whoever has something to tell puts `MailFact::Queued` among the facts of its own decision; the [`Postman`] finds it in
//! the outbox. A mail that cannot leave never fails the request that queued it. What waits and what was tried is decided in
//! `lmhaven_actors::domain::mail`, not here.

mod letter;
mod message;
mod notices;
mod postman;
mod transport;
mod wording;

use std::sync::Arc;

use lmhaven_actors::domain::ids::LinkId;

pub use letter::Letter;
pub use message::{MessageError, compose};
pub use postman::Postman;
pub use transport::{OpenError, Transport};
pub use wording::letter_of;

/// The token of a one-time link, or `None` where there is no such link.
type TokenOf = dyn Fn(LinkId) -> Option<String> + Send + Sync;

/// How the token of a one-time link is found at sending time: the journal does not hold it.
#[derive(Clone)]
pub struct Links(Arc<TokenOf>);

impl Links {
    /// Tokens by this function, which derives them from a key of the server.
    pub fn new(token_of: impl Fn(LinkId) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(token_of))
    }

    /// The token of a link.
    pub fn token(&self, link: LinkId) -> Option<String> {
        (self.0)(link)
    }
}

impl Default for Links {
    /// No link has a token: a gateway without accounts makes none.
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links")
    }
}
