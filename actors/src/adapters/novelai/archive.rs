//! The ZIP that images come in, told by its magic bytes: the label differs. Bounded before it is inflated.

use std::io::{Cursor, Read};

use bytes::Bytes;
use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

use crate::adapters::fault::Malformed;

/// An answer has one entry per image, and nothing else was ever seen in it.
const ENTRIES_MAX: usize = 16;
/// An image of 1.6 megapixels has 6.3 MB before any compression.
const ENTRY_BYTES_MAX: u64 = 16 * 1024 * 1024;

const fn malformed(what: &'static str) -> Malformed {
    Malformed { what }
}

/// The first `max` files, in the order of the archive; more are not inflated.
///
/// # Errors
/// [`Malformed`] for what is no archive, is cut off, fails a checksum, or inflates beyond bounds.
pub(super) fn files(archive: Bytes, max: usize) -> Result<Vec<Bytes>, Malformed> {
    if !archive.starts_with(b"PK\x03\x04") {
        return Err(malformed("a ZIP archive"));
    }
    let whole = archive.clone();
    let mut archive = ZipArchive::new(Cursor::new(archive)).map_err(|_| malformed("a whole ZIP archive"))?;
    if archive.len() > ENTRIES_MAX {
        return Err(malformed("a ZIP archive of few files"));
    }
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|_| malformed("a ZIP entry that can be read"))?;
        if entry.is_dir() {
            continue;
        }
        if files.len() == max {
            break;
        }
        files.push(file(entry, &whole)?);
    }
    Ok(files)
}

/// One file. What is not compressed, as the provider has it, is a part of the archive and not copied.
fn file(mut entry: ZipFile<'_, Cursor<Bytes>>, whole: &Bytes) -> Result<Bytes, Malformed> {
    // The declared size is a claim; what is read is bounded too.
    let too_large = || malformed("a ZIP entry within bounds");
    let incomplete = |_| malformed("a ZIP entry that is whole");
    let declared = usize::try_from(entry.size().min(ENTRY_BYTES_MAX)).unwrap_or(0);
    if entry.size() > ENTRY_BYTES_MAX {
        return Err(too_large());
    }
    if entry.compression() == CompressionMethod::Stored {
        let start = entry.data_start().and_then(|start| usize::try_from(start).ok());
        // Reading it to its end checks its sum.
        let read = std::io::copy(&mut entry.by_ref().take(ENTRY_BYTES_MAX + 1), &mut std::io::sink());
        let len = usize::try_from(read.map_err(incomplete)?).unwrap_or(usize::MAX);
        let end = start.and_then(|start| start.checked_add(len)).filter(|end| *end <= whole.len());
        let (Some(start), Some(end), true) = (start, end, len <= declared) else { return Err(too_large()) };
        return Ok(whole.slice(start..end));
    }
    let mut file = Vec::with_capacity(declared);
    entry.take(ENTRY_BYTES_MAX + 1).read_to_end(&mut file).map_err(incomplete)?;
    if u64::try_from(file.len()).unwrap_or(u64::MAX) > ENTRY_BYTES_MAX {
        return Err(too_large());
    }
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn archive(files: &[&[u8]], method: CompressionMethod) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (index, file) in files.iter().enumerate() {
            let options = SimpleFileOptions::default().compression_method(method);
            writer.start_file(format!("image_{index}.png"), options).unwrap();
            writer.write_all(file).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Bytes>, Malformed> {
        files(Bytes::copy_from_slice(bytes), 16)
    }

    #[test]
    fn stored_and_deflated_files_come_out_in_order() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let out = read(&archive(&[b"one", b"", b"three"], method)).unwrap();
            assert_eq!(out, ["one", "", "three"]);
        }
    }

    #[test]
    fn a_cut_or_damaged_archive_is_malformed_wherever_it_is_cut() {
        let whole = archive(&[b"a file with some length, a file with some length"], CompressionMethod::Deflated);
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut} of {}", whole.len());
        }
        let data = whole.windows(4).position(|bytes| bytes == b".png").unwrap() + 6;
        let mut damaged = whole.clone();
        damaged[data] ^= 0x55;
        assert!(read(&damaged).is_err(), "a checksum that does not hold is an error");
        assert!(read(b"{\"statusCode\":500}").is_err());
    }

    #[test]
    fn a_bomb_is_refused_whether_it_declares_its_size_or_not() {
        let zeros = vec![0; 17 * 1024 * 1024];
        let mut bomb = archive(&[&zeros], CompressionMethod::Deflated);
        assert!(bomb.len() < 64 * 1024, "it is small on the wire");
        let refused = Err(Malformed { what: "a ZIP entry within bounds" });
        assert_eq!(read(&bomb), refused);
        // The same with a small size in both of its headers.
        let size = u32::try_from(zeros.len()).unwrap().to_le_bytes();
        while let Some(at) = bomb.windows(4).position(|bytes| bytes == size) {
            bomb[at..at + 4].copy_from_slice(&9_u32.to_le_bytes());
        }
        let lying = read(&bomb);
        assert!(lying.is_err(), "{:?}", lying.map(|files| files.iter().map(Bytes::len).collect::<Vec<_>>()));
    }

    #[test]
    fn what_was_not_asked_for_is_not_inflated() {
        let zeros = vec![0; 17 * 1024 * 1024];
        let two = Bytes::from(archive(&[b"one", &zeros], CompressionMethod::Deflated));
        assert_eq!(files(two.clone(), 1).unwrap(), ["one"]);
        assert!(files(two, 2).is_err());
    }

    #[test]
    fn many_entries_are_refused() {
        let files = [&b"x"[..]; 17];
        assert_eq!(read(&archive(&files, CompressionMethod::Stored)), Err(malformed("a ZIP archive of few files")));
    }

    proptest! {
        #[test]
        fn damage_anywhere_never_panics(at in 0_usize..400, bits in 1_u8.., length in 0_usize..400) {
            let mut bytes = archive(&[b"one file", &[7; 90]], CompressionMethod::Deflated);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bits;
            }
            bytes.truncate(length.max(4));
            let _ = read(&bytes);
        }
    }
}
