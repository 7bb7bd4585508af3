//! Which events follow from payments, and that each is read back out of a journal.

use super::*;
use crate::domain::ids::{AttemptId, CheckoutId, RefundId};
use crate::domain::payment::{CheckoutOpened, MoneyBack, PaymentEvent, PaymentFact, Payments, RefundStarted, Source};

const NOON: UnixMillis = UnixMillis(1_800_000_000_000);

fn usd(dollars: i64) -> NanoUsd {
    NanoUsd::from_nano(dollars * 1_000_000_000)
}

fn workspace() -> WorkspaceId {
    WorkspaceId::from_bits(1)
}

/// Twenty dollars paid at checkout 7.
fn paid() -> Payments {
    let mut payments = Payments::default();
    payments.apply(&PaymentFact::CheckoutOpened(CheckoutOpened {
        checkout: CheckoutId::from_bits(7),
        workspace: workspace(),
        person: None,
        amount: usd(20),
        keep_method: false,
        at: NOON,
    }));
    let event = PaymentEvent::Paid {
        source: Source::Checkout(CheckoutId::from_bits(7)),
        intent: "pi_1".into(),
        amount: usd(20),
        method: None,
    };
    let decided = payments.decide(&event, usd(0), NOON).unwrap();
    assert_eq!(names(&payments, &decided.facts), ["topup.succeeded"]);
    for fact in &decided.facts {
        payments.apply(fact);
    }
    assert!(payments.decide(&event, usd(20), NOON).is_err(), "told once");
    payments
}

fn names(payments: &Payments, facts: &[PaymentFact]) -> Vec<&'static str> {
    of_payments(payments, facts).iter().map(Happened::name).collect()
}

#[test]
fn a_refund_is_told_when_it_is_on_its_way_and_not_when_it_is_begun() {
    let mut payments = paid();
    let refund = RefundId::from_bits(3);
    let started = RefundStarted {
        refund,
        intent: "pi_1".into(),
        workspace: workspace(),
        amount: usd(5),
        reason: "asked".into(),
        at: NOON,
    };
    let begun = payments.start_refund(started, usd(20)).unwrap().unwrap();
    assert_eq!(names(&payments, &begun.facts), [""; 0]);
    payments.apply(&begun.facts[0]);
    let good = |good| PaymentEvent::Refunded {
        id: "re_1".into(),
        intent: "pi_1".into(),
        amount: usd(5),
        ours: Some(refund),
        good,
    };
    let confirmed = payments.decide(&good(true), usd(15), NOON).unwrap();
    let told = of_payments(&payments, &confirmed.facts);
    assert_eq!(told, [Happened::Refund { payment: "pi_1".to_owned(), amount_usd: usd(5) }]);
    payments.apply(&confirmed.facts[0]);
    let failed = payments.decide(&good(false), usd(15), NOON).unwrap();
    assert_eq!(names(&payments, &failed.facts), ["refund.failed"]);
}

#[test]
fn a_dispute_is_told_at_both_ends_in_any_order() {
    let payments = paid();
    let closed = PaymentEvent::DisputeClosed { id: "dp_1".into(), intent: "pi_1".into(), amount: usd(20), won: false };
    let decided = payments.decide(&closed, usd(20), NOON).unwrap();
    assert_eq!(names(&payments, &decided.facts), ["dispute.opened", "dispute.closed"]);
    let mut payments = paid();
    let back = MoneyBack {
        id: "dp_1".into(),
        intent: "pi_1".into(),
        workspace: workspace(),
        amount: usd(20),
        taken: usd(20),
        reason: None,
        at: NOON,
    };
    payments.apply(&PaymentFact::DisputeOpened(back));
    let decided = payments.decide(&closed, usd(0), NOON).unwrap();
    assert_eq!(names(&payments, &decided.facts), ["dispute.closed"]);
}

#[test]
fn every_type_has_a_name_a_mail_and_is_read_back() {
    let (payment, amount_usd) = ("pi_1".to_owned(), usd(5));
    let all = [
        Happened::TopUp { payment: payment.clone(), amount_usd },
        Happened::AutoTopUp { payment: payment.clone(), amount_usd },
        Happened::AutoTopUpFailed { amount_usd, switched_off: true },
        Happened::Refund { payment: payment.clone(), amount_usd },
        Happened::RefundFailed { payment: payment.clone(), amount_usd },
        Happened::DisputeOpened { payment: payment.clone(), amount_usd },
        Happened::DisputeClosed { payment, amount_usd, won: true },
        Happened::Credit { amount_usd },
        Happened::Credit { amount_usd: usd(-5) },
        Happened::LimitsChanged { requests_per_minute: 5, concurrent_streams: 2 },
    ];
    assert_eq!(all.each_ref().map(Happened::name), TYPES);
    let mut billing = Billing::default();
    for (n, happened) in (0..).zip(all) {
        let id = EventId::from_bits(n);
        let event =
            BillingEvent { id, workspace: workspace(), at: NOON, balance_usd: usd(9), receipt: Some(4), happened };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<BillingEvent>(&text).unwrap(), event);
        assert!(crate::domain::mail::KINDS.contains(&event.mail(None).kind()));
        billing.apply(&event);
    }
    assert_eq!(billing.count(workspace()), 10);
    let page = billing.newest(workspace(), 2, 3);
    assert_eq!(page.iter().map(|event| event.id.bits()).collect::<Vec<_>>(), [7, 6, 5]);
    assert!(billing.newest(WorkspaceId::from_bits(2), 0, 3).is_empty(), "another workspace");
    let attempt =
        PaymentFact::AttemptFailed { attempt: AttemptId::from_bits(1), declined: true, reason: "x".into(), at: NOON };
    assert!(of_payments(&Payments::default(), &[attempt]).is_empty(), "an attempt that nobody knows");
}
