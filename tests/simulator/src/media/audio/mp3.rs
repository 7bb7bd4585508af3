//! MPEG audio layer III, mono, a constant bit rate, silent.
//!
//! A frame is a header, "side information", and room for the coefficients; side information that is all zero says that
//! there are none, which decodes as silence (ISO 11172-3, 2.4.1.7; ISO 13818-3 for half the rates).

use super::{Recording, Wrapping, to_micros};

/// What a sampling rate of MPEG-1 or MPEG-2 means.
struct Kind {
    /// The second byte: version, layer III, no checksum.
    version: u8,
    rate_index: u8,
    rates_kbps: &'static [u32],
    samples_per_frame: u64,
    side_bytes: usize,
}

const MPEG1_KBPS: &[u32] = &[32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG2_KBPS: &[u32] = &[8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

fn kind(rate: u32) -> Kind {
    let mpeg1 = |rate_index| Kind {
        version: 0xfb,
        rate_index,
        rates_kbps: MPEG1_KBPS,
        samples_per_frame: 1152,
        side_bytes: 17,
    };
    let mpeg2 =
        |rate_index| Kind { version: 0xf3, rate_index, rates_kbps: MPEG2_KBPS, samples_per_frame: 576, side_bytes: 9 };
    match rate {
        22_050 => mpeg2(0),
        24_000 => mpeg2(1),
        48_000 => mpeg1(1),
        _ => mpeg1(0),
    }
}

/// Silence of so many samples, rounded up to frames.
pub(super) fn record(samples: u64, rate: u32, kbps: u32, wrapping: Wrapping) -> Recording {
    let kind = kind(rate);
    let frames = samples.div_ceil(kind.samples_per_frame).max(1);
    let mut bytes = if wrapping.id3 { id3() } else { Vec::new() };
    if wrapping.info_frame {
        let mut info = frame(&kind, rate, kbps, 0);
        // Where the coefficients would be: the mark, a flag for the next field, the number of frames with sound.
        let text = [b"Info\0\0\0\x01".as_slice(), &u32::try_from(frames).unwrap_or(u32::MAX).to_be_bytes()].concat();
        for (at, byte) in info.iter_mut().skip(4 + kind.side_bytes).zip(text) {
            *at = byte;
        }
        bytes.extend(info);
    }
    for number in 0..frames {
        bytes.extend(frame(&kind, rate, kbps, number));
    }
    Recording { bytes, micros: to_micros(frames * kind.samples_per_frame, rate) }
}

/// The frame with this number, a byte longer where the bit rate needs it.
fn frame(kind: &Kind, rate: u32, kbps: u32, number: u64) -> Vec<u8> {
    let end = |frames: u64| frames * kind.samples_per_frame / 8 * u64::from(kbps) * 1000 / u64::from(rate.max(1));
    let length = end(number + 1) - end(number);
    let is_padded = length > end(1);
    let index = kind.rates_kbps.iter().position(|own| *own == kbps).map_or(0, |at| at + 1);
    let index = u8::try_from(index).unwrap_or(0);
    let mut frame = vec![0xff, kind.version, (index << 4) | (kind.rate_index << 2) | (u8::from(is_padded) << 1), 0xc4];
    frame.resize(usize::try_from(length).unwrap_or(0), 0);
    frame
}

/// A tag as the usual muxer writes it: which software made the file.
fn id3() -> Vec<u8> {
    let text = b"\x03Lavf61.7.100\0";
    let size = |length: usize| {
        let length = u32::try_from(length).unwrap_or(0);
        // Seven bits a byte; all lengths here are below 128.
        (length & 0x7f).to_be_bytes()
    };
    let frame = [b"TSSE".as_slice(), &size(text.len()), &[0, 0], text].concat();
    [b"ID3\x04\0\0".as_slice(), &size(frame.len()), &frame].concat()
}
