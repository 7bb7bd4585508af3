//! Texts that only we can make: tokens of mailed links and of forms, each an HMAC with the accounts' key.
//!
//! A link's token is made from its id when its mail is written, so neither journal nor outbox holds it. Deleting the key's file
//! takes back every link that is under way, and every form that is open.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use lmhaven_actors::domain::ids::{EndpointId, LinkId};
use lmhaven_actors::system::fresh;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::token::SessionToken;
use crate::key_file;

/// The key, and what is made with it.
pub struct Keys {
    key: SecretString,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// The key in the file, made if there is none.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { key: key_file::find_or_make(path, fresh::random())? })
    }

    /// The token of a mailed link: its id, a dot, and what proves that we made it.
    pub fn link_token(&self, link: LinkId) -> String {
        format!("{link}.{}", URL_SAFE_NO_PAD.encode(self.mac("link", link.to_string().as_bytes())))
    }

    /// The link whose token this is; `None` if we did not make it.
    pub fn link_of(&self, token: &str) -> Option<LinkId> {
        let (id, proof) = token.split_once('.')?;
        let link: LinkId = id.parse().ok()?;
        let expected = self.link_token(link);
        let (_, expected) = expected.split_once('.')?;
        same(proof, expected).then_some(link)
    }

    /// What forms of a session carry.
    pub fn csrf(&self, session: &SessionToken) -> String {
        URL_SAFE_NO_PAD.encode(self.mac("csrf", session.expose().as_bytes()))
    }

    /// Whether a form's token is that of the session.
    pub fn is_csrf(&self, session: &SessionToken, given: &str) -> bool {
        same(given, &self.csrf(session))
    }

    /// A secret of an endpoint of webhooks, by its number: the journal holds none of them.
    pub fn webhook_secret(&self, endpoint: EndpointId, number: u32) -> [u8; 32] {
        self.mac("webhook", format!("{endpoint}:{number}").as_bytes())
    }

    fn mac(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        // HMAC takes a key of any length, so this cannot fail; an empty proof would match nothing anyway.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose_secret().as_bytes()) else {
            return fresh::random();
        };
        mac.update(purpose.as_bytes());
        mac.update(b"\0");
        mac.update(text);
        mac.finalize().into_bytes().into()
    }
}

/// In a time that does not depend on where they differ.
fn same(given: &str, expected: &str) -> bool {
    subtle::ConstantTimeEq::ct_eq(given.as_bytes(), expected.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use lmhaven_actors::domain::time::UnixMillis;

    use super::*;

    #[test]
    fn only_our_own_link_tokens_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(&folder.path().join("accounts.key")).unwrap();
        let again = Keys::open(&folder.path().join("accounts.key")).unwrap();
        let other = Keys::open(&folder.path().join("other.key")).unwrap();
        let link = fresh::link_id(UnixMillis(5));
        let token = keys.link_token(link);
        assert_eq!(again.link_of(&token), Some(link));
        assert_eq!(other.link_of(&token), None);
        let (_, proof) = token.split_once('.').unwrap();
        let forged = format!("{}.{proof}", fresh::link_id(UnixMillis(5)));
        for text in [forged.as_str(), &token[..token.len() - 1], &format!("{token}A"), &link.to_string(), "."] {
            assert_eq!(keys.link_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_form_token_is_of_one_session_and_is_no_link_token() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(&folder.path().join("accounts.key")).unwrap();
        let (one, two) = (SessionToken::fresh(), SessionToken::fresh());
        assert!(keys.is_csrf(&one, &keys.csrf(&one)));
        assert!(!keys.is_csrf(&one, &keys.csrf(&two)) && !keys.is_csrf(&one, ""));
    }
}
