//! Closed requests out of the ledger: a page of them, or the one with an id.

use std::cmp::Ordering;
use std::sync::Arc;

use lmhaven_actors::domain::entry::Entry;
use lmhaven_actors::domain::ids::{RequestId, WorkspaceId};
use lmhaven_actors::ledger::LedgerError;
use lmhaven_actors::reports::ClosedFilter;
use lmhaven_actors::system::Core;

use super::Trouble;
use crate::dashboard::charges::{Known, RequestRow};

/// Closing entries that are looked at for one id, from the millisecond in which the id was made on: what the busiest
/// workspace closes while one request runs.
const LOOKED_AT_MAX: usize = 20_000;
/// Of those, read at a time.
const PAGE: usize = 500;

/// Up to `limit` closed requests below the entry number `before`, the newest first.
///
/// # Errors
/// The ledger cannot be read.
pub(super) async fn newest(
    core: &Arc<Core>,
    workspace: WorkspaceId,
    filter: ClosedFilter,
    before: u64,
    limit: usize,
    known: Known,
) -> Result<Vec<RequestRow>, Trouble> {
    let core = core.clone();
    read(move || {
        let numbers = core.reports.closed_before(workspace, &filter, before, limit);
        let entries = numbers.into_iter().filter_map(|seq| entry(&core, workspace, seq).transpose());
        let rows = entries.map(|entry| Ok(known.row(&entry?)));
        rows.filter_map(Result::transpose).collect()
    })
    .await
}

/// The closed request with this id.
///
/// # Errors
/// The ledger cannot be read.
pub(super) async fn find(
    core: &Arc<Core>,
    workspace: WorkspaceId,
    id: RequestId,
    known: Known,
) -> Result<Option<RequestRow>, Trouble> {
    let core = core.clone();
    read(move || {
        // Entries are in order of time, and none closes a request before its id was made.
        let made = i64::try_from(id.bits() >> 80).unwrap_or(i64::MAX);
        let mut place = first_since(&core, workspace, made)?;
        let end = place.saturating_add(LOOKED_AT_MAX);
        while place < end {
            let numbers = core.reports.closed_from(workspace, place, PAGE);
            if numbers.is_empty() {
                break;
            }
            place += numbers.len();
            for seq in numbers {
                let Some(entry) = entry(&core, workspace, seq)? else { continue };
                if entry.request.as_ref().is_some_and(|detail| detail.request == id) {
                    return Ok(known.row(&entry));
                }
            }
        }
        Ok(None)
    })
    .await
}

/// The place of the first closed request that was closed at `millis` or later.
fn first_since(core: &Core, workspace: WorkspaceId, millis: i64) -> Result<usize, LedgerError> {
    let (mut low, mut high) = (0, core.reports.closed_count(workspace));
    while low < high {
        let middle = low.midpoint(high);
        let number = core.reports.closed_from(workspace, middle, 1).first().copied();
        let at =
            number.map(|seq| entry(core, workspace, seq)).transpose()?.flatten().map_or(i64::MAX, |entry| entry.at.0);
        // The clock may have been set back by moments: a second is added to the safe side.
        match at.saturating_add(1000).cmp(&millis) {
            Ordering::Less => low = middle + 1,
            Ordering::Equal | Ordering::Greater => high = middle,
        }
    }
    Ok(low)
}

fn entry(core: &Core, workspace: WorkspaceId, seq: u64) -> Result<Option<Entry>, LedgerError> {
    Ok(core.ledger.entries(workspace, seq.saturating_sub(1), 1)?.pop())
}

/// The entry with this number in a workspace.
///
/// # Errors
/// The ledger cannot be read.
pub(super) async fn one(core: &Arc<Core>, workspace: WorkspaceId, seq: u64) -> Result<Option<Entry>, Trouble> {
    let core = core.clone();
    read(move || entry(&core, workspace, seq)).await
}

async fn read<T: Send + 'static>(look: impl FnOnce() -> Result<T, LedgerError> + Send + 'static) -> Result<T, Trouble> {
    match actix_web::web::block(look).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => {
            tracing::error!(%error, "a page could not read the ledger");
            Err(Trouble::Unavailable)
        }
        Err(_) => Err(Trouble::Unavailable),
    }
}
