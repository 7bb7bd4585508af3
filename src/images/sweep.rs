//! Deletes images a grace hour after their links are over.
//!
//! A round lists the folders whose hour is over and deletes, oldest first and within bounds, what their names say is
//! due. What cannot be deleted is passed over. It keeps no state: a round that was cut short is taken up by the next, on
//! this gateway or another one that shares the place. What is not named as `store` names images is left alone.

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
    /// So many folders could not be listed to their end; the next round tries again.
    pub unlisted: usize,
    /// The round ended at its bound, and more may be due.
    pub more: bool,
}

impl Swept {
    /// One cause a round: a thousand failures mostly have the same.
    fn log_first(&self, error: &object_store::Error) {
        if (self.failed, self.unlisted) == (0, 0) {
            tracing::warn!(%error, "images whose links are over could not all be deleted");
        }
    }
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

/// One round and its line in the log; tells whether another one is worth while at once. It is wherever a round ended at
/// its bound, since that many images are gone then, whatever else could not be deleted.
async fn round(images: &Images, now: UnixMillis) -> bool {
    match images.sweep(now, ROUND_MAX).await {
        Ok(Swept { deleted: 0, failed: 0, unlisted: 0, .. }) => false,
        Ok(Swept { deleted, failed: 0, unlisted: 0, more }) => {
            tracing::info!(deleted, "deleted images whose links are over");
            more
        }
        Ok(Swept { deleted, failed, unlisted, more }) => {
            tracing::warn!(deleted, failed, unlisted, "some images whose links are over are left for the next round");
            more
        }
        Err(error) => {
            tracing::warn!(%error, "images whose links are over cannot be listed");
            false
        }
    }
}

impl Store {
    /// Deletes at most `max` images that were due at `now`. What cannot be listed or deleted is passed over and does
    /// not count, however much of it there is: it must not keep the rest.
    ///
    /// # Errors
    /// The folders cannot be listed.
    pub(super) async fn sweep(&self, now: UnixMillis, max: usize) -> Result<Swept, StoreError> {
        // An image is due where `expires_at + GRACE_SECONDS <= now`.
        let expired_by = now.0.div_euclid(1000).saturating_sub(GRACE_SECONDS);
        let mut swept = Swept::default();
        for folder in self.folders(expired_by).await? {
            let mut names = self.objects.list(Some(&folder));
            let mut is_listed = false;
            while !is_listed {
                let mut due = Vec::new();
                while due.len() < max.saturating_sub(swept.deleted) {
                    match names.next().await {
                        Some(Ok(object)) => {
                            let named = parse_object_name(&object.location);
                            if named.is_some_and(|named| named.expires_at <= expired_by) {
                                due.push(object.location);
                            }
                        }
                        // The rest of this folder is the next round's.
                        Some(Err(error)) => {
                            swept.log_first(&error);
                            swept.unlisted += 1;
                            is_listed = true;
                            break;
                        }
                        None => {
                            is_listed = true;
                            break;
                        }
                    }
                }
                self.delete(due, &mut swept).await;
                if swept.deleted >= max {
                    return Ok(Swept { more: true, ..swept });
                }
            }
        }
        Ok(swept)
    }

    async fn delete(&self, due: Vec<Path>, swept: &mut Swept) {
        let mut deletions = self.objects.delete_stream(stream::iter(due.into_iter().map(Ok)).boxed());
        while let Some(deleted) = deletions.next().await {
            match deleted {
                // Another gateway was faster.
                Ok(_) | Err(object_store::Error::NotFound { .. }) => swept.deleted += 1,
                Err(error) => {
                    swept.log_first(&error);
                    swept.failed += 1;
                }
            }
        }
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

#[cfg(test)]
mod tests;
