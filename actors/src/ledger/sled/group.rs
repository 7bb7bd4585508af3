//! How records lie in sled: in groups, several frames in one value.
//!
//! The key is the big-endian position of the group's first record. The value starts with a format byte and the
//! number of parts; then come the frames. One value per commit instead of one per record is what makes appends
//! cheap, and 4 KiB keep sled's leaves (up to some twenty values) below the size at which it would move them to
//! files of their own, which nobody syncs. A single record that is longer is a group of several parts: the
//! first under the position, the others under the position and their number.

use crate::ledger::Record;
use crate::ledger::codec::{self, CodecError};

/// The longest value.
pub(super) const VALUE_MAX: usize = 4096;
const FORMAT: u8 = 1;
/// Format byte and number of parts.
const HEADER: usize = 3;
const ROOM: usize = VALUE_MAX - HEADER;
const KEY_LEN: usize = 8;

/// A key and its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Collects frames into groups.
pub(super) struct Packer {
    next: u64,
    first: u64,
    frames: Vec<u8>,
    pairs: Vec<Pair>,
}

impl Packer {
    /// Groups for records from this position on.
    pub(super) fn new(next: u64) -> Self {
        Self { next, first: next, frames: Vec::with_capacity(VALUE_MAX), pairs: Vec::new() }
    }

    /// Adds a record.
    pub(super) fn add(&mut self, record: &Record) -> Result<(), CodecError> {
        let before = self.frames.len();
        codec::encode(record, &mut self.frames)?;
        if self.frames.len() > ROOM && before > 0 {
            let frame = self.frames.split_off(before);
            self.close();
            self.frames = frame;
        }
        self.next += 1;
        if self.frames.len() > ROOM {
            self.close();
        }
        Ok(())
    }

    /// All groups.
    pub(super) fn finish(mut self) -> Vec<Pair> {
        self.close();
        self.pairs
    }

    fn close(&mut self) {
        // The store refuses a batch of more parts than this counts: 256 MiB.
        let parts = u16::try_from(self.frames.len().div_ceil(ROOM)).unwrap_or(u16::MAX);
        for (number, part) in self.frames.chunks(ROOM).enumerate() {
            let mut value = Vec::with_capacity(HEADER + part.len());
            value.push(FORMAT);
            value.extend_from_slice(&parts.to_be_bytes());
            value.extend_from_slice(part);
            self.pairs.push((key(self.first, number), value));
        }
        self.frames.clear();
        self.first = self.next;
    }
}

/// The key of a group's part.
pub(super) fn key(first: u64, part: usize) -> Vec<u8> {
    let mut key = first.to_be_bytes().to_vec();
    if part > 0 {
        key.extend_from_slice(&u16::try_from(part).unwrap_or(u16::MAX).to_be_bytes());
    }
    key
}

/// The position that a key starts with.
pub(super) fn position(key: &[u8]) -> Result<u64, CodecError> {
    let bytes = key.get(..KEY_LEN).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u64::from_be_bytes).ok_or(CodecError::Value("a key is not a position"))
}

/// Whether the key is that of a further part.
pub(super) const fn is_further_part(key: &[u8]) -> bool {
    key.len() > KEY_LEN
}

/// The frames in a value, and of how many parts it is the first.
pub(super) fn frames(value: &[u8]) -> Result<(u16, &[u8]), CodecError> {
    match value {
        [FORMAT, high, low, frames @ ..] => Ok((u16::from_be_bytes([*high, *low]), frames)),
        [version, ..] => Err(CodecError::Version(*version)),
        [] => Err(CodecError::Truncated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::samples;

    #[test]
    fn values_stay_within_their_bound_and_positions_stay_contiguous() {
        let mut packer = Packer::new(7);
        let mut records: Vec<_> =
            (1..=100).map(|n| samples::hold(samples::workspace(1), n, samples::request(n), 5)).collect();
        records.insert(50, samples::long_fact(3 * VALUE_MAX));
        for record in &records {
            packer.add(record).unwrap();
        }
        let pairs = packer.finish();
        assert!(pairs.iter().all(|(_, value)| value.len() <= VALUE_MAX));
        assert!(pairs.windows(2).all(|pair| pair[0].0 < pair[1].0), "keys ascend");
        assert_eq!(pairs.iter().filter(|(key, _)| is_further_part(key)).count(), 3, "the long fact's other parts");

        let mut read = Vec::new();
        let mut whole = Vec::new();
        for (key, value) in &pairs {
            if !is_further_part(key) {
                assert_eq!(position(key).unwrap(), 7 + read.len() as u64);
            }
            whole.extend_from_slice(frames(value).unwrap().1);
            let mut rest = whole.as_slice();
            while let Ok((record, after)) = codec::decode(rest) {
                read.push(record);
                rest = after;
            }
            whole = rest.to_vec();
        }
        assert_eq!(read, records);
    }
}
