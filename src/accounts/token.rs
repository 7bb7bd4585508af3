//! The token of a session: 256 random bits in the cookie, a digest of them in the store.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lmhaven_actors::domain::people::TokenDigest;
use lmhaven_actors::system::fresh;

/// Characters of a token.
const LEN: usize = 43;

/// A session's token. Not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken([u8; 32]);

impl SessionToken {
    /// A new one.
    pub fn fresh() -> Self {
        Self(fresh::random())
    }

    /// The token that a cookie holds; `None` for what is not one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != LEN {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// What the cookie holds.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is stored. 256 random bits need no slow hash.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(*blake3::hash(&self.0).as_bytes())
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_no_two_are_the_same() {
        let token = SessionToken::fresh();
        assert_eq!(SessionToken::parse(&token.expose()), Some(token.clone()));
        assert_ne!(token.digest(), SessionToken::fresh().digest());
        for text in ["", "x", &"!".repeat(LEN), &"A".repeat(LEN + 1)] {
            assert_eq!(SessionToken::parse(text), None, "{text}");
        }
    }
}
