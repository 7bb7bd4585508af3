//! One type per id, each with the prefix a person sees, so that two ids cannot be swapped.
//!
//! An id is 128 bits: a time in milliseconds and random bits, both given by the caller, so that ids sort
//! by age. Its text is the prefix and 26 characters of lower-case Crockford base 32.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::time::UnixMillis;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of an id after its prefix.
const TEXT_LEN: usize = 26;

/// A text is not an id of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id that starts with {prefix}")]
pub struct ParseIdError {
    prefix: &'static str,
}

/// 26 characters of base 32, most significant first.
pub fn encode_base32(value: u128) -> String {
    base32_text(&base32_digits(value)).to_owned()
}

/// The characters of [`encode_base32`], on the stack.
fn base32_digits(value: u128) -> [u8; TEXT_LEN] {
    let mut digits = [b'0'; TEXT_LEN];
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET.get(usize::try_from(rest & 31).unwrap_or(0)).copied().unwrap_or(b'0');
        rest >>= 5;
    }
    digits
}

fn base32_text(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

/// The value of 26 characters of base 32; `None` for anything else.
pub fn decode_base32(text: &str) -> Option<u128> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut value: u128 = 0;
    for (place, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        // 26 characters hold 130 bits: the first one may only use three of its five.
        if place == 0 && digit > 7 {
            return None;
        }
        value = value << 5 | u128::try_from(digit).ok()?;
    }
    Some(value)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What its text starts with.
            pub const PREFIX: &'static str = $prefix;

            /// An id made at `at`, told apart by 80 random bits.
            pub fn from_parts(at: UnixMillis, random: [u8; 10]) -> Self {
                let mut bytes = [0_u8; 16];
                bytes[6..].copy_from_slice(&random);
                let millis = u128::from(at.0.max(0).unsigned_abs() & 0xffff_ffff_ffff);
                Self(millis << 80 | u128::from_be_bytes(bytes))
            }

            /// The id with these bits, as stored.
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The bits to store.
            pub const fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(base32_text(&base32_digits(self.0)))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix($prefix)
                    .and_then(decode_base32)
                    .map(Self)
                    .ok_or(ParseIdError { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A workspace: who pays.
    WorkspaceId,
    "ws_"
);
id!(
    /// A customer's key: its name in lists and entries, not its secret.
    KeyId,
    "key_"
);
id!(
    /// One mail in the outbox.
    MailId,
    "mail_"
);
id!(
    /// One request, and with it its hold.
    RequestId,
    "req_"
);
id!(
    /// One ledger entry.
    EntryId,
    "ent_"
);
id!(
    /// A visit to the payment provider's page.
    CheckoutId,
    "chk_"
);
id!(
    /// Money that an operator sends back.
    RefundId,
    "rfd_"
);
id!(
    /// A payment that auto top-up tries.
    AttemptId,
    "atp_"
);

id!(
    /// One billing event, and with it its webhook.
    EventId,
    "evt_"
);
id!(
    /// Where a workspace wants its webhooks.
    EndpointId,
    "whe_"
);
id!(
    /// A person who signs in.
    PersonId,
    "usr_"
);
id!(
    /// One sign-in of a person, from one browser. Not its token.
    SessionId,
    "ses_"
);
id!(
    /// One link of a mail, such as one that confirms an address. Not its token.
    LinkId,
    "lnk_"
);

impl EntryId {
    /// The id of the entry with this sequence number in this workspace: derived, so it need not be stored.
    pub const fn of(workspace: WorkspaceId, seq: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the random part of the workspace's id")]
        let random_half = workspace.0 as u64;
        Self((random_half as u128) << 64 | seq as u128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_sort_by_age_and_carry_their_prefix() {
        let older = RequestId::from_parts(UnixMillis(1_000), [255; 10]);
        let newer = RequestId::from_parts(UnixMillis(1_001), [0; 10]);
        assert!(older < newer && older.to_string() < newer.to_string());
        assert!(newer.to_string().starts_with("req_"));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let key = KeyId::from_parts(UnixMillis(5), [7; 10]).to_string();
        assert!(key.parse::<KeyId>().is_ok());
        assert!(key.parse::<WorkspaceId>().is_err());
        assert!("ws_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<WorkspaceId>().is_err(), "129 bits");
    }

    proptest! {
        #[test]
        fn text_and_back_is_the_same_id(bits: u128) {
            let id = EntryId::from_bits(bits);
            prop_assert_eq!(id.to_string().parse::<EntryId>(), Ok(id));
        }
    }
}
