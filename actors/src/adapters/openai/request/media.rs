//! Data URLs: what they hold, and how much of it at most.
//!
//! Media types are read from the first bytes, since clients mislabel and providers refuse that. Bounds are
//! taken from sizes: nothing is decoded but the head.
//!
//! **Pages.** A PDF counts as [`PDF_PAGES_MAX`], whatever its size: that bounds neither its pages nor their text.
//!
//! **Seconds.** An uncompressed WAV says its rate; anything else is taken at the lowest bit rate there is.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::adapters::media_type;
use crate::chat::{InputBound, MediaKind, PDF_PAGES_MAX};

/// Bytes of one second at the lowest rate of a compressed format: 4 kbit/s.
const SECOND_BYTES_MIN: u64 = 500;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The data that a URL carries, and the type that it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DataUrl<'t> {
    pub(super) declared: &'t str,
    pub(super) base64: &'t str,
}

impl<'t> DataUrl<'t> {
    /// The parts of a `data:` URL in base 64; `None` for any other text.
    pub(super) fn of(url: &'t str) -> Option<Self> {
        let scheme = url.get(..5)?;
        let (head, base64) = url.get(5..)?.split_once(',')?;
        let (declared, encoding) = head.rsplit_once(';')?;
        let declared = declared.split(';').next().unwrap_or_default();
        (scheme.eq_ignore_ascii_case("data:") && encoding.trim().eq_ignore_ascii_case("base64"))
            .then_some(Self { declared: declared.trim(), base64 })
    }

    /// The first bytes, as far as they are base 64 at all.
    fn head(self) -> Vec<u8> {
        let mut head: Vec<u8> = self.base64.bytes().filter(|byte| !byte.is_ascii_whitespace()).take(64).collect();
        head.truncate(head.len() / 4 * 4);
        BASE64.decode(&head).unwrap_or_default()
    }

    /// The data without the white space that some encoders break lines with.
    pub(super) fn compact(self) -> Cow<'t, str> {
        if self.base64.bytes().any(|byte| byte.is_ascii_whitespace()) {
            Cow::Owned(self.base64.split_ascii_whitespace().collect())
        } else {
            Cow::Borrowed(self.base64)
        }
    }

    /// The data as text, for plain-text documents.
    pub(super) fn text(self) -> Option<String> {
        String::from_utf8(BASE64.decode(self.compact().as_bytes()).ok()?).ok()
    }

    /// The media type: what the bytes tell, else what was declared.
    pub(super) fn media_type(self) -> Cow<'t, str> {
        match media_type::sniff(&self.head()) {
            Some(sniffed) => Cow::Borrowed(sniffed),
            None if self.declared.eq_ignore_ascii_case("image/jpg") => Cow::Borrowed("image/jpeg"),
            None => Cow::Borrowed(self.declared),
        }
    }

    /// At most this many bytes once decoded.
    fn bytes_max(self) -> u64 {
        u64::try_from(self.base64.len()).unwrap_or(u64::MAX).div_ceil(4).saturating_mul(3)
    }

    /// Adds what the data costs at most.
    pub(super) fn bound(self, input: &mut InputBound) {
        let bytes = self.bytes_max();
        let media_type = self.media_type();
        match kind_of(&media_type) {
            Some(MediaKind::Image) | None => input.images = input.images.saturating_add(1),
            Some(MediaKind::Audio) => {
                let seconds = bytes.div_ceil(bytes_per_second(&self.head()));
                input.audio_seconds = input.audio_seconds.saturating_add(seconds);
            }
            Some(MediaKind::Document) if media_type.starts_with("text/") => {
                input.text_bytes = input.text_bytes.saturating_add(bytes);
            }
            Some(MediaKind::Document) => {
                input.document_pages = input.document_pages.saturating_add(PDF_PAGES_MAX);
            }
        }
    }
}

/// What a media type is for us; `None` where it is nothing that we carry.
pub(super) fn kind_of(media_type: &str) -> Option<MediaKind> {
    match media_type.split_once('/')? {
        ("image", _) => Some(MediaKind::Image),
        ("audio", _) => Some(MediaKind::Audio),
        ("text", _) | ("application", "pdf") => Some(MediaKind::Document),
        _ => None,
    }
}

/// Bytes of one second of sound, at the least.
fn bytes_per_second(head: &[u8]) -> u64 {
    let number = |at: usize, size: usize| {
        let bytes = head.get(at..at + size)?;
        Some(bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let pcm = || {
        let is_pcm = head.get(8..16)? == b"WAVEfmt " && number(20, 2)? == 1;
        let (channels, rate, bits) = (number(22, 2)?, number(24, 4)?, number(34, 2)?);
        is_pcm.then(|| (rate.saturating_mul(channels).saturating_mul(bits) / 8).max(1))
    };
    pcm().unwrap_or(SECOND_BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn url(declared: &str, bytes: &[u8]) -> String {
        format!("data:{declared};base64,{}", STANDARD.encode(bytes))
    }

    fn bound(url: &str) -> InputBound {
        let mut input = InputBound::default();
        DataUrl::of(url).unwrap().bound(&mut input);
        input
    }

    #[test]
    fn the_bytes_decide_the_type() {
        let mislabelled = url("image/png", &[0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(DataUrl::of(&mislabelled).unwrap().media_type(), "image/jpeg");
        let unknown = url("image/jpg", b"who knows");
        assert_eq!(DataUrl::of(&unknown).unwrap().media_type(), "image/jpeg");
    }

    #[test]
    fn white_space_in_the_data_is_dropped() {
        let broken = DataUrl::of("DATA:text/plain;charset=utf-8;Base64,aGVs\r\n bG8=").unwrap();
        assert_eq!((broken.declared, &*broken.compact()), ("text/plain", "aGVsbG8="));
        assert_eq!(broken.text().as_deref(), Some("hello"));
        for other in ["https://example.com/a.png", "data:text/plain,hello", "data:", "", "é"] {
            assert_eq!(DataUrl::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_pdf_is_bounded_by_what_providers_read_and_not_by_its_size() {
        // Three pages by its page tree, and a thousand by the `Kids` of a node that stands in it three times and more.
        let kids = "3 0 R 3 0 R 3 0 R ".repeat(4);
        let small =
            format!("%PDF-1.7 1 0 obj<</Kids[{kids}]>>endobj 3 0 obj<</Kids[{}]>>endobj", kids.replace('3', "4"));
        for bytes in [small.into_bytes(), [b"%PDF-1.7".as_slice(), &vec![b' '; 1 << 16]].concat()] {
            for declared in ["application/pdf", "image/png"] {
                let bound = bound(&url(declared, &bytes));
                assert_eq!(bound, InputBound { document_pages: PDF_PAGES_MAX, ..InputBound::default() });
            }
        }
    }

    #[test]
    fn sound_is_bounded_by_its_rate() {
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend(8_000_u32.to_le_bytes());
        wav.extend([0, 0, 0, 0, 1, 0, 8, 0]);
        wav.resize(24_000, 0);
        assert_eq!(bound(&url("audio/wav", &wav)).audio_seconds, 3);
        assert_eq!(bound(&url("audio/mp3", &[0; 3_000])).audio_seconds, 6);
    }

    #[test]
    fn a_text_document_is_text() {
        assert_eq!(bound(&url("text/plain", b"hello!")).text_bytes, 6);
    }
}
