//! Everything that looks random: a seeded generator, digests, and the seals on thinking blocks.
//!
//! Answers depend on the seed and the request alone, so a run can be repeated. The digests are made for tests, not
//! for secrecy; they only have to change when their input does.

use base64::{Engine, engine::general_purpose::STANDARD};

/// `SplitMix64`: small, and every seed is a good one.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`; zero when `bound` is zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let at = self.below(u64::try_from(choices.len()).unwrap_or(0));
        choices.get(usize::try_from(at).unwrap_or(0))
    }

    /// An identifier such as `msg_01a9…`: the prefix and 24 hexadecimal digits.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}{:016x}{:08x}", self.draw(), self.draw() >> 32)
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// FNV-1a over the parts, each closed by a separator so that `["a", "bc"]` and `["ab", "c"]` differ.
pub(crate) fn digest(seed: u64, parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ mix(seed);
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    mix(hash)
}

/// Seals `content` for one model: a signature that only this simulator's seed can have issued.
pub(crate) fn seal(seed: u64, nonce: u64, parts: &[&str]) -> String {
    let mut bytes = Vec::with_capacity(48);
    bytes.extend(nonce.to_be_bytes());
    for round in 0..5 {
        bytes.extend(digest(seed ^ nonce ^ round, parts).to_be_bytes());
    }
    STANDARD.encode(bytes)
}

/// Whether [`seal`] issued this signature for these parts. Standard base64 with padding, as the providers demand.
pub(crate) fn is_sealed(seed: u64, signature: &str, parts: &[&str]) -> bool {
    let Ok(bytes) = STANDARD.decode(signature) else { return false };
    let Some(Ok(nonce)) = bytes.get(..8).map(<[u8; 8]>::try_from) else { return false };
    seal(seed, u64::from_be_bytes(nonce), parts) == signature
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_for_its_own_content_only() {
        let signature = seal(7, 99, &["model", "text"]);
        assert!(is_sealed(7, &signature, &["model", "text"]));
        assert!(!is_sealed(8, &signature, &["model", "text"]));
        assert!(!is_sealed(7, &signature, &["model", "texts"]));
        assert!(!is_sealed(7, &signature, &["mode", "ltext"]));
        assert!(!is_sealed(7, "not base64!", &["model", "text"]));
    }

    #[test]
    fn the_same_seed_draws_the_same_numbers() {
        let (mut one, mut two) = (Rng::new(3), Rng::new(3));
        assert_eq!(one.id("msg_"), two.id("msg_"));
        assert!(one.below(10) < 10);
        assert_eq!(one.below(0), 0);
    }
}
