//! ZIP, written by hand: entries stored, or "deflated" into blocks that are stored.

use super::png;

const BOMB_BYTES: usize = 100 << 20;

/// A file in an archive.
pub(crate) struct Entry {
    name: String,
    is_deflated: bool,
    sum: u32,
    length: usize,
    data: Vec<u8>,
}

impl Entry {
    /// A file as it is.
    pub(crate) fn stored(name: &str, content: Vec<u8>) -> Self {
        let (sum, length) = (crc32fast::hash(&content), content.len());
        Self { name: name.to_owned(), is_deflated: false, sum, length, data: content }
    }

    /// A file that a reader has to inflate.
    pub(crate) fn deflated(name: &str, content: &[u8]) -> Self {
        let (sum, length) = (crc32fast::hash(content), content.len());
        Self { name: name.to_owned(), is_deflated: true, sum, length, data: in_stored_blocks(content) }
    }

    /// A file of about a hundred kilobytes that inflates to a hundred megabytes.
    pub(crate) fn bomb(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            is_deflated: true,
            sum: 0,
            length: BOMB_BYTES,
            data: png::deflated_zeros(BOMB_BYTES),
        }
    }
}

/// An archive.
pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for Entry { name, is_deflated, sum, length: content_length, data } in entries {
        let mut common = Vec::new();
        // Version 2.0, no flags.
        common.extend([20, 0, 0, 0]);
        common.extend([if *is_deflated { 8 } else { 0 }, 0]);
        // Midnight, the first of January 1980.
        common.extend([0, 0, 0x21, 0]);
        common.extend(sum.to_le_bytes());
        common.extend(length(data.len()));
        common.extend(length(*content_length));
        common.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        common.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        // No comment, disk zero, no attributes.
        directory.extend([0; 10]);
        directory.extend(length(out.len()));
        directory.extend(name.as_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(data);
    }
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX).to_le_bytes();
    let start = out.len();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count);
    out.extend(count);
    out.extend(length(directory.len()));
    out.extend(length(start));
    out.extend([0, 0]);
    out
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

/// Deflate without compression (RFC 1951, 3.2.4).
fn in_stored_blocks(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 5);
    let mut blocks = content.chunks(usize::from(u16::MAX)).peekable();
    if blocks.peek().is_none() {
        return vec![1, 0, 0, 0xff, 0xff];
    }
    while let Some(block) = blocks.next() {
        let count = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(count.to_le_bytes());
        out.extend((!count).to_le_bytes());
        out.extend(block);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Entry;
    use std::io::{Cursor, Read};

    #[test]
    fn another_reader_finds_the_files() {
        let content = vec![7; 200_000];
        for entry in [Entry::stored("a.png", content.clone()), Entry::deflated("a.png", &content)] {
            let archive = super::zip(&[entry, Entry::deflated("b.png", &[]), Entry::stored("c.png", Vec::new())]);
            let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
            assert_eq!(archive.len(), 3);
            for (name, content) in [("a.png", content.as_slice()), ("b.png", &[]), ("c.png", &[])] {
                let mut read = Vec::new();
                archive.by_name(name).unwrap().read_to_end(&mut read).unwrap();
                assert_eq!(read, content, "{name}");
            }
        }
    }

    #[test]
    fn a_bomb_inflates_to_more_than_anyone_wants() {
        let archive = super::zip(&[Entry::bomb("a.png")]);
        assert!(archive.len() < 1 << 20);
        let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        let entry = archive.by_index(0).unwrap();
        assert_eq!(entry.size(), 100 << 20);
        let mut read = Vec::new();
        entry.take(200_000).read_to_end(&mut read).unwrap();
        assert_eq!(read, vec![0; 200_000]);
    }
}
