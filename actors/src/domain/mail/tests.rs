//! Mails through their lives.

use super::*;
use crate::domain::fact::Fact;
use crate::domain::ids::LinkId;
use crate::domain::money::NanoUsd;

const T0: UnixMillis = UnixMillis(1_800_000_000_000);
const MINUTE: i64 = 60_000;

fn mail(n: u8, content: MailContent) -> Mail {
    Mail {
        id: MailId::from_parts(T0, [n; 10]),
        at: T0,
        to: "a@example.org".to_owned(),
        person: None,
        workspace: None,
        content,
    }
}

fn with(mails: &[Mail]) -> Outbox {
    let mut outbox = Outbox::default();
    for mail in mails {
        outbox.apply(&MailFact::Queued(mail.clone()));
    }
    outbox
}

#[test]
fn a_mail_goes_out_once() {
    let mail = mail(1, MailContent::PasswordChanged);
    let mut outbox = with(&[mail.clone(), mail.clone()]);
    assert_eq!(outbox.due(T0.plus_millis(-1), 9), []);
    assert_eq!(outbox.due(T0, 9).len(), 1, "a mail that is queued twice is one mail");
    let sent = outbox.sent(mail.id, T0).unwrap();
    outbox.apply(&sent);
    assert_eq!(outbox.due(T0.plus_millis(i64::MAX / 4), 9), []);
    assert_eq!(outbox.sent(mail.id, T0), None, "it does not wait any more");
    assert_eq!(outbox.failed(mail.id, T0, MailFailure::Unreachable), None);
    assert_eq!(outbox.next_due(), None);
}

#[test]
fn waits_grow_and_end_after_three_days() {
    let mail = mail(1, MailContent::PasswordChanged);
    let mut outbox = with(std::slice::from_ref(&mail));
    let (mut now, mut waits) = (T0, Vec::new());
    loop {
        let fact = outbox.failed(mail.id, now, MailFailure::Deferred { code: 451 }).unwrap();
        outbox.apply(&fact);
        match fact {
            MailFact::AttemptFailed { retry_at, .. } => {
                assert_eq!(outbox.next_due(), Some(retry_at));
                assert_eq!(outbox.due(retry_at.plus_millis(-1), 9), []);
                assert_eq!(outbox.due(retry_at, 9).len(), 1);
                waits.push((retry_at.0 - now.0) / MINUTE);
                now = retry_at;
            }
            MailFact::GivenUp { at, .. } => {
                assert!(at.0 - T0.0 <= KEPT_TRYING_MS && at.0 - T0.0 > KEPT_TRYING_MS - 240 * MINUTE);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waits[..6], [1, 5, 15, 60, 240, 240]);
    assert_eq!(outbox.waiting(), 0);
    let delivery = outbox.get(mail.id).unwrap();
    assert_eq!(delivery.last_failure, Some(MailFailure::Deferred { code: 451 }));
}

#[test]
fn what_cannot_help_is_not_tried() {
    let refused = mail(1, MailContent::PasswordChanged);
    let expires_at = T0.plus_millis(MINUTE);
    let link = mail(2, MailContent::VerifyAddress { link: LinkId::from_bits(5), expires_at });
    let outbox = with(&[refused.clone(), link.clone()]);
    let fact = outbox.failed(refused.id, T0, MailFailure::Refused { code: 550 });
    assert!(matches!(fact, Some(MailFact::GivenUp { .. })), "{fact:?}");
    let fact = outbox.failed(link.id, T0, MailFailure::Unreachable);
    assert!(matches!(fact, Some(MailFact::GivenUp { .. })), "the link is over by the next attempt: {fact:?}");
    assert_eq!(outbox.resend(link.id, expires_at), Err(ResendRefusal::LinkOver));
    assert_eq!(outbox.resend(MailId::from_bits(9), T0), Err(ResendRefusal::Unknown));
}

#[test]
fn an_operator_sends_again() {
    let mail = mail(1, MailContent::PasswordChanged);
    let mut outbox = with(std::slice::from_ref(&mail));
    let given_up = outbox.failed(mail.id, T0, MailFailure::Unusable).unwrap();
    outbox.apply(&given_up);
    let later = T0.plus_millis(10 * KEPT_TRYING_MS);
    let again = outbox.resend(mail.id, later).unwrap();
    outbox.apply(&again);
    assert_eq!(outbox.due(later, 9).len(), 1);
    let fact = outbox.failed(mail.id, later, MailFailure::Unreachable);
    assert!(matches!(fact, Some(MailFact::AttemptFailed { .. })), "its three days begin anew: {fact:?}");
}

#[test]
fn only_the_latest_that_ended_are_remembered_and_all_that_wait() {
    let mut outbox = Outbox::default();
    let id = |n: usize| MailId::from_parts(T0.plus_millis(i64::try_from(n).unwrap()), [0; 10]);
    for n in 0..ENDED_KEPT + 5 {
        outbox.apply(&MailFact::Queued(Mail { id: id(n), ..mail(0, MailContent::AccountExists) }));
        if n != 2 {
            outbox.apply(&MailFact::Sent { mail: id(n), at: T0 });
        }
    }
    assert_eq!(outbox.list(None, usize::MAX).len(), ENDED_KEPT + 1);
    assert!(outbox.get(id(2)).is_some() && outbox.get(id(3)).is_none());
    let newest = outbox.list(None, 2);
    assert_eq!(newest.iter().map(|one| one.mail.id).collect::<Vec<_>>(), [id(ENDED_KEPT + 4), id(ENDED_KEPT + 3)]);
    assert_eq!(outbox.list(Some(id(ENDED_KEPT + 3)), 1)[0].mail.id, id(ENDED_KEPT + 2));
}

#[test]
fn facts_come_back_from_the_journal_as_they_were() {
    let content = MailContent::LowBalance {
        available_usd: NanoUsd::from_nano(4_990_000_000),
        threshold_usd: NanoUsd::from_nano(5_000_000_000),
    };
    for fact in [
        MailFact::Queued(mail(1, content)),
        MailFact::AttemptFailed {
            mail: MailId::from_bits(1),
            at: T0,
            retry_at: T0,
            reason: MailFailure::Deferred { code: 421 },
        },
        MailFact::Resent { mail: MailId::from_bits(1), at: T0 },
    ] {
        let fact = Fact::Mail(fact);
        let text = serde_json::to_string(&fact).unwrap();
        assert!(text.starts_with(r#"{"fact":"mail","step":""#), "{text}");
        assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), fact);
    }
}

#[test]
fn every_kind_is_listed() {
    let text = serde_json::to_value(MailContent::ZeroBalance).unwrap();
    assert_eq!(text["kind"], MailContent::ZeroBalance.kind());
    let failed = MailContent::AutoTopUpFailed { amount_usd: NanoUsd::ZERO, switched_off: false };
    assert_eq!(serde_json::to_value(&failed).unwrap()["kind"], failed.kind());
    assert!(KINDS.contains(&failed.kind()) && KINDS.contains(&"zero_balance"));
}
