//! Mails about a workspace, to whoever looks after its money: its owners and its finance people, each by a mail of their
//! own, or the address that it was opened for where nobody has confirmed it yet.

use super::fresh;
use crate::domain::fact::Fact;
use crate::domain::ids::WorkspaceId;
use crate::domain::mail::{Mail, MailContent, MailFact};
use crate::domain::people::Role;
use crate::domain::time::UnixMillis;
use crate::office::Office;

/// One mail for each person and each thing that is said, to be journalled and applied with what it is about.
pub(super) fn write(
    office: &Office,
    workspace: WorkspaceId,
    owner_email: &str,
    said: &[MailContent],
    at: UnixMillis,
) -> Vec<Fact> {
    let mut to: Vec<_> = office
        .people
        .members(workspace)
        .into_iter()
        .filter(|member| matches!(member.role, Role::Owner | Role::Finance))
        .map(|member| (member.email.as_str().to_owned(), Some(member.person)))
        .collect();
    if to.is_empty() {
        to.push((owner_email.to_owned(), None));
    }
    let mail = |to: &(String, _), content: &MailContent| {
        let (to, person) = to.clone();
        let (workspace, content) = (Some(workspace), content.clone());
        Fact::Mail(MailFact::Queued(Mail { id: fresh::mail_id(at), at, to, person, workspace, content }))
    };
    said.iter().flat_map(|content| to.iter().map(move |to| mail(to, content))).collect()
}
