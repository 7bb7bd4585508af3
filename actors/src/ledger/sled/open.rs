//! Opening the embedded store: the lock, the format, the first start, the boot epoch, and the two copies made one.
//!
//! The mirror and the database are compared value by value. What one has beyond the other is copied over: the mirror
//! is ahead after a crash, the database is where the mirror was never made or was moved away. A difference is damage.
//!
//! sled syncs neither its `conf` file nor the directories it makes (measured: a power cut soon after the first
//! start left stores that do not open), so everything is synced here before a record is accepted.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::sled::{Config, Db, Tree};

use super::super::{Cause, LedgerError};
use super::group::Pair;
use super::mirror::{self, Damage, End, Mirror};
use super::{SyncFile, mirror_folder};

/// The format that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// The page cache. The store is read whole at a start and a few rows at a time later: 64 MiB made no page faster and took 50 MiB
/// more of memory under load.
const CACHE_BYTES: u64 = 16 << 20;
/// sled wakes all of its threads for every segment that is full: four times its default.
const SEGMENT_BYTES: usize = 2 << 20;
/// sled collects its garbage on this beat only, and never without it.
const FLUSH_EVERY_MS: u64 = 500;

/// How long a lock is waited for: tries and the pause between them.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

const FORMAT_KEY: &[u8] = b"format";
const EPOCH_KEY: &[u8] = b"boot_epoch";

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("there is no store at {0}")]
    Missing(PathBuf),
    /// Another process has it open.
    #[error("the store at {0} is locked: another process has it open")]
    Locked(PathBuf),
    /// A newer version wrote it.
    #[error("the store at {path} has format {found}; this version reads up to {FORMAT}")]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It cannot be read.
    #[error("the store at {path} is damaged: {cause}")]
    Corrupt {
        /// Where.
        path: PathBuf,
        /// What is wrong, for the log.
        cause: Cause,
    },
    /// The file system refused.
    #[error("the store at {path} cannot be opened: {cause}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Values copied from one to the other at a time.
const COPIED_AT_ONCE: usize = 1024;

/// An open store.
pub(super) struct Opened {
    pub(super) db: Db,
    pub(super) journal: Tree,
    pub(super) epoch: u64,
}

/// Opens the store, making it where there is none, and starts a new boot epoch.
pub(super) fn for_writing(path: &Path, sync: SyncFile) -> Result<(Opened, Mirror), OpenError> {
    let io_error = |cause| OpenError::Io { path: path.to_owned(), cause };
    let made = missing_ancestors(path);
    fs::create_dir_all(path).map_err(io_error)?;
    let (opened, meta) = open_or_rebuild(path)?;
    let end = complete_database(path, &opened)?;
    let mut mirror = Mirror::go_on(&mirror_folder(path), &end, sync).map_err(io_error)?;
    complete_mirror(path, &opened.journal, &end, &mut mirror)?;
    let epoch = opened.epoch + 1;
    store_error(
        path,
        (|| {
            meta.insert(FORMAT_KEY, &FORMAT.to_be_bytes())?;
            meta.insert(EPOCH_KEY, &epoch.to_be_bytes())?;
            opened.db.flush()
        })(),
    )?;
    sync_all(path, &made).map_err(io_error)?;
    Ok((Opened { epoch, ..opened }, mirror))
}

/// Opens a store that is there, for reading only.
pub(super) fn for_reading(path: &Path) -> Result<Opened, OpenError> {
    if !path.join("db").is_file() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    let (opened, _) = open(path)?;
    complete_database(path, &opened)?;
    Ok(opened)
}

/// A database that does not open is set aside where the mirror can replace it.
fn open_or_rebuild(path: &Path) -> Result<(Opened, Tree), OpenError> {
    let cause = match open(path) {
        Err(OpenError::Corrupt { cause, .. }) => cause,
        opened => return opened,
    };
    let io_error = |cause| OpenError::Io { path: path.to_owned(), cause };
    if !mirror_folder(path).is_dir() {
        return Err(OpenError::Corrupt { path: path.to_owned(), cause });
    }
    let aside = (1..=u16::MAX).map(|n| path.join(format!("damaged-{n}"))).find(|aside| !aside.exists());
    let aside = aside.unwrap_or_else(|| path.join("damaged"));
    tracing::error!(%cause, aside = %aside.display(), "the database is damaged: it is set aside and rebuilt from the mirror");
    fs::create_dir(&aside).map_err(io_error)?;
    for entry in fs::read_dir(path).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        let name = entry.file_name();
        let is_sled = ["db", "conf", "blobs"].iter().any(|known| name == *known)
            || name.to_str().is_some_and(|name| name.starts_with("snap."));
        if is_sled {
            fs::rename(entry.path(), aside.join(&name)).map_err(io_error)?;
        }
    }
    open(path)
}

/// Gives the database what it lacks of the mirror, and compares what both have.
fn complete_database(path: &Path, opened: &Opened) -> Result<End, OpenError> {
    let mut missing = ::sled::Batch::default();
    let (mut waiting, mut copied) = (0, 0_usize);
    let end = mirror::read(&mirror_folder(path), &mut |key, value| {
        match store_error(path, opened.journal.get(key))? {
            Some(found) if found.as_ref() == value => {}
            Some(_) => return Err(differs(path, key)),
            None => {
                missing.insert(key, value);
                (waiting, copied) = (waiting + 1, copied + 1);
                if waiting == COPIED_AT_ONCE {
                    waiting = 0;
                    store_error(path, opened.journal.apply_batch(std::mem::take(&mut missing)))?;
                }
            }
        }
        Ok(())
    })
    .map_err(|unread: Unread| unread.at(path))?;
    if copied > 0 {
        tracing::info!(values = copied, "the database was completed from the mirror");
        store_error(path, opened.journal.apply_batch(missing).and_then(|()| opened.db.flush()))?;
    }
    Ok(end)
}

/// Gives the mirror what it lacks of the database: everything where it is new, the end where it was cut short.
fn complete_mirror(path: &Path, journal: &Tree, end: &End, mirror: &mut Mirror) -> Result<(), OpenError> {
    let from = end.last_key.clone().unwrap_or_default();
    let lacking = journal.range((std::ops::Bound::Excluded(from), std::ops::Bound::Unbounded));
    let mut pairs: Vec<Pair> = Vec::new();
    let mut copied = 0_usize;
    let mut write = |pairs: &mut Vec<Pair>| {
        copied += pairs.len();
        let written = mirror.append(pairs).map_err(|cause| OpenError::Io { path: path.to_owned(), cause });
        pairs.clear();
        written
    };
    for found in lacking {
        let (key, value) = store_error(path, found)?;
        pairs.push((key.to_vec(), value.to_vec()));
        if pairs.len() == COPIED_AT_ONCE {
            write(&mut pairs)?;
        }
    }
    if !pairs.is_empty() {
        write(&mut pairs)?;
    }
    if copied > 0 {
        tracing::warn!(values = copied, "the mirror was completed from the database");
    }
    Ok(())
}

fn differs(path: &Path, key: &[u8]) -> Unread {
    let position = super::group::position(key).unwrap_or_default();
    let cause = format!("database and mirror differ at record {position}").into();
    Unread::Store(OpenError::Corrupt { path: path.to_owned(), cause })
}

/// Why the two could not be compared.
enum Unread {
    Mirror(Damage),
    Store(OpenError),
}

impl Unread {
    fn at(self, path: &Path) -> OpenError {
        match self {
            Self::Store(error) => error,
            Self::Mirror(Damage::Io(cause)) => OpenError::Io { path: path.to_owned(), cause },
            Self::Mirror(damage @ Damage::Segment { .. }) => {
                OpenError::Corrupt { path: path.to_owned(), cause: Box::new(damage) }
            }
        }
    }
}

impl From<Damage> for Unread {
    fn from(damage: Damage) -> Self {
        Self::Mirror(damage)
    }
}

impl From<OpenError> for Unread {
    fn from(error: OpenError) -> Self {
        Self::Store(error)
    }
}

fn open(path: &Path) -> Result<(Opened, Tree), OpenError> {
    let config = Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .use_compression(false);
    // Of damaged files, sled reports some and panics over others.
    let try_once = || {
        catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| OpenError::Corrupt { path: path.to_owned(), cause: "sled panicked over it".into() })
            .and_then(|opened| store_error(path, opened))
    };
    let mut opened = try_once();
    // sled's threads may hold the lock for a moment after their store was closed, in this process or an ending one.
    for _ in 0..LOCK_TRIES {
        if !matches!(opened, Err(OpenError::Locked(_))) {
            break;
        }
        #[expect(clippy::disallowed_methods, reason = "no executor thread opens a store")]
        std::thread::sleep(LOCK_PAUSE);
        opened = try_once();
    }
    let db = opened?;
    let (journal, meta) =
        store_error(path, db.open_tree(b"journal").and_then(|tree| Ok((tree, db.open_tree(b"meta")?))))?;
    let format = read_number(path, &meta, FORMAT_KEY, u32::from_be_bytes)?;
    if let Some(found) = format.filter(|found| *found > FORMAT) {
        return Err(OpenError::Newer { path: path.to_owned(), found });
    }
    let epoch = read_number(path, &meta, EPOCH_KEY, u64::from_be_bytes)?.unwrap_or(0);
    Ok((Opened { db, journal, epoch }, meta))
}

fn read_number<T, const N: usize>(
    path: &Path,
    meta: &Tree,
    key: &[u8],
    number: fn([u8; N]) -> T,
) -> Result<Option<T>, OpenError> {
    let Some(value) = store_error(path, meta.get(key))? else { return Ok(None) };
    let bytes: [u8; N] = value.as_ref().try_into().map_err(|_| OpenError::Corrupt {
        path: path.to_owned(),
        cause: format!("the value of {} is malformed", String::from_utf8_lossy(key)).into(),
    })?;
    Ok(Some(number(bytes)))
}

fn store_error<T>(path: &Path, result: ::sled::Result<T>) -> Result<T, OpenError> {
    result.map_err(|error| match error {
        // sled has no kind of its own for it.
        ::sled::Error::Io(cause) if cause.to_string().starts_with("could not acquire lock") => {
            OpenError::Locked(path.to_owned())
        }
        ::sled::Error::Io(cause) => OpenError::Io { path: path.to_owned(), cause },
        other => OpenError::Corrupt { path: path.to_owned(), cause: Box::new(other) },
    })
}

/// The directories that making `path` will make.
fn missing_ancestors(path: &Path) -> Vec<PathBuf> {
    path.ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
        .map(Path::to_owned)
        .collect()
}

/// Syncs every file of the store, its directory, and the directories that hold names that were just made.
fn sync_all(path: &Path, made: &[PathBuf]) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(path)?.sync_all()?;
    for directory in made.iter().map(PathBuf::as_path).chain([path]) {
        let parent = match directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

impl From<OpenError> for LedgerError {
    fn from(error: OpenError) -> Self {
        Self::Fatal(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writing(path: &Path) -> Result<Opened, OpenError> {
        for_writing(path, Box::new(File::sync_data)).map(|(opened, _)| opened)
    }

    #[test]
    fn a_store_that_is_open_is_locked() {
        let directory = tempfile::tempdir().unwrap();
        let _open = writing(directory.path()).unwrap();
        assert!(matches!(writing(directory.path()), Err(OpenError::Locked(_))));
    }

    #[test]
    fn reading_makes_no_store() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(for_reading(&directory.path().join("typo")), Err(OpenError::Missing(_))));
        assert!(matches!(for_reading(directory.path()), Err(OpenError::Missing(_))));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_newer_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let opened = writing(directory.path()).unwrap();
        opened.db.open_tree(b"meta").unwrap().insert(FORMAT_KEY, &2_u32.to_be_bytes()).unwrap();
        drop(opened);
        assert!(matches!(writing(directory.path()), Err(OpenError::Newer { found: 2, .. })));
    }

    #[test]
    fn a_damaged_store_is_named_as_such() {
        let directory = tempfile::tempdir().unwrap();
        let opened = writing(directory.path()).unwrap();
        drop(opened);
        fs::remove_dir_all(mirror_folder(directory.path())).unwrap();
        for entry in fs::read_dir(directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let length = fs::metadata(&path).unwrap().len();
                fs::write(&path, vec![0xa5; usize::try_from(length).unwrap().max(64)]).unwrap();
            }
        }
        let error = writing(directory.path()).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    }

    #[test]
    fn every_start_has_its_own_epoch_and_directories_are_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        assert_eq!(writing(&path).unwrap().epoch, 1);
        assert_eq!(writing(&path).unwrap().epoch, 2);
        assert_eq!(for_reading(&path).unwrap().epoch, 2, "reading starts none");
    }
}
