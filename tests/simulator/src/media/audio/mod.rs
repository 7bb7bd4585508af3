//! Sound of a given length in the formats that a speech provider offers.
//!
//! The compressed formats are silence at the bit rate asked for, the others a quiet tone. Nothing is encoded by a
//! library, so that no library's idea of a length is in what a test measures.

mod mp3;
mod ogg;
mod wave;

use serde::{Deserialize, Serialize};

/// How the samples are written down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Codec {
    Mp3,
    Opus,
    Pcm,
    Wav,
    Ulaw,
    Alaw,
}

/// A format by its name in the provider's query: `mp3_44100_128`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Format {
    codec: Codec,
    rate: u32,
    /// Thousands of bits a second, where the codec compresses.
    kbps: u32,
}

/// What a WAV header says of its sizes, which a stream cannot know.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WavSizes {
    /// The truth.
    Exact,
    /// Zero.
    Zero,
    /// The largest number.
    Max,
}

/// How the sound is wrapped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapping {
    pub(crate) wav_sizes: WavSizes,
    /// Whether an mp3 begins with an ID3 tag.
    pub(crate) id3: bool,
    /// Whether an mp3 begins with an `Info` frame, which holds no sound.
    pub(crate) info_frame: bool,
}

/// The bytes of a sound and how long it is.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) bytes: Vec<u8>,
    /// Microseconds, rounded to the nearest: whole frames for mp3, samples for the others.
    pub(crate) micros: u64,
}

impl Format {
    /// Reads a name; none of the 28 formats is left out (elevenlabs-python 2.78.0).
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('_');
        let (codec, rate) = (parts.next()?, parts.next()?.parse().ok()?);
        let kbps = parts.next().map(str::parse::<u32>).transpose().ok()?;
        if parts.next().is_some() {
            return None;
        }
        let is_plain = [8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000].contains(&rate);
        let codec = match (codec, rate, kbps) {
            ("mp3", 22_050, Some(32)) | ("mp3", 24_000, Some(48)) | ("mp3", 44_100, Some(32 | 64 | 96 | 128 | 192)) => {
                Codec::Mp3
            }
            ("opus", 48_000, Some(32 | 64 | 96 | 128 | 192)) => Codec::Opus,
            ("pcm", _, None) if is_plain => Codec::Pcm,
            ("wav", _, None) if is_plain => Codec::Wav,
            ("ulaw", 8_000, None) => Codec::Ulaw,
            ("alaw", 8_000, None) => Codec::Alaw,
            _ => return None,
        };
        Some(Self { codec, rate, kbps: kbps.unwrap_or(0) })
    }

    /// The content type that the provider is seen or assumed to send.
    pub(crate) fn mime(self) -> &'static str {
        match self.codec {
            Codec::Mp3 => "audio/mpeg",
            Codec::Opus => "audio/ogg",
            Codec::Pcm => "audio/pcm",
            Codec::Wav => "audio/wav",
            Codec::Ulaw | Codec::Alaw => "audio/basic",
        }
    }

    /// A sound of about so many microseconds.
    pub(crate) fn record(self, micros: u64, seed: u64, wrapping: Wrapping) -> Recording {
        let Self { codec, rate, kbps } = self;
        let samples = (micros * u64::from(rate)).div_ceil(1_000_000);
        let exact = Recording { bytes: Vec::new(), micros: to_micros(samples, rate) };
        match codec {
            Codec::Mp3 => mp3::record(samples, rate, kbps, wrapping),
            Codec::Opus => Recording { bytes: ogg::record(samples, kbps, seed), ..exact },
            Codec::Pcm => Recording { bytes: wave::tone(samples, rate, seed), ..exact },
            Codec::Wav => Recording { bytes: wave::wav(samples, rate, seed, wrapping.wav_sizes), ..exact },
            Codec::Ulaw => Recording { bytes: vec![0xff; usize::try_from(samples).unwrap_or(0)], ..exact },
            Codec::Alaw => Recording { bytes: vec![0xd5; usize::try_from(samples).unwrap_or(0)], ..exact },
        }
    }
}

fn to_micros(samples: u64, rate: u32) -> u64 {
    let rate = u64::from(rate.max(1));
    (samples * 1_000_000 + rate / 2) / rate
}

#[cfg(test)]
mod tests;
