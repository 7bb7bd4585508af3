use super::*;

type Values = Vec<(Vec<u8>, Vec<u8>)>;

fn value(n: u64) -> Pair {
    (n.to_be_bytes().to_vec(), vec![u8::try_from(n % 251).unwrap(); 100 + usize::try_from(n % 7).unwrap()])
}

fn all(folder: &Path) -> Result<(Values, End), Damage> {
    let mut values = Values::new();
    let end = read::<Damage>(folder, &mut |key, value| {
        values.push((key.to_vec(), value.to_vec()));
        Ok(())
    })?;
    Ok((values, end))
}

fn open(folder: &Path) -> Mirror {
    let (_, end) = all(folder).unwrap();
    Mirror::go_on(folder, &end, Box::new(File::sync_data)).unwrap()
}

/// Ten commits, reopened half-way; answers the ends of the frames.
fn ten(folder: &Path) -> Vec<u64> {
    let mut mirror = open(folder);
    let mut ends = vec![mirror.end];
    for n in 0..10 {
        if n == 5 {
            mirror = open(folder);
        }
        mirror.append(&[value(2 * n), value(2 * n + 1)]).unwrap();
        ends.push(mirror.end);
    }
    ends
}

#[test]
fn what_was_committed_is_read_back_in_order() {
    let directory = tempfile::tempdir().unwrap();
    ten(directory.path());
    let (values, end) = all(directory.path()).unwrap();
    assert_eq!(values, (0..20).map(value).collect::<Values>());
    assert_eq!(end.last_key, Some(value(19).0));
}

#[test]
fn a_commit_that_was_cut_anywhere_is_not_there_and_the_next_takes_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let ends = ten(directory.path());
    let file = path(directory.path(), 0);
    let whole = fs::read(&file).unwrap();
    let (start, end) = (usize::try_from(ends[9]).unwrap(), usize::try_from(ends[10]).unwrap());
    for kept in start..end - 8 {
        // Any part of the last frame may have reached the disk: its start here, its end below.
        let mut cut = whole.clone();
        cut[kept..end].fill(0);
        fs::write(&file, &cut).unwrap();
        let (values, _) = all(directory.path()).unwrap();
        assert_eq!(values.len(), 18, "cut at {kept}");
    }
    let mut torn = whole.clone();
    torn[start..start + 30].fill(0);
    fs::write(&file, &torn).unwrap();
    let mut mirror = open(directory.path());
    mirror.append(&[value(100)]).unwrap();
    let (values, _) = all(directory.path()).unwrap();
    assert_eq!((values.len(), values.last()), (19, Some(&value(100))));
}

#[test]
fn a_changed_byte_of_an_earlier_commit_is_damage_and_not_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let ends = ten(directory.path());
    let file = path(directory.path(), 0);
    let whole = fs::read(&file).unwrap();
    for at in (0..usize::try_from(ends[9]).unwrap()).filter(|at| *at < 200 || at % 17 == 0) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&file, &changed).unwrap();
        // Padding carries nothing.
        let read = all(directory.path());
        let harmless = read.as_ref().is_ok_and(|(values, _)| values.len() == 20);
        assert!(harmless || matches!(read, Err(Damage::Segment { segment: 0, .. })), "byte {at}");
    }
}

#[test]
fn segments_follow_each_other_and_a_missing_one_shows() {
    let directory = tempfile::tempdir().unwrap();
    let mut mirror = open(directory.path());
    for n in 0..6 {
        mirror.append(&[value(n)]).unwrap();
        if n % 2 == 1 {
            mirror.roll().unwrap();
        }
    }
    assert_eq!(mirror.segment, 3);
    drop(mirror);
    assert_eq!(all(directory.path()).unwrap().0, (0..6).map(value).collect::<Values>());
    let mut mirror = open(directory.path());
    mirror.append(&[value(6)]).unwrap();
    assert_eq!(all(directory.path()).unwrap().0.len(), 7);

    // A header that a crash left half-written: the segment is made again.
    mirror.file.set_len(mirror.end).unwrap();
    let fresh = path(directory.path(), 4);
    fs::write(&fresh, b"lmh").unwrap();
    assert_eq!(all(directory.path()).unwrap().0.len(), 7);
    open(directory.path()).roll().unwrap();
    assert_eq!(all(directory.path()).unwrap().1.last.unwrap().segment, 4);

    fs::rename(path(directory.path(), 2), path(directory.path(), 1)).unwrap();
    assert!(matches!(all(directory.path()), Err(Damage::Segment { segment: 1, offset: 0 })));
}

#[test]
fn zeros_are_ahead_of_every_frame() {
    let directory = tempfile::tempdir().unwrap();
    let mut mirror = open(directory.path());
    let large: Vec<Pair> = (0..40).map(|n| (vec![n], vec![7; 40_000])).collect();
    mirror.append(&large).unwrap();
    assert!(mirror.end > 3 * AHEAD_BYTES && mirror.allocated > mirror.end);
    assert_eq!(fs::metadata(path(directory.path(), 0)).unwrap().len(), mirror.allocated);
    assert_eq!(mirror.bytes(), mirror.allocated);
    assert_eq!(all(directory.path()).unwrap().0, large);
}
