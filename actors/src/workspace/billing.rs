//! What people are told of money and limits, as facts of the batch in which it happened: the event, and a mail to everybody
//! who is in charge of money. A workspace that nobody signs in to has its owner's address.

use crate::domain::billing::{BillingEvent, Happened};
use crate::domain::entry::Entry;
use crate::domain::fact::Fact;
use crate::domain::mail::{Mail, MailFact};
use crate::domain::people::Member;
use crate::domain::time::Now;
use crate::fresh;
use crate::office::Office;

use super::actor::WorkspaceActor;

impl WorkspaceActor {
    /// The facts that tell of what happened. `entry` moved the money of all of it.
    pub(super) fn told(&self, office: &Office, happened: Vec<Happened>, entry: Option<&Entry>, now: Now) -> Vec<Fact> {
        if happened.is_empty() {
            return Vec::new();
        }
        let (workspace, at) = (self.account.workspace(), now.wall);
        let in_charge = office.people.members(workspace).into_iter().filter(|member| member.role.may_money());
        let mut recipients: Vec<_> =
            in_charge.map(|Member { person, email, .. }| (email.to_string(), Some(person))).collect();
        if recipients.is_empty() {
            recipients.push((self.account.profile().owner_email.clone(), None));
        }
        let mut facts = Vec::new();
        for happened in happened {
            let receipt = entry.filter(|_| !matches!(happened, Happened::LimitsChanged { .. })).map(|entry| entry.seq);
            let balance_usd = self.account.whole();
            let event = BillingEvent { id: fresh::event_id(at), workspace, at, balance_usd, receipt, happened };
            facts.extend(recipients.iter().map(|(to, person)| {
                let (id, to, content) =
                    (fresh::mail_id(at), to.clone(), event.mail(office.billing.billed_to(workspace)));
                Fact::Mail(MailFact::Queued(Mail { id, at, to, person: *person, workspace: Some(workspace), content }))
            }));
            facts.push(Fact::Billing(event));
        }
        facts
    }
}
