//! How a commit lies in the mirror: little-endian, every frame on a multiple of eight bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the payload |
//! | 4 | CRC-32 of everything behind this field, without the padding |
//! | 8 | the frame's number, from 0 and without gaps, over all segments |
//! | 4 | the checksum of the frame before, 0 for the first |
//! | … | the payload: for each value the length of its key (1), of itself (4), its key, itself |
//! | 0–7 | zeros up to the next multiple of eight |

use super::super::group::Pair;

/// Bytes before the payload.
const HEAD: usize = 20;
/// Bytes before the part that the checksum covers.
const UNCOVERED: usize = 8;
const ALIGN: usize = 8;
const MAGIC: &[u8; 8] = b"lmhmirr1";
/// Magic, segment, the next frame's number, the last frame's checksum.
pub(super) const HEADER: usize = 24;

/// What the next frame carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) number: u64,
    /// The checksum of the last one.
    pub(super) chain: u32,
}

/// The values do not fit into a frame.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a commit is too large for one frame")]
pub(super) struct TooLarge;

/// Writes a frame into the emptied buffer and answers what the one after it carries.
pub(super) fn write(frame: Frame, pairs: &[Pair], buffer: &mut Vec<u8>) -> Result<Frame, TooLarge> {
    buffer.clear();
    buffer.extend_from_slice(&[0; UNCOVERED]);
    buffer.extend_from_slice(&frame.number.to_le_bytes());
    buffer.extend_from_slice(&frame.chain.to_le_bytes());
    for (key, value) in pairs {
        buffer.push(u8::try_from(key.len()).map_err(|_| TooLarge)?);
        buffer.extend_from_slice(&u32::try_from(value.len()).map_err(|_| TooLarge)?.to_le_bytes());
        buffer.extend_from_slice(key);
        buffer.extend_from_slice(value);
    }
    let length = u32::try_from(buffer.len() - HEAD).map_err(|_| TooLarge)?;
    let (uncovered, covered) = buffer.split_at_mut(UNCOVERED);
    let checksum = crc32fast::hash(covered);
    let (length_field, checksum_field) = uncovered.split_at_mut(4);
    length_field.copy_from_slice(&length.to_le_bytes());
    checksum_field.copy_from_slice(&checksum.to_le_bytes());
    buffer.resize(buffer.len().next_multiple_of(ALIGN), 0);
    Ok(Frame { number: frame.number + 1, chain: checksum })
}

/// A frame as it was read.
pub(super) struct Read<'a> {
    /// What it says of itself.
    pub(super) frame: Frame,
    /// Its own checksum.
    checksum: u32,
    payload: &'a [u8],
    /// Bytes up to the next frame.
    pub(super) length: usize,
}

impl<'a> Read<'a> {
    /// The frame at the start of these bytes, if there is a whole one.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let covered = bytes.get(UNCOVERED..HEAD.checked_add(length)?)?;
        let checksum = u32_at(bytes, 4)?;
        if crc32fast::hash(covered) != checksum {
            return None;
        }
        let frame = Frame { number: u64_at(bytes, 8)?, chain: u32_at(bytes, 16)? };
        let payload = bytes.get(HEAD..HEAD + length)?;
        Some(Self { frame, checksum, payload, length: (HEAD + length).next_multiple_of(ALIGN) })
    }

    /// What the frame after this one carries.
    pub(super) const fn next(&self) -> Frame {
        Frame { number: self.frame.number + 1, chain: self.checksum }
    }

    /// Its values; `None` where they do not fill the payload.
    pub(super) fn pairs(&self) -> Option<Vec<(&'a [u8], &'a [u8])>> {
        let mut rest = self.payload;
        let mut pairs = Vec::new();
        while let Some((&key_length, after)) = rest.split_first() {
            let value_length = usize::try_from(u32_at(after, 0)?).ok()?;
            let (key, after) = after.get(4..)?.split_at_checked(usize::from(key_length))?;
            let (value, after) = after.split_at_checked(value_length)?;
            pairs.push((key, value));
            rest = after;
        }
        Some(pairs)
    }
}

/// Whether a frame with this number or a later one starts anywhere in these bytes.
pub(super) fn holds_later(number: u64, bytes: &[u8]) -> bool {
    // No more frames than bytes can follow, which leaves few places worth a checksum.
    let last = number.saturating_add(bytes.len() as u64);
    (0..bytes.len()).step_by(ALIGN).filter_map(|at| bytes.get(at..)).any(|rest| {
        let found = u64_at(rest, UNCOVERED);
        found.is_some_and(|found| number <= found && found <= last && u32_at(rest, 0) != Some(0))
            && Read::parse(rest).is_some()
    })
}

/// The first bytes of a segment.
pub(super) fn header(segment: u32, next: Frame) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&segment.to_le_bytes());
    header.extend_from_slice(&next.chain.to_le_bytes());
    header.extend_from_slice(&next.number.to_le_bytes());
    header
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
