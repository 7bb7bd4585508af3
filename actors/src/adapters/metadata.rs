//! What an image file says beside its pixels: what stays of it, and what does not reach a caller.
//!
//! Text chunks, EXIF, XMP, IPTC, comments and chunks that nobody knows may hold prompts, the names of models and hosts,
//! and ids of our accounts, so they go. What says where a picture comes from stays, as providers' terms and the laws on
//! generated media demand: C2PA, and a segment with a label of theirs (`AIGC`, the IPTC's digital source type). C2PA
//! signs every byte of its file, so a file with it is not touched at all. Marks in the pixels (`SynthID`) are not ours to
//! see. Colour profiles stay: they are part of how the picture looks. Nothing is decoded, and only `NovelAI`'s pictures,
//! which hide text in their pixels too, are written anew (`novelai/png.rs`).

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Chunks of a PNG without which it may look otherwise. Critical ones begin with a capital letter.
const PNG_KEPT: [&[u8; 4]; 14] = [
    b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"pHYs", b"bKGD", b"cICP", b"mDCV", b"cLLI", b"acTL",
    b"fcTL", b"fdAT",
];
const PNG_C2PA: &[u8; 4] = b"caBX";
const PNG_SIGNATURE: usize = 8;
const WEBP_KEPT: [&[u8; 4]; 7] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
const WEBP_C2PA: &[u8; 4] = b"C2PA";
/// `RIFF`, a size, `WEBP`.
const WEBP_HEAD: usize = 12;
/// The bits of `VP8X` that announce EXIF and XMP.
const WEBP_FLAGS: u8 = 0b0000_1100;
/// What a segment says that labels a picture as generated.
const LABELS: [&[u8]; 3] = [b"AIGC", b"DigitalSourceType", b"digitalsourcetype"];

/// What is to be done with a part of a file.
enum Verdict {
    Keep,
    Drop,
    /// The file is signed as a whole.
    KeepAll,
}

/// The file without what it says of its making. A file that does not follow its format stays as it is: what reads it
/// is not ours to guess.
pub(super) fn cleaned(file: Bytes) -> Bytes {
    let kept = match file.get(..4) {
        Some([0x89, b'P', b'N', b'G']) => png(&file),
        Some([0xff, 0xd8, 0xff, _]) => jpeg(&file),
        Some(b"RIFF") => webp(&file),
        _ => None,
    };
    match kept {
        Some(kept) if kept.iter().map(ExactSizeIterator::len).sum::<usize>() < file.len() => compacted(file, &kept),
        _ => file,
    }
}

/// The parts that are kept, put together in the place of the whole.
fn compacted(file: Bytes, kept: &[Range<usize>]) -> Bytes {
    let mut bytes = file.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    let mut end = 0;
    for part in kept {
        bytes.copy_within(part.clone(), end);
        end += part.len();
    }
    bytes.truncate(end);
    if bytes.starts_with(b"RIFF") {
        fix_webp(&mut bytes);
    }
    bytes.freeze()
}

/// Parts that follow each other; neighbours become one.
#[derive(Default)]
struct Parts(Vec<Range<usize>>);

impl Parts {
    fn keep(&mut self, part: Range<usize>) {
        match self.0.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => self.0.push(part),
        }
    }

    /// Takes a verdict over a part. `None` where the whole file stays.
    fn judge(&mut self, verdict: &Verdict, part: Range<usize>) -> Option<()> {
        match verdict {
            Verdict::Keep => self.keep(part),
            Verdict::Drop => {}
            Verdict::KeepAll => return None,
        }
        Some(())
    }
}

fn is_label(data: &[u8]) -> bool {
    LABELS.iter().any(|label| memchr::memmem::find(data, label).is_some())
}

fn png(file: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut parts = Parts::default();
    parts.keep(0..PNG_SIGNATURE);
    let mut at = PNG_SIGNATURE;
    while at < file.len() {
        let head = file.get(at..at.checked_add(8)?)?;
        let len = usize::try_from(u32::from_be_bytes(head.get(..4)?.try_into().ok()?)).ok()?;
        let kind: &[u8; 4] = head.get(4..)?.try_into().ok()?;
        // The length, the name, the data and a checksum.
        let end = at.checked_add(len)?.checked_add(12)?;
        let data = file.get(at + 8..end - 4)?;
        let verdict = if kind == PNG_C2PA {
            Verdict::KeepAll
        } else if kind.first().is_some_and(u8::is_ascii_uppercase) || PNG_KEPT.contains(&kind) || is_label(data) {
            Verdict::Keep
        } else {
            Verdict::Drop
        };
        parts.judge(&verdict, at..end)?;
        at = end;
        if kind == b"IEND" {
            // What follows the end is no part of the picture.
            break;
        }
    }
    Some(parts.0)
}

fn jpeg(file: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut parts = Parts::default();
    parts.keep(0..2);
    let mut at = 2_usize;
    loop {
        let [0xff, marker] = file.get(at..at.checked_add(2)?)? else { return None };
        // Any number of fill bytes may precede a marker.
        if *marker == 0xff {
            at += 1;
            continue;
        }
        if matches!(marker, 0x01 | 0xd0..=0xd9) {
            return None;
        }
        let len = u16::from_be_bytes(file.get(at + 2..at.checked_add(4)?)?.try_into().ok()?);
        let end = at.checked_add(2)?.checked_add(usize::from(len.max(2)))?;
        let data = file.get(at + 4..end).filter(|_| len >= 2)?;
        if *marker == 0xda {
            // From the pixels on the file stays as it is.
            parts.keep(at..file.len());
            return Some(parts.0);
        }
        parts.judge(&jpeg_verdict(*marker, data), at..end)?;
        at = end;
    }
}

fn jpeg_verdict(marker: u8, data: &[u8]) -> Verdict {
    match marker {
        // JUMBF, in which C2PA comes.
        0xeb if data.starts_with(b"JP") => Verdict::KeepAll,
        // JFIF, and Adobe's note on how colours are written.
        0xe0 | 0xee => Verdict::Keep,
        0xe2 if data.starts_with(b"ICC_PROFILE\0") => Verdict::Keep,
        0xe1..=0xef | 0xfe if is_label(data) => Verdict::Keep,
        0xe1..=0xef | 0xfe => Verdict::Drop,
        _ => Verdict::Keep,
    }
}

fn webp(file: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut parts = Parts::default();
    parts.keep(0..WEBP_HEAD);
    let mut at = WEBP_HEAD;
    while at < file.len() {
        let head = file.get(at..at.checked_add(8)?)?;
        let kind: &[u8; 4] = head.get(..4)?.try_into().ok()?;
        let len = usize::try_from(u32::from_le_bytes(head.get(4..)?.try_into().ok()?)).ok()?;
        let end = at.checked_add(8)?.checked_add(len)?;
        let data = file.get(at + 8..end)?;
        // A chunk of an odd length is padded.
        let end = end.checked_add(len % 2)?.min(file.len());
        let verdict = if kind == WEBP_C2PA {
            Verdict::KeepAll
        } else if WEBP_KEPT.contains(&kind) || is_label(data) {
            Verdict::Keep
        } else {
            Verdict::Drop
        };
        parts.judge(&verdict, at..end)?;
        at = end;
    }
    Some(parts.0)
}

/// The size of the whole, and what its first chunk announces.
fn fix_webp(file: &mut [u8]) {
    let size = u32::try_from(file.len().saturating_sub(8)).unwrap_or(u32::MAX).to_le_bytes();
    let has = |kind: &[u8]| memchr::memmem::find(file, kind).is_some();
    let left = if has(b"EXIF") { 0b1000 } else { 0 } | if has(b"XMP ") { 0b0100 } else { 0 };
    if let Some(place) = file.get_mut(4..8) {
        place.copy_from_slice(&size);
    }
    if file.get(12..16) == Some(b"VP8X")
        && let Some(flags) = file.get_mut(20)
    {
        *flags &= !WEBP_FLAGS | left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &[u8] = b"account 7, a secret prompt";

    fn png_of(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, data) in chunks {
            file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
            file.extend(*kind);
            file.extend(*data);
            file.extend(b"sum.");
        }
        file
    }

    fn jpeg_of(segments: &[(u8, &[u8])]) -> Vec<u8> {
        let mut file = b"\xff\xd8".to_vec();
        for (marker, data) in segments {
            file.extend([0xff, *marker]);
            file.extend(u16::try_from(data.len() + 2).unwrap().to_be_bytes());
            file.extend(*data);
        }
        file.extend(b"pixels\xff\xd9");
        file
    }

    fn webp_of(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        for (kind, data) in chunks {
            file.extend(*kind);
            file.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
            file.extend(*data);
            file.extend(vec![0; data.len() % 2]);
        }
        let size = u32::try_from(file.len() - 8).unwrap().to_le_bytes();
        file[4..8].copy_from_slice(&size);
        file
    }

    fn clean(file: &[u8]) -> Vec<u8> {
        cleaned(Bytes::copy_from_slice(file)).to_vec()
    }

    #[test]
    fn a_png_keeps_its_looks_and_says_nothing() {
        let look: [(&[u8; 4], &[u8]); 4] =
            [(b"IHDR", b"head"), (b"iCCP", b"colours"), (b"IDAT", b"pixels"), (b"IEND", b"")];
        let mut file = look.to_vec();
        for kind in [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"prVt", b"dSIG"] {
            file.insert(1, (kind, SECRET));
        }
        let mut whole = png_of(&file);
        whole.extend(SECRET);
        assert_eq!(clean(&whole), png_of(&look));
        assert_eq!(clean(&png_of(&look)), png_of(&look));
    }

    #[test]
    fn a_jpeg_keeps_its_looks_and_says_nothing() {
        let icc = [b"ICC_PROFILE\0".as_slice(), b"colours"].concat();
        let look: [(u8, &[u8]); 6] =
            [(0xe0, b"JFIF"), (0xe2, &icc), (0xee, b"Adobe"), (0xdb, b"table"), (0xc0, b"frame"), (0xda, b"scan")];
        let mut file = look.to_vec();
        for marker in [0xe1, 0xe2, 0xe3, 0xed, 0xef, 0xfe] {
            file.insert(1, (marker, SECRET));
        }
        assert_eq!(clean(&jpeg_of(&file)), jpeg_of(&look));
        assert_eq!(clean(&jpeg_of(&look)), jpeg_of(&look));
    }

    #[test]
    fn a_webp_keeps_its_looks_and_is_told_its_new_size() {
        let flags = |bits: u8| [&[bits], &[0; 9][..]].concat();
        let (all, none) = (flags(0b0010_1100), flags(0b0010_0000));
        let file =
            webp_of(&[(b"VP8X", &all), (b"ICCP", b"col"), (b"VP8L", b"px"), (b"EXIF", SECRET), (b"XMP ", SECRET)]);
        assert_eq!(clean(&file), webp_of(&[(b"VP8X", &none), (b"ICCP", b"col"), (b"VP8L", b"px")]));
        let labelled =
            webp_of(&[(b"VP8X", &all), (b"VP8L", b"px"), (b"EXIF", SECRET), (b"XMP ", b"DigitalSourceType")]);
        let xmp = flags(0b0010_0100);
        let kept = webp_of(&[(b"VP8X", &xmp), (b"VP8L", b"px"), (b"XMP ", b"DigitalSourceType")]);
        assert_eq!(clean(&labelled), kept);
    }

    #[test]
    fn a_label_stays_and_a_signed_file_is_not_touched() {
        let label = b"<rdf><TC260:AIGC>{\"Label\":\"1\"}</TC260:AIGC></rdf>".as_slice();
        let labelled = png_of(&[(b"IHDR", b"head"), (b"iTXt", label), (b"tEXt", SECRET), (b"IEND", b"")]);
        assert_eq!(clean(&labelled), png_of(&[(b"IHDR", b"head"), (b"iTXt", label), (b"IEND", b"")]));
        let labelled = jpeg_of(&[(0xe1, SECRET), (0xe1, label), (0xda, b"scan")]);
        assert_eq!(clean(&labelled), jpeg_of(&[(0xe1, label), (0xda, b"scan")]));
        for signed in [
            png_of(&[(b"IHDR", b"head"), (b"tEXt", b"note"), (b"caBX", b"manifest"), (b"IEND", b"")]),
            jpeg_of(&[(0xe1, b"note"), (0xeb, b"JP\0\x01manifest"), (0xda, b"scan")]),
            webp_of(&[(b"VP8L", b"px"), (b"EXIF", b"note"), (b"C2PA", b"manifest")]),
        ] {
            assert_eq!(clean(&signed), signed);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_nothing_is_added(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), start in 0_usize..3,
        ) {
            let starts: [&[u8]; 3] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"];
            let file = [starts[start], &bytes].concat();
            let kept = clean(&file);
            prop_assert!(kept.len() <= file.len());
            prop_assert_eq!(clean(&kept), kept);
        }
    }
}
