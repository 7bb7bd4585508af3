//! A letter as a message of the Internet: headers and both parts.

use std::time::{Duration, SystemTime};

use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};
use lmhaven_actors::domain::mail::Mail;

use super::Links;
use super::wording::letter_of;
use crate::config;

/// A mail cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Nobody has this address.
    #[error("the recipient's address cannot be used")]
    Address,
    /// Its link is gone.
    #[error("its link has no token")]
    Link,
    /// A template failed.
    #[error(transparent)]
    Template(#[from] askama::Error),
    /// The parts do not make a message.
    #[error(transparent)]
    Parts(#[from] lettre::error::Error),
}

/// The message of a mail. The same mail gives the same Message-ID each time, so that a receiver can tell a repetition.
///
/// # Errors
/// [`MessageError`]; trying again does not help.
pub fn compose(mail: &Mail, settings: &config::Mail, public_url: &str, links: &Links) -> Result<Message, MessageError> {
    let to = mail.to.parse().map(|address| lettre::message::Mailbox::new(None, address));
    let letter = letter_of(mail, public_url, links).ok_or(MessageError::Link)?;
    let date = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(mail.at.0).unwrap_or(0));
    let mut message = Message::builder()
        .from(settings.from.clone())
        .to(to.map_err(|_| MessageError::Address)?)
        .subject(&letter.subject)
        .date(date)
        .message_id(Some(format!("<{}@{}>", mail.id, settings.from.email.domain())));
    if let Some(reply_to) = &settings.reply_to {
        message = message.reply_to(reply_to.clone());
    }
    // Out-of-office answers are not wanted (RFC 3834).
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let message = message.raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
    let part = |kind, body: String| {
        SinglePart::builder().header(kind).header(ContentTransferEncoding::QuotedPrintable).body(body)
    };
    Ok(message.multipart(
        MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, letter.text()?))
            .singlepart(part(ContentType::TEXT_HTML, letter.html()?)),
    )?)
}
