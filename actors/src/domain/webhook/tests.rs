//! What waits, for how long, and when it ends.

use super::*;
use crate::domain::billing::{BillingEvent, Happened};
use crate::domain::money::NanoUsd;

const NOON: UnixMillis = UnixMillis(1_800_000_000_000);

fn workspace() -> WorkspaceId {
    WorkspaceId::from_bits(1)
}

fn event(n: u128) -> BillingEvent {
    let happened = Happened::Credit { amount_usd: NanoUsd::from_nano(5) };
    let id = EventId::from_bits(n);
    BillingEvent { id, workspace: workspace(), at: NOON, balance_usd: NanoUsd::ZERO, receipt: None, happened }
}

/// Through the journal and back.
fn note(webhooks: &mut Webhooks, fact: &WebhookFact) {
    let text = serde_json::to_string(fact).unwrap();
    let read: WebhookFact = serde_json::from_str(&text).unwrap();
    assert_eq!(read, *fact, "{text}");
    webhooks.apply(&read);
}

fn with_endpoint() -> Webhooks {
    let mut webhooks = Webhooks::default();
    let url = "https://example.com/hook".to_owned();
    let endpoint = EndpointId::from_bits(9);
    note(&mut webhooks, &WebhookFact::EndpointSet { endpoint, workspace: workspace(), url, at: NOON });
    webhooks
}

fn attempt(webhooks: &mut Webhooks, n: u128, outcome: Outcome, at: UnixMillis) -> Vec<WebhookFact> {
    let facts = webhooks.attempted(EventId::from_bits(n), outcome, 7, at);
    for fact in &facts {
        note(webhooks, fact);
    }
    facts
}

#[test]
fn an_event_waits_where_there_is_an_endpoint_and_only_there() {
    let mut none = Webhooks::default();
    none.note(&event(1));
    assert_eq!((none.waiting(), none.next_due()), (0, None));
    let mut webhooks = with_endpoint();
    for _ in 0..2 {
        webhooks.note(&event(1));
    }
    assert_eq!(webhooks.due(NOON, 10).len(), 1);
    assert!(webhooks.due(UnixMillis(NOON.0 - 1), 10).is_empty());
    attempt(&mut webhooks, 1, Outcome::Status(204), NOON);
    assert_eq!(webhooks.waiting(), 0);
    assert!(attempt(&mut webhooks, 1, Outcome::Status(500), NOON).is_empty(), "it is over");
}

#[test]
fn a_message_is_tried_by_the_schedule_given_up_and_sent_again_under_its_id() {
    let mut webhooks = with_endpoint();
    webhooks.note(&event(1));
    let mut at = NOON;
    for wait in RETRY_AFTER_MS {
        attempt(&mut webhooks, 1, Outcome::Unreachable, at);
        at = at.plus_millis(wait);
        assert_eq!(webhooks.next_due(), Some(at));
    }
    attempt(&mut webhooks, 1, Outcome::TimedOut, at);
    let given_up = webhooks.get(EventId::from_bits(1)).unwrap();
    assert_eq!((given_up.state, given_up.log.len()), (DeliveryState::GivenUp, RETRY_AFTER_MS.len() + 1));
    let id = EventId::from_bits(1);
    assert_eq!(webhooks.resend(WorkspaceId::from_bits(2), id, at), Err(ResendRefused::Unknown), "another workspace's");
    let resent = webhooks.resend(workspace(), id, at).unwrap();
    note(&mut webhooks, &resent);
    assert_eq!(webhooks.due(at, 10)[0].0.id, id);
    attempt(&mut webhooks, 1, Outcome::Status(200), at);
    assert_eq!(webhooks.get(id).unwrap().state, DeliveryState::Delivered);
}

#[test]
fn an_endpoint_that_takes_nothing_for_days_is_set_off_and_one_that_is_gone_at_once() {
    let mut webhooks = with_endpoint();
    webhooks.note(&event(1));
    assert_eq!(attempt(&mut webhooks, 1, Outcome::Status(500), NOON).len(), 1);
    webhooks.note(&event(2));
    let last = NOON.plus_millis(SET_OFF_AFTER_MS);
    assert_eq!(attempt(&mut webhooks, 2, Outcome::Forbidden, UnixMillis(last.0 - 1)).len(), 1);
    let facts = attempt(&mut webhooks, 2, Outcome::Status(302), last);
    assert_eq!(facts[1], WebhookFact::SetOff { workspace: workspace(), at: last });
    assert_eq!(webhooks.waiting(), 0);
    webhooks.note(&event(3));
    assert_eq!(webhooks.waiting(), 0, "it is off");
    assert_eq!(webhooks.resend(workspace(), EventId::from_bits(1), last), Err(ResendRefused::Off));
    let url = "https://example.com/other".to_owned();
    note(&mut webhooks, &WebhookFact::EndpointMoved { workspace: workspace(), url, at: last });
    webhooks.note(&event(4));
    // One success in between starts the count anew.
    attempt(&mut webhooks, 4, Outcome::Status(200), last);
    webhooks.note(&event(5));
    assert_eq!(attempt(&mut webhooks, 5, Outcome::Status(500), last).len(), 1);
    let gone = attempt(&mut webhooks, 5, Outcome::Status(410), last);
    assert!(matches!(gone[..], [WebhookFact::Attempted { .. }, WebhookFact::SetOff { .. }]), "{gone:?}");
}

#[test]
fn messages_of_all_workspaces_are_listed_in_pages() {
    let mut webhooks = with_endpoint();
    for n in 1..=5 {
        webhooks.note(&event(n));
    }
    attempt(&mut webhooks, 4, Outcome::Status(200), NOON);
    let ids = |(found, next): (Vec<Delivery>, Option<EventId>)| {
        (found.iter().map(|delivery| delivery.id.bits()).collect::<Vec<_>>(), next.map(EventId::bits))
    };
    let waits = |delivery: &Delivery| matches!(delivery.state, DeliveryState::Waiting { .. });
    assert_eq!(ids(webhooks.list(None, 2, waits)), (vec![5, 3], Some(3)));
    assert_eq!(ids(webhooks.list(Some(EventId::from_bits(3)), 2, waits)), (vec![2, 1], None));
    assert_eq!(ids(webhooks.list(None, 9, |delivery| !waits(delivery))), (vec![4], None));
}

#[test]
fn two_secrets_sign_during_the_overlap() {
    let mut webhooks = with_endpoint();
    assert_eq!(webhooks.endpoint(workspace()).unwrap().secrets(NOON), [1]);
    note(&mut webhooks, &WebhookFact::SecretRotated { workspace: workspace(), at: NOON });
    let endpoint = webhooks.endpoint(workspace()).unwrap();
    assert_eq!(endpoint.secrets(NOON), [2, 1]);
    assert_eq!(endpoint.secrets(NOON.plus_millis(OVERLAP_MS)), [2]);
}

#[test]
fn the_oldest_messages_that_ended_are_forgotten_and_none_that_waits() {
    let mut webhooks = with_endpoint();
    webhooks.note(&event(1));
    for n in 2..300 {
        webhooks.note(&event(n));
        attempt(&mut webhooks, n, Outcome::Status(200), NOON);
    }
    assert!(webhooks.get(EventId::from_bits(1)).is_some() && webhooks.get(EventId::from_bits(2)).is_none());
    assert_eq!(webhooks.newest(workspace(), 1_000).len(), 200);
    note(&mut webhooks, &WebhookFact::EndpointRemoved { workspace: workspace(), at: NOON });
    assert_eq!(webhooks.waiting(), 0);
}
