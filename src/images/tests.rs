//! Images as a whole, in memory and in a folder: kept and found, refused, damaged, swept on time and not before.

use std::sync::Arc;

use futures_util::TryStreamExt;
use lmhaven_actors::clock::Clock;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::link::GOOD_FOR_SECONDS;
use super::sweep::{EVERY, GRACE_SECONDS, ROUND_MAX, keep_clean};
use super::*;
use crate::config::{FixedEnvironment, ImagePlace};

const NOW: UnixMillis = UnixMillis(1_795_392_000_000);
/// From its making until an image is due.
const DUE_AFTER: i64 = GOOD_FOR_SECONDS + GRACE_SECONDS;

fn images_in(objects: Arc<dyn ObjectStore>) -> Images {
    let signer = Signer::new("https://lm.example", [(1, b"key".as_slice())]).unwrap();
    Images { signer, store: Store { objects }, bytes_max: 1 << 20 }
}

fn in_memory() -> Images {
    images_in(Arc::new(InMemory::new()))
}

fn png(len: usize) -> Bytes {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend((8..len).map(|place| u8::try_from(place % 251).unwrap()));
    bytes.into()
}

fn at(seconds: i64) -> UnixMillis {
    NOW.plus_millis(seconds * 1000)
}

async fn read(images: &Images, named: &Named, range: Range<u64>) -> Vec<u8> {
    let parts: Vec<Bytes> = images.read(named, range).await.unwrap().try_collect().await.unwrap();
    parts.concat()
}

async fn names(images: &Images) -> Vec<Path> {
    let objects: Vec<_> = images.store.objects.list(None).try_collect().await.unwrap();
    objects.into_iter().map(|object| object.location).collect()
}

#[tokio::test]
async fn an_image_is_kept_whole_with_what_is_known_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("deep").join("images");
    let on_disk = images_in(Store::open(&ImagePlace::Folder(place)).unwrap().objects);
    for images in [in_memory(), on_disk] {
        let bytes = png(100_000);
        let link = images.keep(bytes.clone(), Some((640, 480)), NOW).await.unwrap();
        let stored = images.find(&link.named).await.unwrap();
        assert_eq!((stored.format, stored.length, stored.pixels), (Format::Png, 100_000, Some((640, 480))));
        assert_eq!(stored.sha256, <[u8; 32]>::from(Sha256::digest(&bytes)));
        assert_eq!(read(&images, &link.named, 0..100_000).await, bytes);
        assert_eq!(read(&images, &link.named, 70_000..70_003).await, bytes[70_000..70_003]);
        let another = images.keep(bytes, None, NOW).await.unwrap();
        assert_ne!(another.named.id, link.named.id);
        assert_eq!(images.find(&another.named).await.unwrap().pixels, None);
    }
}

#[tokio::test]
async fn a_generated_key_outlives_the_process_and_goes_on_verifying_beside_configured_ones() {
    let folder = tempfile::tempdir().unwrap();
    let open = |more: &str| {
        let text = format!("[store]\npath = \"{}\"\n{more}", folder.path().display());
        let config = Config::parse(Some(("test", &text)), &FixedEnvironment::default()).unwrap();
        Images::open(&config).unwrap()
    };
    let verifies = |images: &Images, link: &Link| {
        let (path, query) = link.url().strip_prefix("http://127.0.0.1:8080").unwrap().split_once('?').unwrap();
        images.check(path, query, NOW).is_ok()
    };
    let own = "[[images.link_keys]]\nkid = 1\nkey = \"0123456789012345678901234567890123456789012\"\n";
    assert!(!folder.path().join(keys::FILE).exists());
    let generated = open("").keep(png(50), None, NOW).await.unwrap();
    assert!(generated.url().contains("&kid=0&"), "{}", generated.url());
    assert!(verifies(&open(""), &generated));
    let configured = open(own);
    assert!(verifies(&configured, &generated));
    let link = configured.keep(png(50), None, NOW).await.unwrap();
    assert!(link.url().contains("&kid=1&"), "{}", link.url());
    std::fs::remove_file(folder.path().join(keys::FILE)).unwrap();
    let configured = open(own);
    assert!(verifies(&configured, &link) && !verifies(&configured, &generated), "the file was the key");
    assert!(!folder.path().join(keys::FILE).exists(), "nothing is generated beside configured keys");
}

#[tokio::test]
async fn what_is_no_image_or_too_large_is_not_kept() {
    let images = in_memory();
    let svg = images.keep(Bytes::from_static(b"<svg/>"), None, NOW).await;
    assert!(matches!(svg, Err(StoreError::NoImage)), "{svg:?}");
    let large = images.keep(png((1 << 20) + 1), None, NOW).await;
    assert!(matches!(large, Err(StoreError::TooLarge { max: 1_048_576, .. })), "{large:?}");
    assert!(names(&images).await.is_empty());
    assert!(images.keep(png(1 << 20), None, NOW).await.is_ok());
}

#[tokio::test]
async fn what_is_gone_or_cut_short_is_said_to_be() {
    let images = in_memory();
    let link = images.keep(png(500), None, NOW).await.unwrap();
    let [name] = names(&images).await.try_into().unwrap();
    let whole = images.store.objects.get(&name).await.unwrap().bytes().await.unwrap();
    for damaged in [whole.slice(..whole.len() - 1), whole.slice(1..), whole.slice(..3), Bytes::new()] {
        images.store.objects.put(&name, damaged.into()).await.unwrap();
        let found = images.find(&link.named).await;
        // Of an empty object no store can give a part.
        assert!(matches!(found, Err(StoreError::Damaged | StoreError::Failed(_))), "{found:?}");
    }
    images.store.objects.delete(&name).await.unwrap();
    assert!(matches!(images.find(&link.named).await, Err(StoreError::Missing)));
    assert!(matches!(images.read(&link.named, 0..1).await, Err(StoreError::Missing)));
}

#[tokio::test]
async fn an_image_goes_an_hour_after_its_link_and_no_second_before() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = images_in(Store::open(&ImagePlace::Folder(folder.path().to_owned())).unwrap().objects);
    for images in [in_memory(), on_disk] {
        let first = images.keep(png(50), None, NOW).await.unwrap();
        let second = images.keep(png(60), None, at(1)).await.unwrap();
        let later = images.keep(png(70), None, at(7200)).await.unwrap();
        for seconds in [0, GOOD_FOR_SECONDS, DUE_AFTER - 1] {
            assert_eq!(images.sweep(at(seconds), 10).await.unwrap(), Swept::default(), "{seconds}");
        }
        assert!(images.find(&first.named).await.is_ok());
        let one = Swept { deleted: 1, ..Swept::default() };
        assert_eq!(images.sweep(at(DUE_AFTER), 10).await.unwrap(), one);
        assert!(matches!(images.find(&first.named).await, Err(StoreError::Missing)));
        assert!(images.find(&second.named).await.is_ok(), "it shares the folder and is due a second later");
        assert_eq!(images.sweep(at(DUE_AFTER + 1), 10).await.unwrap(), one);
        assert!(images.find(&later.named).await.is_ok());
        assert_eq!(names(&images).await.len(), 1);
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "empty folders go with their images");
}

#[tokio::test]
async fn a_round_has_a_bound_and_the_next_one_goes_on_with_the_oldest_first() {
    let images = in_memory();
    let mut links = Vec::new();
    for hour in 0..7 {
        links.push(images.keep(png(50), None, at(hour * 3600)).await.unwrap());
    }
    let now = at(DUE_AFTER + 5 * 3600);
    assert_eq!(images.sweep(now, 4).await.unwrap(), Swept { deleted: 4, more: true, ..Swept::default() });
    for (place, link) in links.iter().enumerate() {
        assert_eq!(images.find(&link.named).await.is_ok(), place >= 4, "{place}");
    }
    assert_eq!(images.sweep(now, 4).await.unwrap(), Swept { deleted: 2, ..Swept::default() });
    assert!(images.find(&links[6].named).await.is_ok());
}

#[tokio::test]
async fn what_is_not_named_as_an_image_stays() {
    let images = in_memory();
    let link = images.keep(png(50), None, NOW).await.unwrap();
    let [name] = names(&images).await.try_into().unwrap();
    let strangers = [
        format!("0/{}", name.filename().unwrap()),
        format!("{}.bak", name.as_ref()),
        "1/notes.txt".to_owned(),
        "readme.png".to_owned(),
        "old/1-img_55mpjtb9d5mpjtb9d5mpjtb9d5.png".to_owned(),
    ];
    for stranger in &strangers {
        images.store.objects.put(&Path::from(stranger.as_str()), "mine".into()).await.unwrap();
    }
    assert_eq!(images.sweep(at(DUE_AFTER * 2), 10).await.unwrap().deleted, 1);
    assert!(matches!(images.find(&link.named).await, Err(StoreError::Missing)));
    assert_eq!(names(&images).await.len(), strangers.len());
}

#[tokio::test(start_paused = true)]
async fn the_timer_sweeps_round_by_round_for_as_long_as_it_runs() {
    let images = Arc::new(in_memory());
    for _ in 0..=ROUND_MAX {
        images.keep(png(50), None, NOW).await.unwrap();
    }
    let last = images.keep(png(50), None, at(1)).await.unwrap();
    let clock = Clock::derived(at(DUE_AFTER));
    let sweeping = tokio::spawn(keep_clean(images.clone(), clock));
    // Time stands still but for what somebody waits for.
    tokio::time::sleep(EVERY / 2).await;
    assert_eq!(names(&images).await.len(), 1, "two rounds were needed, and the second needs no tick");
    assert!(images.find(&last.named).await.is_ok());
    tokio::time::sleep(EVERY).await;
    assert!(names(&images).await.is_empty());
    sweeping.abort();
}
