//! Deletes images a grace hour after their links are over.
//!
//! A round lists the folders whose hour is over and deletes, oldest first and within bounds, what their names say is
//! due. It keeps no state: a round that was cut short is taken up by the next, on this gateway or another one that
//! shares the place. What is not named as `store` names images is left alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::time::UnixMillis;
use object_store::path::Path;

use super::Images;
use super::store::{Store, StoreError, folder_begins, parse_object_name};

/// How long an object outlives its link, in seconds: a download that began in the last second ends in peace.
pub const GRACE_SECONDS: i64 = 3600;
/// Images that one round deletes: the names of a round are in memory.
pub const ROUND_MAX: usize = 1000;
/// How often the gateway looks for what is due.
pub const EVERY: Duration = Duration::from_mins(5);

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// So many are gone.
    pub deleted: usize,
    /// So many could not be deleted; the next round tries again.
    pub failed: usize,
    /// The round ended at its bound, and more may be due.
    pub more: bool,
}

/// Sweeps now and then every few minutes, for as long as the process runs.
pub async fn keep_clean(images: Arc<Images>, clock: Clock) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // What was due for long, after a time without a gateway, goes round by round without a pause.
        while round(&images, clock.now().wall).await {}
    }
}

/// One round and its line in the log; tells whether another one is worth while at once.
async fn round(images: &Images, now: UnixMillis) -> bool {
    match images.sweep(now, ROUND_MAX).await {
        Ok(Swept { deleted: 0, failed: 0, .. }) => false,
        Ok(Swept { deleted, failed: 0, more }) => {
            tracing::info!(deleted, "deleted images whose links are over");
            more
        }
        Ok(Swept { deleted, failed, .. }) => {
            tracing::warn!(deleted, failed, "some images whose links are over could not be deleted");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "images whose links are over cannot be listed");
            false
        }
    }
}

impl Store {
    /// Deletes at most `max` images that were due at `now`.
    ///
    /// # Errors
    /// The place cannot be listed. What was listed before is not deleted then; the next round does.
    pub(super) async fn sweep(&self, now: UnixMillis, max: usize) -> Result<Swept, StoreError> {
        // An image is due where `expires_at + GRACE_SECONDS <= now`.
        let expired_by = now.0.div_euclid(1000).saturating_sub(GRACE_SECONDS);
        let mut due = Vec::new();
        for folder in self.folders(expired_by).await? {
            let mut names = self.objects.list(Some(&folder));
            while due.len() < max
                && let Some(object) = names.next().await
            {
                let name = object?.location;
                if parse_object_name(&name).is_some_and(|named| named.expires_at <= expired_by) {
                    due.push(name);
                }
            }
        }
        let mut swept = Swept { more: due.len() >= max, ..Swept::default() };
        let mut deletions = self.objects.delete_stream(stream::iter(due.into_iter().map(Ok)).boxed());
        while let Some(deleted) = deletions.next().await {
            match deleted.map_err(StoreError::from) {
                // Another gateway was faster.
                Ok(_) | Err(StoreError::Missing) => swept.deleted += 1,
                Err(error) => {
                    tracing::debug!(%error, "an image could not be deleted");
                    swept.failed += 1;
                }
            }
        }
        Ok(swept)
    }

    /// Folders with images that expired by then, the oldest first.
    async fn folders(&self, expired_by: i64) -> Result<Vec<Path>, StoreError> {
        let folders = self.objects.list_with_delimiter(None).await?.common_prefixes;
        let number = |folder: &Path| folder.filename()?.parse::<i64>().ok();
        let mut numbered: Vec<(i64, Path)> = folders
            .into_iter()
            .filter_map(|folder| Some((number(&folder)?, folder)))
            .filter(|(number, _)| folder_begins(*number) <= expired_by)
            .collect();
        numbered.sort_unstable_by_key(|(number, _)| *number);
        Ok(numbered.into_iter().map(|(_, folder)| folder).collect())
    }
}
