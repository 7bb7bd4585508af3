//! ZIP, written by hand: entries stored, or "deflated" into blocks that are stored.

/// An archive of named files.
pub(crate) fn zip(files: &[(String, Vec<u8>)], deflated: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in files {
        let data = if deflated { in_stored_blocks(content) } else { content.clone() };
        let mut common = Vec::new();
        // Version 2.0, no flags.
        common.extend([20, 0, 0, 0]);
        common.extend([if deflated { 8 } else { 0 }, 0]);
        // Midnight, the first of January 1980.
        common.extend([0, 0, 0x21, 0]);
        common.extend(crc32fast::hash(content).to_le_bytes());
        common.extend(length(data.len()));
        common.extend(length(content.len()));
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
    let count = u16::try_from(files.len()).unwrap_or(u16::MAX).to_le_bytes();
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
    use std::io::{Cursor, Read};

    #[test]
    fn another_reader_finds_the_files() {
        let files = [("image_0.png".to_owned(), vec![7; 200_000]), ("image_1.png".to_owned(), Vec::new())];
        for deflated in [false, true] {
            let mut archive = zip::ZipArchive::new(Cursor::new(super::zip(&files, deflated))).unwrap();
            assert_eq!(archive.len(), 2);
            for (name, content) in &files {
                let mut read = Vec::new();
                archive.by_name(name).unwrap().read_to_end(&mut read).unwrap();
                assert_eq!(&read, content, "{deflated}");
            }
        }
    }
}
