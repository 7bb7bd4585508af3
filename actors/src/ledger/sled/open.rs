//! Opening the embedded store: the lock, the format, the first start, the boot epoch.
//!
//! sled syncs neither its `conf` file nor the directories it makes (measured: a power cut soon after the first
//! start left stores that do not open), so everything is synced here before a record is accepted.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use ::sled::{Config, Db, Tree};

use super::super::{Cause, LedgerError};

/// The format that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// The page cache; the data is read sequentially at start and in pages of a list later.
const CACHE_BYTES: u64 = 64 << 20;
/// sled collects its garbage on this beat only, and never without it.
const FLUSH_EVERY_MS: u64 = 500;

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

/// An open store.
pub(super) struct Opened {
    pub(super) db: Db,
    pub(super) journal: Tree,
    pub(super) file: File,
    pub(super) epoch: u64,
}

/// Opens the store, making it where there is none, and starts a new boot epoch.
pub(super) fn for_writing(path: &Path) -> Result<Opened, OpenError> {
    let io_error = |cause| OpenError::Io { path: path.to_owned(), cause };
    let made = missing_ancestors(path);
    fs::create_dir_all(path).map_err(io_error)?;
    let (opened, meta) = open(path)?;
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
    Ok(Opened { epoch, ..opened })
}

/// Opens a store that is there, for reading only.
pub(super) fn for_reading(path: &Path) -> Result<Opened, OpenError> {
    if !path.join("db").is_file() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    open(path).map(|(opened, _)| opened)
}

fn open(path: &Path) -> Result<(Opened, Tree), OpenError> {
    let config = Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .use_compression(false);
    // Of damaged files, sled reports some and panics over others.
    let db = catch_unwind(AssertUnwindSafe(|| config.open()))
        .map_err(|_| OpenError::Corrupt { path: path.to_owned(), cause: "sled panicked over it".into() })
        .and_then(|opened| store_error(path, opened))?;
    let (journal, meta) =
        store_error(path, db.open_tree(b"journal").and_then(|tree| Ok((tree, db.open_tree(b"meta")?))))?;
    let format = read_number(path, &meta, FORMAT_KEY, u32::from_be_bytes)?;
    if let Some(found) = format.filter(|found| *found > FORMAT) {
        return Err(OpenError::Newer { path: path.to_owned(), found });
    }
    let epoch = read_number(path, &meta, EPOCH_KEY, u64::from_be_bytes)?.unwrap_or(0);
    // sled opens `db` once and keeps it for life, as we do: the same inode whatever becomes of the name.
    let file = File::options().read(true).write(true).open(path.join("db"));
    let file = file.map_err(|cause| OpenError::Io { path: path.to_owned(), cause })?;
    Ok((Opened { db, journal, file, epoch }, meta))
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

    #[test]
    fn a_store_that_is_open_is_locked() {
        let directory = tempfile::tempdir().unwrap();
        let _open = for_writing(directory.path()).unwrap();
        assert!(matches!(for_writing(directory.path()), Err(OpenError::Locked(_))));
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
        let opened = for_writing(directory.path()).unwrap();
        opened.db.open_tree(b"meta").unwrap().insert(FORMAT_KEY, &2_u32.to_be_bytes()).unwrap();
        drop(opened);
        assert!(matches!(for_writing(directory.path()), Err(OpenError::Newer { found: 2, .. })));
    }

    #[test]
    fn a_damaged_store_is_named_as_such() {
        let directory = tempfile::tempdir().unwrap();
        let opened = for_writing(directory.path()).unwrap();
        drop(opened);
        for entry in fs::read_dir(directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let length = fs::metadata(&path).unwrap().len();
                fs::write(&path, vec![0xa5; usize::try_from(length).unwrap().max(64)]).unwrap();
            }
        }
        let error = for_writing(directory.path()).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    }

    #[test]
    fn every_start_has_its_own_epoch_and_directories_are_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        assert_eq!(for_writing(&path).unwrap().epoch, 1);
        assert_eq!(for_writing(&path).unwrap().epoch, 2);
        assert_eq!(for_reading(&path).unwrap().epoch, 2, "reading starts none");
    }
}
