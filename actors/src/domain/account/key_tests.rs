//! Spend caps with periods, rotation and kinds, at times that are passed in.

use proptest::prelude::*;

use super::super::entry::Entry;
use super::super::fact::{Fact, KeyCreated, KeyRevoked, WorkspaceChanged};
use super::super::ids::{KeyId, RequestId};
use super::super::key::{KeyKind, SpendReset};
use super::super::money::NanoUsd;
use super::super::refusal::{Feature, Refusal};
use super::super::time::{Now, UnixMillis};
use super::tests::{KEY, WORKSPACE, account_with, admission, at, change, charge, created, key, policy, usd};
use super::*;

const DAY: i64 = 86_400_000;
const DAILY: KeyId = KeyId::from_bits(20);
const NEXT: KeyId = KeyId::from_bits(21);
const MANAGER: KeyId = KeyId::from_bits(30);
const CHILD: KeyId = KeyId::from_bits(31);
const READER: KeyId = KeyId::from_bits(32);

fn capped(id: KeyId, limit: &str, reset: SpendReset) -> KeyCreated {
    KeyCreated { spend_limit_reset: reset, ..key(id, Some(usd(limit))) }
}

fn ask(key: KeyId, request: u128, money: &str) -> Admission {
    Admission { key, expires_at: UnixMillis(i64::MAX), ..admission(request, usd(money)) }
}

fn rotation(key: KeyId, new: KeyId, millis: i64, overlap_millis: i64) -> Rotation {
    let (digest, last_four) = ("00".to_owned(), "wxyz".to_owned());
    Rotation { key, at: UnixMillis(millis), overlap_millis, new, digest, last_four }
}

fn spend(account: &mut Account, key: KeyId, request: u128, money: &str, millis: i64) -> Result<(), Refusal> {
    account.admit(&ask(key, request, money), at(millis))?;
    account.settle(RequestId::from_bits(request), charge(usd(money).nano()), at(millis)).unwrap();
    Ok(())
}

#[test]
fn a_daily_cap_holds_to_the_last_millisecond_of_the_day_and_is_whole_again_with_the_next() {
    let mut account = account_with("10");
    account.add_key(capped(DAILY, "0.05", SpendReset::Daily));
    spend(&mut account, DAILY, 1, "0.04", 5).unwrap();
    let refused = spend(&mut account, DAILY, 2, "0.02", DAY - 1).unwrap_err();
    assert_eq!(refused, Refusal::KeySpendLimit { missing: usd("0.01"), resets_at: Some(UnixMillis(DAY)) });
    spend(&mut account, DAILY, 2, "0.05", DAY).unwrap();
    let refused = spend(&mut account, DAILY, 3, "0.01", DAY + 1).unwrap_err();
    assert_eq!(refused, Refusal::KeySpendLimit { missing: usd("0.01"), resets_at: Some(UnixMillis(2 * DAY)) });
    let shown = account.key_views(UnixMillis(DAY + 1)).into_iter().find(|key| key.created.key == DAILY).unwrap();
    assert_eq!((shown.spent, shown.spent_in_period), (usd("0.09"), usd("0.05")));
    assert_eq!(shown.resets_at, Some(UnixMillis(2 * DAY)));
    let shown = account.key_views(UnixMillis(9 * DAY)).into_iter().find(|key| key.created.key == DAILY).unwrap();
    assert_eq!(shown.spent_in_period, NanoUsd::ZERO, "a period without a charge has none");
}

#[test]
fn weeks_begin_on_monday_and_months_on_their_first() {
    // The epoch was a Thursday, so its week ended on day 4; January has 31 days.
    for (reset, last, limit) in [(SpendReset::Weekly, 4 * DAY, "0.01"), (SpendReset::Monthly, 31 * DAY, "0.01")] {
        let mut account = account_with("10");
        account.add_key(capped(DAILY, limit, reset));
        spend(&mut account, DAILY, 1, limit, 0).unwrap();
        let refused = spend(&mut account, DAILY, 2, limit, last - 1).unwrap_err();
        assert_eq!(refused, Refusal::KeySpendLimit { missing: usd(limit), resets_at: Some(UnixMillis(last)) });
        spend(&mut account, DAILY, 2, limit, last).unwrap();
    }
}

#[test]
fn a_hold_that_spans_the_boundary_counts_in_both_periods_and_its_charge_in_the_later_one() {
    let mut account = account_with("10");
    account.add_key(capped(DAILY, "0.05", SpendReset::Daily));
    account.admit(&ask(DAILY, 1, "0.04"), at(DAY - 1)).unwrap();
    assert_eq!(account.admit(&ask(DAILY, 2, "0.02"), at(DAY)).unwrap_err(), Refusal::BalanceReserved);
    account.settle(RequestId::from_bits(1), charge(40_000_000), at(DAY)).unwrap();
    assert!(matches!(spend(&mut account, DAILY, 2, "0.02", DAY), Err(Refusal::KeySpendLimit { .. })));
    spend(&mut account, DAILY, 2, "0.01", DAY).unwrap();
    // What is released gives its part of the new day back.
    account.admit(&ask(DAILY, 3, "0.05"), at(2 * DAY)).unwrap();
    account.release(RequestId::from_bits(3), at(3 * DAY)).unwrap();
    spend(&mut account, DAILY, 4, "0.05", 3 * DAY).unwrap();
}

#[test]
fn a_clock_that_steps_back_over_the_boundary_gives_no_second_cap() {
    let mut account = account_with("10");
    account.add_key(capped(DAILY, "0.05", SpendReset::Daily));
    spend(&mut account, DAILY, 1, "0.05", DAY).unwrap();
    assert!(matches!(spend(&mut account, DAILY, 2, "0.01", DAY - 1), Err(Refusal::KeySpendLimit { .. })));
    spend(&mut account, DAILY, 3, "0.01", 2 * DAY).unwrap();
}

#[test]
fn a_rotated_key_shares_the_cap_of_the_one_whose_place_it_takes() {
    let mut account = account_with("10");
    account.add_key(capped(DAILY, "0.05", SpendReset::Daily));
    spend(&mut account, DAILY, 1, "0.03", 0).unwrap();
    account.rotate_key(&rotation(DAILY, NEXT, 10, 3_600_000)).unwrap();
    let refused = spend(&mut account, NEXT, 2, "0.03", 20).unwrap_err();
    assert_eq!(refused, Refusal::KeySpendLimit { missing: usd("0.01"), resets_at: Some(UnixMillis(DAY)) });
    account.admit(&ask(NEXT, 2, "0.02"), at(20)).unwrap();
    assert_eq!(account.admit(&ask(DAILY, 3, "0.01"), at(20)).unwrap_err(), Refusal::BalanceReserved);
    let (old, new) = (account.key(DAILY).unwrap(), account.key(NEXT).unwrap());
    assert_eq!((old.rotated_to, new.created.rotated_from), (Some(NEXT), Some(DAILY)));
    assert_eq!(old.expires_at, Some(UnixMillis(3_600_010)));
    assert_eq!(new.created.spend_limit, Some(usd("0.05")));
    assert_eq!((old.spent, new.spent), (usd("0.03"), NanoUsd::ZERO), "each shows its own");
}

#[test]
fn a_key_is_rotated_once_and_only_while_it_is_good() {
    let mut account = account_with("1");
    account.add_key(KeyCreated { expires_at: Some(UnixMillis(1_000)), ..key(DAILY, None) });
    assert_eq!(account.rotate_key(&rotation(KeyId::from_bits(99), NEXT, 0, 0)), Err(RotateRefused::Missing));
    assert_eq!(account.rotate_key(&rotation(DAILY, NEXT, 1_000, 0)), Err(RotateRefused::Over));
    account.rotate_key(&rotation(DAILY, NEXT, 0, DAY)).unwrap();
    assert_eq!(account.key(DAILY).unwrap().expires_at, Some(UnixMillis(1_000)), "a window makes no key live longer");
    let again = rotation(DAILY, KeyId::from_bits(22), 1, 0);
    assert_eq!(account.rotate_key(&again), Err(RotateRefused::Rotated(NEXT)));
    account.rotate_key(&rotation(NEXT, KeyId::from_bits(22), 5, 0)).unwrap();
    assert_eq!(account.key(NEXT).unwrap().revoked_at, Some(UnixMillis(5)), "no window revokes at once");
    account.revoke_key(&KeyRevoked { workspace: WORKSPACE, key: KeyId::from_bits(22), at: UnixMillis(6) });
    assert_eq!(
        account.rotate_key(&rotation(KeyId::from_bits(22), KeyId::from_bits(23), 7, 0)),
        Err(RotateRefused::Over)
    );
}

#[test]
fn what_a_management_key_made_spends_within_that_keys_cap_too() {
    let mut account = account_with("10");
    account.add_key(KeyCreated { kind: KeyKind::Management, ..capped(MANAGER, "0.05", SpendReset::None) });
    account.add_key(KeyCreated { made_by: Some(MANAGER), ..key(CHILD, None) });
    account.add_key(KeyCreated { made_by: Some(MANAGER), ..capped(DAILY, "0.04", SpendReset::Daily) });
    spend(&mut account, CHILD, 1, "0.03", 0).unwrap();
    let refused = spend(&mut account, DAILY, 2, "0.03", 0).unwrap_err();
    assert_eq!(refused, Refusal::KeySpendLimit { missing: usd("0.01"), resets_at: None });
    // Neither a new secret of the child nor one of the manager makes room.
    account.rotate_key(&rotation(MANAGER, KeyId::from_bits(40), 1, 0)).unwrap();
    account.rotate_key(&rotation(CHILD, KeyId::from_bits(41), 1, 0)).unwrap();
    assert!(spend(&mut account, KeyId::from_bits(41), 3, "0.03", 2).is_err());
    account.add_key(KeyCreated { made_by: Some(KeyId::from_bits(40)), ..key(NEXT, None) });
    assert!(spend(&mut account, NEXT, 3, "0.03", 2).is_err());
    spend(&mut account, NEXT, 3, "0.02", 2).unwrap();
    spend(&mut account, KEY, 4, "1", 3).unwrap();
}

#[test]
fn only_an_inference_key_asks_models_and_only_a_management_key_manages() {
    let mut account = account_with("10");
    account.add_key(KeyCreated { kind: KeyKind::Management, ..key(MANAGER, None) });
    account.add_key(KeyCreated { kind: KeyKind::ReadOnly, ..key(READER, None) });
    for (id, kind) in [(MANAGER, KeyKind::Management), (READER, KeyKind::ReadOnly)] {
        assert_eq!(account.admit(&ask(id, 1, "0.01"), at(0)).unwrap_err(), Refusal::KeyKind(kind));
        let counted = account.admit_free(id, "claude-opus-4-7", Feature::Text, at(0));
        assert_eq!(counted, Err(Refusal::KeyKind(kind)), "counting tokens asks a provider");
    }
    assert_eq!(account.admit_management(READER, at(0)), Err(Refusal::KeyKind(KeyKind::ReadOnly)));
    assert_eq!(account.admit_management(KEY, at(0)), Err(Refusal::KeyKind(KeyKind::Inference)));
    assert_eq!(account.standing(at(0)).requests.remaining, 600, "refusals take no request");
    account.admit_management(MANAGER, at(0)).unwrap();
    assert_eq!(account.standing(at(0)).requests.remaining, 599);
    account.change(&WorkspaceChanged { email_verified: Some(false), ..change() }, at(0));
    assert_eq!(account.admit_management(MANAGER, at(0)), Err(Refusal::EmailNotVerified));
    assert_eq!(account.admit(&ask(READER, 1, "0.01"), at(0)).unwrap_err(), Refusal::EmailNotVerified);
}

proptest! {
    /// Whenever requests begin and end, and whatever keys are rotated: what is charged within a day or week stays within its cap.
    #[test]
    fn no_period_is_charged_more_than_its_cap_and_a_replay_agrees(
        steps in proptest::collection::vec((0_u8..8, 0_i64..60_000_000, 0_i64..DAY, 0_i64..60_000_000), 1..80)
    ) {
        let (daily, weekly) = (usd("0.10"), usd("0.25"));
        let mut account = account_with("100");
        let mut facts = vec![
            Fact::KeyCreated(KeyCreated { kind: KeyKind::Management, ..capped(MANAGER, "0.25", SpendReset::Weekly) }),
            Fact::KeyCreated(KeyCreated { made_by: Some(MANAGER), ..capped(DAILY, "0.10", SpendReset::Daily) }),
        ];
        for fact in &facts {
            account.replay_fact(fact);
        }
        let mut journal: Vec<Result<Fact, Entry>> = facts.drain(..).map(Ok).collect();
        let credited: Vec<_> = account.external.values().cloned().map(Err).collect();
        journal.splice(0..0, credited);
        let (mut millis, mut newest, mut next_id) = (0_i64, DAILY, 100_u128);
        let (mut days, mut weeks) = (HashMap::new(), HashMap::new());
        for (request, (what, wanted, wait, cost)) in steps.into_iter().enumerate() {
            let request = RequestId::from_bits(request as u128);
            let mut entries = Vec::new();
            match what {
                0..4 => {
                    let ask = Admission { request, least: NanoUsd::ZERO, wanted: NanoUsd::from_nano(wanted), ..ask(newest, 0, "0") };
                    entries.extend(account.admit(&ask, at(millis)).map(|admitted| admitted.entry));
                }
                4 | 5 => if let Some((id, held)) = account.holds().map(|hold| (hold.request, hold.amount)).min() {
                    let charge = charge(cost.min(held.nano()));
                    entries.extend(account.settle(id, charge, at(millis)).unwrap().entries);
                },
                6 => {
                    let new = KeyId::from_bits(next_id);
                    next_id += 1;
                    journal.extend(account.rotate_key(&rotation(newest, new, millis, wait)).unwrap().into_iter().map(Ok));
                    newest = new;
                }
                _ => millis += wait,
            }
            for entry in entries {
                *days.entry(SpendReset::Daily.period_of(entry.at)).or_insert(0) += entry.charge().nano();
                *weeks.entry(SpendReset::Weekly.period_of(entry.at)).or_insert(0) += entry.charge().nano();
                journal.push(Err(entry));
            }
        }
        prop_assert!(days.values().all(|spent| *spent <= daily.nano()), "{days:?}");
        prop_assert!(weeks.values().all(|spent| *spent <= weekly.nano()), "{weeks:?}");
        let mut replayed = Account::opened(&created(), policy(), Now::replayed(UnixMillis(0)));
        for record in &journal {
            match record {
                Ok(fact) => replayed.replay_fact(fact),
                Err(entry) => prop_assert_eq!(replayed.replay(entry), Ok(())),
            }
        }
        for (line, budget) in &replayed.budgets {
            prop_assert_eq!(budget, &account.budgets[line]);
        }
        for (id, state) in &replayed.keys {
            prop_assert_eq!(state, &account.keys[id]);
        }
    }
}
