//! Reading the whole ledger once, at start or to rebuild one account.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::OpenError;
use crate::domain::account::Account;
use crate::domain::fact::{AuditRow, Fact, PricesPublished};
use crate::domain::ids::WorkspaceId;
use crate::domain::limits::LimitPolicy;
use crate::domain::time::Now;
use crate::ledger::{Ledger, Position, Record};
use crate::office::Office;
use crate::reports::Reports;

/// What a replay gives.
pub(super) struct Replayed {
    pub(super) accounts: HashMap<WorkspaceId, Account>,
    pub(super) prices: Vec<PricesPublished>,
    pub(super) audit: Vec<AuditRow>,
    pub(super) switches: HashMap<(String, usize), bool>,
    pub(super) office: Office,
}

/// Reads the whole ledger once.
pub(super) fn replay(
    ledger: &dyn Ledger,
    policy: &Arc<LimitPolicy>,
    reports: Option<&Reports>,
) -> Result<Replayed, OpenError> {
    let mut replayed = Replayed {
        accounts: HashMap::new(),
        prices: Vec::new(),
        audit: Vec::new(),
        switches: HashMap::new(),
        office: Office::default(),
    };
    let mut damage = None;
    ledger.replay(Position::default(), &mut |position, record| {
        if let Some(reports) = reports {
            reports.note(std::slice::from_ref(&record));
        }
        match apply(&mut replayed, policy, record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(reason) => {
                damage = Some(OpenError::Damaged { position: format!("{position:?}"), reason });
                ControlFlow::Break(())
            }
        }
    })?;
    damage.map_or(Ok(replayed), Err)
}

fn apply(replayed: &mut Replayed, policy: &Arc<LimitPolicy>, record: Record) -> Result<(), String> {
    if let Record::Fact(fact) = &record {
        replayed.office.apply(fact);
    }
    match record {
        Record::Entry(entry) => {
            let account = replayed.accounts.get_mut(&entry.workspace).ok_or("an entry of an unknown workspace")?;
            account.replay(&entry).map_err(|error| format!("{} of {}: {error}", entry.id(), entry.workspace))?;
        }
        Record::Progress { workspace, request, progress } => {
            if let Some(account) = replayed.accounts.get_mut(&workspace) {
                // Progress that is journalled after its hold closed changes nothing.
                let _ = account.progress(request, progress);
            }
        }
        Record::Fact(Fact::WorkspaceCreated(created)) => {
            let account = Account::opened(&created, policy.clone(), Now::replayed(created.at));
            replayed.accounts.insert(created.workspace, account);
        }
        Record::Fact(Fact::PricesPublished(published)) => replayed.prices.push(published),
        Record::Fact(Fact::ProviderAccountSwitched(switched)) => {
            replayed.switches.insert((switched.provider, switched.n), switched.enabled);
        }
        Record::Fact(Fact::Audited(row)) => replayed.audit.push(row),
        Record::Fact(fact) => {
            if let Some(account) = fact.workspace().and_then(|id| replayed.accounts.get_mut(&id)) {
                account.replay_fact(&fact);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::clock::Clock;
    use crate::domain::ids::{LinkId, PersonId};
    use crate::domain::limits::Limits;
    use crate::domain::people::{Decided, Letter, PasswordHash, Registration};
    use crate::journal::JournalOptions;
    use crate::ledger::memory::MemoryLedger;
    use crate::system::{ChangeError, Core, fresh};

    async fn open(ledger: &Arc<dyn Ledger>) -> Arc<Core> {
        let many = NonZeroU32::new(600).unwrap();
        let limits = Limits { requests_per_minute: many, concurrent_streams: many };
        let policy = LimitPolicy { default: limits, tiers: Vec::new() };
        Core::open(ledger.clone(), policy, JournalOptions::default(), Clock::system()).await.unwrap()
    }

    #[tokio::test]
    async fn the_office_is_the_same_after_a_restart() {
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
        let core = open(&ledger).await;
        let registered: Result<(PersonId, Fact), ChangeError> = core
            .decide(|office, now| {
                let (person, link): (_, LinkId) = (fresh::person_id(now), fresh::link_id(now));
                let registration = Registration {
                    email: "ann@example.com".parse().unwrap(),
                    password: PasswordHash("hash".to_owned()),
                    person,
                    link,
                    workspace: fresh::workspace_id(now),
                    workspace_name: "Own".to_owned(),
                };
                let Decided { mut facts, letters } = office.people.register(registration, now);
                // Written below: a workspace that opens here would start an actor, which needs threads of its own.
                let created = facts.iter().position(|fact| matches!(fact, Fact::WorkspaceCreated(_))).unwrap();
                let created = facts.remove(created);
                assert!(matches!(&letters[..], [Letter::Verify { .. }]));
                Ok(((person, created), facts))
            })
            .await;
        let (person, created) = registered.unwrap();
        let mut before = core.office(|office| office.people.clone());
        assert!(before.person(person).is_some());
        let Fact::WorkspaceCreated(opened) = &created else { panic!("another fact") };
        before.note_workspace(opened);
        assert_eq!(before.workspace_name(opened.workspace), "Own");
        core.write(vec![created]).await.unwrap();
        core.journal.clone().shutdown().await.unwrap();
        let again = open(&ledger).await;
        assert_eq!(again.office(|office| office.people.clone()), before);
    }
}
