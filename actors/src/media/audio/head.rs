//! The few bytes of a header, gathered from pieces that may be cut anywhere.

/// Up to `N` bytes of a header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Default for Head<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
}

impl<const N: usize> Head<N> {
    /// Moves bytes from the front of `input` until there are `wanted` (at most `N`); whether there are.
    pub(super) fn fill(&mut self, input: &mut &[u8], wanted: usize) -> bool {
        let missing = wanted.min(N).saturating_sub(self.length);
        let (taken, rest) = input.split_at(missing.min(input.len()));
        for (place, byte) in self.bytes.iter_mut().skip(self.length).zip(taken) {
            *place = *byte;
        }
        self.length += taken.len();
        *input = rest;
        self.length >= wanted
    }

    /// What was gathered.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// How many bytes were gathered.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Forgets everything.
    pub(super) const fn clear(&mut self) {
        self.length = 0;
    }

    /// Forgets the first byte: how a lost place is searched for.
    pub(super) fn drop_first(&mut self) {
        self.bytes.rotate_left(1);
        self.length = self.length.saturating_sub(1);
    }

    /// Whether what was gathered agrees with `magic`, as far as both go.
    pub(super) fn may_be(&self, magic: &[u8]) -> bool {
        self.bytes().iter().zip(magic).all(|(have, want)| have == want)
    }

    /// The byte at `place`; zero where it was not gathered.
    pub(super) fn u8(&self, place: usize) -> u8 {
        self.bytes().get(place).copied().unwrap_or_default()
    }

    /// A little-endian number of two bytes.
    pub(super) fn u16(&self, place: usize) -> u16 {
        u16::from_le_bytes([self.u8(place), self.u8(place + 1)])
    }

    /// A little-endian number of four bytes.
    pub(super) fn u32(&self, place: usize) -> u32 {
        u32::from(self.u16(place)) | u32::from(self.u16(place + 2)) << 16
    }

    /// A little-endian number of eight bytes.
    pub(super) fn u64(&self, place: usize) -> u64 {
        u64::from(self.u32(place)) | u64::from(self.u32(place + 4)) << 32
    }
}

/// Drops up to `count` bytes from the front of `input`, and counts them off.
pub(super) fn skip(count: &mut u64, input: &mut &[u8]) {
    let dropped = usize::try_from(*count).unwrap_or(usize::MAX).min(input.len());
    *input = input.get(dropped..).unwrap_or_default();
    *count = count.saturating_sub(u64::try_from(dropped).unwrap_or(u64::MAX));
}
