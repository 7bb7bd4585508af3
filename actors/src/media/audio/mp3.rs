//! MPEG layer III: a walk over frame headers.
//!
//! `ID3v2` tags and frames that only hold a Xing, Info or VBRI table are passed over, at the start and where
//! streams were joined. A place that is lost is searched for byte by byte; a header found then must be of
//! the stream's own version and rate. ISO 11172-3 §2.4.2.3, 13818-3; the tables by the LAME tag's description.

use super::head::{Head, skip};
use super::{WrongFormat, microseconds_of};

/// A header, the side information of the largest kind (32 bytes), and the four letters of a table after it.
const HEAD: usize = 4 + 32 + 4;
/// An `ID3v2` header is that long, and its footer too.
const ID3_HEADER: usize = 10;
/// One second. Every sample rate of layer III divides it, so that mixed rates add up exactly.
const TICKS_PER_SECOND: u64 = 14_112_000;

/// Kilobits a second by index; index 0 (free) has no frame length to walk by, and 15 is not allowed.
const KBPS_MPEG1: [u32; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBPS_MPEG2: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const RATES_MPEG1: [u32; 3] = [44_100, 48_000, 32_000];

/// Where the walk is.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    head: Head<HEAD>,
    /// Bytes of a tag or of the rest of a frame that are passed over.
    skipping: u64,
    /// What the frame that is being passed over adds once it is whole.
    pending_ticks: u64,
    ticks: u64,
    /// Version, layer and rate of the first frame.
    stream: Option<[u8; 2]>,
    recognised: bool,
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    bytes: usize,
    ticks: u64,
    /// Where a Xing or Info table would stand.
    table_at: usize,
}

impl Frame {
    /// Reads four bytes; `None` where they are no header of a frame whose length is known.
    fn read(head: &Head<HEAD>) -> Option<Self> {
        let [sync, second, third, fourth] = [0, 1, 2, 3].map(|place| head.u8(place));
        let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
        if sync != 0xff || second & 0xe0 != 0xe0 || version == 1 || layer != 1 {
            return None;
        }
        let is_mpeg1 = version == 3;
        let kbps = if is_mpeg1 { KBPS_MPEG1 } else { KBPS_MPEG2 };
        let kbps = kbps.get(usize::from(third >> 4)).copied().filter(|kbps| *kbps > 0)?;
        let rate = RATES_MPEG1.get(usize::from(third >> 2 & 3))?;
        // MPEG 2 halves the rates, MPEG 2.5 quarters them.
        let rate = rate
            >> match version {
                3 => 0,
                2 => 1,
                _ => 2,
            };
        let (samples, side_stereo, side_mono) = if is_mpeg1 { (1152, 32, 17) } else { (576, 17, 9) };
        let padding = u32::from(third >> 1 & 1);
        let bytes = (samples / 8 * kbps * 1000).checked_div(rate)? + padding;
        let is_mono = fourth >> 6 == 3;
        Some(Self {
            bytes: usize::try_from(bytes).ok()?,
            ticks: u64::from(samples) * TICKS_PER_SECOND.checked_div(u64::from(rate))?,
            table_at: 4 + if is_mono { side_mono } else { side_stereo },
        })
    }
}

impl Walk {
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<(), WrongFormat> {
        while !piece.is_empty() {
            skip(&mut self.skipping, &mut piece);
            if self.skipping > 0 {
                break;
            }
            self.ticks = self.ticks.saturating_add(std::mem::take(&mut self.pending_ticks));
            self.step(&mut piece)?;
        }
        if self.skipping == 0 {
            self.ticks = self.ticks.saturating_add(std::mem::take(&mut self.pending_ticks));
        }
        Ok(())
    }

    /// Reads what stands at the beginning of a tag or frame, as far as `piece` reaches.
    fn step(&mut self, piece: &mut &[u8]) -> Result<(), WrongFormat> {
        let is_complete = self.head.fill(piece, 4);
        if !self.recognised && !self.head.may_be(b"ID3") && !self.head.may_be(&[0xff]) {
            return Err(WrongFormat);
        }
        if !is_complete {
            return Ok(());
        }
        if self.head.may_be(b"ID3") {
            self.recognised = true;
            if self.head.fill(piece, ID3_HEADER) {
                self.skipping = id3_bytes_left(&self.head);
                self.head.clear();
            }
            return Ok(());
        }
        match Frame::read(&self.head).filter(|_| self.is_of_the_stream()) {
            Some(frame) => self.enter(frame, piece),
            None if self.recognised => self.head.drop_first(),
            None => return Err(WrongFormat),
        }
        Ok(())
    }

    fn is_of_the_stream(&self) -> bool {
        self.stream.is_none_or(|stream| stream == self.signature())
    }

    /// The bits of a header that do not change within a stream: version, layer and rate.
    fn signature(&self) -> [u8; 2] {
        [self.head.u8(1) & 0xfe, self.head.u8(2) & 0x0c]
    }

    fn enter(&mut self, frame: Frame, piece: &mut &[u8]) {
        self.recognised = true;
        self.stream = Some(self.signature());
        if !self.head.fill(piece, HEAD.min(frame.bytes)) {
            return;
        }
        let named = |at: usize, names: &[&[u8]]| {
            let four = self.head.bytes().get(at..at + 4);
            four.is_some_and(|four| names.contains(&four))
        };
        // VBRI stands at one place whatever the channels are.
        let is_table = named(frame.table_at, &[b"Xing", b"Info"]) || named(4 + 32, &[b"VBRI"]);
        self.pending_ticks = if is_table { 0 } else { frame.ticks };
        let rest = frame.bytes.saturating_sub(self.head.len());
        self.skipping = u64::try_from(rest).unwrap_or(u64::MAX);
        self.head.clear();
    }

    pub(super) const fn is_recognised(&self) -> bool {
        self.recognised
    }

    pub(super) fn microseconds(&self) -> u64 {
        microseconds_of(self.ticks, TICKS_PER_SECOND)
    }
}

/// What of an `ID3v2` tag follows its header: a size of four times seven bits, and a footer where it says so.
fn id3_bytes_left(head: &Head<HEAD>) -> u64 {
    let size = (6..ID3_HEADER).fold(0_u64, |size, place| size << 7 | u64::from(head.u8(place) & 0x7f));
    let has_footer = head.u8(5) & 0x10 != 0;
    size + if has_footer { 10 } else { 0 }
}
