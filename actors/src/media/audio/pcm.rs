//! Samples without any header: 24 kHz, 16 bits, one channel.

use super::head::Head;
use super::{WrongFormat, microseconds_of};

/// Two bytes a sample, 24,000 samples a second.
const BYTES_PER_SECOND: u64 = 48_000;

/// How containers and a provider's error begin. Any bytes can be samples, but not these by chance.
const NOT_SAMPLES: [&[u8]; 5] = [b"RIFF", b"OggS", b"ID3\x03", b"ID3\x04", b"{\"detail"];
/// The longest of them.
const HEAD: usize = 8;

/// Counts bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    head: Head<HEAD>,
    bytes: u64,
}

impl Count {
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), WrongFormat> {
        if !self.is_recognised() {
            self.head.fill(&mut &*piece, HEAD);
            let head = self.head.bytes();
            if NOT_SAMPLES.iter().any(|magic| head.starts_with(magic)) {
                return Err(WrongFormat);
            }
        }
        self.bytes = self.bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    pub(super) const fn is_recognised(&self) -> bool {
        self.head.len() >= HEAD
    }

    pub(super) fn microseconds(&self) -> u64 {
        // Half a sample sounds like nothing, and so does what may still turn out to be an error.
        let bytes = if self.is_recognised() { self.bytes & !1 } else { 0 };
        microseconds_of(bytes, BYTES_PER_SECOND)
    }
}
