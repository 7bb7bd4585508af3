//! PNG, written by hand: eight bits of RGB, each row one colour.
//!
//! A row is its colour once and then a copy of it (deflate's fixed codes, distance three), and the checksum of a row
//! has a closed form; so a picture costs as many steps as it has rows, whatever its width.

use super::drawing::{Drawing, METADATA, Rgb};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The file, with a `tEXt` chunk for each text. Latin-1 is what such a chunk holds; other letters become `?`.
pub(crate) fn write(drawing: &Drawing, texts: &[(&str, String)]) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    let mut header = Vec::with_capacity(13);
    header.extend(drawing.width.to_be_bytes());
    header.extend(drawing.height.to_be_bytes());
    // Eight bits a sample, truecolour, the only compression and filters there are, not interlaced.
    header.extend([8, 2, 0, 0, 0]);
    chunk(&mut out, *b"IHDR", &header);
    for (keyword, text) in texts {
        let mut data = keyword.as_bytes().to_vec();
        data.push(0);
        data.extend(text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')));
        chunk(&mut out, *b"tEXt", &data);
    }
    if drawing.metadata {
        chunk(&mut out, *b"tEXt", format!("parameters\0{METADATA}").as_bytes());
        chunk(&mut out, *b"eXIf", METADATA.as_bytes());
    }
    if drawing.signed {
        chunk(&mut out, *b"caBX", b"\0\0\0\x10jumbc2pa");
    }
    chunk(&mut out, *b"IDAT", &compressed(drawing));
    chunk(&mut out, *b"IEND", &[]);
    out
}

fn chunk(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    out.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    let start = out.len();
    out.extend(kind);
    out.extend(data);
    let sum = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.extend(sum.to_be_bytes());
}

// --- zlib ---------------------------------------------------------------------------------------------------------

/// A block of deflate that is not compressed and has nothing in it: padding.
const EMPTY_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];

/// The rows as a zlib stream of one block with fixed codes (RFC 1950, RFC 1951).
fn compressed(drawing: &Drawing) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    for _ in 0..drawing.pad_bytes.div_ceil(EMPTY_BLOCK.len() as u64) {
        out.extend(EMPTY_BLOCK);
    }
    let mut bits = Bits { out, ..Bits::default() };
    // The last block, with fixed codes.
    bits.push(0b011, 3);
    let mut sum = Adler { a: 1, b: 0 };
    for y in 0..drawing.height {
        let colour = drawing.row(y);
        sum.row(colour, u64::from(drawing.width));
        // The row is not filtered.
        bits.literal(0);
        for sample in colour {
            bits.literal(sample);
        }
        let mut left = drawing.width.saturating_sub(1) * 3;
        while left >= 3 {
            // No remainder of one or two, which no length can express; 255 leaves multiples of three.
            let length = left.min(255);
            bits.copy_from_three_back(length);
            left -= length;
        }
    }
    // End of the block.
    bits.push(0, 7);
    let mut out = bits.finish();
    out.extend((u32::try_from((sum.b << 16) | sum.a).unwrap_or(0)).to_be_bytes());
    out
}

/// So many zeros, three at least, in one block of deflate with fixed codes.
pub(crate) fn deflated_zeros(count: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0b011, 3);
    let copied = count.saturating_sub(3);
    for _ in 0..3 + copied % 255 {
        bits.literal(0);
    }
    for _ in 0..copied / 255 {
        bits.copy_from_three_back(255);
    }
    bits.push(0, 7);
    bits.finish()
}

#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits {
    /// The low `count` bits, the lowest first.
    fn push(&mut self, value: u64, count: u32) {
        self.held |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            let [low, ..] = self.held.to_le_bytes();
            self.out.push(low);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// A Huffman code, which goes out from its highest bit.
    fn code(&mut self, code: u64, count: u32) {
        self.push(code.reverse_bits() >> (64 - count), count);
    }

    fn literal(&mut self, value: u8) {
        match u64::from(value) {
            low @ 0..=143 => self.code(0x30 + low, 8),
            high => self.code(0x190 + high - 144, 9),
        }
    }

    fn copy_from_three_back(&mut self, length: u32) {
        let (symbol, extra, extra_count) = length_symbol(length);
        match symbol {
            low @ 256..=279 => self.code(low - 256, 7),
            high => self.code(0xc0 + high - 280, 8),
        }
        self.push(extra, extra_count);
        // Distance three has symbol two, and all symbols of distances have five bits.
        self.code(2, 5);
    }

    fn finish(mut self) -> Vec<u8> {
        self.push(0, (8 - self.count % 8) % 8);
        self.out
    }
}

/// Symbol, extra bits and their count for a length of 3 to 257 (RFC 1951, 3.2.5).
fn length_symbol(length: u32) -> (u64, u64, u32) {
    let over = u64::from(length.saturating_sub(3));
    if over < 8 {
        return (257 + over, 0, 0);
    }
    // Groups of four symbols; each group has one extra bit more than the one before.
    let extra_count = 61 - over.leading_zeros();
    let in_group = (over >> extra_count) - 4;
    (265 + u64::from(extra_count - 1) * 4 + in_group, over & ((1 << extra_count) - 1), extra_count)
}

/// Adler-32 over whole rows at once.
struct Adler {
    a: u64,
    b: u64,
}

const MODULUS: u64 = 65_521;

impl Adler {
    /// Adds a row: its filter byte, zero, and `width` times the colour.
    fn row(&mut self, [red, green, blue]: Rgb, width: u64) {
        let [red, green, blue] = [red, green, blue].map(u64::from);
        let length = 3 * width + 1;
        // Byte `i` of `length` counts `length - i` times in `b`; for the reds that is 3w, 3w-3, … and so on.
        let reds = 3 * width * (width + 1) / 2;
        let weighted = red * reds + green * (reds - width) + blue * (reds - 2 * width);
        self.b = (self.b + length * self.a + weighted) % MODULUS;
        self.a = (self.a + (red + green + blue) * width) % MODULUS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::drawing::ImageFormat;

    fn decoded(bytes: &[u8]) -> (::png::Info<'static>, Vec<u8>) {
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        reader.finish().unwrap();
        (reader.info().clone(), pixels)
    }

    #[test]
    fn another_decoder_reads_every_row() {
        for size in [(1, 1), (2, 3), (86, 2), (87, 5), (832, 1216), (1023, 64)] {
            let drawing = Drawing::new(3, "x", 0, size, ImageFormat::Png);
            let (info, pixels) = decoded(&drawing.bytes());
            assert_eq!((info.width, info.height), size);
            for (y, row) in pixels.chunks(usize::try_from(size.0).unwrap() * 3).enumerate() {
                let colour = drawing.row(u32::try_from(y).unwrap());
                assert!(row.chunks(3).all(|pixel| pixel == colour), "{size:?} row {y}");
            }
        }
    }

    #[test]
    fn texts_and_padding_leave_the_picture_as_it_is() {
        let plain = Drawing::new(3, "x", 0, (64, 64), ImageFormat::Png);
        let padded = Drawing { pad_bytes: 100_000, ..plain.clone() };
        let bytes = padded.bytes_with(&[("Software", "NovelAI".to_owned())]);
        assert!(bytes.len() > 100_000 && plain.bytes().len() < 1_000);
        let (info, pixels) = decoded(&bytes);
        assert_eq!(pixels, decoded(&plain.bytes()).1);
        assert_eq!(info.uncompressed_latin1_text[0].text, "NovelAI");
    }
}
