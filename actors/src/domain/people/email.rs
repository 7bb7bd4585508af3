//! An e-mail address as we keep it: trimmed, its domain in lower case, compared without regard to case.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of an address, as mail servers have it (RFC 5321, path less its brackets).
pub const LEN_MAX: usize = 254;
/// Bytes before the `@` (RFC 5321, §4.5.3.1.1).
const LOCAL_LEN_MAX: usize = 64;

/// An address. Two that differ in case alone are one: nobody should have two accounts for it.
#[derive(Clone)]
pub struct Email(String);

/// A text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an e-mail address such as name@example.com")]
pub struct ParseEmailError;

impl Email {
    /// The address as it is written to.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is compared by.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for Email {
    type Err = ParseEmailError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // The list is of what mail headers and lists of addresses give a meaning to.
        let odd = |letter: char| letter.is_whitespace() || letter.is_control() || "<>()[],;:\\\"".contains(letter);
        let (local, domain) = text.rsplit_once('@').ok_or(ParseEmailError)?;
        let labels_good =
            domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
        let good = text.len() <= LEN_MAX
            && !local.is_empty()
            && local.len() <= LOCAL_LEN_MAX
            && !local.contains('@')
            && labels_good
            && !text.chars().any(odd);
        let email = Self(format!("{local}@{}", domain.to_lowercase()));
        // Lower case may be longer than upper case.
        if good && email.0.len() <= LEN_MAX { Ok(email) } else { Err(ParseEmailError) }
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for Email {}

impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_trimmed_and_compared_without_regard_to_case() {
        let one: Email = "  Ann.Example@EXAMPLE.com\n".parse().unwrap();
        assert_eq!(one.as_str(), "Ann.Example@example.com");
        assert_eq!(one, "ann.example@Example.Com".parse().unwrap());
        assert_eq!("owner@demo.localhost".parse::<Email>().unwrap().as_str(), "owner@demo.localhost");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "b".repeat(250));
        for text in [
            "",
            "@",
            "a@",
            "@b",
            "a b@c.d",
            "a@b c",
            "a@b\r\nBcc: x@y.z",
            "a\0@b.c",
            "a@b@c.d",
            "<a@b.c>",
            "a,b@c.d",
            "a@.c",
            "a@b.",
            "a@b..c",
            "a@-b.c",
            "\"a\"@b.c",
            &long,
            &longer,
        ] {
            assert_eq!(text.parse::<Email>(), Err(ParseEmailError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_reads_back_and_cannot_break_a_header(text in ".{0,20}@.{0,20}") {
            if let Ok(email) = text.parse::<Email>() {
                let again: Email = email.as_str().parse().unwrap();
                prop_assert_eq!(again.as_str(), email.as_str());
                prop_assert!(email.as_str().len() <= LEN_MAX);
                prop_assert!(!email.as_str().chars().any(|letter| letter.is_control() || letter.is_whitespace()));
            }
        }
    }
}
