//! Power cuts, modelled: at each sync of the mirror a copy of it is taken, and that copy is what a cut right after
//! leaves, with or without a database beside it. Whatever was acknowledged by then has to be in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::ledger::samples::{credit, fact, workspace};

/// A store whose syncs do what `hook` says before they sync.
fn open(path: &Path, hook: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> SledLedger {
    let sync = move |file: &File| {
        hook()?;
        file.sync_data()
    };
    SledLedger::open_with_sync(path, Box::new(sync)).unwrap()
}

/// The mirror as a power cut leaves it, beside the database as it is on the disk at that time.
fn image(store: &Path, into: &Path) {
    fs::create_dir_all(mirror_folder(into)).unwrap();
    for name in ["db", "conf", "mirror/00000000.seg"] {
        fs::copy(store.join(name), into.join(name)).unwrap();
    }
}

#[test]
fn whatever_was_acknowledged_survives_a_power_cut_after_its_sync() {
    let directory = tempfile::tempdir().unwrap();
    let (store, images) = (directory.path().join("store"), directory.path().join("images"));
    let syncs = Arc::new(AtomicUsize::new(0));
    let hook = {
        let (store, images, syncs) = (store.clone(), images.clone(), syncs.clone());
        move || {
            image(&store, &images.join(syncs.fetch_add(1, Ordering::SeqCst).to_string()));
            Ok(())
        }
    };
    let ledger = open(&store, hook);
    let mut acknowledged: Vec<(usize, u64)> = Vec::new();
    for n in 1..=25 {
        // Some batches need several values.
        let mut batch: Vec<_> = (0..(n % 5) * 30).map(fact).collect();
        batch.push(credit(workspace(1), n, &n.to_string(), 5));
        ledger.append(&batch).unwrap();
        acknowledged.push((syncs.load(Ordering::SeqCst), ledger.head().0));
    }
    let expected: Vec<_> = acknowledged.iter().map(|(syncs, _)| *syncs).collect();
    assert_eq!(expected, (1..=25).collect::<Vec<_>>(), "each commit syncs once, before it is acknowledged");
    drop(ledger);
    for (syncs, head) in acknowledged {
        let image = images.join((syncs - 1).to_string());
        let check = |path: &Path| {
            let cut = SledLedger::open(path).unwrap();
            assert!(cut.head().0 >= head, "cut after sync {syncs}: {} of {head} records", cut.head());
            assert_eq!(cut.claim(workspace(1)).unwrap().head, syncs as u64);
        };
        check(&image);
        // The database gone, and the database as a later moment left it unreadable.
        fs::remove_file(image.join("db")).unwrap();
        fs::remove_file(image.join("conf")).unwrap();
        check(&image);
        let garbage = vec![0xa5; 4096];
        fs::write(image.join("db"), &garbage).unwrap();
        fs::write(image.join("conf"), &garbage).unwrap();
        check(&image);
    }
}

#[test]
fn either_copy_completes_the_other_and_a_difference_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let append = |n: u64| {
        let ledger = SledLedger::open(directory.path()).unwrap();
        ledger.append(&[credit(workspace(1), n, &n.to_string(), 5)]).unwrap();
        ledger
    };
    append(1);
    append(2);
    // A store of a version that had no mirror, or whose mirror was moved away.
    let mirror = mirror_folder(directory.path());
    fs::rename(&mirror, directory.path().join("moved")).unwrap();
    let ledger = append(3);
    drop(ledger);
    let segment = "00000000.seg";
    let whole = fs::read(mirror.join(segment)).unwrap();
    let moved = fs::read(directory.path().join("moved").join(segment)).unwrap();
    assert_ne!(whole, moved);
    // A mirror that ends early: the database has the rest.
    fs::write(mirror.join(segment), &moved).unwrap();
    assert_eq!(SledLedger::open(directory.path()).unwrap().head(), Position(3));

    let ledger = SledLedger::open(directory.path()).unwrap();
    let key = group::key(1, 0);
    let mut value = ledger.journal.get(&key).unwrap().unwrap().to_vec();
    *value.last_mut().unwrap() ^= 1;
    ledger.journal.insert(&key, value).unwrap();
    ledger.db.flush().unwrap();
    drop(ledger);
    let error = SledLedger::open(directory.path()).unwrap_err();
    assert!(error.to_string().contains("differ at record 1"), "{error}");
}

#[test]
fn reading_shows_what_only_the_mirror_has() {
    let directory = tempfile::tempdir().unwrap();
    let images = directory.path().join("image");
    let ledger = SledLedger::open(directory.path()).unwrap();
    image(directory.path(), &images);
    ledger.append(&[credit(workspace(1), 1, "k", 5)]).unwrap();
    // What a killed process leaves: its commits in the mirror, little of them in the database.
    fs::copy(directory.path().join("mirror/00000000.seg"), images.join("mirror/00000000.seg")).unwrap();
    assert_eq!(SledLedger::open_for_reading(&images).unwrap().head(), Position(1));
}

#[test]
fn the_data_is_written_when_the_sync_comes_and_is_not_read_before() {
    let directory = tempfile::tempdir().unwrap();
    let store: PathBuf = directory.path().to_owned();
    let checked = Arc::new(AtomicUsize::new(0));
    let hook = {
        let (store, checked) = (store.clone(), checked.clone());
        move || {
            let written = fs::read(store.join("mirror/00000000.seg")).unwrap();
            let needle = b"a-key-that-is-nowhere-else";
            assert!(written.windows(needle.len()).any(|window| window == needle), "written before the sync");
            checked.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    };
    let ledger = Arc::new(open(&store, hook));
    ledger.append(&[credit(workspace(1), 1, "a-key-that-is-nowhere-else", 5)]).unwrap();
    assert_eq!(checked.load(Ordering::SeqCst), 1);
}

#[test]
fn readers_see_nothing_that_is_not_synced() {
    let directory = tempfile::tempdir().unwrap();
    let (entered, in_sync) = std::sync::mpsc::channel();
    let (release, may_sync) = std::sync::mpsc::channel::<()>();
    let may_sync = Mutex::new(may_sync);
    let hook = move || {
        entered.send(()).unwrap();
        may_sync.lock().recv().unwrap();
        Ok(())
    };
    let ledger = open(directory.path(), hook);
    std::thread::scope(|scope| {
        scope.spawn(|| ledger.append(&[credit(workspace(1), 1, "k", 5)]).unwrap());
        in_sync.recv().unwrap();
        assert_eq!(ledger.head(), Position(0));
        assert_eq!(ledger.entries(workspace(1), 0, 10).unwrap(), []);
        let mut seen = 0;
        let count = &mut |_, _| {
            seen += 1;
            ControlFlow::Continue(())
        };
        ledger.replay(Position(0), count).unwrap();
        assert_eq!(seen, 0);
        release.send(()).unwrap();
    });
    assert_eq!(ledger.head(), Position(1));
}

#[test]
fn a_failed_sync_is_unknown_and_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = syncs.clone();
    let ledger = open(directory.path(), move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Err(io::Error::other("the disk is gone"))
    });
    let record = credit(workspace(1), 1, "k", 5);
    assert!(matches!(ledger.append(std::slice::from_ref(&record)), Err(LedgerError::Unknown(_))));
    assert!(matches!(ledger.append(&[record]), Err(LedgerError::Fatal(_))), "never tried again");
    assert_eq!(syncs.load(Ordering::SeqCst), 1);
    assert_eq!(ledger.head(), Position(0));
}

#[test]
fn a_store_opened_for_reading_takes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = SledLedger::open(directory.path()).unwrap();
    ledger.append(&[credit(workspace(1), 1, "k", 5)]).unwrap();
    drop(ledger);
    let ledger = SledLedger::open_for_reading(directory.path()).unwrap();
    assert_eq!(ledger.head(), Position(1));
    assert!(matches!(ledger.append(&[credit(workspace(1), 2, "l", 5)]), Err(LedgerError::Fatal(_))));
}

#[test]
fn a_group_that_is_gone_is_an_error_and_not_a_shorter_journal() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = SledLedger::open(directory.path()).unwrap();
    for n in 1..=3 {
        ledger.append(&[credit(workspace(1), n, &n.to_string(), 5)]).unwrap();
    }
    ledger.journal.remove(group::key(1, 0)).unwrap();
    ledger.db.flush().unwrap();
    let error = ledger.replay(Position(0), &mut |_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains("record 1"), "{error}");
    let report = crate::ledger::verify::verify(&ledger).unwrap();
    assert_eq!(report.first_bad.unwrap().position, Position(1));
    drop(ledger);
    // The mirror has it.
    assert_eq!(SledLedger::open(directory.path()).unwrap().head(), Position(3));
    fs::remove_dir_all(mirror_folder(directory.path())).unwrap();
    let ledger = SledLedger::open(directory.path()).unwrap();
    ledger.journal.remove(group::key(1, 0)).unwrap();
    drop(ledger);
    fs::remove_dir_all(mirror_folder(directory.path())).unwrap();
    assert!(matches!(SledLedger::open(directory.path()), Err(OpenError::Corrupt { .. })));
}
