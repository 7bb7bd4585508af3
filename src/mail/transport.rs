//! How a message leaves: to a server by SMTP, or into a folder.

use std::path::PathBuf;
use std::time::Duration;

use actix_web::web;
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use lmhaven_actors::domain::ids::MailId;
use lmhaven_actors::domain::mail::MailFailure;

use crate::config::MailTransport;

/// A server answers each command within this time, or the attempt failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Connections to the server at once: as many as mails that leave at once.
pub(super) const AT_ONCE: usize = 4;

/// Mails cannot leave.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made.
    #[error("the folder of mails {path} cannot be made: {source}")]
    Folder {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The server's address cannot be used. It is not repeated: it holds a password.
    #[error("mail.smtp_url cannot be used")]
    Url,
}

/// How messages leave.
#[derive(Clone)]
pub enum Transport {
    /// Into a folder.
    Folder(PathBuf),
    /// To a server.
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

impl Transport {
    /// What the configuration asks for.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(settings: &MailTransport) -> Result<Self, OpenError> {
        match settings {
            MailTransport::Folder(path) => {
                std::fs::create_dir_all(path)
                    .map_err(|source| OpenError::Folder { path: path.display().to_string(), source })?;
                Ok(Self::Folder(path.clone()))
            }
            MailTransport::Smtp(url) => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose());
                let pool = PoolConfig::new().max_size(u32::try_from(AT_ONCE).unwrap_or(1));
                let builder = builder.map_err(|_| OpenError::Url)?.timeout(Some(ANSWER_WITHIN)).pool_config(pool);
                Ok(Self::Smtp(builder.build()))
            }
        }
    }

    /// Hands a message over; returns once it is taken.
    ///
    /// # Errors
    /// Why not.
    pub async fn send(&self, id: MailId, message: Message) -> Result<(), MailFailure> {
        match self {
            Self::Folder(folder) => {
                let folder = folder.clone();
                let written = web::block(move || write(&folder, id, &message)).await;
                written.ok().and_then(Result::ok).ok_or(MailFailure::Folder)
            }
            Self::Smtp(server) => server.send(message).await.map(|_| ()).map_err(|error| match error.status() {
                Some(code) if error.is_permanent() => MailFailure::Refused { code: code.into() },
                Some(code) => MailFailure::Deferred { code: code.into() },
                None => MailFailure::Unreachable,
            }),
        }
    }
}

/// Whole or not at all: who watches the folder sees no half of a mail.
fn write(folder: &std::path::Path, id: MailId, message: &Message) -> std::io::Result<()> {
    let draft = folder.join(format!(".{id}.new"));
    std::fs::write(&draft, message.formatted())?;
    std::fs::rename(draft, folder.join(format!("{id}.eml")))
}
