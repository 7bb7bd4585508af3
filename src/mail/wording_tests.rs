//! Every kind of mail is written.

use std::sync::Arc;

use lmhaven_actors::domain::billing::BilledTo;
use lmhaven_actors::domain::ids::{LinkId, MailId};
use lmhaven_actors::domain::mail::{After, KINDS};
use lmhaven_actors::domain::money::NanoUsd;

use super::*;

const AT: UnixMillis = UnixMillis(1_800_000_000_000);
const NASTY: &str = "Acme\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script>";

fn all() -> Vec<MailContent> {
    let (link, expires_at, payment, amount_usd) =
        (LinkId::from_bits(7), AT, "pay_123".to_owned(), NanoUsd::from_nano(25_000_000_000));
    let billed_to = BilledTo {
        company: NASTY.to_owned(),
        address: vec!["1 Main Street".to_owned(), NASTY.to_owned()],
        tax_id: NASTY.to_owned(),
    };
    let after = After { balance_usd: Some(amount_usd), receipt: Some(7), billed_to: Some(Arc::new(billed_to)) };
    vec![
        MailContent::VerifyAddress { link, expires_at },
        MailContent::ResetPassword { link, expires_at },
        MailContent::AccountExists,
        MailContent::Invitation {
            link,
            expires_at,
            workspace_name: NASTY.to_owned(),
            invited_by: NASTY.to_owned(),
            role: "finance".to_owned(),
        },
        MailContent::PasswordChanged,
        MailContent::NewSignIn {
            signed_in_at: AT,
            address: Some("203.0.113.9".to_owned()),
            browser: Some(NASTY.to_owned()),
        },
        MailContent::Receipt { payment: payment.clone(), amount_usd, after: after.clone() },
        MailContent::Refund { payment: payment.clone(), amount_usd, after: after.clone() },
        MailContent::DisputeOpened { payment: payment.clone(), amount_usd, after: after.clone() },
        MailContent::DisputeClosed { payment: payment.clone(), amount_usd, won: true, after: after.clone() },
        MailContent::Credit { amount_usd, reason: Some(NASTY.to_owned()), after: after.clone() },
        MailContent::AutoTopUpFailed { amount_usd, switched_off: true },
        MailContent::AutoTopUpDone { payment, amount_usd, after },
        MailContent::LimitChange { requests_per_minute: 600, concurrent_streams: 100 },
        MailContent::LowBalance { available_usd: amount_usd, threshold_usd: amount_usd },
        MailContent::ZeroBalance,
        MailContent::WebhooksOff,
    ]
}

fn mail(content: MailContent) -> Mail {
    let (id, to) = (MailId::from_bits(1), "a@example.org".to_owned());
    Mail { id, at: AT, to, person: None, workspace: None, content }
}

#[test]
fn every_kind_says_the_same_in_both_parts_and_escapes_what_others_wrote() {
    let links = Links::new(|link| Some(format!("token-of-{link}")));
    let kinds: Vec<_> = all().iter().map(MailContent::kind).collect();
    assert_eq!(kinds, KINDS, "a kind without a mail here");
    for content in all() {
        let letter = letter_of(&mail(content), "https://lmhaven.test", &links).unwrap();
        let (html, text) = (letter.html().unwrap(), letter.text().unwrap());
        if let Ok(folder) = std::env::var("LMHAVEN_MAILS_TO_READ") {
            std::fs::write(format!("{folder}/{}.html", letter.subject), &html).unwrap();
            std::fs::write(format!("{folder}/{}.txt", letter.subject), &text).unwrap();
        }
        assert!(!html.contains("<script") && !html.contains("src="), "{html}");
        assert!(!letter.subject.contains(['\r', '\n']) && !text.contains("\nBcc:"), "{text}");
        assert!(text.contains(&letter.subject) && html.contains("<h1"));
        for paragraph in &letter.paragraphs {
            assert!(text.contains(paragraph), "{text}");
        }
        if let Some((_, address)) = &letter.button {
            assert!(address.starts_with("https://lmhaven.test/app/"));
            assert!(text.contains(address) && html.contains(&format!("href=\"{address}\"")), "{html}");
        }
    }
}

#[test]
fn a_link_without_a_token_makes_no_mail() {
    let content = MailContent::VerifyAddress { link: LinkId::from_bits(7), expires_at: AT };
    assert_eq!(letter_of(&mail(content), "https://lmhaven.test", &Links::default()), None);
}
