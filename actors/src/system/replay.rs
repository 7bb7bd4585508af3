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
