//! `[mail]`: how mails leave, and in whose name.

use std::path::{Path, PathBuf};

use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use serde::Deserialize;
use toml::Value;

use super::fields::Reader;
use super::secret::Secret;

/// The folder below `store.path` where mails are written unless a server takes them.
const FOLDER: &str = "mail";
/// In whose name mails are written that go to a folder: an address that cannot exist.
const SENDER: &str = "LMHaven <verify@lmhaven.invalid>";

/// `[mail]`.
#[derive(Clone, Debug)]
pub struct Mail {
    /// How mails leave.
    pub transport: MailTransport,
    /// Who they come from.
    pub from: Mailbox,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<Mailbox>,
}

/// How mails leave.
#[derive(Clone, Debug)]
pub enum MailTransport {
    /// They are written to a folder, one `.eml` file each.
    Folder(PathBuf),
    /// A server takes them: `smtps://user:password@host:465`, `smtp://user:password@host:587?tls=required`.
    Smtp(Secret),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawMail {
    transport: Option<Value>,
    smtp_url: Option<Value>,
    from: Option<Value>,
    reply_to: Option<Value>,
}

const SECTION: &str = "mail";

/// Reads the section; `None` where something in it is wrong. The folder is below the store's.
pub(super) fn read(reader: &mut Reader<'_>, value: Value, store: Option<&Path>) -> Option<Mail> {
    let RawMail { transport, smtp_url, from, reply_to } = reader.section(SECTION, value)?;
    let errors_before = reader.errors.len();
    let smtp = reader.required(SECTION, "transport", transport, |given| match given.text()? {
        "folder" => Ok(false),
        "smtp" => Ok(true),
        _ => Err("expected \"folder\" or \"smtp\"".to_owned()),
    });
    let written = reader.optional(SECTION, "smtp_url", smtp_url, |given| given.text().map(str::to_owned));
    let url = written.and_then(|written| reader.secret("mail.smtp_url", &written)?.ok());
    if let Some(url) = &url {
        check_url(reader, url);
    }
    let from = reader.optional(SECTION, "from", from, |given| mailbox(given.text()?));
    let reply_to = reader.optional(SECTION, "reply_to", reply_to, |given| mailbox(given.text()?));
    if reader.errors.len() > errors_before {
        return None;
    }
    let transport = match (smtp?, url) {
        (false, None) => MailTransport::Folder(store?.join(FOLDER)),
        (true, Some(url)) => MailTransport::Smtp(url),
        (false, Some(_)) => {
            reader.refuse("mail.smtp_url", "is only used with transport = \"smtp\"");
            return None;
        }
        (true, None) => {
            reader.refuse("mail.smtp_url", "is missing; transport = \"smtp\" needs it");
            return None;
        }
    };
    let from = match (from, &transport) {
        (Some(from), _) => from,
        (None, MailTransport::Folder(_)) => SENDER.parse().ok()?,
        (None, MailTransport::Smtp(_)) => {
            reader.refuse("mail.from", "is missing; such as \"LMHaven <verify@example.com>\"");
            return None;
        }
    };
    Some(Mail { transport, from, reply_to })
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|_| "expected an address such as \"LMHaven <verify@example.com>\"".to_owned())
}

/// Says whether the address can be used, without repeating it: it holds a password.
fn check_url(reader: &mut Reader<'_>, url: &Secret) {
    let text = url.expose();
    if AsyncSmtpTransport::<Tokio1Executor>::from_url(text).is_err() {
        let reason = "expected smtps://user:password@host:465 or smtp://user:password@host:587?tls=required";
        reader.refuse("mail.smtp_url", reason);
    } else if text.starts_with("smtp://") && !text.contains("tls=required") {
        reader.warn("mail.smtp_url", "mails leave unencrypted; add ?tls=required unless the server is this machine");
    }
}
