//! Properties of the account over any interleaving of what may happen to it.

use std::num::NonZeroU32;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::entry::{AccountName, Entry, EntryKind};
use super::super::fact::{Features, KeyCreated, Override, WorkspaceChanged, WorkspaceCreated};
use super::super::hold::Progress;
use super::super::ids::{KeyId, RequestId, WorkspaceId};
use super::super::key::{KeyKind, SpendReset};
use super::super::limits::{LimitPolicy, Limits, Tier};
use super::super::money::NanoUsd;
use super::super::refusal::{Feature, Refusal};
use super::super::time::{MonotonicNanos, Now, UnixMillis};
use super::super::usage::{Bucket, Usage};
use super::*;

pub(super) const WORKSPACE: WorkspaceId = WorkspaceId::from_bits(7);
pub(super) const KEY: KeyId = KeyId::from_bits(8);
const CAPPED_KEY: KeyId = KeyId::from_bits(9);

pub(super) fn at(millis: i64) -> Now {
    Now { wall: UnixMillis(millis), monotonic: MonotonicNanos(millis.unsigned_abs() * 1_000_000) }
}

pub(super) fn usd(text: &str) -> NanoUsd {
    text.parse().unwrap()
}

fn nonzero(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn limits(requests: u32, streams: u32) -> Limits {
    Limits { requests_per_minute: nonzero(requests), concurrent_streams: nonzero(streams) }
}

pub(super) fn policy() -> Arc<LimitPolicy> {
    let tier = Tier { min_balance: usd("500"), limits: limits(3000, 500) };
    Arc::new(LimitPolicy { default: limits(600, 100), tiers: vec![tier] })
}

pub(super) fn created() -> WorkspaceCreated {
    WorkspaceCreated {
        workspace: WORKSPACE,
        at: UnixMillis(0),
        name: "test".to_owned(),
        owner_email: "owner@example.com".to_owned(),
        email_verified: true,
    }
}

pub(super) fn key(id: KeyId, spend_limit: Option<NanoUsd>) -> KeyCreated {
    KeyCreated {
        workspace: WORKSPACE,
        key: id,
        at: UnixMillis(0),
        name: "key".to_owned(),
        digest: String::new(),
        last_four: "abcd".to_owned(),
        expires_at: None,
        spend_limit,
        spend_limit_reset: SpendReset::None,
        models: None,
        ip_allow: None,
        purpose: crate::domain::fact::KeyPurpose::Requests,
        kind: KeyKind::Inference,
        rotated_from: None,
        made_by: None,
    }
}

fn account() -> Account {
    let mut account = Account::opened(&created(), policy(), at(0));
    account.add_key(key(KEY, None));
    account.add_key(key(CAPPED_KEY, Some(usd("0.05"))));
    account
}

pub(super) fn account_with(balance: &str) -> Account {
    let mut account = account();
    account.credit(usd(balance), "test".into(), "first".into(), at(0)).unwrap();
    account
}

pub(super) fn admission(request: u128, money: NanoUsd) -> Admission {
    Admission {
        request: RequestId::from_bits(request),
        key: KEY,
        model: "claude-opus-4-7".into(),
        feature: Feature::Text,
        price_version: 1,
        streamed: false,
        least: money,
        wanted: money,
        expires_at: UnixMillis(60_000),
    }
}

pub(super) fn change() -> WorkspaceChanged {
    WorkspaceChanged::nothing(WORKSPACE, UnixMillis(0))
}

pub(super) fn charge(nano: i64) -> Charge {
    Charge { usage: Usage::default().with(Bucket::Output, 1), amount: NanoUsd::from_nano(nano) }
}

#[test]
fn of_a_thousand_requests_against_money_for_a_hundred_a_hundred_are_admitted() {
    let mut account = account_with("1.00");
    account.change(&WorkspaceChanged { requests_per_minute: Override::Set(nonzero(5000)), ..change() }, at(0));
    let admitted = (0..1000).filter(|n| account.admit(&admission(*n, usd("0.01")), at(1)).is_ok()).count();
    assert_eq!(admitted, 100);
    assert_eq!(account.standing(at(1)).available, NanoUsd::ZERO);
    assert_eq!(account.admit(&admission(2000, usd("0.01")), at(1)).unwrap_err(), Refusal::BalanceReserved);
}

#[test]
fn refusals_come_in_the_documented_order_and_take_nothing() {
    let mut account = account_with("0.01");
    let expensive = Admission { streamed: true, ..admission(1, usd("0.02")) };
    let affordable = Admission { streamed: true, ..admission(1, usd("0.01")) };
    account.change(
        &WorkspaceChanged {
            requests_per_minute: Override::Set(nonzero(1)),
            concurrent_streams: Override::Set(nonzero(1)),
            suspended: Some(true),
            email_verified: Some(false),
            features: Some(Features { text: false, ..Features::default() }),
            ..change()
        },
        at(0),
    );
    assert_eq!(account.admit(&expensive, at(0)).unwrap_err(), Refusal::Suspended);
    account.change(&WorkspaceChanged { suspended: Some(false), ..change() }, at(0));
    assert_eq!(account.admit(&expensive, at(0)).unwrap_err(), Refusal::EmailNotVerified);
    account.change(&WorkspaceChanged { email_verified: Some(true), ..change() }, at(0));
    assert_eq!(account.admit(&expensive, at(0)).unwrap_err(), Refusal::FeatureNotEnabled(Feature::Text));
    account.change(&WorkspaceChanged { features: Some(Features::default()), ..change() }, at(0));
    assert_eq!(account.admit(&expensive, at(0)).unwrap_err(), Refusal::InsufficientBalance { missing: usd("0.01") });
    account.admit(&affordable, at(0)).unwrap();
    let second = Admission { request: RequestId::from_bits(2), ..affordable };
    assert!(matches!(account.admit(&second, at(0)).unwrap_err(), Refusal::RateLimited { .. }));
    assert_eq!(account.admit(&second, at(60_000)).unwrap_err(), Refusal::TooManyStreams { limit: 1 });
    account.change(&WorkspaceChanged { concurrent_streams: Override::Set(nonzero(2)), ..change() }, at(60_000));
    assert_eq!(account.admit(&second, at(60_000)).unwrap_err(), Refusal::BalanceReserved);
    account.release(RequestId::from_bits(1), at(60_000)).unwrap();
    assert!(account.admit(&second, at(60_000)).is_ok(), "the refusals took neither request nor slot");
}

#[test]
fn what_is_short_of_the_worst_case_is_held_whole_but_never_less_than_the_least() {
    let mut account = account_with("0.05");
    let ask = |request, least: &str, wanted: &str| Admission {
        least: usd(least),
        wanted: usd(wanted),
        ..admission(request, NanoUsd::ZERO)
    };
    assert_eq!(account.admit(&ask(1, "0.01", "0.08"), at(0)).unwrap().held, usd("0.05"));
    account.release(RequestId::from_bits(1), at(0)).unwrap();
    account.admit(&ask(2, "0.02", "0.02"), at(0)).unwrap();
    let waits = account.admit(&ask(3, "0.01", "0.04"), at(0)).unwrap_err();
    assert_eq!(waits, Refusal::BalanceReserved, "running requests hold what it wants");
}

#[test]
fn a_charge_beyond_all_money_takes_it_and_writes_the_rest_off() {
    let mut account = account_with("0.03");
    account.admit(&admission(1, usd("0.01")), at(0)).unwrap();
    let closed = account.settle(RequestId::from_bits(1), charge(50_000_000), at(1)).unwrap();
    assert_eq!((closed.charged, closed.written_off), (usd("0.03"), usd("0.02")));
    assert_eq!(closed.entries[0].charge(), usd("0.03"), "revenue is what the customer paid");
    assert_eq!(closed.entries[1].kind, EntryKind::Writeoff);
    assert_eq!(closed.entries[1].postings.to(AccountName::Revenue), NanoUsd::ZERO);
    assert_eq!(account.standing(at(1)).balance(), NanoUsd::ZERO);
    assert_eq!(account.settle(RequestId::from_bits(1), charge(1), at(1)), Err(HoldClosed), "a hold closes once");
}

#[test]
fn a_key_spends_up_to_its_limit() {
    let mut account = account_with("10");
    let ask = |request, money: &str| Admission { key: CAPPED_KEY, ..admission(request, usd(money)) };
    account.admit(&ask(1, "0.03"), at(0)).unwrap();
    assert_eq!(account.admit(&ask(2, "0.03"), at(0)).unwrap_err(), Refusal::BalanceReserved);
    account.settle(RequestId::from_bits(1), charge(30_000_000), at(0)).unwrap();
    let refusal = account.admit(&ask(2, "0.03"), at(0)).unwrap_err();
    assert_eq!(refusal, Refusal::KeySpendLimit { missing: usd("0.01"), resets_at: None });
    assert!(account.admit(&ask(2, "0.02"), at(0)).is_ok());
}

#[test]
fn the_same_credit_twice_is_one_entry_and_refunds_take_only_what_is_available() {
    let mut account = account_with("5");
    let credit =
        |account: &mut Account, amount: &str, key: &str| account.credit(usd(amount), "r".into(), key.into(), at(1));
    assert!(matches!(credit(&mut account, "5", "first"), Ok(Credited::Replayed(entry)) if entry.seq == 1));
    assert_eq!(credit(&mut account, "6", "first"), Err(CreditError::Conflict));
    account.admit(&admission(1, usd("3")), at(1)).unwrap();
    assert_eq!(credit(&mut account, "-2.01", "back"), Err(CreditError::InsufficientBalance));
    assert!(matches!(credit(&mut account, "-2", "back"), Ok(Credited::New(entry)) if entry.kind == EntryKind::Refund));
    assert_eq!(credit(&mut account, "0", "zero"), Err(CreditError::BadAmount));
}

#[test]
fn the_tier_follows_the_balance_at_the_last_credit() {
    let mut account = account_with("500");
    assert_eq!(account.limits(), limits(3000, 500));
    assert_eq!(account.standing(at(0)).requests.remaining, 3000, "a raised limit adds the difference at once");
    account.admit(&admission(1, usd("400")), at(0)).unwrap();
    account.settle(RequestId::from_bits(1), charge(400_000_000_000), at(0)).unwrap();
    assert_eq!(account.limits(), limits(3000, 500), "spending does not take the tier away");
    account.credit(usd("1"), "r".into(), "second".into(), at(0)).unwrap();
    assert_eq!(account.limits(), limits(600, 100), "the next credit decides anew");
}

#[test]
fn after_a_crash_progress_is_charged_and_what_had_none_is_released() {
    let mut account = account_with("1");
    account.admit(&Admission { streamed: true, ..admission(1, usd("0.10")) }, at(0)).unwrap();
    account.admit(&admission(2, usd("0.10")), at(0)).unwrap();
    let progress = Progress { usage: Usage::default().with(Bucket::Output, 9), charge: usd("0.04") };
    account.progress(RequestId::from_bits(1), progress).unwrap();
    let entries = account.recover_open_holds(at(5));
    let kinds: Vec<_> = entries.iter().map(|entry| (entry.kind, entry.charge())).collect();
    assert_eq!(kinds, [(EntryKind::Recover, usd("0.04")), (EntryKind::Release, NanoUsd::ZERO)]);
    assert_eq!(account.standing(at(5)).balance(), usd("0.96"));
    assert_eq!(account.standing(at(5)).streams_remaining, 100);
}

#[test]
fn a_restart_neither_fills_nor_empties_the_bucket() {
    let mut live = account_with("100");
    let mut entries: Vec<Entry> = live.external.values().cloned().collect();
    for request in 0..600 {
        entries.push(live.admit(&admission(request, usd("0.01")), at(1_000)).unwrap().entry);
    }
    let mut replayed = Account::opened(&created(), policy(), Now::replayed(UnixMillis(0)));
    for entry in &entries {
        replayed.replay(entry).unwrap();
    }
    // On another monotonic clock, 200 ms later: two requests are there again.
    let now = Now { wall: UnixMillis(1_200), monotonic: MonotonicNanos(77) };
    replayed.resume(now);
    assert_eq!(replayed.standing(now).requests.remaining, 2);
}

/// One step of a random life.
#[derive(Clone, Debug)]
enum Step {
    Credit(i64),
    Admit { request: u8, least: i64, extra: i64, streamed: bool, capped: bool },
    Extend { request: u8, more: i64 },
    Progress { request: u8, charge: i64 },
    Settle { request: u8, charge: i64 },
    Release { request: u8 },
    Wait(u16),
    ExpireDue,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let money = 0_i64..60_000_000;
    prop_oneof![
        (-100_000_000_i64..200_000_000).prop_map(Step::Credit),
        (any::<u8>(), money.clone(), money.clone(), any::<bool>(), any::<bool>()).prop_map(
            |(request, least, extra, streamed, capped)| Step::Admit { request, least, extra, streamed, capped }
        ),
        (any::<u8>(), money.clone()).prop_map(|(request, more)| Step::Extend { request, more }),
        (any::<u8>(), money.clone()).prop_map(|(request, charge)| Step::Progress { request, charge }),
        (any::<u8>(), money).prop_map(|(request, charge)| Step::Settle { request, charge }),
        any::<u8>().prop_map(|request| Step::Release { request }),
        any::<u16>().prop_map(Step::Wait),
        Just(Step::ExpireDue),
        Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn money_is_conserved_and_available_never_falls_below_zero(steps in proptest::collection::vec(step(), 1..120)) {
        let mut account = account();
        let mut entries: Vec<Entry> = Vec::new();
        let mut millis = 0_i64;
        for (number, step) in steps.into_iter().enumerate() {
            let now = at(millis);
            let id = |request: u8| RequestId::from_bits(u128::from(request % 16));
            match step {
                Step::Credit(nano) => {
                    let key = number.to_string();
                    if let Ok(Credited::New(entry)) =
                        account.credit(NanoUsd::from_nano(nano), "p".into(), key.as_str().into(), now)
                    {
                        entries.push(entry);
                    }
                }
                Step::Admit { request, least, extra, streamed, capped } => {
                    if account.holds.contains_key(&id(request)) {
                        continue;
                    }
                    let ask = Admission {
                        request: id(request),
                        key: if capped { CAPPED_KEY } else { KEY },
                        least: NanoUsd::from_nano(least),
                        wanted: NanoUsd::from_nano(least + extra),
                        streamed,
                        expires_at: UnixMillis(millis + 30_000),
                        ..admission(0, NanoUsd::ZERO)
                    };
                    if let Ok(admitted) = account.admit(&ask, now) {
                        prop_assert!(admitted.held >= ask.least && admitted.held <= ask.wanted);
                        entries.push(admitted.entry);
                    }
                }
                Step::Extend { request, more } => {
                    entries.extend(account.extend(id(request), NanoUsd::from_nano(more), now));
                }
                Step::Progress { request, charge } => {
                    let usage = Usage::default();
                    let _ = account.progress(id(request), Progress { usage, charge: NanoUsd::from_nano(charge) });
                }
                Step::Settle { request, charge: nano } => {
                    if let Ok(closed) = account.settle(id(request), charge(nano), now) {
                        prop_assert_eq!(closed.charged.nano() + closed.written_off.nano(), nano);
                        prop_assert_eq!(account.settle(id(request), charge(nano), now), Err(HoldClosed));
                        entries.extend(closed.entries);
                    }
                }
                Step::Release { request } => {
                    if let Ok(closed) = account.release(id(request), now) {
                        entries.extend(closed.entries);
                    }
                }
                Step::Wait(more) => millis += i64::from(more),
                Step::ExpireDue => entries.extend(account.expire_due(now)),
                Step::Restart => entries.extend(account.recover_open_holds(now)),
            }
            let standing = account.standing(at(millis));
            prop_assert!(!standing.available.is_negative() && !standing.held.is_negative());
            let held: i64 = account.holds().map(|hold| hold.amount.nano()).sum();
            prop_assert_eq!(held, standing.held.nano(), "held is the sum of open holds");
            let streams = account.holds().filter(|hold| hold.streamed).count();
            prop_assert_eq!(u32::try_from(streams).unwrap(), standing.streams_limit - standing.streams_remaining);
            let capped = account.key(CAPPED_KEY).unwrap();
            prop_assert!(capped.held.nano() >= 0);
        }
        // Every account of every entry together: nothing came from nowhere.
        let total: i128 = entries.iter().flat_map(|entry| entry.postings.iter().collect::<Vec<_>>())
            .map(|line| i128::from(line.amount.nano())).sum();
        prop_assert_eq!(total, 0);
        let into = |name: AccountName| -> i64 { entries.iter().map(|entry| entry.postings.to(name).nano()).sum() };
        let standing = account.standing(at(millis));
        prop_assert_eq!(
            standing.balance().nano(),
            -into(AccountName::Bonus) - into(AccountName::PaymentsClearing) - into(AccountName::Revenue)
        );
        // And the entries alone give the same account.
        let mut replayed = Account::opened(&created(), policy(), Now::replayed(UnixMillis(0)));
        replayed.add_key(key(KEY, None));
        replayed.add_key(key(CAPPED_KEY, Some(usd("0.05"))));
        for entry in &entries {
            prop_assert_eq!(replayed.replay(entry), Ok(()));
        }
        prop_assert_eq!(replayed.available, account.available);
        prop_assert_eq!(replayed.held, account.held);
        prop_assert_eq!(replayed.seq, account.seq);
        prop_assert_eq!(&replayed.budgets, &account.budgets);
        for (id, state) in &account.keys {
            prop_assert_eq!((state.spent, state.held), (replayed.keys[id].spent, replayed.keys[id].held));
        }
    }
}
