//! Samples as they are, sixteen bits little-endian and mono, with or without a WAV header.

use super::WavSizes;

/// A quiet triangle wave between 200 and 455 Hz.
pub(super) fn tone(samples: u64, rate: u32, seed: u64) -> Vec<u8> {
    let [.., low] = seed.to_be_bytes();
    let period = u64::from(rate / (200 + u32::from(low))).max(4);
    let sample = |at: u64| {
        let phase = i64::try_from(at % period * 8_000 / period).unwrap_or(0);
        i16::try_from((phase - 4_000).abs() - 2_000).unwrap_or(0)
    };
    (0..samples).flat_map(|at| sample(at).to_le_bytes()).collect()
}

/// The samples behind a header of 44 bytes.
pub(super) fn wav(samples: u64, rate: u32, seed: u64, sizes: WavSizes) -> Vec<u8> {
    let data = tone(samples, rate, seed);
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX - 36);
    let (riff, inner) = match sizes {
        WavSizes::Exact => (length + 36, length),
        WavSizes::Zero => (0, 0),
        WavSizes::Max => (u32::MAX, u32::MAX),
    };
    let mut out = b"RIFF".to_vec();
    out.extend(riff.to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend(rate.to_le_bytes());
    out.extend((rate * 2).to_le_bytes());
    out.extend(b"\x02\0\x10\0data");
    out.extend(inner.to_le_bytes());
    out.extend(data);
    out
}
