//! How long audio lasts, told from its bytes while they are relayed.
//!
//! The relay feeds each piece as it comes, however it is cut, and asks at any time what was delivered so
//! far: a caller who hangs up pays for that. Nothing is decoded; headers are walked (`wire/media.md` §7).
//! A frame or page counts once it is whole, as a decoder plays it. The first bytes must be those of the
//! format that was asked for: a provider that sends another one, or an error under a 200, is found out
//! before anything reaches the caller.

mod head;
mod mp3;
mod ogg;
mod pcm;
mod wav;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use super::speech::AudioFormat;

/// The bytes are not of the format that was asked for, or break its rules where nothing can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not of the audio format that was asked for")]
pub struct WrongFormat;

/// Measures one answer.
#[derive(Clone, Debug)]
pub struct AudioMeter {
    walk: Walk,
    bytes: u64,
}

#[derive(Clone, Debug)]
enum Walk {
    Mp3(mp3::Walk),
    Opus(ogg::Walk),
    Wav(wav::Walk),
    Pcm(pcm::Count),
}

impl AudioMeter {
    /// A meter of bytes that should be of `format`.
    pub fn new(format: AudioFormat) -> Self {
        let walk = match format {
            AudioFormat::Mp3 => Walk::Mp3(mp3::Walk::default()),
            AudioFormat::Opus => Walk::Opus(ogg::Walk::default()),
            AudioFormat::Wav => Walk::Wav(wav::Walk::default()),
            AudioFormat::Pcm => Walk::Pcm(pcm::Count::default()),
        };
        Self { walk, bytes: 0 }
    }

    /// Takes the next piece. Told of an error, the caller of this relays nothing more.
    ///
    /// # Errors
    /// [`WrongFormat`] as soon as the bytes cannot be of the format; the piece is not measured then.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), WrongFormat> {
        match &mut self.walk {
            Walk::Mp3(walk) => walk.push(piece),
            Walk::Opus(walk) => walk.push(piece),
            Walk::Wav(walk) => walk.push(piece),
            Walk::Pcm(count) => count.push(piece),
        }?;
        self.bytes = self.bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Enough bytes came to know that they are of the format. Until then they are better kept than relayed; an
    /// answer that ends before is no answer.
    pub const fn is_recognised(&self) -> bool {
        match &self.walk {
            Walk::Mp3(walk) => walk.is_recognised(),
            Walk::Opus(walk) => walk.is_recognised(),
            Walk::Wav(walk) => walk.is_recognised(),
            Walk::Pcm(count) => count.is_recognised(),
        }
    }

    /// What was fed so far lasts this long, rounded down.
    pub fn microseconds(&self) -> u64 {
        match &self.walk {
            Walk::Mp3(walk) => walk.microseconds(),
            Walk::Opus(walk) => walk.microseconds(),
            Walk::Wav(walk) => walk.microseconds(),
            Walk::Pcm(count) => count.microseconds(),
        }
    }

    /// How many bytes were fed.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// `count` × 1,000,000 ÷ `per_second`, rounded down; nothing where the rate is zero.
fn microseconds_of(count: u64, per_second: u64) -> u64 {
    let micros = (u128::from(count) * 1_000_000).checked_div(u128::from(per_second)).unwrap_or(0);
    u64::try_from(micros).unwrap_or(u64::MAX)
}
