//! What each kind of mail says, in words.

use lmhaven_actors::domain::billing::BilledTo;
use lmhaven_actors::domain::mail::{After, Mail, MailContent};
use lmhaven_actors::domain::time::UnixMillis;

use super::Links;
use super::letter::{Letter, one_line};

/// The words of a mail. `None` where its link has no token.
pub fn letter_of(mail: &Mail, public_url: &str, links: &Links) -> Option<Letter> {
    let page = |path: &str| format!("{public_url}{path}");
    let with_token = |path: &str, link| Some(format!("{public_url}{path}?token={}", links.token(link)?));
    let letter = |subject: &str, preheader: &str, paragraphs: &[&str]| Letter {
        subject: one_line(subject),
        preheader: one_line(preheader),
        paragraphs: paragraphs.iter().map(|text| (*text).to_owned()).collect(),
        rows: Vec::new(),
        button: None,
        closing: "You receive this because of an account or a workspace that you have with us.".to_owned(),
        home: public_url.to_owned(),
    };
    let billing = || Some(("Open billing", page("/app/billing")));
    let receipt = |after: &After| match after.receipt {
        Some(number) => Some(("Open the receipt", page(&format!("/app/billing/receipts/{number}")))),
        None => billing(),
    };
    Some(match &mail.content {
        MailContent::VerifyAddress { link, expires_at } => Letter {
            rows: vec![("Works until", time(*expires_at))],
            button: Some(("Confirm address", with_token("/app/verify", *link)?)),
            closing: "If you did not sign up, ignore this message; nothing happens then.".to_owned(),
            ..letter(
                "Confirm your email address",
                "One click, and your keys start to work.",
                &["Please confirm that this address is yours. Until then, requests with your keys are refused."],
            )
        },
        MailContent::ResetPassword { link, expires_at } => Letter {
            rows: vec![("Works until", time(*expires_at))],
            button: Some(("Choose a new password", with_token("/app/reset", *link)?)),
            closing: "If you did not ask for this, ignore this message; your password stays as it is.".to_owned(),
            ..letter(
                "Choose a new password",
                "The link works once.",
                &["Somebody, probably you, asked for a new password. The link works once and ends all your sessions."],
            )
        },
        MailContent::AccountExists => Letter {
            button: Some(("Sign in", page("/app/sign-in"))),
            closing: "If it was not you, ignore this message; nothing was changed.".to_owned(),
            ..letter(
                "You already have an account",
                "Somebody tried to sign up with this address.",
                &["Somebody, probably you, tried to sign up with this address, which already has an account. \
                   You can sign in, or ask for a new password on the same page."],
            )
        },
        MailContent::Invitation { link, expires_at, workspace_name, invited_by, role } => Letter {
            rows: vec![
                ("Workspace", one_line(workspace_name)),
                ("Invited by", one_line(invited_by)),
                ("Role", one_line(role)),
                ("Works until", time(*expires_at)),
            ],
            button: Some(("Join the workspace", with_token("/app/invite", *link)?)),
            closing: "If you do not know the sender, ignore this message.".to_owned(),
            // The subject holds nothing that a stranger may choose: invitations are a way to send spam.
            ..letter("You are invited to a workspace", "Join with one click.", &["You are invited to a workspace."])
        },
        MailContent::PasswordChanged => Letter {
            closing: "If it was not you, choose a new password at once and tell us.".to_owned(),
            button: Some(("Choose a new password", page("/app/forgot"))),
            ..letter(
                "Your password was changed",
                "All other sessions were ended.",
                &["The password of your account was changed, and all other sessions were ended."],
            )
        },
        MailContent::NewSignIn { signed_in_at, address, browser } => Letter {
            rows: [("When", Some(time(*signed_in_at))), ("Address", address.clone()), ("With", browser.clone())]
                .into_iter()
                .filter_map(|(label, value)| Some((label, one_line(&value?))))
                .collect(),
            button: Some(("See your sessions", page("/app/account"))),
            closing: "If it was not you, end that session and choose a new password.".to_owned(),
            ..letter(
                "A new sign-in to your account",
                "From a browser that we have not seen before.",
                &["Somebody signed in to your account from a browser that we have not seen before."],
            )
        },
        MailContent::Receipt { payment, amount_usd, after } => Letter {
            rows: with_receipt(
                vec![("Amount", format!("${amount_usd}")), ("Payment", one_line(payment)), ("Date", time(mail.at))],
                after,
            ),
            button: receipt(after),
            ..letter(
                &format!("Receipt for your top-up of ${amount_usd}"),
                "Your balance is ready to use.",
                &["Thank you. Your payment arrived, and your balance is ready to use."],
            )
        },
        MailContent::Refund { payment, amount_usd, after } => Letter {
            rows: with_receipt(
                vec![("Amount", format!("${amount_usd}")), ("Payment", one_line(payment)), ("Date", time(mail.at))],
                after,
            ),
            button: receipt(after),
            ..letter(
                &format!("Refund of ${amount_usd}"),
                "The money is on its way back.",
                &["We sent money back to the card or account that it came from, and took it off your balance. \
                   Banks take up to ten days to show it."],
            )
        },
        MailContent::DisputeOpened { payment, amount_usd, after } => Letter {
            rows: with_balance(vec![("Amount", format!("${amount_usd}")), ("Payment", one_line(payment))], after),
            button: receipt(after),
            closing: "If you did not mean to dispute the payment, tell your bank so.".to_owned(),
            ..letter(
                &format!("A payment of ${amount_usd} is disputed"),
                "Your bank asks for a payment back.",
                &["Your bank asks us to return a payment. Until it is decided, the amount cannot be spent."],
            )
        },
        MailContent::DisputeClosed { payment, amount_usd, won, after } => Letter {
            rows: with_balance(
                vec![
                    ("Amount", format!("${amount_usd}")),
                    ("Payment", one_line(payment)),
                    ("Outcome", if *won { "The payment stands" } else { "The payment was returned" }.to_owned()),
                ],
                after,
            ),
            button: billing(),
            ..letter(
                &format!("The dispute about ${amount_usd} is decided"),
                "The bank has decided.",
                &["The bank has decided about a disputed payment."],
            )
        },
        MailContent::Credit { amount_usd, reason, after } => {
            let rows = std::iter::once(("Amount", format!("${amount_usd}")))
                .chain(reason.as_ref().map(|reason| ("Reason", one_line(reason))));
            let shared = Letter {
                rows: with_balance(rows.collect(), after),
                button: receipt(after),
                ..letter(
                    &format!("You received ${amount_usd} of credit"),
                    "It is ready to use.",
                    &["We added credit to your balance. It is ready to use."],
                )
            };
            if amount_usd.is_negative() {
                Letter {
                    subject: "Your balance was corrected".to_owned(),
                    preheader: "An operator took an amount off it.".to_owned(),
                    paragraphs: vec![
                        "We took an amount off your balance. If you do not know why, please ask us.".to_owned(),
                    ],
                    ..shared
                }
            } else {
                shared
            }
        }
        MailContent::AutoTopUpDone { payment, amount_usd, after } => Letter {
            rows: with_receipt(
                vec![("Amount", format!("${amount_usd}")), ("Payment", one_line(payment)), ("Date", time(mail.at))],
                after,
            ),
            button: receipt(after),
            ..letter(
                &format!("Automatic top-up of ${amount_usd}"),
                "Your balance was topped up.",
                &["Your balance fell below the line that you set, and was topped up with your saved payment method."],
            )
        },
        MailContent::AutoTopUpFailed { amount_usd, switched_off } => Letter {
            rows: vec![("Amount", format!("${amount_usd}"))],
            button: billing(),
            ..letter(
                "The automatic top-up failed",
                "Your saved payment method was refused.",
                &[
                    "Your balance fell below the line that you set, but your saved payment method was refused.",
                    if *switched_off {
                        "Automatic top-up is now off. Please check the payment method and switch it on again."
                    } else {
                        "We will try again later. You can also top up by hand."
                    },
                ],
            )
        },
        MailContent::LimitChange { requests_per_minute, concurrent_streams } => Letter {
            rows: vec![
                ("Requests per minute", requests_per_minute.to_string()),
                ("Streams at once", concurrent_streams.to_string()),
            ],
            button: Some(("See your limits", page("/app/limits"))),
            ..letter("Your limits changed", "They hold from now on.", &["The limits of your workspace changed."])
        },
        MailContent::LowBalance { available_usd, threshold_usd } => Letter {
            rows: vec![("Available", format!("${available_usd}")), ("Your notice line", format!("${threshold_usd}"))],
            button: Some(("Top up", page("/app/billing"))),
            closing: "You can change the line, or switch this notice off, under settings.".to_owned(),
            ..letter(
                "Your balance is low",
                "Requests are refused once nothing is left.",
                &[
                    "The balance of your workspace fell below your notice line. Requests are refused once nothing is left.",
                ],
            )
        },
        MailContent::WebhooksOff => Letter {
            button: Some(("Open webhooks", page("/app/webhooks"))),
            ..letter(
                "Your webhooks are off",
                "Nothing was taken for days.",
                &[
                    "The address that you gave for webhooks took no message for days, or said that it wants none. We send none \
                   until you switch them on again. What happened meanwhile is listed under billing.",
                ],
            )
        },
        MailContent::ZeroBalance => Letter {
            button: Some(("Top up", page("/app/billing"))),
            ..letter(
                "Your balance is used up",
                "Requests are refused until you top up.",
                &["The balance of your workspace is used up. Requests are refused until you top up; \
                   your keys and settings stay as they are."],
            )
        },
    })
}

/// The rows of a receipt: whom it names, and the balance.
fn with_receipt(mut rows: Vec<(&'static str, String)>, after: &After) -> Vec<(&'static str, String)> {
    if let Some(BilledTo { company, address, tax_id }) = after.billed_to.as_deref() {
        let named = [
            ("Billed to", one_line(company)),
            ("Address", one_line(&address.join(", "))),
            ("Tax id", one_line(tax_id)),
        ];
        rows.extend(named.into_iter().filter(|(_, value)| !value.is_empty()));
    }
    with_balance(rows, after)
}

/// The rows with the balance at their end, where the mail knows it.
fn with_balance(mut rows: Vec<(&'static str, String)>, after: &After) -> Vec<(&'static str, String)> {
    rows.extend(after.balance_usd.map(|balance| ("Balance now", format!("${balance}"))));
    rows
}

/// A moment as people read it, to the minute and in UTC.
fn time(at: UnixMillis) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    moment.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
#[path = "wording_tests.rs"]
mod tests;
