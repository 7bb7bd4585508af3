//! The text of a customer's key: made once, shown once, kept only as a digest.
//!
//! `sk-lmh-`, 40 characters of random base 32 (200 bits) and six of a checksum, so that a mistyped key is
//! told from an unknown one without a look-up. The digest needs no slow hash: 200 random bits cannot be
//! guessed from it.

use std::fmt;

/// What every key starts with.
pub const KEY_PREFIX: &str = "sk-lmh-";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_LEN: usize = 40;
const CHECKSUM_LEN: usize = 6;

/// A key in full. It cannot be printed by accident; [`Secret::expose`] is for the one answer that shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What is stored and looked up instead of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest(pub [u8; 32]);

impl Secret {
    /// A new key from 25 random bytes.
    pub fn from_random(random: [u8; 25]) -> Self {
        let mut text = String::with_capacity(KEY_PREFIX.len() + RANDOM_LEN + CHECKSUM_LEN);
        text.push_str(KEY_PREFIX);
        push_base32(&mut text, &random);
        text.extend(checksum(&text).map(char::from));
        Self(text)
    }

    /// The key's text, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What to store.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(*blake3::hash(self.0.as_bytes()).as_bytes())
    }

    /// What lists show.
    pub fn last_four(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default()
    }
}

impl KeyDigest {
    /// The digest of a presented key, or `None` if its prefix, length, letters or checksum are wrong.
    pub fn of_presented(text: &str) -> Option<Self> {
        let body = text.strip_prefix(KEY_PREFIX)?;
        if body.len() != RANDOM_LEN + CHECKSUM_LEN || !body.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return None;
        }
        let (covered, given) = text.split_at_checked(KEY_PREFIX.len() + RANDOM_LEN)?;
        (checksum(covered) == given.as_bytes()).then(|| Self(*blake3::hash(text.as_bytes()).as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sk-lmh-…")
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

/// Six letters over everything before them. CRC-32 is enough: it guards against typing, not against guessing.
fn checksum(covered: &str) -> [u8; CHECKSUM_LEN] {
    let sum = u64::from(crc32fast::hash(covered.as_bytes()));
    let mut letters = [b'0'; CHECKSUM_LEN];
    // 32 bits and three of a rest that is filled with zeros, from the most significant on; the seventh letter is left out.
    for (place, letter) in (1..=CHECKSUM_LEN).rev().zip(letters.iter_mut()) {
        *letter = letter_of((sum << 3) >> (place * 5));
    }
    letters
}

/// Five bits a letter, most significant first; a rest of fewer than five bits is filled with zeros.
fn push_base32(text: &mut String, bytes: &[u8]) {
    let (mut buffer, mut bits) = (0_u64, 0_u32);
    for byte in bytes {
        buffer = buffer << 8 | u64::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(letter_of(buffer >> bits)));
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(letter_of(buffer << (5 - bits))));
    }
}

fn letter_of(value: u64) -> u8 {
    ALPHABET.get(usize::try_from(value & 31).unwrap_or(0)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_again_by_its_digest_and_never_printed() {
        let secret = Secret::from_random(*b"twenty-five bytes exactly");
        assert_eq!(secret.expose().len(), 53);
        assert_eq!(KeyDigest::of_presented(secret.expose()), Some(secret.digest()));
        assert!(!format!("{secret:?}").contains(secret.last_four()));
    }

    #[test]
    fn any_changed_letter_is_noticed() {
        let text = Secret::from_random([42; 25]).expose().to_owned();
        for at in KEY_PREFIX.len()..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
            assert_eq!(KeyDigest::of_presented(std::str::from_utf8(&bytes).unwrap()), None, "letter {at}");
        }
        assert_eq!(KeyDigest::of_presented(&text[..text.len() - 1]), None);
        assert_eq!(KeyDigest::of_presented(&format!("{text}é")), None);
    }
}
