//! Reading the mirror from its first frame to its end.

use std::fs;
use std::io;
use std::path::Path;

use super::frame::{self, Frame, HEADER};
use super::path;

/// Where the mirror ends.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct End {
    /// The key of the last value.
    pub(in super::super) last_key: Option<Vec<u8>>,
    /// The end of the last segment; `None` where there is none yet.
    pub(super) last: Option<SegmentEnd>,
    /// What the next frame carries.
    pub(super) next: Frame,
    /// Bytes of the segments before the last.
    pub(super) before: u64,
}

/// The end of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentEnd {
    pub(super) segment: u32,
    pub(super) offset: u64,
}

/// The mirror cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Damage {
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What was committed is not there any more.
    #[error("segment {segment} of the mirror is damaged at byte {offset}")]
    Segment {
        /// Its number.
        segment: u32,
        /// Where the last good frame ends.
        offset: usize,
    },
}

/// Is shown a value and its key.
type Visit<'a, E> = dyn FnMut(&[u8], &[u8]) -> Result<(), E> + 'a;

/// Shows every value with its key to `visit`, in order, and answers the end.
pub(in super::super) fn read<E: From<Damage>>(folder: &Path, visit: &mut Visit<'_, E>) -> Result<End, E> {
    let mut end = End::default();
    for segment in 0_u32.. {
        let Some(bytes) = load(folder, segment)? else { break };
        let is_last = !path(folder, segment + 1).exists();
        let damage = |offset| E::from(Damage::Segment { segment, offset });
        if !bytes.starts_with(&frame::header(segment, end.next)) {
            // Made by a process that ended before its first frame: it is made again.
            let unused = is_last && !frame::holds_later(end.next.number, &bytes);
            return if unused { Ok(end) } else { Err(damage(0)) };
        }
        if let Some(last) = end.last {
            end.before += last.offset;
        }
        let mut offset = HEADER;
        while let Some(read) = bytes.get(offset..).and_then(frame::Read::parse).filter(|read| read.frame == end.next) {
            for (key, value) in read.pairs().ok_or_else(|| damage(offset))? {
                visit(key, value)?;
                end.last_key = Some(key.to_vec());
            }
            end.next = read.next();
            offset += read.length;
        }
        let rest = bytes.get(offset..).unwrap_or_default();
        if frame::holds_later(end.next.number + 1, rest) || (!is_last && !rest.is_empty()) {
            return Err(damage(offset));
        }
        end.last = Some(SegmentEnd { segment, offset: offset as u64 });
    }
    Ok(end)
}

fn load(folder: &Path, segment: u32) -> Result<Option<Vec<u8>>, Damage> {
    match fs::read(path(folder, segment)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
