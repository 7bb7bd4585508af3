//! RIFF: the chunks up to `data`, then bytes at the rate that `fmt ` says.
//!
//! Who streams does not know sizes yet and writes 0 or the largest number there; then everything after the
//! header is audio. A size that is known is believed, since chunks of text may follow it.

use super::head::{Head, skip};
use super::{WrongFormat, microseconds_of};

/// `RIFF`, a size, `WAVE`.
const RIFF: usize = 12;
/// A chunk's name and size.
const CHUNK: usize = 8;
/// The part of `fmt ` that every kind has.
const FORMAT: usize = 16;
/// Sizes from here on are placeholders: no single answer is 2 GiB.
const SIZE_UNKNOWN: u32 = 0x7fff_0000;

/// Where the walk is.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    head: Head<FORMAT>,
    place: Place,
    /// Bytes of a chunk that are passed over.
    skipping: u64,
    bytes_per_second: u64,
    frame_bytes: u64,
    data_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Riff,
    Chunk,
    Format {
        size: u32,
    },
    Data {
        /// Bytes of it to come; `None` where the size is not known.
        left: Option<u64>,
        padding: u64,
    },
}

impl Walk {
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<(), WrongFormat> {
        while !piece.is_empty() {
            skip(&mut self.skipping, &mut piece);
            if self.skipping > 0 {
                break;
            }
            self.step(&mut piece)?;
        }
        Ok(())
    }

    fn step(&mut self, piece: &mut &[u8]) -> Result<(), WrongFormat> {
        match self.place {
            Place::Riff => {
                let is_complete = self.head.fill(piece, RIFF);
                let kind = self.head.bytes().get(8..).unwrap_or_default();
                if !self.head.may_be(b"RIFF") || !b"WAVE".starts_with(kind) {
                    return Err(WrongFormat);
                }
                if is_complete {
                    self.go(Place::Chunk);
                }
            }
            Place::Chunk => {
                if self.head.fill(piece, CHUNK) {
                    self.enter_chunk()?;
                }
            }
            Place::Format { size } => {
                if self.head.fill(piece, FORMAT) {
                    self.read_format()?;
                    self.skipping = u64::from(size) - FORMAT as u64 + u64::from(size & 1);
                    self.go(Place::Chunk);
                }
            }
            Place::Data { left, padding } => {
                let here = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                let taken = left.map_or(here, |left| left.min(here));
                self.data_bytes = self.data_bytes.saturating_add(taken);
                skip(&mut { taken }, piece);
                self.place = Place::Data { left: left.map(|left| left - taken), padding };
                if left == Some(taken) {
                    self.skipping = padding;
                    self.go(Place::Chunk);
                }
            }
        }
        Ok(())
    }

    fn go(&mut self, place: Place) {
        self.place = place;
        self.head.clear();
    }

    fn enter_chunk(&mut self) -> Result<(), WrongFormat> {
        let size = self.head.u32(4);
        let padding = u64::from(size & 1);
        let place = match self.head.bytes().get(..4) {
            Some(b"fmt ") if (16..=4096).contains(&size) => Place::Format { size },
            Some(b"fmt ") => return Err(WrongFormat),
            Some(b"data") if self.bytes_per_second == 0 => return Err(WrongFormat),
            Some(b"data") => {
                let is_known = (1..SIZE_UNKNOWN).contains(&size);
                Place::Data { left: is_known.then_some(size.into()), padding }
            }
            _ => {
                self.skipping = u64::from(size) + padding;
                Place::Chunk
            }
        };
        self.go(place);
        Ok(())
    }

    /// Bytes a second: for PCM by what a decoder goes by, sample rate and frame size; else as the file says.
    fn read_format(&mut self) -> Result<(), WrongFormat> {
        let (kind, sample_rate) = (self.head.u16(0), u64::from(self.head.u32(4)));
        let (byte_rate, frame_bytes) = (u64::from(self.head.u32(8)), u64::from(self.head.u16(12)));
        let is_pcm = matches!(kind, 1 | 3 | 0xfffe);
        self.frame_bytes = frame_bytes.max(1);
        self.bytes_per_second = if is_pcm { sample_rate.saturating_mul(frame_bytes) } else { byte_rate };
        if self.bytes_per_second == 0 { Err(WrongFormat) } else { Ok(()) }
    }

    pub(super) const fn is_recognised(&self) -> bool {
        !matches!(self.place, Place::Riff)
    }

    pub(super) fn microseconds(&self) -> u64 {
        // Part of a frame sounds like nothing.
        let partial = self.data_bytes.checked_rem(self.frame_bytes).unwrap_or(0);
        microseconds_of(self.data_bytes - partial, self.bytes_per_second)
    }
}
