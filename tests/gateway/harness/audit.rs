//! The end of a test: everything is stopped, and whatever was left behind fails it.

use std::path::Path;

use lmhaven_actors::domain::entry::AccountName;
use lmhaven_actors::ledger::sled::SledLedger;
use lmhaven_actors::ledger::verify;

use super::money::credits_of;
use super::{Haven, Workspace, charges_of, nano, usd, within};

impl Haven {
    /// Stops the gateway and its upstream. Fails the test where money is still reserved, a call is still open at
    /// the provider, a hold is open in the ledger, or a balance is not what was credited less what was charged.
    pub(crate) async fn finish(self) {
        let workspaces = self.workspaces.borrow().clone();
        let mut balances = Vec::with_capacity(workspaces.len());
        for workspace in workspaces {
            balances.push((self.audit(&workspace).await, workspace));
        }
        within("the provider's last call to end", self.control.wait_until(|stats| stats.open == 0)).await;
        let Self { server, simulator, folder, .. } = self;
        within("the gateway to stop", server.stop()).await.expect("every record is durable");
        within("the simulator to stop", simulator.stop()).await;
        verify_offline(&folder.path().join("store"), &balances);
    }

    async fn audit(&self, workspace: &Workspace) -> i128 {
        let settled = self.settled_balance(workspace).await;
        let entries = self.ledger(workspace).await;
        let (credits, charges) = (credits_of(&entries), charges_of(&entries).into_iter().sum::<i128>());
        assert!(settled.balance >= 0, "the balance is {}", usd(settled.balance));
        assert_eq!(usd(settled.balance), usd(credits - charges), "credits {} less charges", usd(credits));
        settled.balance
    }
}

/// What `lmhaven ledger verify` says, of a copy: the process still has the original open.
fn verify_offline(store: &Path, balances: &[(i128, Workspace)]) {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(store, copy.path());
    let ledger = SledLedger::open_for_reading(copy.path()).unwrap_or_else(|error| panic!("the ledger: {error}"));
    let report = verify::verify(&ledger).unwrap();
    assert_eq!(report.first_bad, None, "the first entry that is wrong");
    assert_eq!(report.open_holds, [], "holds that nothing closed");
    for (balance, workspace) in balances {
        let accounts = report.workspaces.get(&workspace.id.parse().unwrap());
        let amount =
            |name| accounts.and_then(|accounts| accounts.get(&name)).map_or(0, |amount| nano(&amount.to_string()));
        assert_eq!(amount(AccountName::Held), 0, "held in the ledger");
        assert_eq!(usd(amount(AccountName::Available)), usd(*balance), "the ledger and the API disagree");
    }
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
