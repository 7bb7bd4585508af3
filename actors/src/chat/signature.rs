//! Opaque proof that a model made a thought or a tool call, tagged with who made it.
//!
//! A signature means something only to the provider and model that issued it: sent elsewhere it is an
//! error upstream, so it is stripped on a mismatch (`wire/translation.md` §5). Where a client's dialect
//! has one opaque field for it, the tag travels inside that field, in our envelope.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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

/// What an envelope's signature is proof of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The thought that carries it.
    Thought,
    /// The tool call that follows the thought (Gemini signs calls).
    NextCall,
}

// The envelope is base 64 of: magic, version, protocol, flags, length of the model (two bytes), model,
// value, CRC-32 of all before. Three bytes of magic make the first four characters constant.
const MAGIC: [u8; 3] = *b"LMH";
const MAGIC_TEXT: &str = "TE1I";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = MAGIC.len() + 5;
/// The value was base 64 itself and is kept decoded, so that it does not grow by a third again.
const FLAG_DECODED: u8 = 1;
/// The signature belongs to the next tool call.
const FLAG_NEXT_CALL: u8 = 2;

impl Signature {
    /// What stands for the signature of a thought whose provider signs none: fits nobody, so it is left out
    /// when it comes back.
    pub fn absent(model: &str) -> Self {
        let origin = Origin { protocol: Dialect::Openai, model: Arc::from(model) };
        Self { origin: Some(origin), value: Arc::from("") }
    }

    /// Whether it may be sent to this provider's model.
    pub fn fits(&self, protocol: Dialect, model: &str) -> bool {
        self.origin.as_ref().is_none_or(|origin| origin.protocol == protocol && *origin.model == *model)
    }

    /// The signature of a thought with its tag, as one opaque text. Without an origin there is nothing to
    /// tag, and the text is the value itself.
    pub fn to_envelope(&self) -> String {
        self.wrap(Signed::Thought)
    }

    /// The same for the signature of the tool call that will follow.
    pub fn to_call_envelope(&self) -> String {
        self.wrap(Signed::NextCall)
    }

    /// What [`Signature::to_envelope`] wrote, or an untagged signature for any other text.
    pub fn from_envelope(text: &str) -> Self {
        Self::read(text).0
    }

    /// The same, with what it is proof of.
    pub fn read(text: &str) -> (Self, Signed) {
        unwrap(text).unwrap_or_else(|| (Self { origin: None, value: Arc::from(text) }, Signed::Thought))
    }

    /// Whether the text may be an envelope: a cheap look before [`Signature::read`], which alone is sure.
    pub fn may_be_envelope(text: &str) -> bool {
        text.starts_with(MAGIC_TEXT)
    }

    fn wrap(&self, signed: Signed) -> String {
        let Some(origin) = &self.origin else { return self.value.to_string() };
        let Ok(model_bytes) = u16::try_from(origin.model.len()) else { return self.value.to_string() };
        let decoded = STANDARD.decode(self.value.as_bytes()).ok();
        let mut flags = if decoded.is_some() { FLAG_DECODED } else { 0 };
        if signed == Signed::NextCall {
            flags |= FLAG_NEXT_CALL;
        }
        let value = decoded.as_deref().unwrap_or(self.value.as_bytes());
        let mut bytes = Vec::with_capacity(HEAD_BYTES + origin.model.len() + value.len() + 4);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, protocol_byte(origin.protocol), flags]);
        bytes.extend_from_slice(&model_bytes.to_be_bytes());
        bytes.extend_from_slice(origin.model.as_bytes());
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        STANDARD.encode(bytes)
    }
}

fn unwrap(text: &str) -> Option<(Signature, Signed)> {
    if !Signature::may_be_envelope(text) {
        return None;
    }
    let bytes = STANDARD.decode(text).ok()?;
    let (content, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(content).to_be_bytes() != *checksum {
        return None;
    }
    let (head, rest) = content.split_first_chunk::<HEAD_BYTES>()?;
    let [m0, m1, m2, VERSION, protocol, flags, high, low] = *head else { return None };
    if [m0, m1, m2] != MAGIC {
        return None;
    }
    let (model, value) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    let value =
        if flags & FLAG_DECODED == 0 { String::from_utf8(value.to_vec()).ok()? } else { STANDARD.encode(value) };
    let origin = Origin { protocol: protocol_of(protocol)?, model: Arc::from(std::str::from_utf8(model).ok()?) };
    let signed = if flags & FLAG_NEXT_CALL == 0 { Signed::Thought } else { Signed::NextCall };
    Some((Signature { origin: Some(origin), value: Arc::from(value) }, signed))
}

const fn protocol_byte(protocol: Dialect) -> u8 {
    match protocol {
        Dialect::Openai => 0,
        Dialect::Anthropic => 1,
        Dialect::Gemini => 2,
    }
}

const fn protocol_of(byte: u8) -> Option<Dialect> {
    match byte {
        0 => Some(Dialect::Openai),
        1 => Some(Dialect::Anthropic),
        2 => Some(Dialect::Gemini),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signature(protocol: Dialect, model: &str, value: &str) -> Signature {
        Signature { origin: Some(Origin { protocol, model: model.into() }), value: value.into() }
    }

    #[test]
    fn an_envelope_brings_back_value_and_origin_and_what_was_signed() {
        let signed = signature(Dialect::Gemini, "gemini-3-flash", "CiQBjz1rX0kAAAA=");
        let envelope = signed.to_envelope();
        assert_eq!(envelope, "TE1IAQIBAA5nZW1pbmktMy1mbGFzaAokAY89a19JAAAALkgnTA==");
        assert!(Signature::may_be_envelope(&envelope));
        assert_eq!(Signature::from_envelope(&envelope), signed);
        assert_eq!(Signature::read(&signed.to_call_envelope()), (signed, Signed::NextCall));
    }

    #[test]
    fn a_base64_value_does_not_grow_by_a_third_again() {
        let value = STANDARD.encode([7_u8; 3000]);
        let envelope = signature(Dialect::Gemini, "gemini-3-flash", &value).to_envelope();
        assert!(envelope.len() < value.len() + 48, "{} for {}", envelope.len(), value.len());
    }

    #[test]
    fn anything_else_is_an_untagged_signature() {
        let envelope = signature(Dialect::Gemini, "gemini-3-flash", "abc").to_envelope();
        let damaged = envelope.replace('A', "B");
        for text in ["", "EqQBCkYIBRgCKkAx", "TE1I", "TE1IAAAA", &envelope[..envelope.len() - 4], damaged.as_str()] {
            assert_eq!(Signature::from_envelope(text), Signature { origin: None, value: text.into() }, "{text}");
        }
        let untagged = Signature { origin: None, value: "EqQB".into() };
        assert_eq!(untagged.to_envelope(), "EqQB", "nothing to tag");
    }

    #[test]
    fn a_signature_fits_its_own_model_only() {
        let signed = signature(Dialect::Anthropic, "claude-opus-4-7", "x");
        assert!(signed.fits(Dialect::Anthropic, "claude-opus-4-7"));
        assert!(!signed.fits(Dialect::Anthropic, "claude-sonnet-4-6"));
        assert!(!signed.fits(Dialect::Gemini, "claude-opus-4-7"));
        assert!(Signature::from_envelope("x").fits(Dialect::Gemini, "any"));
    }

    proptest! {
        #[test]
        fn every_value_survives(value in ".{0,80}", model in "[a-z0-9.-]{0,40}") {
            let signed = signature(Dialect::Openai, &model, &value);
            prop_assert_eq!(Signature::from_envelope(&signed.to_envelope()), signed);
        }
    }
}
