//! A forwarded body under way: our own bytes, and the caller's values between them.
//!
//! A long value stays where it was received and leaves as a piece of its own: copied, it would cost a request of
//! 64 KiB its place in the processor's cache twice.

use bytes::Bytes;

/// From this length on a value is not copied. Below, a copy is cheaper than one more piece to write.
const LONG: usize = 8 * 1024;

/// Collects a body.
#[derive(Debug)]
pub(super) struct Weave<'s> {
    source: &'s Bytes,
    own: Vec<u8>,
    pieces: Vec<Bytes>,
}

impl<'s> Weave<'s> {
    /// A body with values out of `source`, the first of them `room` bytes of ours after it.
    pub(super) fn of(source: &'s Bytes, room: usize) -> Self {
        Self { source, own: Vec::with_capacity(room), pieces: Vec::new() }
    }

    /// Bytes that a value takes up among ours.
    pub(super) const fn room(value: &str) -> usize {
        if value.len() < LONG { value.len() } else { 0 }
    }

    /// Our own bytes come here.
    pub(super) const fn own(&mut self) -> &mut Vec<u8> {
        &mut self.own
    }

    /// A value, as it stands in the source or otherwise.
    pub(super) fn value(&mut self, value: &str) {
        let place = if value.len() < LONG { None } else { offset_in(self.source, value.as_bytes()) };
        let Some(at) = place else { return self.own.extend_from_slice(value.as_bytes()) };
        let before = std::mem::take(&mut self.own);
        self.pieces.extend([Bytes::from(before), self.source.slice(at..at + value.len())]);
    }

    /// All of it, in order.
    pub(super) fn finish(mut self) -> Vec<Bytes> {
        self.pieces.push(Bytes::from(self.own));
        self.pieces
    }
}

/// Where `part` begins within `whole`; `None` where it is not a part of it.
pub(super) fn offset_in(whole: &[u8], part: &[u8]) -> Option<usize> {
    let offset = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    (offset.checked_add(part.len())? <= whole.len()).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_values_of_the_source_are_pieces_of_their_own() {
        let long = "x".repeat(LONG);
        let source = Bytes::from(format!("short{long}"));
        let text = std::str::from_utf8(&source).unwrap();
        let mut weave = Weave::of(&source, 16);
        weave.own().extend_from_slice(b"<");
        weave.value(&text[..5]);
        weave.value(&text[5..]);
        weave.own().extend_from_slice(b"|");
        weave.value(&long);
        let pieces = weave.finish();
        assert_eq!(pieces, [Bytes::from("<short"), source.slice(5..), Bytes::from(format!("|{long}"))]);
        assert_eq!(pieces[1].as_ptr(), source[5..].as_ptr(), "not copied");
    }

    #[test]
    fn a_borrowed_piece_is_found_in_its_source_and_another_is_not() {
        let outer = String::from("abcdef");
        assert_eq!(offset_in(outer.as_bytes(), &outer.as_bytes()[2..4]), Some(2));
        let other = String::from("cd");
        assert_eq!(offset_in(outer.as_bytes(), other.as_bytes()), None);
    }
}
