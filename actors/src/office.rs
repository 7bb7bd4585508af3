//! What is remembered besides money and keys: people, mail, payments. Nothing here is on a request's way to a model.
//!
//! All of it is derived from facts, and all of it stands under one lock, so that one decision may look at everything:
//! `Core::decide` takes the lock, has a pure function say what happened, journals that and applies it. Each part is a state
//! machine of its own in `domain`; this file only hands facts on.

use crate::domain::billing::Billing;
use crate::domain::fact::Fact;
use crate::domain::mail::{Notices, Outbox};
use crate::domain::payment::Payments;
use crate::domain::people::People;
use crate::domain::webhook::Webhooks;

/// The state of the office.
#[derive(Debug, Default)]
pub struct Office {
    /// Who signs in, and to which workspaces.
    pub people: People,
    /// Mails that wait, and those that went out lately.
    pub outbox: Outbox,
    /// Which balances were seen to fall, and below which line that is told.
    pub notices: Notices,
    /// Checkouts, payments, refunds, disputes and auto top-up.
    pub payments: Payments,
    /// What people were told of money and limits.
    pub billing: Billing,
    /// Where that is told by webhook, and what waits.
    pub webhooks: Webhooks,
}

impl Office {
    /// Something happened.
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::People(fact) => self.people.apply(fact),
            Fact::Mail(fact) => {
                self.outbox.apply(fact);
                self.notices.apply(fact);
            }
            Fact::WorkspaceCreated(created) => self.people.note_workspace(created),
            Fact::WorkspaceChanged(change) => {
                if let Some(name) = &change.name {
                    self.people.rename_workspace(change.workspace, name);
                }
                if let Some(billed_to) = &change.billed_to {
                    self.billing.bill_to(change.workspace, billed_to);
                }
            }
            Fact::Payment(fact) => self.payments.apply(fact),
            Fact::Billing(event) => {
                self.billing.apply(event);
                self.webhooks.note(event);
            }
            Fact::Webhook(fact) => self.webhooks.apply(fact),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fact::{WorkspaceChanged, WorkspaceCreated};
    use crate::domain::ids::WorkspaceId;
    use crate::domain::time::UnixMillis;

    #[test]
    fn a_workspace_has_the_last_of_its_names_and_other_changes_leave_it() {
        let (workspace, at) = (WorkspaceId::from_bits(1), UnixMillis(0));
        let (name, owner_email) = ("First".to_owned(), "ann@example.com".to_owned());
        let created = WorkspaceCreated { workspace, at, name, owner_email, email_verified: false };
        let mut office = Office::default();
        office.apply(&Fact::WorkspaceCreated(created));
        for (name, expected) in [(Some("Second"), "Second"), (None, "Second"), (Some("Third"), "Third")] {
            let name = name.map(str::to_owned);
            let change = WorkspaceChanged { name, ..WorkspaceChanged::nothing(workspace, at) };
            office.apply(&Fact::WorkspaceChanged(change));
            assert_eq!(office.people.workspace_name(workspace), expected);
        }
    }
}
