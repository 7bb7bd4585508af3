//! Entries and records for the tests of ledger, journal and reports, one of each kind and random ones.

use std::sync::Arc;

use proptest::prelude::*;

use super::Record;
use crate::domain::entry::{AccountName, Entry, EntryKind, Postings, RequestDetail, RequestStep, TxId};
use crate::domain::fact::{AuditRow, Fact, KeyRevoked};
use crate::domain::hold::Progress;
use crate::domain::ids::{KeyId, RequestId, WorkspaceId};
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;
use crate::domain::usage::{Bucket, Usage};

/// 22 November 2026, 12:00 UTC.
pub(crate) const NOON: UnixMillis = UnixMillis(1_795_348_800_000);

pub(crate) fn workspace(n: u64) -> WorkspaceId {
    WorkspaceId::from_bits(u128::from(n) << 64 | u128::from(n))
}

pub(crate) fn request(n: u64) -> RequestId {
    RequestId::from_bits(u128::from(n) << 16 | 7)
}

pub(crate) fn key(n: u64) -> KeyId {
    KeyId::from_bits(n.into())
}

fn entry(workspace: WorkspaceId, seq: u64, txid: TxId, kind: EntryKind, lines: &[(AccountName, i64)]) -> Entry {
    let mut postings = Postings::default();
    for (account, nano) in lines {
        postings.push(*account, NanoUsd::from_nano(*nano)).unwrap();
    }
    let request = match txid {
        TxId::Request(request, _) => Some(RequestDetail {
            request,
            key: key(1),
            model: Arc::from("claude-haiku-4-5"),
            price_version: 1,
            streamed: false,
            expires_at: NOON.plus_millis(600_000),
        }),
        TxId::Credit(_) | TxId::Payment(_) => None,
    };
    Entry { workspace, seq, txid, kind, at: NOON, postings, request, usage: None, reason: None }
}

pub(crate) fn credit_entry(workspace: WorkspaceId, seq: u64, idempotency_key: &str, nano: i64) -> Entry {
    let lines = [(AccountName::Bonus, -nano), (AccountName::Available, nano)];
    let txid = TxId::Credit(Arc::from(idempotency_key));
    let reason = Some(Arc::from("a test"));
    Entry { reason, ..entry(workspace, seq, txid, EntryKind::Credit, &lines) }
}

pub(crate) fn credit(workspace: WorkspaceId, seq: u64, idempotency_key: &str, nano: i64) -> Record {
    Record::Entry(credit_entry(workspace, seq, idempotency_key, nano))
}

pub(crate) fn topup(workspace: WorkspaceId, seq: u64, payment: &str, nano: i64) -> Record {
    let lines = [(AccountName::PaymentsClearing, -nano), (AccountName::Available, nano)];
    Record::Entry(entry(workspace, seq, TxId::Payment(Arc::from(payment)), EntryKind::Topup, &lines))
}

pub(crate) fn hold(workspace: WorkspaceId, seq: u64, request: RequestId, nano: i64) -> Record {
    let lines = [(AccountName::Available, -nano), (AccountName::Held, nano)];
    Record::Entry(entry(workspace, seq, TxId::Request(request, RequestStep::Hold), EntryKind::Hold, &lines))
}

pub(crate) fn extend(workspace: WorkspaceId, seq: u64, request: RequestId, n: u32, nano: i64) -> Record {
    let lines = [(AccountName::Available, -nano), (AccountName::Held, nano)];
    Record::Entry(entry(workspace, seq, TxId::Request(request, RequestStep::Extend(n)), EntryKind::Extend, &lines))
}

pub(crate) fn release(workspace: WorkspaceId, seq: u64, request: RequestId, nano: i64) -> Record {
    let lines = [(AccountName::Held, -nano), (AccountName::Available, nano)];
    Record::Entry(entry(workspace, seq, TxId::Request(request, RequestStep::Close), EntryKind::Release, &lines))
}

/// Closes a hold of `held` with a charge of `charged`, which may exceed it.
pub(crate) fn settle(workspace: WorkspaceId, seq: u64, request: RequestId, held: i64, charged: i64) -> Record {
    let lines = [(AccountName::Held, -held), (AccountName::Available, held - charged), (AccountName::Revenue, charged)];
    let entry = entry(workspace, seq, TxId::Request(request, RequestStep::Close), EntryKind::Settle, &lines);
    let usage = Usage::default().with(Bucket::Input, 12).with(Bucket::Output, 300);
    Record::Entry(Entry { usage: Some(usage), ..entry })
}

/// A closed hold of a request for images or speech.
pub(crate) fn settle_media(workspace: WorkspaceId, seq: u64, request: RequestId, model: &str, usage: Usage) -> Record {
    let lines = [(AccountName::Held, -9), (AccountName::Available, 2), (AccountName::Revenue, 7)];
    let entry = entry(workspace, seq, TxId::Request(request, RequestStep::Close), EntryKind::Settle, &lines);
    let detail = entry.request.map(|detail| RequestDetail { model: Arc::from(model), ..detail });
    Record::Entry(Entry { usage: Some(usage), request: detail, ..entry })
}

pub(crate) fn writeoff(workspace: WorkspaceId, seq: u64, request: RequestId, nano: i64) -> Record {
    let lines = [(AccountName::Writeoff, -nano), (AccountName::ProviderCost, nano)];
    Record::Entry(entry(workspace, seq, TxId::Request(request, RequestStep::Writeoff), EntryKind::Writeoff, &lines))
}

pub(crate) fn progress(workspace: WorkspaceId, request: RequestId, nano: i64) -> Record {
    let usage = Usage::default().with(Bucket::Output, 256);
    Record::Progress { workspace, request, progress: Progress { usage, charge: NanoUsd::from_nano(nano) } }
}

pub(crate) fn fact(n: u64) -> Record {
    Record::Fact(Fact::KeyRevoked(KeyRevoked { workspace: workspace(1), key: key(n), at: NOON }))
}

/// A fact whose frame is longer than `length` bytes.
pub(crate) fn long_fact(length: usize) -> Record {
    let row = AuditRow {
        at: NOON,
        actor: "admin".to_owned(),
        action: "price.publish".to_owned(),
        target: "x".repeat(length),
        reason: None,
        before: None,
        after: None,
    };
    Record::Fact(Fact::Audited(row))
}

pub(crate) fn one_of_each() -> Vec<Record> {
    let (workspace, image, speech) = (workspace(1), request(2), request(3));
    let request = request(1);
    let images = Usage::default().with(Bucket::Image2K, 3).with(Bucket::Image4K, 1);
    let spoken = Usage::default().with(Bucket::AudioMicroseconds, 61_250_000).with(Bucket::Characters, 940);
    vec![
        credit(workspace, 1, "first", 9_000_000),
        topup(workspace, 2, "pi_1", 5),
        hold(workspace, 3, request, 1_000),
        extend(workspace, 4, request, 1, 500),
        progress(workspace, request, 700),
        settle(workspace, 5, request, 1_500, 1_200),
        writeoff(workspace, 6, request, 3),
        settle_media(workspace, 7, image, "nano-banana-pro", images),
        settle_media(workspace, 8, speech, "elevenlabs-v3", spoken),
        fact(1),
    ]
}

pub(crate) fn any_usage() -> impl Strategy<Value = Usage> {
    (any::<[u32; Bucket::COUNT]>(), any::<u64>(), any::<bool>()).prop_map(|(quantities, reasoning, estimated)| {
        let mut usage = Usage::default();
        usage.reasoning = reasoning;
        usage.estimated = estimated;
        for (bucket, quantity) in Bucket::ALL.into_iter().zip(quantities) {
            usage.set(bucket, quantity.into());
        }
        usage
    })
}

fn any_txid() -> impl Strategy<Value = TxId> {
    let step = prop_oneof![
        Just(RequestStep::Hold),
        any::<u32>().prop_map(RequestStep::Extend),
        Just(RequestStep::Close),
        Just(RequestStep::Writeoff),
    ];
    prop_oneof![
        (any::<u128>(), step).prop_map(|(bits, step)| TxId::Request(RequestId::from_bits(bits), step)),
        ".{0,40}".prop_map(|key| TxId::Credit(Arc::from(key))),
        ".{0,40}".prop_map(|id| TxId::Payment(Arc::from(id))),
    ]
}

fn any_postings() -> impl Strategy<Value = Postings> {
    proptest::collection::vec((0..AccountName::ALL.len(), any::<i64>()), 0..=4).prop_map(|lines| {
        let mut postings = Postings::default();
        for (account, nano) in lines {
            postings.push(AccountName::ALL[account], NanoUsd::from_nano(nano)).unwrap();
        }
        postings
    })
}

fn any_detail() -> impl Strategy<Value = RequestDetail> {
    (any::<u128>(), any::<u128>(), ".{0,40}", any::<u32>(), any::<bool>(), any::<i64>()).prop_map(
        |(request, key, model, price_version, streamed, expires_at)| RequestDetail {
            request: RequestId::from_bits(request),
            key: KeyId::from_bits(key),
            model: Arc::from(model),
            price_version,
            streamed,
            expires_at: UnixMillis(expires_at),
        },
    )
}

/// Any entry that can be written down, whether or not it makes sense.
pub(crate) fn any_entry() -> impl Strategy<Value = Entry> {
    let head = (any::<u128>(), any::<u64>(), any_txid(), 0..EntryKind::ALL.len(), any::<i64>(), any_postings());
    let tail = (proptest::option::of(any_detail()), proptest::option::of(any_usage()), any::<bool>());
    (head, tail, proptest::option::of(".{0,80}")).prop_map(|(head, (request, usage, same), reason)| {
        let (workspace, seq, txid, kind, at, postings) = head;
        let request = request.map(|detail| match &txid {
            TxId::Request(request, _) if same => RequestDetail { request: *request, ..detail },
            _ => detail,
        });
        Entry {
            workspace: WorkspaceId::from_bits(workspace),
            seq,
            txid,
            kind: EntryKind::ALL[kind],
            at: UnixMillis(at),
            postings,
            request,
            usage,
            reason: reason.map(Arc::from),
        }
    })
}

pub(crate) fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![
        4 => any_entry().prop_map(Record::Entry),
        1 => (any::<u128>(), any::<u128>(), any_usage(), any::<i64>()).prop_map(|(workspace, request, usage, nano)| {
            Record::Progress {
                workspace: WorkspaceId::from_bits(workspace),
                request: RequestId::from_bits(request),
                progress: Progress { usage, charge: NanoUsd::from_nano(nano) },
            }
        }),
        1 => any::<u64>().prop_map(fact),
    ]
}
