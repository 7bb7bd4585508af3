//! Every workspace by its id, and where its actor runs.
//!
//! Actors live on the server's own worker threads, in turn, so that a busy gateway needs no further thread.
//! A workspace whose actor died is built anew from the ledger, on the next thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Actor, Addr};
use actix_rt::ArbiterHandle;
use parking_lot::{Mutex, RwLock};

use crate::clock::Clock;
use crate::domain::account::Account;
use crate::domain::ids::WorkspaceId;
use crate::journal::Journal;
use crate::workspace::{ReadStanding, Rebuild, WorkspaceActor, WorkspaceHandle};

/// The threads that workspace actors may run on.
#[derive(Debug, Default)]
pub struct Placement {
    arbiters: Mutex<Vec<ArbiterHandle>>,
    next: AtomicUsize,
}

impl Placement {
    /// Adds a thread.
    pub fn add(&self, arbiter: ArbiterHandle) {
        self.arbiters.lock().push(arbiter);
    }

    /// How many threads there are.
    pub fn len(&self) -> usize {
        self.arbiters.lock().len()
    }

    /// There is none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Starts an account's actor on the next thread; on the current one where there is none.
    pub fn start(&self, account: Account, journal: Journal, clock: Clock) -> Addr<WorkspaceActor> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let arbiter = {
            let arbiters = self.arbiters.lock();
            turn.checked_rem(arbiters.len()).and_then(|place| arbiters.get(place).cloned())
        };
        let actor = WorkspaceActor::new(account, journal, clock);
        match arbiter {
            Some(arbiter) => WorkspaceActor::start_in_arbiter(&arbiter, |_| actor),
            None => actor.start(),
        }
    }
}

/// Every workspace.
#[derive(Default)]
pub struct Directory {
    workspaces: RwLock<HashMap<WorkspaceId, WorkspaceHandle>>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("workspaces", &self.workspaces.read().len()).finish()
    }
}

impl Directory {
    /// The workspace with this id.
    pub fn find(&self, id: WorkspaceId) -> Option<WorkspaceHandle> {
        self.workspaces.read().get(&id).cloned()
    }

    /// Workspaces after `after` in order of their ids, the oldest first, at most `limit`.
    pub fn page(&self, after: Option<WorkspaceId>, limit: usize) -> Vec<WorkspaceHandle> {
        let workspaces = self.workspaces.read();
        let mut ids: Vec<_> = workspaces.keys().copied().filter(|id| after.is_none_or(|after| *id > after)).collect();
        ids.sort_unstable();
        ids.iter().take(limit).filter_map(|id| workspaces.get(id).cloned()).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.workspaces.read().len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages that wait for the workspace that has the most.
    pub fn waiting_max(&self) -> u32 {
        self.workspaces.read().values().map(WorkspaceHandle::waiting).max().unwrap_or_default()
    }

    /// Waits until every actor has had each message that was sent to it before.
    pub async fn caught_up(&self) {
        let handles: Vec<_> = self.workspaces.read().values().cloned().collect();
        // A dead actor has nothing more to do.
        let asked = handles.iter().map(|handle| handle.ask(ReadStanding));
        futures_util::future::join_all(asked).await;
    }

    /// Adds a workspace whose actor runs.
    pub fn add(
        &self,
        id: WorkspaceId,
        addr: Addr<WorkspaceActor>,
        rebuild: Arc<dyn RebuildAccount>,
    ) -> WorkspaceHandle {
        let rebuild: Rebuild = Arc::new(move |id| {
            let rebuild = rebuild.clone();
            Box::pin(async move { rebuild.rebuild(id).await })
        });
        let handle = WorkspaceHandle::new(id, addr, rebuild);
        self.workspaces.write().insert(id, handle.clone());
        handle
    }
}

/// Builds one workspace's actor anew from the ledger.
pub trait RebuildAccount: Send + Sync {
    /// The fresh actor; `None` where the ledger cannot be read.
    fn rebuild(
        &self,
        id: WorkspaceId,
    ) -> std::pin::Pin<Box<dyn std::future::Future<Output = Option<Addr<WorkspaceActor>>> + Send + '_>>;
}
