//! Opus in Ogg: the last page's granule less the samples that are skipped at the start (RFC 7845 §4).
//!
//! A page counts once it is whole; a granule of −1 ends no packet and says nothing. Where streams are
//! joined, a new head begins and what came before is kept.

use super::head::{Head, skip};
use super::{WrongFormat, microseconds_of};

/// Up to the number of segments.
const PAGE: usize = 27;
/// `OpusHead`, version, channels, pre-skip: what is read of the first packet.
const OPUS_HEAD: usize = 12;
/// Granules count samples of this rate, whatever the input's was.
const RATE: u64 = 48_000;

/// Where the walk is.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    head: Head<PAGE>,
    place: Place,
    /// Bytes of the page's body to come.
    body: u64,
    page: Page,
    recognised: bool,
    pre_skip: u64,
    granule: u64,
    /// Samples of streams that ended before this one.
    before: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Page,
    Segments {
        left: u8,
    },
    OpusHead,
    Body,
}

/// What counts of a page once it is whole.
#[derive(Clone, Copy, Debug, Default)]
struct Page {
    granule: u64,
    /// It begins a stream.
    is_first: bool,
}

impl Walk {
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<(), WrongFormat> {
        while !piece.is_empty() {
            self.step(&mut piece)?;
        }
        Ok(())
    }

    fn step(&mut self, piece: &mut &[u8]) -> Result<(), WrongFormat> {
        match self.place {
            Place::Page => self.read_page(piece),
            Place::Segments { left } => {
                let (taken, rest) = piece.split_at(usize::from(left).min(piece.len()));
                self.body += taken.iter().map(|lacing| u64::from(*lacing)).sum::<u64>();
                *piece = rest;
                let left = left.saturating_sub(u8::try_from(taken.len()).unwrap_or(left));
                self.place = Place::Segments { left };
                if left == 0 {
                    self.enter_body()?;
                }
                Ok(())
            }
            Place::OpusHead => {
                if !self.head.fill(piece, OPUS_HEAD) {
                    return if self.head.may_be(b"OpusHead") { Ok(()) } else { Err(WrongFormat) };
                }
                if !self.head.may_be(b"OpusHead") {
                    return Err(WrongFormat);
                }
                self.recognised = true;
                self.before = self.samples();
                self.granule = 0;
                self.pre_skip = self.head.u16(10).into();
                self.body = self.body.saturating_sub(OPUS_HEAD as u64);
                self.go(Place::Body);
                self.end_if_whole();
                Ok(())
            }
            Place::Body => {
                skip(&mut self.body, piece);
                self.end_if_whole();
                Ok(())
            }
        }
    }

    fn read_page(&mut self, piece: &mut &[u8]) -> Result<(), WrongFormat> {
        let is_complete = self.head.fill(piece, PAGE);
        if !self.head.may_be(b"OggS\0") {
            if !self.recognised {
                return Err(WrongFormat);
            }
            // Lost: the next page is searched for.
            self.head.drop_first();
            return Ok(());
        }
        if is_complete {
            self.page = Page { granule: self.head.u64(6), is_first: self.head.u8(5) & 2 != 0 };
            self.body = 0;
            let left = self.head.u8(26);
            self.go(Place::Segments { left });
            if left == 0 {
                self.enter_body()?;
            }
        }
        Ok(())
    }

    fn enter_body(&mut self) -> Result<(), WrongFormat> {
        if self.page.is_first || !self.recognised {
            if self.body < OPUS_HEAD as u64 {
                return Err(WrongFormat);
            }
            self.go(Place::OpusHead);
            return Ok(());
        }
        self.go(Place::Body);
        self.end_if_whole();
        Ok(())
    }

    fn end_if_whole(&mut self) {
        if self.body > 0 {
            return;
        }
        // −1, and whatever else is below zero.
        if self.page.granule.cast_signed() >= 0 {
            self.granule = self.granule.max(self.page.granule);
        }
        self.go(Place::Page);
    }

    const fn go(&mut self, place: Place) {
        self.place = place;
        self.head.clear();
    }

    const fn samples(&self) -> u64 {
        self.before.saturating_add(self.granule.saturating_sub(self.pre_skip))
    }

    pub(super) const fn is_recognised(&self) -> bool {
        self.recognised
    }

    pub(super) fn microseconds(&self) -> u64 {
        microseconds_of(self.samples(), RATE)
    }
}
