//! Records as bytes: a frame that proves itself, around a compact versioned body.
//!
//! ```text
//! length u32   bytes after the checksum
//! check  u32   CRC-32 of the length and of those bytes
//! version u8   1
//! kind    u8   1 entry, 2 progress, 3 fact
//! body
//! ```
//! Integers are big-endian, ids 16 bytes, quantities and amounts variable-length (`wire.rs`); facts are JSON,
//! since they are rare and grow fields. A version or kind that is not known is an error, never skipped.
//!
//! Reserved: a frame is self-delimiting, so that the same bytes can be appended to a mirror file. Version 2 is
//! for frames that carry, between kind and body, the 16 bytes of a BLAKE3 chain over the frames before; a
//! signed receipt then names a frame's chain value. Readers of version 1 refuse such frames by their number.

mod entry;
mod wire;

use super::Record;
use wire::{Reader, Writer};

/// The version that is written.
pub const VERSION: u8 = 1;
/// Length and checksum.
const HEADER: usize = 8;
/// A longer frame is not a frame: the longest legitimate record is a price book of thousands of models.
const LENGTH_MAX: usize = 64 << 20;

const KIND_ENTRY: u8 = 1;
const KIND_PROGRESS: u8 = 2;
const KIND_FACT: u8 = 3;

/// Bytes are not a record, or a record does not fit into bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The record ends before it is complete.
    #[error("the record is cut off")]
    Truncated,
    /// The bytes are not those that were written.
    #[error("the record's checksum is wrong")]
    Checksum,
    /// A newer version wrote it.
    #[error("record version {0} is not known here")]
    Version(u8),
    /// A number of a list that this version does not have.
    #[error("{what} {number} is not known here")]
    Unknown {
        /// Which list.
        what: &'static str,
        /// The number.
        number: u8,
    },
    /// A value that no writer writes.
    #[error("the record is malformed: {0}")]
    Value(&'static str),
    /// The JSON of a fact.
    #[error("the record's fact is malformed: {0}")]
    Fact(String),
    /// Longer than any record may be.
    #[error("the record is too long")]
    TooLong,
}

/// Appends the record's frame to `out`.
///
/// # Errors
/// [`CodecError::TooLong`] and [`CodecError::Fact`]; `out` is as it was then.
pub fn encode(record: &Record, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    let written = write_body(record, out).and_then(|()| seal(out, start));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn write_body(record: &Record, out: &mut Vec<u8>) -> Result<(), CodecError> {
    out.push(VERSION);
    match record {
        Record::Entry(entry) => {
            out.push(KIND_ENTRY);
            entry::write_entry(entry, &mut Writer(out));
        }
        Record::Progress { workspace, request, progress } => {
            out.push(KIND_PROGRESS);
            entry::write_progress(*workspace, *request, progress, &mut Writer(out));
        }
        Record::Fact(fact) => {
            out.push(KIND_FACT);
            serde_json::to_writer(out, fact).map_err(|error| CodecError::Fact(error.to_string()))?;
        }
    }
    Ok(())
}

/// Fills in the header of the frame that starts at `start`.
fn seal(out: &mut [u8], start: usize) -> Result<(), CodecError> {
    let (header, payload) =
        out.get_mut(start..).and_then(|frame| frame.split_at_mut_checked(HEADER)).ok_or(CodecError::Truncated)?;
    if payload.len() > LENGTH_MAX {
        return Err(CodecError::TooLong);
    }
    let length = u32::try_from(payload.len()).map_err(|_| CodecError::TooLong)?.to_be_bytes();
    let check = checksum(length, payload).to_be_bytes();
    for (place, byte) in header.iter_mut().zip(length.into_iter().chain(check)) {
        *place = byte;
    }
    Ok(())
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// The frame at the front of `bytes`, not yet checked, and what follows it.
///
/// # Errors
/// [`CodecError::Truncated`], [`CodecError::TooLong`].
pub fn split_frame(bytes: &[u8]) -> Result<(&[u8], &[u8]), CodecError> {
    let length = usize::try_from(Reader(bytes).u32()?).map_err(|_| CodecError::TooLong)?;
    if length > LENGTH_MAX {
        return Err(CodecError::TooLong);
    }
    bytes.split_at_checked(HEADER + length).ok_or(CodecError::Truncated)
}

/// Reads the record at the front of `bytes`; also answers what follows it.
///
/// # Errors
/// [`CodecError`]: nothing that was not written is ever read as a record.
pub fn decode(bytes: &[u8]) -> Result<(Record, &[u8]), CodecError> {
    let (frame, rest) = split_frame(bytes)?;
    let mut reader = Reader(frame);
    let length = reader.u32()?.to_be_bytes();
    let check = reader.u32()?;
    if checksum(length, reader.0) != check {
        return Err(CodecError::Checksum);
    }
    match reader.u8()? {
        VERSION => {}
        other => return Err(CodecError::Version(other)),
    }
    let record = match reader.u8()? {
        KIND_ENTRY => Record::Entry(entry::read_entry(&mut reader)?),
        KIND_PROGRESS => {
            let (workspace, request, progress) = entry::read_progress(&mut reader)?;
            Record::Progress { workspace, request, progress }
        }
        KIND_FACT => {
            let json = reader.bytes(reader.0.len())?;
            Record::Fact(serde_json::from_slice(json).map_err(|error| CodecError::Fact(error.to_string()))?)
        }
        number => return Err(CodecError::Unknown { what: "kind of record", number }),
    };
    reader.end()?;
    Ok((record, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::samples;
    use proptest::prelude::*;

    fn frame(record: &Record) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(record, &mut bytes).unwrap();
        bytes
    }

    /// The same bytes with another payload byte and a checksum that fits it.
    fn resealed(mut bytes: Vec<u8>, place: usize, byte: u8) -> Vec<u8> {
        bytes[place] = byte;
        seal(&mut bytes, 0).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in proptest::collection::vec(samples::any_record(), 1..8)) {
            let mut bytes = Vec::new();
            for record in &records {
                encode(record, &mut bytes).unwrap();
            }
            let mut rest = bytes.as_slice();
            for record in &records {
                let (read, after) = decode(rest).unwrap();
                prop_assert_eq!(&read, record);
                rest = after;
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        /// Past the checksum too: a body that was damaged before it was sealed does not panic the reader.
        #[test]
        fn any_sealed_bytes_are_a_record_or_an_error(
            record in samples::any_record(), place: proptest::sample::Index, byte: u8,
        ) {
            let bytes = frame(&record);
            let place = HEADER + place.index(bytes.len() - HEADER);
            let _ = decode(&resealed(bytes, place, byte));
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for record in samples::one_of_each() {
            let good = frame(&record);
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                // More records follow, as they do in the store: a grown length reaches into them.
                bad.extend_from_slice(&good);
                bad.extend_from_slice(&good);
                assert!(decode(&bad).is_err(), "bit {bit} of {record:?}");
            }
        }
    }

    #[test]
    fn a_cut_is_noticed_wherever_it_is() {
        for record in samples::one_of_each() {
            let good = frame(&record);
            for length in 0..good.len() {
                assert!(decode(&good[..length]).is_err(), "{length} bytes of {record:?}");
            }
        }
    }

    #[test]
    fn a_newer_version_and_an_unknown_kind_are_errors() {
        let good = frame(&samples::hold(samples::workspace(1), 1, samples::request(1), 5));
        assert_eq!(decode(&resealed(good.clone(), HEADER, 2)), Err(CodecError::Version(2)));
        let unknown = CodecError::Unknown { what: "kind of record", number: 9 };
        assert_eq!(decode(&resealed(good, HEADER + 1, 9)), Err(unknown));
    }

    #[test]
    fn a_hold_is_small() {
        let length = frame(&samples::hold(samples::workspace(1), 1, samples::request(1), 70_000)).len();
        assert!(length <= 128, "{length} bytes: thirty and more of them share a 4 KiB value");
    }
}
