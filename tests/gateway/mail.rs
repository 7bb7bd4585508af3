//! Mails through a running gateway: into a folder, and to a real SMTP server.
//!
//! The server is Debian's python3-aiosmtpd, one process for each test, ended by its own id.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::Receiver;

use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::MailId;
use lmhaven_actors::domain::mail::{
    After, BalanceLevel, Delivery, DeliveryState, KINDS, Mail, MailContent, MailFact, MailFailure,
};
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::{ChangeError, fresh};
use serde_json::Value;

use crate::harness::{Haven, until};

/// What a customer may have called a workspace.
const NASTY: &str = "Acme\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script>";

/// A mail server.
struct Receiving {
    child: Child,
    port: u16,
    mails: Receiver<Value>,
}

impl Receiving {
    fn start(port: u16) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/mail/server.py");
        let mut child = Command::new("/usr/bin/python3")
            .args([script, &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 with aiosmtpd (Debian: python3-aiosmtpd)");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("python3-aiosmtpd is missing").unwrap().parse().unwrap();
        let (sender, mails) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port, mails }
    }

    async fn next(&self) -> Value {
        // The gateway's task runs on this thread too, so it is not blocked.
        until("a mail arrives", || async { self.mails.try_recv().ok() }).await
    }

    /// The next mail with this subject; others, such as those about credits, are passed over.
    async fn next_called(&self, subject: &str) -> Value {
        loop {
            let mail = self.next().await;
            if header(&mail, "subject") == [subject] {
                return mail;
            }
        }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn header<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = mail["headers"].as_array().unwrap().iter();
    headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
}

/// A gateway that sends to this port, by this clock.
async fn sending_to(port: u16, clock: Clock) -> Haven {
    let section = format!(
        "\n[mail]\ntransport = \"smtp\"\nsmtp_url = \"smtp://127.0.0.1:{port}\"\n\
         from = \"LMHaven <verify@lmhaven.test>\"\nreply_to = \"help@lmhaven.test\"\n"
    );
    Haven::start_from(&section, &[], clock).await
}

async fn queue(haven: &Haven, to: &str, content: MailContent) -> MailId {
    let queued = haven.server.gateway.core.decide(|_, at| {
        let id = fresh::mail_id(at);
        let mail = Mail { id, at, to: to.to_owned(), person: None, workspace: None, content };
        Ok::<_, ChangeError>((id, vec![Fact::Mail(MailFact::Queued(mail))]))
    });
    queued.await.unwrap()
}

async fn comes_to(haven: &Haven, id: MailId, what: &str, is: impl Fn(&Delivery) -> bool) -> Delivery {
    let core = &haven.server.gateway.core;
    until(what, || async { core.office(|office| office.outbox.get(id).filter(|mail| is(mail)).cloned()) }).await
}

fn is_sent(delivery: &Delivery) -> bool {
    matches!(delivery.state, DeliveryState::Sent { .. })
}

fn is_given_up(delivery: &Delivery) -> bool {
    matches!(delivery.state, DeliveryState::GivenUp { .. })
}

/// A clock that stands until it is moved.
fn standing() -> (&'static AtomicI64, Clock) {
    let millis: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(1_800_000_000_000)));
    (millis, Clock::given(millis))
}

fn one_of_each_kind_without_a_link() -> Vec<MailContent> {
    let (payment, amount_usd) = ("pay_123".to_owned(), NanoUsd::from_nano(25_000_000_000));
    let after = After::default();
    vec![
        MailContent::AccountExists,
        MailContent::PasswordChanged,
        MailContent::NewSignIn { signed_in_at: UnixMillis(0), address: None, browser: Some(NASTY.to_owned()) },
        MailContent::Receipt { payment: payment.clone(), amount_usd, after: after.clone() },
        MailContent::Refund { payment: payment.clone(), amount_usd, after: after.clone() },
        MailContent::DisputeOpened { payment: payment.clone(), amount_usd, after: after.clone() },
        MailContent::DisputeClosed { payment: payment.clone(), amount_usd, won: false, after: after.clone() },
        MailContent::Credit { amount_usd, reason: Some(NASTY.to_owned()), after: after.clone() },
        MailContent::AutoTopUpFailed { amount_usd, switched_off: false },
        MailContent::AutoTopUpDone { payment, amount_usd, after },
        MailContent::LimitChange { requests_per_minute: 600, concurrent_streams: 100 },
        MailContent::LowBalance { available_usd: amount_usd, threshold_usd: amount_usd },
        MailContent::ZeroBalance,
        MailContent::WebhooksOff,
    ]
}

#[actix_web::test]
async fn a_folder_takes_mails_where_no_server_is_configured() {
    let haven = Haven::start().await;
    let id = queue(&haven, "a@example.org", MailContent::PasswordChanged).await;
    comes_to(&haven, id, "the mail leaves", is_sent).await;
    let folder = haven.folder.path().join("store/mail");
    let text = std::fs::read_to_string(folder.join(format!("{id}.eml"))).unwrap();
    assert!(
        text.contains("To: a@example.org\r\n") && text.contains("Subject: Your password was changed\r\n"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "no draft stays behind");
    haven.finish().await;
}

#[actix_web::test]
async fn a_server_receives_each_kind_whole() {
    let server = Receiving::start(0);
    let haven = sending_to(server.port, Clock::system()).await;
    for content in one_of_each_kind_without_a_link() {
        let kind = content.kind();
        assert!(KINDS.contains(&kind));
        let id = queue(&haven, "a@example.org", content).await;
        let mail = server.next().await;
        assert_eq!(mail["defects"], Value::Array(Vec::new()), "{kind}");
        assert_eq!(mail["type"], "multipart/alternative", "{kind}");
        assert_eq!(mail["envelope_from"], "verify@lmhaven.test");
        assert_eq!(mail["envelope_to"], serde_json::json!(["a@example.org"]), "{kind}");
        assert_eq!(header(&mail, "message-id"), [format!("<{id}@lmhaven.test>")]);
        assert_eq!(header(&mail, "auto-submitted"), ["auto-generated"]);
        assert_eq!(header(&mail, "reply-to"), ["help@lmhaven.test"]);
        assert_eq!((header(&mail, "date").len(), header(&mail, "bcc").len()), (1, 0), "{kind}: {mail}");
        let parts = ["text/plain", "text/html"].map(|part| mail["parts"][part].as_str().unwrap());
        assert!(!parts[1].contains("<script") && !parts[0].contains("\nBcc:"), "{kind}: {parts:?}");
        let subject = header(&mail, "subject")[0];
        assert!(parts.iter().all(|part| part.contains(subject)), "{kind}: {parts:?}");
        comes_to(&haven, id, "the mail is noted", is_sent).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_mail_is_deferred_by_4xx_and_given_up_by_5xx() {
    let server = Receiving::start(0);
    let (millis, clock) = standing();
    let haven = sending_to(server.port, clock).await;
    let never = queue(&haven, "never@example.org", MailContent::PasswordChanged).await;
    let given_up = comes_to(&haven, never, "the mail is given up", is_given_up).await;
    assert_eq!(given_up.last_failure, Some(MailFailure::Refused { code: 550 }));

    let later = queue(&haven, "later@example.org", MailContent::PasswordChanged).await;
    let deferred = comes_to(&haven, later, "the mail is deferred", |mail| mail.failed == 1).await;
    assert_eq!(deferred.last_failure, Some(MailFailure::Deferred { code: 451 }));
    assert_eq!(deferred.state, DeliveryState::Waiting { due_at: UnixMillis(1_800_000_060_000) });
    millis.fetch_add(60_000, Ordering::Relaxed);
    haven.server.gateway.core.mail_waits.notify_one();
    comes_to(&haven, later, "the mail leaves", is_sent).await;
    let first = server.next().await;

    // An operator sends it again: the same Message-ID tells receivers that it is the same mail.
    let again =
        haven.server.gateway.core.decide(|office, now| {
            Ok::<_, ChangeError>(((), vec![Fact::Mail(office.outbox.resend(later, now).unwrap())]))
        });
    again.await.unwrap();
    let second = server.next().await;
    assert_eq!(header(&first, "message-id"), header(&second, "message-id"));
    comes_to(&haven, later, "the mail is noted", is_sent).await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_dead_server_delays() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (millis, clock) = standing();
    let haven = sending_to(port, clock).await;
    let id = queue(&haven, "a@example.org", MailContent::PasswordChanged).await;
    let waits = comes_to(&haven, id, "the mail is deferred", |mail| mail.failed == 1).await;
    assert_eq!(waits.last_failure, Some(MailFailure::Unreachable));
    let server = Receiving::start(port);
    millis.fetch_add(60_000, Ordering::Relaxed);
    haven.server.gateway.core.mail_waits.notify_one();
    comes_to(&haven, id, "the mail leaves", is_sent).await;
    assert_eq!(header(&server.next().await, "message-id"), [format!("<{id}@lmhaven.test>")]);
    haven.finish().await;
}

#[actix_web::test]
async fn a_balance_that_falls_is_told_once_for_each_crossing() {
    let server = Receiving::start(0);
    let haven = sending_to(server.port, Clock::system()).await;
    let core = &haven.server.gateway.core;
    let workspace = haven.workspace("25").await;
    let kinds = || {
        core.office(|office| {
            let mails = office.outbox.list(None, 99);
            let kinds = mails.iter().rev().map(|delivery| delivery.mail.content.kind());
            kinds.filter(|kind| kind.ends_with("_balance")).collect::<Vec<_>>()
        })
    };
    let id = workspace.id.parse().unwrap();
    let noted = |level| async move {
        core.mail_waits.notify_one();
        until("the balance is noted", || async {
            (core.office(|office| office.notices.level(id)) == level).then_some(())
        })
        .await;
    };
    noted(BalanceLevel::Fine).await;
    assert_eq!(kinds(), Vec::<&str>::new(), "a first top-up is no news");
    haven.credit(&workspace.id, "-20.01", "down").await;
    noted(BalanceLevel::Low).await;
    let mail = server.next_called("Your balance is low").await;
    assert_eq!(mail["envelope_to"], serde_json::json!(["owner@example.com"]));
    assert!(mail["parts"]["text/plain"].as_str().unwrap().contains("Available: $4.99"), "{mail}");
    haven.credit(&workspace.id, "-1", "further").await;
    haven.credit(&workspace.id, "20", "up").await;
    noted(BalanceLevel::Fine).await;
    haven.credit(&workspace.id, "-23.99", "all").await;
    noted(BalanceLevel::Zero).await;
    server.next_called("Your balance is used up").await;
    assert_eq!(kinds(), ["low_balance", "zero_balance"]);
    haven.finish().await;
}
