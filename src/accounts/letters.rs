//! Letters of people as mails in the outbox: the same batch of facts holds the decision and its mail.

use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::mail::{Mail, MailContent, MailFact};
use lmhaven_actors::domain::people::{Letter, People};
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::fresh;

/// The fact that queues the mail.
pub(super) fn queued(letter: Letter, people: &People, at: UnixMillis) -> Fact {
    let (to, workspace, content) = match letter {
        Letter::Verify { to, link, expires_at } => (to, None, MailContent::VerifyAddress { link, expires_at }),
        Letter::AccountExists { to } => (to, None, MailContent::AccountExists),
        Letter::Reset { to, link, expires_at } => (to, None, MailContent::ResetPassword { link, expires_at }),
        Letter::Invite { to, link, expires_at, workspace, by, role } => {
            let content = MailContent::Invitation {
                link,
                expires_at,
                workspace_name: people.workspace_name(workspace).to_owned(),
                invited_by: by.to_string(),
                role: role.to_string(),
            };
            (to, Some(workspace), content)
        }
        Letter::PasswordChanged { to } => (to, None, MailContent::PasswordChanged),
        Letter::NewSignIn { to, at, address, client } => {
            (to, None, MailContent::NewSignIn { signed_in_at: at, address: Some(address), browser: Some(client) })
        }
    };
    let person = people.by_email(&to).map(|person| person.id);
    Fact::Mail(MailFact::Queued(Mail { id: fresh::mail_id(at), at, to: to.to_string(), person, workspace, content }))
}
