//! Events in every order and more than once: the money and what is known at the end are the same.

use proptest::prelude::*;

use super::*;
use crate::domain::time::UnixMillis;

const NOON: UnixMillis = UnixMillis(1_800_000_000_000);

fn usd(dollars: i64) -> NanoUsd {
    NanoUsd::from_nano(dollars * 1_000_000_000)
}

fn workspace() -> WorkspaceId {
    WorkspaceId::from_bits(1)
}

fn checkout() -> CheckoutId {
    CheckoutId::from_bits(7)
}

fn opened(keep_method: bool) -> PaymentFact {
    PaymentFact::CheckoutOpened(CheckoutOpened {
        checkout: checkout(),
        workspace: workspace(),
        person: None,
        amount: usd(20),
        keep_method,
        at: NOON,
    })
}

fn paid(dollars: i64) -> PaymentEvent {
    let method = SavedMethod { customer: "cus_1".into(), method: "pm_1".into(), card: None };
    PaymentEvent::Paid {
        source: Source::Checkout(checkout()),
        intent: "pi_1".into(),
        amount: usd(dollars),
        method: Some(method),
    }
}

fn refunded(dollars: i64, good: bool) -> PaymentEvent {
    PaymentEvent::Refunded { id: "re_1".into(), intent: "pi_1".into(), amount: usd(dollars), ours: None, good }
}

fn disputed() -> PaymentEvent {
    PaymentEvent::DisputeOpened {
        id: "dp_1".into(),
        intent: "pi_1".into(),
        amount: usd(20),
        reason: "fraudulent".into(),
    }
}

fn closed(won: bool) -> PaymentEvent {
    PaymentEvent::DisputeClosed { id: "dp_1".into(), intent: "pi_1".into(), amount: usd(20), won }
}

fn rule(threshold: i64, amount: i64, monthly_max: Option<NanoUsd>) -> AutoTopUpRule {
    AutoTopUpRule { threshold: usd(threshold), amount: usd(amount), monthly_max }
}

/// Payments with the money beside them, as the workspace's actor keeps it.
#[derive(Default)]
struct Desk {
    payments: Payments,
    available: NanoUsd,
    writeoff: NanoUsd,
    txids: std::collections::HashSet<Arc<str>>,
    suspended: bool,
}

impl Desk {
    fn with_checkout(keep_method: bool) -> Self {
        let mut desk = Self::default();
        desk.note(&opened(keep_method));
        desk
    }

    /// Through the journal and back, so that every fact is one that can be read again.
    fn note(&mut self, fact: &PaymentFact) {
        let text = serde_json::to_string(&crate::domain::fact::Fact::Payment(fact.clone())).unwrap();
        let crate::domain::fact::Fact::Payment(read) = serde_json::from_str(&text).unwrap() else {
            panic!("{text}");
        };
        assert_eq!(read, *fact);
        self.payments.apply(&read);
    }

    fn carry_out(&mut self, decision: Decision) {
        if let Some(movement) = decision.movement {
            assert!(self.txids.insert(movement.txid.clone()), "{movement:?} twice");
            self.available = self.available.checked_add(movement.available).unwrap();
            self.writeoff = self.writeoff.checked_add(movement.writeoff).unwrap();
            assert!(!self.available.is_negative(), "{movement:?}");
        }
        self.suspended |= decision.suspend;
        for fact in &decision.facts {
            self.note(fact);
        }
    }

    fn hear(&mut self, event: &PaymentEvent) -> Result<(), NotApplied> {
        match self.payments.decide(event, self.available, NOON) {
            Ok(decision) => self.carry_out(decision),
            Err(NotApplied::Unknown) => {
                if !self.payments.parked().contains(event) {
                    self.note(&PaymentFact::Parked { event: event.clone(), at: NOON });
                }
                return Err(NotApplied::Unknown);
            }
            Err(error) => return Err(error),
        }
        while let Some(due) = self.payments.due().first().cloned() {
            let decision = self.payments.decide(&due, self.available, NOON).unwrap();
            self.carry_out(decision);
        }
        Ok(())
    }
}

#[test]
fn a_payment_is_credited_once_and_receipts_are_consecutive() {
    let mut desk = Desk::with_checkout(true);
    assert_eq!(desk.hear(&paid(20)), Ok(()));
    for _ in 0..9 {
        assert_eq!(desk.hear(&paid(20)), Err(NotApplied::Repeated));
    }
    assert_eq!(desk.available, usd(20));
    assert_eq!(desk.payments.receipt(workspace(), 1).unwrap().paid.amount, usd(20));
    assert_eq!(&*desk.payments.customer(workspace()).unwrap().customer, "cus_1");
    // Another payment of the same checkout is money that came in: it is credited too, and has a receipt of its own.
    let other = PaymentEvent::Paid {
        source: Source::Checkout(checkout()),
        intent: "pi_2".into(),
        amount: usd(20),
        method: None,
    };
    assert_eq!(desk.hear(&other), Ok(()));
    assert_eq!((desk.hear(&other), desk.hear(&paid(20))), (Err(NotApplied::Repeated), Err(NotApplied::Repeated)));
    assert_eq!(desk.available, usd(40));
    assert_eq!(&*desk.payments.receipt(workspace(), 2).unwrap().paid.intent, "pi_2");
    assert_eq!(desk.payments.checkout(checkout()).unwrap().state, CheckoutState::Paid("pi_1".into()));
}

#[test]
fn another_amount_than_ours_is_refused_and_a_card_is_kept_only_where_asked() {
    let mut desk = Desk::with_checkout(false);
    assert_eq!(desk.hear(&paid(21)), Err(NotApplied::Mismatch));
    assert_eq!(desk.available, NanoUsd::ZERO);
    desk.hear(&paid(20)).unwrap();
    assert_eq!(desk.payments.customer(workspace()), None);
}

#[test]
fn a_payment_that_comes_after_the_end_of_its_checkout_is_still_money() {
    let mut desk = Desk::with_checkout(false);
    let ended =
        PaymentEvent::Failed { source: Source::Checkout(checkout()), declined: false, reason: "expired".into() };
    desk.hear(&ended).unwrap();
    assert_eq!(desk.payments.open_checkouts().count(), 0);
    desk.hear(&paid(20)).unwrap();
    assert_eq!(desk.hear(&ended), Err(NotApplied::Repeated));
    assert_eq!(desk.available, usd(20));
}

#[test]
fn a_refund_outside_takes_what_is_there_and_writes_off_the_rest() {
    let mut desk = Desk::with_checkout(false);
    desk.hear(&paid(20)).unwrap();
    desk.available = usd(5);
    desk.hear(&refunded(12, true)).unwrap();
    assert_eq!((desk.available, desk.writeoff), (NanoUsd::ZERO, usd(-7)));
    assert!(!desk.suspended, "an operator made it");
    assert_eq!(desk.payments.payment("pi_1").unwrap().refundable(), usd(8));
    desk.hear(&refunded(12, false)).unwrap();
    assert_eq!((desk.available, desk.writeoff), (usd(5), NanoUsd::ZERO));
    assert_eq!(desk.hear(&refunded(12, true)), Err(NotApplied::Repeated), "a failed refund stays failed");
}

#[test]
fn our_refund_is_taken_first_and_given_back_where_it_fails() {
    let mut desk = Desk::with_checkout(false);
    desk.hear(&paid(20)).unwrap();
    let refund = RefundId::from_bits(3);
    let started = |dollars| RefundStarted {
        refund,
        intent: "pi_1".into(),
        workspace: workspace(),
        amount: usd(dollars),
        reason: "asked".into(),
        at: NOON,
    };
    assert_eq!(desk.payments.start_refund(started(21), usd(100)), Err(RefundRefused::BeyondPayment));
    assert_eq!(desk.payments.start_refund(started(20), usd(19)), Err(RefundRefused::InsufficientBalance));
    assert_eq!(desk.payments.start_refund(started(0), usd(19)), Err(RefundRefused::BadAmount));
    let decision = desk.payments.start_refund(started(15), desk.available).unwrap().unwrap();
    desk.carry_out(decision);
    assert_eq!(desk.available, usd(5));
    assert_eq!(desk.payments.start_refund(started(15), desk.available), Ok(None), "the same again");
    assert_eq!(desk.payments.start_refund(started(1), desk.available), Err(RefundRefused::Conflict));
    let heard = |good| PaymentEvent::Refunded {
        id: "re_9".into(),
        intent: "pi_1".into(),
        amount: usd(15),
        ours: Some(refund),
        good,
    };
    desk.hear(&heard(true)).unwrap();
    assert_eq!(desk.hear(&heard(true)), Err(NotApplied::Repeated));
    assert_eq!(desk.available, usd(5));
    desk.hear(&heard(false)).unwrap();
    assert_eq!(desk.available, usd(20));
    assert_eq!(desk.hear(&heard(true)), Err(NotApplied::Repeated));
    assert_eq!(desk.payments.payment("pi_1").unwrap().refundable(), usd(20));
}

#[test]
fn a_dispute_suspends_and_a_won_one_gives_back_what_was_taken() {
    let mut desk = Desk::with_checkout(false);
    desk.hear(&paid(20)).unwrap();
    desk.available = usd(8);
    desk.hear(&disputed()).unwrap();
    assert!(desk.suspended);
    assert_eq!((desk.available, desk.writeoff), (NanoUsd::ZERO, usd(-12)));
    assert_eq!(desk.payments.dispute_reason(workspace()), Some("fraudulent"));
    desk.hear(&closed(true)).unwrap();
    assert_eq!((desk.available, desk.writeoff), (usd(8), NanoUsd::ZERO));
}

#[test]
fn auto_top_up_tries_once_at_a_time_and_gives_up_after_two_declines() {
    let mut desk = Desk::with_checkout(true);
    desk.hear(&paid(20)).unwrap();
    let start =
        |desk: &Desk, balance, id, at| desk.payments.start_attempt(workspace(), balance, AttemptId::from_bits(id), at);
    assert_eq!(start(&desk, usd(1), 1, NOON), Err(NotNow::Off));
    let rule = rule(5, 30, None);
    let on = AutoTopUpChanged { workspace: workspace(), rule: Some(rule), reason: None, at: NOON };
    desk.note(&PaymentFact::AutoTopUpChanged(on));
    assert_eq!(start(&desk, usd(5), 1, NOON), Err(NotNow::Enough));
    let declined = |id| PaymentEvent::Failed {
        source: Source::Auto(AttemptId::from_bits(id)),
        declined: true,
        reason: "card_declined".into(),
    };
    let first = start(&desk, usd(4), 1, NOON).unwrap();
    desk.note(&PaymentFact::AttemptStarted(first));
    assert_eq!(start(&desk, usd(4), 2, NOON), Err(NotNow::UnderWay));
    desk.hear(&declined(1)).unwrap();
    assert_eq!(desk.hear(&declined(1)), Err(NotApplied::Repeated));
    let view = desk.payments.auto_top_up(workspace(), NOON);
    assert_eq!((view.rule, view.waits_until), (Some(rule), Some(NOON.plus_millis(3_600_000))));
    let failed = AttemptOutcome::Failed { declined: true, reason: "card_declined".into() };
    assert_eq!(view.last.unwrap().outcome, Some(failed));
    assert_eq!(start(&desk, usd(4), 2, NOON), Err(NotNow::Wait));
    let later = NOON.plus_millis(3_600_000);
    let second = start(&desk, usd(4), 2, later).unwrap();
    desk.note(&PaymentFact::AttemptStarted(second));
    desk.hear(&declined(2)).unwrap();
    let view = desk.payments.auto_top_up(workspace(), later);
    assert_eq!((view.rule, view.method.is_some()), (None, true), "switched off");
    assert_eq!(view.off_because.as_deref(), Some("the card was declined twice"));
    assert_eq!(start(&desk, usd(4), 3, later.plus_millis(3_600_000)), Err(NotNow::Off));
}

#[test]
fn a_card_that_was_removed_pays_no_more_until_one_is_saved_again() {
    let mut desk = Desk::with_checkout(true);
    desk.hear(&paid(20)).unwrap();
    let rule = rule(5, 30, None);
    let on = AutoTopUpChanged { workspace: workspace(), rule: Some(rule), reason: None, at: NOON };
    desk.note(&PaymentFact::AutoTopUpChanged(on.clone()));
    let id = AttemptId::from_bits(1);
    let under_way = desk.payments.start_attempt(workspace(), usd(4), id, NOON).unwrap();
    desk.note(&PaymentFact::AttemptStarted(under_way.clone()));
    desk.note(&PaymentFact::MethodRemoved { workspace: workspace(), at: NOON });
    let view = desk.payments.auto_top_up(workspace(), NOON);
    assert_eq!((view.rule, view.method, view.off_because), (None, None, None));
    let again = |desk: &Desk| desk.payments.start_attempt(workspace(), usd(1), AttemptId::from_bits(2), NOON);
    assert_eq!(again(&desk), Err(NotNow::Off));
    let method = Some(under_way.method);
    let last = PaymentEvent::Paid { source: Source::Auto(id), intent: "pi_auto".into(), amount: usd(30), method };
    desk.hear(&last).unwrap();
    assert_eq!(desk.payments.customer(workspace()), None, "what was under way is credited and keeps no card");
    desk.note(&PaymentFact::AutoTopUpChanged(on));
    assert_eq!(again(&desk), Err(NotNow::NoMethod));
}

#[test]
fn a_card_leaves_when_it_is_replaced_or_removed_and_no_payment_with_it_is_under_way() {
    let mut desk = Desk::with_checkout(true);
    let leaving = |desk: &Desk| desk.payments.leaving_cards().map(|card| card.method.to_string()).collect::<Vec<_>>();
    let save = |card: &str| {
        PaymentFact::Paid(Paid {
            intent: format!("pi_{card}").into(),
            workspace: workspace(),
            source: Source::Checkout(checkout()),
            amount: usd(20),
            receipt: 1,
            method: Some(SavedMethod { customer: "cus_1".into(), method: card.into(), card: None }),
            at: NOON,
        })
    };
    let detached = |card: &str| PaymentFact::MethodDetached { workspace: workspace(), method: card.into(), at: NOON };
    desk.note(&save("first"));
    desk.note(&save("first"));
    assert_eq!(leaving(&desk), [""; 0], "it is used");
    desk.note(&save("second"));
    assert_eq!(leaving(&desk), ["first"], "another was saved");
    desk.note(&detached("first"));

    let rule = Some(rule(5, 30, None));
    desk.note(&PaymentFact::AutoTopUpChanged(AutoTopUpChanged {
        workspace: workspace(),
        rule,
        reason: None,
        at: NOON,
    }));
    let attempt = AttemptId::from_bits(1);
    let under_way = desk.payments.start_attempt(workspace(), usd(4), attempt, NOON).unwrap();
    desk.note(&PaymentFact::AttemptStarted(under_way));
    desk.note(&PaymentFact::MethodRemoved { workspace: workspace(), at: NOON });
    assert_eq!(leaving(&desk), [""; 0], "a payment with it is under way");
    desk.note(&PaymentFact::AttemptFailed { attempt, declined: false, reason: "".into(), at: NOON });
    assert_eq!(leaving(&desk), ["second"]);
    desk.note(&save("second"));
    assert_eq!(leaving(&desk), [""; 0], "it was saved again");
}

#[test]
fn auto_top_up_stops_at_three_a_day() {
    let mut desk = Desk::with_checkout(true);
    desk.hear(&paid(20)).unwrap();
    let rule = rule(100, 30, None);
    let on = AutoTopUpChanged { workspace: workspace(), rule: Some(rule), reason: None, at: NOON };
    desk.note(&PaymentFact::AutoTopUpChanged(on));
    for id in 1..=3_u8 {
        let attempt = AttemptId::from_bits(u128::from(id));
        let started = desk.payments.start_attempt(workspace(), usd(1), attempt, NOON).unwrap();
        desk.note(&PaymentFact::AttemptStarted(started));
        let event = PaymentEvent::Paid {
            source: Source::Auto(attempt),
            intent: format!("pi_auto_{id}").into(),
            amount: usd(30),
            method: None,
        };
        desk.hear(&event).unwrap();
    }
    let fourth = |at| desk.payments.start_attempt(workspace(), usd(1), AttemptId::from_bits(4), at);
    assert_eq!(fourth(NOON), Err(NotNow::Wait));
    let tomorrow = NOON.plus_millis(86_400_000);
    assert_eq!(desk.payments.auto_top_up(workspace(), NOON).waits_until, Some(tomorrow));
    assert!(fourth(NOON.plus_millis(86_400_000)).is_ok());
    assert_eq!(desk.available, usd(110));
}

proptest! {
    /// Whatever the order and however often: the same money in the end, each transaction once, nothing left parked.
    #[test]
    fn order_and_repetition_do_not_matter(
        order in Just((0..4_usize).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(0..4_usize, 0..12),
        row_at in 0..5_usize,
    ) {
        let of_the_rest = |event: PaymentEvent| match event {
            PaymentEvent::DisputeOpened { id, intent, reason, .. } => {
                PaymentEvent::DisputeOpened { id, intent, amount: usd(14), reason }
            }
            PaymentEvent::DisputeClosed { id, intent, won, .. } => {
                PaymentEvent::DisputeClosed { id, intent, amount: usd(14), won }
            }
            other => other,
        };
        let events = [paid(20), refunded(6, true), of_the_rest(disputed()), of_the_rest(closed(true))];
        let mut desk = Desk::default();
        for (place, which) in order.iter().chain(&again).enumerate() {
            if place == row_at {
                desk.note(&opened(false));
            }
            let _ = desk.hear(&events[*which]);
        }
        if order.len() + again.len() <= row_at {
            desk.note(&opened(false));
        }
        // What the start and every opened checkout do.
        while let Some(due) = desk.payments.due().first().cloned() {
            let decision = desk.payments.decide(&due, desk.available, NOON).unwrap();
            desk.carry_out(decision);
        }
        prop_assert_eq!(desk.payments.parked(), &[]);
        prop_assert_eq!(desk.available.checked_add(desk.writeoff).unwrap(), usd(14));
        prop_assert_eq!(desk.writeoff, NanoUsd::ZERO);
    }
}

#[test]
fn auto_top_up_pays_no_more_in_a_month_than_was_allowed() {
    // 00:00 UTC on the first of the month after.
    let february = UnixMillis(1_801_440_000_000);
    let mut desk = Desk::with_checkout(true);
    desk.hear(&paid(20)).unwrap();
    let on = |most| {
        let rule = Some(rule(100, 30, Some(usd(most))));
        PaymentFact::AutoTopUpChanged(AutoTopUpChanged { workspace: workspace(), rule, reason: None, at: NOON })
    };
    let start =
        |desk: &Desk, id: u8, at| desk.payments.start_attempt(workspace(), usd(1), AttemptId::from_bits(id.into()), at);
    let attempt = |desk: &mut Desk, id: u8, at, good: bool| {
        desk.note(&PaymentFact::AttemptStarted(start(desk, id, at).unwrap()));
        let source = Source::Auto(AttemptId::from_bits(id.into()));
        let intent = format!("pi_auto_{id}").into();
        desk.hear(&if good {
            PaymentEvent::Paid { source, intent, amount: usd(30), method: None }
        } else {
            PaymentEvent::Failed { source, declined: false, reason: "no answer".into() }
        })
        .unwrap();
    };
    let spent = |desk: &Desk, at| desk.payments.auto_top_up(workspace(), at).spent_this_month;

    desk.note(&on(60));
    attempt(&mut desk, 1, NOON, false);
    assert_eq!(spent(&desk, NOON), NanoUsd::ZERO, "one that failed counts no more");
    let later = NOON.plus_millis(2 * 3_600_000);
    attempt(&mut desk, 2, later, true);
    desk.note(&on(59));
    assert_eq!(start(&desk, 3, later), Err(NotNow::Wait), "30 more would be 60");
    let view = desk.payments.auto_top_up(workspace(), later);
    assert_eq!((view.spent_this_month, view.waits_until), (usd(30), Some(february)));
    desk.note(&on(60));
    assert_eq!(desk.payments.auto_top_up(workspace(), later).waits_until, None);
    assert!(start(&desk, 3, later).is_ok(), "60 are within 60");
    desk.note(&on(59));
    assert_eq!(start(&desk, 3, UnixMillis(february.0 - 1)), Err(NotNow::Wait));
    assert_eq!(spent(&desk, february), NanoUsd::ZERO);
    assert!(start(&desk, 3, february).is_ok(), "another month");
}
