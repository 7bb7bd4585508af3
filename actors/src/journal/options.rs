//! How the journal behaves; everything that a test replaces is here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Tells how many bytes are free where the store lies.
pub type FreeSpace = Box<dyn Fn() -> io::Result<u64> + Send>;

/// What the journal may be told.
pub struct JournalOptions {
    /// How long a record for which nobody waits may stay in memory. Where a crash takes a settlement within this
    /// time, its hold is recovered instead, at worst at our cost.
    pub linger: Duration,
    /// The longest rest between the end of a commit and the start of the next. Those whom a commit released answer
    /// their callers, and what follows from that comes within this time and shares the next commit, instead of half
    /// of it waiting for two. Most of what a commit costs is its wake-ups. A small commit is followed by a short rest,
    /// and an idle journal commits at once.
    pub rest: Duration,
    /// Records that may wait before what begins is refused: over 100 ms of the fastest gateway.
    pub queue: usize,
    /// Free bytes below which what begins is refused, so that what ends still fits.
    pub min_free: u64,
    /// Tells the free bytes; `None` never refuses.
    pub free_space: Option<FreeSpace>,
    /// How often the free bytes are asked for.
    pub check_every: Duration,
    /// The first wait before an append that the ledger refused is tried again; doubled up to a second.
    pub retry: Duration,
    /// Called once after the ledger failed for good. Ends the process: memory and disk may differ by now, and a
    /// restart reads what is true.
    pub on_fatal: Arc<dyn Fn() + Send + Sync>,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(2),
            rest: Duration::from_micros(500),
            queue: 8192,
            min_free: 256 << 20,
            free_space: None,
            check_every: Duration::from_secs(1),
            retry: Duration::from_millis(10),
            on_fatal: Arc::new(|| std::process::abort()),
        }
    }
}

/// What each record of a commit adds to the rest after it.
const REST_PER_RECORD: Duration = Duration::from_micros(30);

impl JournalOptions {
    /// The rest after a commit of so many records.
    pub(super) fn rest_after(&self, records: usize) -> Duration {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        REST_PER_RECORD.saturating_mul(records).min(self.rest)
    }

    /// The defaults for a store in this directory: its disk is watched.
    pub fn for_store(path: &Path) -> Self {
        let path: PathBuf = path.to_owned();
        let free = move || {
            let disk = rustix::fs::statvfs(&path)?;
            Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
        };
        Self { free_space: Some(Box::new(free)), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_commit_is_followed_by_the_whole_rest_and_a_small_one_by_little() {
        let options = JournalOptions::default();
        assert_eq!(options.rest_after(1), REST_PER_RECORD);
        assert_eq!(options.rest_after(usize::MAX), options.rest);
    }

    #[test]
    fn the_free_space_of_a_directory_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let free = JournalOptions::for_store(directory.path()).free_space.unwrap();
        assert!(free().unwrap() > 0);
        let gone = directory.path().join("gone");
        assert!(JournalOptions::for_store(&gone).free_space.unwrap()().is_err());
    }
}
