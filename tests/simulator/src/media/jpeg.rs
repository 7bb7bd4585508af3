//! JPEG, written by hand: baseline, halved chroma, every block of eight by eight one colour.
//!
//! A block of one colour is its first coefficient and "end of block". The codes of the first coefficient are the
//! usual ones (ITU T.81, table K.3); the table for the others has "end of block" alone, in one bit.

use super::drawing::{Drawing, METADATA, Rgb};

/// How many blocks of each component stand in one unit of sixteen by sixteen pixels: Y, Cb, Cr.
const BLOCKS: [usize; 3] = [4, 1, 1];

/// Table K.3: how many codes there are of each length from one.
const CODE_COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];

/// The code and its length for a first coefficient of so many bits.
const CODES: [(u32, u32); 9] =
    [(0b00, 2), (0b010, 3), (0b011, 3), (0b100, 3), (0b101, 3), (0b110, 3), (0b1110, 4), (0b1_1110, 5), (0b11_1110, 6)];

/// The file. Sides beyond 65,535 do not fit the format and are cut to that.
pub(crate) fn write(drawing: &Drawing) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    segment(&mut out, 0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    if drawing.metadata {
        segment(&mut out, 0xe1, &[b"Exif\0\0II*\0".as_slice(), METADATA.as_bytes()].concat());
        segment(&mut out, 0xfe, METADATA.as_bytes());
    }
    if drawing.signed {
        segment(&mut out, 0xeb, b"JP\0\x01\0\0\0\x01\0\0\0\x10jumbc2pa");
    }
    // All quantised by eight, which makes a block's first coefficient its level.
    segment(&mut out, 0xdb, &[[0].as_slice(), &[8; 64]].concat());
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX).to_be_bytes();
    let (height, width) = (side(drawing.height), side(drawing.width));
    // Eight bits, the sides, and three components: number, sampling, quantisation.
    let components = [3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0];
    segment(&mut out, 0xc0, &[[8].as_slice(), &height, &width, &components].concat());
    segment(&mut out, 0xc4, &[[0x00].as_slice(), &CODE_COUNTS, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]].concat());
    let mut one = [0; 16];
    one[0] = 1;
    segment(&mut out, 0xc4, &[[0x10].as_slice(), &one, &[0]].concat());
    segment(&mut out, 0xda, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    out.extend(scan(drawing));
    // Any number of fill bytes may precede a marker.
    out.resize(out.len() + usize::try_from(drawing.pad_bytes).unwrap_or(0), 0xff);
    out.extend([0xff, 0xd9]);
    out
}

fn segment(out: &mut Vec<u8>, marker: u8, data: &[u8]) {
    out.extend([0xff, marker]);
    out.extend(u16::try_from(data.len() + 2).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(data);
}

fn scan(drawing: &Drawing) -> Vec<u8> {
    let mut bits = Bits::default();
    let mut before = [0_i32; 3];
    for unit in 0..drawing.height.div_ceil(16) {
        let levels = levels(drawing.row((unit * 16).min(drawing.height.saturating_sub(1))));
        for _ in 0..drawing.width.div_ceil(16) {
            for ((level, before), blocks) in levels.iter().zip(&mut before).zip(BLOCKS) {
                for _ in 0..blocks {
                    bits.coefficient(level - *before);
                    *before = *level;
                    // End of block.
                    bits.push(0, 1);
                }
            }
        }
    }
    bits.finish()
}

/// Y, Cb and Cr of a colour (JFIF), less 128.
fn levels([red, green, blue]: Rgb) -> [i32; 3] {
    let [red, green, blue] = [red, green, blue].map(i32::from);
    let y = (299 * red + 587 * green + 114 * blue + 500) / 1000;
    // 0.564 and 0.713, rounded to the nearest.
    let chroma = |difference: i32, thousandths: i32| (difference * thousandths + 128_500).div_euclid(1000).min(255);
    [y - 128, chroma(blue - y, 564) - 128, chroma(red - y, 713) - 128]
}

#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    /// The difference of a first coefficient to the one before it.
    fn coefficient(&mut self, difference: i32) {
        let magnitude = difference.unsigned_abs();
        let count = u32::BITS - magnitude.leading_zeros();
        let (code, length) = CODES.get(usize::try_from(count).unwrap_or(0)).copied().unwrap_or((0, 2));
        self.push(code, length);
        // Negative numbers are written as their ones' complement.
        let ones = (1_u32 << count) - 1;
        self.push(if difference < 0 { ones - magnitude } else { magnitude }, count);
    }

    fn push(&mut self, value: u32, count: u32) {
        self.held = (self.held << count) | value;
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let [.., low] = (self.held >> self.count).to_be_bytes();
            self.out.push(low);
            if low == 0xff {
                // Otherwise it would begin a marker.
                self.out.push(0);
            }
        }
        self.held &= (1 << self.count) - 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let missing = (8 - self.count % 8) % 8;
        self.push((1 << missing) - 1, missing);
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::drawing::ImageFormat;

    fn decoded(bytes: &[u8]) -> (u16, u16, Vec<u8>) {
        let mut decoder = jpeg_decoder::Decoder::new(bytes);
        let pixels = decoder.decode().unwrap();
        let info = decoder.info().unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn another_decoder_sees_the_colours() {
        for (prompt, size) in [("a", (1, 1)), ("b", (16, 16)), ("c", (848, 64)), ("d", (17, 300)), ("e", (64, 640))] {
            let drawing = Drawing { watermarked: true, ..Drawing::new(3, prompt, 0, size, ImageFormat::Jpeg) };
            let (width, height, pixels) = decoded(&drawing.bytes());
            assert_eq!((u32::from(width), u32::from(height)), size);
            for unit in 0..size.1.div_ceil(16) {
                // In the middle of the unit: decoders blend the chroma of neighbours.
                let y = (unit * 16 + 7).min(size.1 - 1);
                let at = usize::try_from(y * size.0 * 3).unwrap();
                let (wanted, seen) = (drawing.row(unit * 16), &pixels[at..at + 3]);
                let is_near = wanted.iter().zip(seen).all(|(a, b)| a.abs_diff(*b) <= 4);
                assert!(is_near, "{size:?} row {y}: {wanted:?} {seen:?}");
            }
        }
    }

    #[test]
    fn padding_leaves_the_picture_as_it_is() {
        let plain = Drawing::new(3, "x", 0, (64, 64), ImageFormat::Jpeg);
        let padded = Drawing { pad_bytes: 200_000, ..plain.clone() }.bytes();
        assert!(padded.len() > 200_000 && plain.bytes().len() < 1_000);
        assert_eq!(decoded(&padded), decoded(&plain.bytes()));
    }
}
