//! What a picture shows: the seed's colours from top to bottom, and a white band below where it is watermarked.
//!
//! A row has one colour, so that `png` and `jpeg` can write pictures of sixteen megapixels without holding them. A
//! drawing reads from and writes to the name of a file, so the simulator's download addresses need no memory.

use super::{jpeg, png};
use crate::chance::digest;
use serde::{Deserialize, Serialize};

/// What the bytes of a picture are.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ImageFormat {
    /// Eight bits of red, green and blue.
    Png,
    /// Baseline, with halved chroma.
    Jpeg,
}

impl ImageFormat {
    pub(crate) fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
        }
    }
}

/// A picture yet to be written.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of what a picture carries")]
pub(crate) struct Drawing {
    pub(crate) seed: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) format: ImageFormat,
    pub(crate) watermarked: bool,
    /// White all over: what a provider draws that did not find its prompt.
    pub(crate) blank: bool,
    /// Bytes added to the pixels' stream, for a file of any size that shows the same.
    pub(crate) pad_bytes: u64,
    /// With [`METADATA`] beside the picture.
    pub(crate) metadata: bool,
    /// With the beginning of a C2PA manifest.
    pub(crate) signed: bool,
}

/// What a provider should have kept to itself.
pub(crate) const METADATA: &str = "metadata-canary: prompt, model and account";

pub(crate) type Rgb = [u8; 3];

const WHITE: Rgb = [255; 3];

impl Drawing {
    /// A drawing for a prompt. The same prompt and number give the same drawing.
    pub(crate) fn new(seed: u64, prompt: &str, number: u64, (width, height): (u32, u32), format: ImageFormat) -> Self {
        let seed = digest(seed, &[prompt, &number.to_string()]);
        Self {
            seed,
            width,
            height,
            format,
            watermarked: false,
            blank: false,
            pad_bytes: 0,
            metadata: false,
            signed: false,
        }
    }

    /// The colour of a row, from zero at the top.
    pub(crate) fn row(&self, y: u32) -> Rgb {
        // A sixteenth of the height, and a row at least.
        let band = self.height.saturating_sub((self.height / 16).max(1));
        if self.blank || (self.watermarked && y >= band) {
            return WHITE;
        }
        let [_, _, r, g, b, dr, dg, db] = self.seed.to_be_bytes();
        // At most half the scale of change over the height, so that the picture is seen to be a gradient.
        let shade = |base: u8, change: u8| {
            let moved = u64::from(change / 2) * u64::from(y) / u64::from(self.height.max(1));
            // Kept off white, which means something.
            u8::try_from((u64::from(base) / 2 + moved).min(250)).unwrap_or(250)
        };
        [shade(r, dr), shade(g, dg), shade(b, db)]
    }

    /// The bytes of the picture.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes_with(&[])
    }

    /// The bytes of the picture, with text chunks where the format has them.
    pub(crate) fn bytes_with(&self, texts: &[(&str, String)]) -> Vec<u8> {
        match self.format {
            ImageFormat::Png => png::write(self, texts),
            ImageFormat::Jpeg => jpeg::write(self),
        }
    }

    pub(crate) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// `2048x2048`
    pub(crate) fn size(&self) -> String {
        format!("{}x{}", self.width, self.height)
    }

    /// The name of the file, from which [`Drawing::from_name`] reads the drawing again.
    pub(crate) fn name(&self) -> String {
        let Self { seed, width, height, format, watermarked, blank, pad_bytes, metadata, signed } = self;
        let flags = [watermarked, blank, metadata, signed];
        let marks = flags.iter().rev().fold(0, |marks, flag| marks << 1 | u8::from(**flag));
        format!("{seed:016x}_{width}x{height}_{marks}_{pad_bytes}.{}", format.extension())
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        let format = [ImageFormat::Png, ImageFormat::Jpeg].into_iter().find(|it| it.extension() == extension)?;
        let mut parts = stem.split('_');
        let seed = u64::from_str_radix(parts.next()?, 16).ok()?;
        let (width, height) = parts.next()?.split_once('x')?;
        let marks: u8 = parts.next()?.parse().ok()?;
        let pad_bytes = parts.next()?.parse().ok()?;
        let (width, height) = (width.parse().ok()?, height.parse().ok()?);
        let [watermarked, blank, metadata, signed] = [1, 2, 4, 8].map(|flag| marks & flag != 0);
        Some(Self { seed, width, height, format, watermarked, blank, pad_bytes, metadata, signed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_told_by_its_name() {
        let drawing = Drawing {
            watermarked: true,
            signed: true,
            pad_bytes: 9,
            ..Drawing::new(7, "a cat", 0, (848, 1264), ImageFormat::Jpeg)
        };
        assert_eq!(Drawing::from_name(&drawing.name()), Some(drawing.clone()));
        assert_ne!(Drawing::new(7, "a dog", 0, (848, 1264), ImageFormat::Jpeg).seed, drawing.seed);
        assert_eq!(Drawing::from_name("x.png"), None);
        assert_eq!((drawing.row(1263), drawing.row(1263 - 79)), (WHITE, drawing.row(1263 - 79)));
        assert_ne!(drawing.row(0), WHITE);
    }
}
