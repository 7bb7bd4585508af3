//! The bodies of entries and of progress.
//!
//! An entry: workspace, number, transaction id, kind, time, postings, then a byte of flags that says which
//! of request detail, usage and reason follow. Enumerations are stored by the numbers of their declaration,
//! which only ever grow; a number, flag or bucket that this version does not know is an error.

use super::CodecError;
use super::wire::{Reader, Writer};
use crate::domain::entry::{AccountName, Entry, EntryKind, Postings, RequestDetail, RequestStep, TxId};
use crate::domain::hold::Progress;
use crate::domain::ids::{KeyId, RequestId, WorkspaceId};
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;
use crate::domain::usage::{Bucket, Usage};

const HAS_REQUEST: u8 = 1;
const HAS_USAGE: u8 = 1 << 1;
const HAS_REASON: u8 = 1 << 2;
const STREAMED: u8 = 1 << 3;
/// The detail's request is the transaction's: the id is not stored twice.
const SAME_REQUEST: u8 = 1 << 4;
const KNOWN_FLAGS: u8 = HAS_REQUEST | HAS_USAGE | HAS_REASON | STREAMED | SAME_REQUEST;

pub(super) fn write_entry(entry: &Entry, out: &mut Writer<'_>) {
    out.u128(entry.workspace.bits());
    out.varint(entry.seq);
    write_txid(&entry.txid, out);
    out.u8(entry.kind as u8);
    out.i64(entry.at.0);
    out.u8(u8::try_from(entry.postings.iter().count()).unwrap_or(u8::MAX));
    for posting in entry.postings.iter() {
        out.u8(posting.account as u8);
        out.signed(posting.amount.nano());
    }
    let same_request = entry
        .request
        .as_ref()
        .is_some_and(|detail| matches!(entry.txid, TxId::Request(request, _) if request == detail.request));
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.u8(flag(entry.request.is_some(), HAS_REQUEST)
        | flag(entry.usage.is_some(), HAS_USAGE)
        | flag(entry.reason.is_some(), HAS_REASON)
        | flag(entry.request.as_ref().is_some_and(|detail| detail.streamed), STREAMED)
        | flag(same_request, SAME_REQUEST));
    if let Some(detail) = &entry.request {
        if !same_request {
            out.u128(detail.request.bits());
        }
        out.u128(detail.key.bits());
        out.text(&detail.model);
        out.varint(detail.price_version.into());
        out.i64(detail.expires_at.0);
    }
    if let Some(usage) = &entry.usage {
        write_usage(usage, out);
    }
    if let Some(reason) = &entry.reason {
        out.text(reason);
    }
}

pub(super) fn read_entry(input: &mut Reader<'_>) -> Result<Entry, CodecError> {
    let workspace = WorkspaceId::from_bits(input.u128()?);
    let seq = input.varint()?;
    let txid = read_txid(input)?;
    let kind = known(&EntryKind::ALL, input.u8()?, "kind of entry")?;
    let at = UnixMillis(input.i64()?);
    let mut postings = Postings::default();
    for _ in 0..input.u8()? {
        let account = known(&AccountName::ALL, input.u8()?, "account")?;
        let amount = NanoUsd::from_nano(input.signed()?);
        postings.push(account, amount).map_err(|_| CodecError::Value("an entry has more than four postings"))?;
    }
    let flags = input.u8()?;
    if flags & !KNOWN_FLAGS != 0 {
        return Err(CodecError::Unknown { what: "flag of an entry", number: flags });
    }
    let request = if flags & HAS_REQUEST == 0 { None } else { Some(read_detail(input, flags, &txid)?) };
    let usage = if flags & HAS_USAGE == 0 { None } else { Some(read_usage(input)?) };
    let reason = if flags & HAS_REASON == 0 { None } else { Some(input.text()?) };
    Ok(Entry { workspace, seq, txid, kind, at, postings, request, usage, reason })
}

fn read_detail(input: &mut Reader<'_>, flags: u8, txid: &TxId) -> Result<RequestDetail, CodecError> {
    let request = match (flags & SAME_REQUEST != 0, txid) {
        (false, _) => RequestId::from_bits(input.u128()?),
        (true, TxId::Request(request, _)) => *request,
        (true, TxId::Credit(_) | TxId::Payment(_)) => {
            return Err(CodecError::Value("the transaction has no request"));
        }
    };
    Ok(RequestDetail {
        request,
        key: KeyId::from_bits(input.u128()?),
        model: input.text()?,
        price_version: input.varint_u32()?,
        streamed: flags & STREAMED != 0,
        expires_at: UnixMillis(input.i64()?),
    })
}

fn write_txid(txid: &TxId, out: &mut Writer<'_>) {
    match txid {
        TxId::Request(request, step) => {
            match step {
                RequestStep::Hold => out.u8(0),
                RequestStep::Extend(n) => {
                    out.u8(1);
                    out.varint((*n).into());
                }
                RequestStep::Close => out.u8(2),
                RequestStep::Writeoff => out.u8(3),
            }
            out.u128(request.bits());
        }
        TxId::Credit(key) => {
            out.u8(4);
            out.text(key);
        }
        TxId::Payment(id) => {
            out.u8(5);
            out.text(id);
        }
    }
}

fn read_txid(input: &mut Reader<'_>) -> Result<TxId, CodecError> {
    let step = match input.u8()? {
        0 => RequestStep::Hold,
        1 => RequestStep::Extend(input.varint_u32()?),
        2 => RequestStep::Close,
        3 => RequestStep::Writeoff,
        4 => return input.text().map(TxId::Credit),
        5 => return input.text().map(TxId::Payment),
        number => return Err(CodecError::Unknown { what: "kind of transaction", number }),
    };
    Ok(TxId::Request(RequestId::from_bits(input.u128()?), step))
}

pub(super) fn write_progress(workspace: WorkspaceId, request: RequestId, progress: &Progress, out: &mut Writer<'_>) {
    out.u128(workspace.bits());
    out.u128(request.bits());
    write_usage(&progress.usage, out);
    out.signed(progress.charge.nano());
}

pub(super) fn read_progress(input: &mut Reader<'_>) -> Result<(WorkspaceId, RequestId, Progress), CodecError> {
    let workspace = WorkspaceId::from_bits(input.u128()?);
    let request = RequestId::from_bits(input.u128()?);
    let usage = read_usage(input)?;
    Ok((workspace, request, Progress { usage, charge: NanoUsd::from_nano(input.signed()?) }))
}

/// Buckets that every usage writes: those of the first version, so that its records encode as they did.
const BUCKETS_ALWAYS: usize = Bucket::TOKENS.len();

/// The number of buckets comes first, so that buckets added later read as zero in older records. Trailing
/// ones that hold nothing are left out: a text entry does not grow with the kinds of media.
fn write_usage(usage: &Usage, out: &mut Writer<'_>) {
    let used = Bucket::ALL.iter().rposition(|bucket| usage.get(*bucket) > 0).map_or(0, |last| last + 1);
    let count = used.max(BUCKETS_ALWAYS);
    out.u8(u8::try_from(count).unwrap_or(u8::MAX));
    for bucket in Bucket::ALL.into_iter().take(count) {
        out.varint(usage.get(bucket));
    }
    out.varint(usage.reasoning);
    out.u8(u8::from(usage.estimated));
}

fn read_usage(input: &mut Reader<'_>) -> Result<Usage, CodecError> {
    let mut usage = Usage::default();
    for number in 0..input.u8()? {
        usage.set(known(&Bucket::ALL, number, "usage bucket")?, input.varint()?);
    }
    usage.reasoning = input.varint()?;
    usage.estimated = input.bool()?;
    Ok(usage)
}

fn known<T: Copy>(all: &[T], number: u8, what: &'static str) -> Result<T, CodecError> {
    all.get(usize::from(number)).copied().ok_or(CodecError::Unknown { what, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`known`] and the writer agree only while the numbers are the places in the lists.
    #[test]
    fn numbers_of_storage_are_places_in_the_lists() {
        assert!(EntryKind::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
        assert!(AccountName::ALL.iter().enumerate().all(|(place, account)| *account as usize == place));
        assert!(Bucket::ALL.iter().enumerate().all(|(place, bucket)| *bucket as usize == place));
    }

    #[test]
    fn a_usage_with_fewer_buckets_reads_the_rest_as_zero_and_more_are_refused() {
        let mut older = Reader(&[1, 7, 0, 0]);
        assert_eq!(read_usage(&mut older).unwrap(), Usage::default().with(Bucket::Input, 7));
        let mut bytes = [0; Bucket::COUNT + 4];
        bytes[0] = u8::try_from(Bucket::COUNT + 1).unwrap();
        let unknown = u8::try_from(Bucket::COUNT).unwrap();
        assert!(
            matches!(read_usage(&mut Reader(&bytes)), Err(CodecError::Unknown { number, .. }) if number == unknown)
        );
    }

    #[test]
    fn a_text_usage_is_stored_as_before_there_were_media() {
        let mut bytes = Vec::new();
        write_usage(&Usage::default().with(Bucket::Output, 3), &mut Writer(&mut bytes));
        assert_eq!(bytes, [6, 0, 3, 0, 0, 0, 0, 0, 0]);
        bytes.clear();
        let images = Usage::default().with(Bucket::Image1K5, 2);
        write_usage(&images, &mut Writer(&mut bytes));
        assert_eq!(bytes, [8, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0]);
        assert_eq!(read_usage(&mut Reader(&bytes)), Ok(images));
    }
}
