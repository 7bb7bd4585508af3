//! An image that came back: what it really is and how large, read from its own bytes.
//!
//! Labels lie and requested sizes are not the delivered ones, and both decide about money. Only headers are
//! read here, never pixels.

use bytes::Bytes;

use super::image::Pixels;

/// A format of images that we serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
}

impl ImageFormat {
    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }

    /// The name in `output_format`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }

    /// The end of a file's name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
        }
    }
}

/// An image: its bytes, and what they say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The file.
    pub bytes: Bytes,
    /// By its magic bytes.
    pub format: ImageFormat,
    /// By its header.
    pub size: Pixels,
}

impl Image {
    /// Reads the header; `None` for what is not a PNG, JPEG or WebP with a size.
    pub fn read(bytes: Bytes) -> Option<Self> {
        let (format, width, height) = header(&bytes)?;
        let side = |pixels| (1..=Pixels::SIDE_MAX).contains(&pixels);
        (side(width) && side(height)).then_some(Self { bytes, format, size: Pixels { width, height } })
    }
}

fn header(bytes: &[u8]) -> Option<(ImageFormat, u32, u32)> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', rest @ ..] => {
            let (width, height) = png(rest)?;
            Some((ImageFormat::Png, width, height))
        }
        [0xff, 0xd8, 0xff, ..] => {
            let (width, height) = jpeg(bytes.get(2..)?)?;
            Some((ImageFormat::Jpeg, width, height))
        }
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', chunk @ ..] => {
            let (width, height) = webp(chunk)?;
            Some((ImageFormat::Webp, width, height))
        }
        _ => None,
    }
}

/// `IHDR` is the first chunk.
fn png(chunks: &[u8]) -> Option<(u32, u32)> {
    let [0, 0, 0, 13, b'I', b'H', b'D', b'R', w0, w1, w2, w3, h0, h1, h2, h3, ..] = chunks else { return None };
    Some((u32::from_be_bytes([*w0, *w1, *w2, *w3]), u32::from_be_bytes([*h0, *h1, *h2, *h3])))
}

/// The first start-of-frame segment has the size; the segments before it are jumped over by their lengths.
fn jpeg(mut segments: &[u8]) -> Option<(u32, u32)> {
    loop {
        let [0xff, marker, rest @ ..] = segments else { return None };
        match marker {
            // Any number of fill bytes may precede a marker.
            0xff => segments = segments.get(1..)?,
            // Start of frame, without the tables that share its range.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let [_, _, _precision, h0, h1, w0, w1, ..] = rest else { return None };
                return Some((u32::from(u16::from_be_bytes([*w0, *w1])), u32::from(u16::from_be_bytes([*h0, *h1]))));
            }
            // Markers without a length, and the pixels: no frame came before them.
            0x01 | 0xd0..=0xd9 | 0xda => return None,
            _ => {
                let [l0, l1, ..] = rest else { return None };
                let length = usize::from(u16::from_be_bytes([*l0, *l1]));
                segments = rest.get(length.max(2)..)?;
            }
        }
    }
}

/// The first chunk is lossy, lossless or extended, and each has the size in its own way.
fn webp(chunk: &[u8]) -> Option<(u32, u32)> {
    match chunk {
        [b'V', b'P', b'8', b' ', _, _, _, _, _, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] => {
            let side = |low: &u8, high: &u8| u32::from(u16::from_le_bytes([*low, *high]) & 0x3fff);
            Some((side(w0, w1), side(h0, h1)))
        }
        [b'V', b'P', b'8', b'L', _, _, _, _, 0x2f, b0, b1, b2, b3, ..] => {
            let bits = u32::from_le_bytes([*b0, *b1, *b2, *b3]);
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        [b'V', b'P', b'8', b'X', _, _, _, _, _, _, _, _, w0, w1, w2, h0, h1, h2, ..] => {
            let side = |b0: &u8, b1: &u8, b2: &u8| u32::from_le_bytes([*b0, *b1, *b2, 0]) + 1;
            Some((side(w0, w1, w2), side(h0, h1, h2)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Option<(ImageFormat, u32, u32)> {
        let image = Image::read(Bytes::copy_from_slice(bytes))?;
        Some((image.format, image.size.width, image.size.height))
    }

    /// `JFIF`, a table, a fill byte and a frame, as encoders write them.
    fn a_jpeg(frame: u8) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, b'J', b'F', 0xff, 0xc4, 0, 3, 9, 0xff];
        bytes.extend([0xff, frame, 0, 11, 8, 0x03, 0x00, 0x05, 0x60, 1, 1, 0x11, 0]);
        bytes
    }

    #[test]
    fn the_size_is_read_from_every_kind_of_header() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x08\0\0\0\x04\0\x08\x02\0\0\0";
        assert_eq!(read(png), Some((ImageFormat::Png, 2048, 1024)));
        for frame in [0xc0, 0xc1, 0xc2] {
            assert_eq!(read(&a_jpeg(frame)), Some((ImageFormat::Jpeg, 1376, 768)), "{frame:x}");
        }
        let lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\x30\x01\0\x9d\x01\x2a\x40\x03\xc0\x04";
        assert_eq!(read(lossy), Some((ImageFormat::Webp, 832, 1216)));
        let lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x3f\xc3\x2f\x01";
        assert_eq!(read(lossless), Some((ImageFormat::Webp, 832, 1216)));
        let extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x3f\x03\0\xbf\x04\0";
        assert_eq!(read(extended), Some((ImageFormat::Webp, 832, 1216)));
    }

    #[test]
    fn what_is_no_image_or_has_no_size_is_none() {
        let no_frame = [0xff, 0xd8, 0xff, 0xda, 0, 4, 0, 0];
        let empty = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\0\0\0\x04\0";
        let huge = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\x01\0\0\0\0\x04\0";
        let gif = b"GIF89a\x01\0\x01\0";
        let html = b"<html><body>not found</body></html>";
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>";
        for bytes in [&no_frame[..], empty, huge, gif, html, svg, b"", b"\x89PNG"] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_and_any_cut_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..64), cut in 0_usize..27) {
            let _ = read(&bytes);
            let jpeg = a_jpeg(0xc0);
            prop_assert_eq!(read(&jpeg[..cut.min(jpeg.len())]).is_some(), cut >= 23);
            let mut fuzzed = jpeg[..cut].to_vec();
            fuzzed.extend(bytes);
            let _ = read(&fuzzed);
        }
    }
}
