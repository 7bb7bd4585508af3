//! A PNG without anything but its pixels.
//!
//! Prompt, seed and maker stand in text chunks and, a second time, in the lowest bits of the alpha channel.
//! The pixels are decoded and written anew, so that no chunk survives whatever its name. The pictures are
//! opaque: an alpha channel whose values are all 254 or 255 is dropped, and the colours stay bit for bit. In a
//! picture that really is transparent the lowest bit of alpha repeats the highest, which no eye sees.

use std::io::Cursor;

use bytes::Bytes;
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Limits, Transformations};

use crate::adapters::fault::Malformed;

/// Decoded: a picture of 1.6 megapixels with alpha is a tenth of this.
const PIXEL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// From here on alpha is opaque with a bit of something else.
const OPAQUE_MIN: u8 = 254;

const fn malformed(what: &'static str) -> Malformed {
    Malformed { what }
}

/// The same picture, written anew.
///
/// # Errors
/// [`Malformed`] for what is no PNG, is cut off, fails a checksum, or is larger than any that was asked for.
pub(super) fn cleaned(file: &[u8]) -> Result<Bytes, Malformed> {
    let unreadable = |_| malformed("a PNG file that is whole");
    let mut decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: PIXEL_BYTES_MAX });
    // Palettes and odd depths become plain eight-bit channels.
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(unreadable)?;
    let size = reader.output_buffer_size().filter(|size| *size <= PIXEL_BYTES_MAX);
    let mut pixels = vec![0; size.ok_or(malformed("a PNG file within bounds"))?];
    let frame = reader.next_frame(&mut pixels).map_err(unreadable)?;
    reader.finish().map_err(unreadable)?;
    pixels.truncate(frame.buffer_size());
    let color = match frame.color_type {
        ColorType::Rgba => without_hidden_bits::<4>(&mut pixels, ColorType::Rgb, ColorType::Rgba),
        ColorType::GrayscaleAlpha => {
            without_hidden_bits::<2>(&mut pixels, ColorType::Grayscale, ColorType::GrayscaleAlpha)
        }
        opaque => opaque,
    };
    let mut out = Vec::new();
    let unwritable = |_| malformed("pixels that can be written");
    let mut encoder = Encoder::new(&mut out, frame.width, frame.height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(unwritable)?;
    writer.write_image_data(&pixels).map_err(unwritable)?;
    writer.finish().map_err(unwritable)?;
    Ok(Bytes::from(out))
}

/// Drops the alpha of an opaque picture, else levels its lowest bit. Pixels have `N` bytes, alpha last.
fn without_hidden_bits<const N: usize>(pixels: &mut Vec<u8>, opaque: ColorType, transparent: ColorType) -> ColorType {
    let (whole, _) = pixels.as_chunks_mut::<N>();
    if whole.iter().filter_map(|pixel| pixel.last()).all(|alpha| *alpha >= OPAQUE_MIN) {
        let mut channel = 0;
        pixels.retain(|_| {
            channel = (channel + 1) % N;
            channel != 0
        });
        return opaque;
    }
    for alpha in whole.iter_mut().filter_map(|pixel| pixel.last_mut()) {
        *alpha = (*alpha & !1) | (*alpha >> 7);
    }
    transparent
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A picture as the provider writes it: text chunks, and letters in the lowest bits of alpha.
    fn with_metadata(color: ColorType, channels: usize, width: u32, alpha: impl Fn(usize) -> u8) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, width, 4);
        encoder.set_color(color);
        encoder.set_depth(BitDepth::Eight);
        encoder.add_text_chunk("Software".to_owned(), "NovelAI".to_owned()).unwrap();
        encoder.add_ztxt_chunk("Comment".to_owned(), "{\"seed\":1}".to_owned()).unwrap();
        encoder.add_itxt_chunk("Description".to_owned(), "a secret prompt".to_owned()).unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_chunk(png::chunk::eXIf, b"II*\0secret").unwrap();
        writer.write_chunk(png::chunk::ChunkType(*b"prVt"), b"secret").unwrap();
        writer.write_image_data(&pixels(channels, width, alpha)).unwrap();
        writer.finish().unwrap();
        out
    }

    fn pixels(channels: usize, width: u32, alpha: impl Fn(usize) -> u8) -> Vec<u8> {
        let has_alpha = channels.is_multiple_of(2);
        (0..width as usize * 4 * channels)
            .map(|at| {
                if has_alpha && at % channels == channels - 1 { alpha(at) } else { u8::try_from(at * 7 % 256).unwrap() }
            })
            .collect()
    }

    fn decoded(file: &[u8]) -> (ColorType, Vec<u8>) {
        let mut reader = Decoder::new(Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        (frame.color_type, pixels)
    }

    fn chunks(file: &[u8]) -> Vec<String> {
        let mut rest = &file[8..];
        let mut names = Vec::new();
        while rest.len() >= 8 {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            names.push(String::from_utf8(rest[4..8].to_vec()).unwrap());
            rest = &rest[length + 12..];
        }
        names
    }

    #[test]
    fn text_and_hidden_bits_are_gone_and_the_colours_are_the_same() {
        let file = with_metadata(ColorType::Rgba, 4, 8, |at| 254 + u8::from(at % 3 == 0));
        assert!(chunks(&file).contains(&"iTXt".to_owned()) && chunks(&file).contains(&"eXIf".to_owned()));
        let clean = cleaned(&file).unwrap();
        assert_eq!(chunks(&clean), ["IHDR", "IDAT", "IEND"]);
        let (color, out) = decoded(&clean);
        let colours: Vec<u8> = pixels(4, 8, |_| 255).chunks(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
        assert_eq!((color, out), (ColorType::Rgb, colours));
    }

    #[test]
    fn a_picture_without_alpha_is_the_same_picture() {
        for (color, channels) in [(ColorType::Rgb, 3), (ColorType::Grayscale, 1)] {
            let clean = cleaned(&with_metadata(color, channels, 5, |_| 0)).unwrap();
            assert_eq!(decoded(&clean), (color, pixels(channels, 5, |_| 0)));
            assert_eq!(chunks(&clean), ["IHDR", "IDAT", "IEND"]);
        }
    }

    #[test]
    fn a_transparent_picture_stays_so_without_its_lowest_bits() {
        let hidden = |bit: u8| with_metadata(ColorType::Rgba, 4, 8, move |at| if at < 20 { bit } else { 200 + bit });
        let clean = cleaned(&hidden(0)).unwrap();
        assert_eq!(clean, cleaned(&hidden(1)).unwrap(), "nothing of the bits is left");
        let (color, out) = decoded(&clean);
        assert_eq!((color, out[3], out[out.len() - 1]), (ColorType::Rgba, 0, 201));
    }

    #[test]
    fn a_cut_or_damaged_file_is_malformed_wherever_it_is_cut() {
        let file = with_metadata(ColorType::Rgba, 4, 8, |_| 255);
        // What follows the last pixel but is not the end of the file may be missing: the picture is whole.
        let end = file.windows(4).position(|bytes| bytes == b"IDAT").unwrap();
        for cut in 0..end + 4 {
            assert!(cleaned(&file[..cut]).is_err(), "cut at {cut} of {}", file.len());
        }
        let mut damaged = file.clone();
        damaged[end + 10] ^= 0x55;
        assert!(cleaned(&damaged).is_err());
        assert!(cleaned(b"GIF89a").is_err());
    }

    #[test]
    fn a_picture_that_is_too_large_is_refused_before_it_is_inflated() {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, 8192, 8192);
        encoder.set_color(ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        writer.write_chunk(png::chunk::IDAT, b"not a pixel").unwrap();
        drop(writer);
        assert_eq!(cleaned(&out), Err(Malformed { what: "a PNG file within bounds" }));
    }

    proptest! {
        #[test]
        fn damage_anywhere_never_panics(at in 0_usize..300, bits in 1_u8.., cut in 0_usize..300) {
            let mut file = with_metadata(ColorType::Rgba, 4, 8, |_| 255);
            if let Some(byte) = file.get_mut(at) {
                *byte ^= bits;
            }
            let _ = cleaned(&file);
            file.truncate(cut);
            let _ = cleaned(&file);
        }
    }
}
