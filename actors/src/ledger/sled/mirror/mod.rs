//! The mirror: everything that was committed, in plain files beside the database, and the point of commit.
//!
//! A commit is one frame: written over zeros that are on the disk already, then synced, so that a sync moves a few
//! blocks and no metadata. sled takes the same values after that and reaches the disk on its own beat; whatever of it
//! a crash leaves, [`super::open`] completes it from here. Nothing is ever cut off, so the mirror alone rebuilds the
//! store. Frames carry a number, a checksum and the checksum of the frame before, so a missing or exchanged one shows.
//!
//! The end of the last segment is where frames stop making sense: a commit that a crash cut was never acknowledged.
//! If a later frame is found behind that point, it was no cut but damage, and the store does not open.

mod frame;
mod read;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub(super) use read::{Damage, End, read};

use super::SyncFile;
use super::group::Pair;
use frame::Frame;
use read::SegmentEnd;

/// A segment that is this long is followed by a new one.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Zeros written ahead of the frames at a time: a thousand requests or so, and a millisecond.
const AHEAD_BYTES: u64 = 512 << 10;

/// The mirror, to be appended to by one thread.
pub(super) struct Mirror {
    folder: PathBuf,
    /// The segment that is written.
    file: File,
    segment: u32,
    /// Where the next frame goes.
    end: u64,
    /// Up to here the segment is zeros or frames on the disk.
    allocated: u64,
    /// The number of the next frame, and the checksum of the last.
    next: Frame,
    /// The frame under way; kept for its room.
    buffer: Vec<u8>,
    sync: SyncFile,
    /// Bytes of the segments before this one.
    before: u64,
}

impl Mirror {
    /// Goes on where [`read`] found the end: cuts off what a crash left half-written, and makes the first segment.
    pub(super) fn go_on(folder: &Path, end: &End, sync: SyncFile) -> io::Result<Self> {
        let &End { last, next, before, .. } = end;
        let SegmentEnd { segment, offset } = match last {
            Some(last) => last,
            None => Self::begin(folder, 0, next)?,
        };
        let file = File::options().read(true).write(true).open(path(folder, segment))?;
        file.set_len(offset)?;
        let mut mirror = Self {
            folder: folder.to_owned(),
            file,
            segment,
            end: offset,
            allocated: offset,
            next,
            buffer: Vec::new(),
            sync,
            before,
        };
        mirror.make_room(0)?;
        Ok(mirror)
    }

    /// Commits values: when this returns they are on the disk.
    pub(super) fn append(&mut self, pairs: &[Pair]) -> io::Result<()> {
        if self.end >= SEGMENT_BYTES {
            self.roll()?;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let next = frame::write(self.next, pairs, &mut buffer).map_err(io::Error::other)?;
        let length = buffer.len() as u64;
        self.make_room(length)?;
        self.file.write_all_at(&buffer, self.end)?;
        (self.sync)(&self.file)?;
        self.end += length;
        self.next = next;
        self.buffer = buffer;
        Ok(())
    }

    /// Bytes on the disk.
    pub(super) const fn bytes(&self) -> u64 {
        self.before + self.allocated
    }

    /// Starts the next segment.
    fn roll(&mut self) -> io::Result<()> {
        // The zeros behind the last frame are of no use any more.
        self.file.set_len(self.end)?;
        self.file.sync_all()?;
        let SegmentEnd { segment, offset } = Self::begin(&self.folder, self.segment + 1, self.next)?;
        self.file = File::options().read(true).write(true).open(path(&self.folder, segment))?;
        self.before += self.end;
        (self.segment, self.end, self.allocated) = (segment, offset, offset);
        Ok(())
    }

    /// Makes a segment with its header, and its name, durable.
    fn begin(folder: &Path, segment: u32, next: Frame) -> io::Result<SegmentEnd> {
        fs::create_dir_all(folder)?;
        let file = File::options().create(true).write(true).truncate(true).open(path(folder, segment))?;
        let header = frame::header(segment, next);
        file.write_all_at(&header, 0)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(SegmentEnd { segment, offset: header.len() as u64 })
    }

    /// Brings zeros to the disk ahead of a frame of this many bytes.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let wanted = self.end + bytes;
        if wanted <= self.allocated && bytes > 0 {
            return Ok(());
        }
        let until = (wanted / AHEAD_BYTES + 1) * AHEAD_BYTES;
        let zeros = vec![0; usize::try_from(until - self.allocated).map_err(io::Error::other)?];
        self.file.write_all_at(&zeros, self.allocated)?;
        self.file.sync_all()?;
        self.allocated = until;
        Ok(())
    }
}

/// Where a segment is.
fn path(folder: &Path, segment: u32) -> PathBuf {
    folder.join(format!("{segment:08}.seg"))
}
