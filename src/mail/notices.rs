//! Looks for balances that crossed a line, and queues the mails about it.
//!
//! The postman calls it every few seconds, also after a restart. Requests pay nothing for it: it reads the sums of what was
//! committed. A dip that is over before the next look is not told.

use std::sync::Arc;

use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::WorkspaceId;
use lmhaven_actors::domain::mail::{Mail, MailFact};
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::system::{ChangeError, Core, fresh};
use lmhaven_actors::workspace::Describe;

/// Notes every balance that stands elsewhere than at the last look.
pub(super) async fn look(core: &Arc<Core>) {
    let balances = core.reports.balances();
    let crossed: Vec<_> = core.office(|office| {
        let moved = |(workspace, balance): &(_, _)| office.notices.crossing(*workspace, *balance).is_some();
        balances.into_iter().filter(moved).collect()
    });
    for (workspace, balance) in crossed {
        if let Err(error) = note(core, workspace, balance).await {
            tracing::warn!(%workspace, %error, "a balance that crossed a line could not be noted; the next look does");
            return;
        }
    }
}

async fn note(core: &Arc<Core>, workspace: WorkspaceId, balance: NanoUsd) -> Result<(), ChangeError> {
    let Some(handle) = core.directory.find(workspace) else { return Ok(()) };
    let to = handle.ask(Describe).await?.profile.owner_email;
    core.decide(|office, at| {
        let Some(crossing) = office.notices.crossing(workspace, balance) else { return Ok(((), Vec::new())) };
        let mail = crossing.content.map(|content| {
            let id = fresh::mail_id(at);
            MailFact::Queued(Mail { id, at, to, person: None, workspace: Some(workspace), content })
        });
        let noted = MailFact::BalanceNoted { workspace, at, level: crossing.level };
        Ok(((), std::iter::once(noted).chain(mail).map(Fact::Mail).collect()))
    })
    .await
}
