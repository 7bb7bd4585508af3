//! The 64 bytes that follow an image in its object: format, length, digest, width and height.
//!
//! Only `store` reads and writes them.

use super::format::Format;
use super::store::Stored;

/// Bytes of a trailer.
pub(super) const LEN: u64 = 64;
/// What a trailer ends with; the last digit is its version.
const MAGIC: &[u8; 8] = b"LMHIMG\0\x01";

/// A trailer: digest, length, width, height, format, seven bytes of nothing, magic. Numbers are big-endian.
pub(super) struct Trailer([u8; 64]);

impl Trailer {
    /// The trailer of an image.
    pub(super) fn of(stored: &Stored) -> Self {
        let Stored { format, length, sha256, pixels } = stored;
        let (width, height) = pixels.unwrap_or_default();
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(sha256);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&width.to_be_bytes());
        bytes.extend_from_slice(&height.to_be_bytes());
        bytes.extend_from_slice(&[format.number(), 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(MAGIC);
        // 32 + 8 + 4 + 4 + 8 + 8.
        Self(bytes.try_into().unwrap_or([0; 64]))
    }

    /// The trailer as it is stored.
    pub(super) const fn to_bytes(&self) -> [u8; 64] {
        self.0
    }

    /// What a trailer says; `None` where it is none of ours.
    pub(super) fn read(bytes: &[u8]) -> Option<Stored> {
        let bytes: &[u8; 64] = bytes.try_into().ok()?;
        let (sha256, rest) = bytes.split_first_chunk::<32>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (width, rest) = rest.split_first_chunk::<4>()?;
        let (height, rest) = rest.split_first_chunk::<4>()?;
        let (format, rest) = rest.split_first()?;
        if !rest.ends_with(MAGIC) {
            return None;
        }
        let pixels = (u32::from_be_bytes(*width), u32::from_be_bytes(*height));
        Some(Stored {
            format: Format::of_number(*format)?,
            length: u64::from_be_bytes(*length),
            sha256: *sha256,
            pixels: Some(pixels).filter(|pixels| *pixels != (0, 0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_nothing_else_does() {
        for (format, pixels) in Format::ALL.into_iter().zip([None, Some((1, 2)), Some((u32::MAX, 7))]) {
            let stored = Stored { format, length: 0x0102_0304_0506_0708, sha256: [9; 32], pixels };
            let bytes = Trailer::of(&stored).to_bytes();
            assert_eq!(Trailer::read(&bytes), Some(stored));
            assert_eq!(Trailer::read(&bytes[1..]), None);
            for place in [48, 56, 63] {
                let mut damaged = bytes;
                damaged[place] ^= 0x80;
                assert_eq!(Trailer::read(&damaged), None, "{place}");
            }
        }
    }
}
