//! Sweeping a place that fails: what cannot be deleted or listed keeps nothing else.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::*;
use crate::images::link::{GOOD_FOR_SECONDS, Signer};

const NOW: UnixMillis = UnixMillis(1_795_392_000_000);
const DUE_AFTER: i64 = GOOD_FOR_SECONDS + GRACE_SECONDS;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A place in memory that fails where it is told to.
#[derive(Debug, Default)]
struct Faulty {
    inner: InMemory,
    /// Objects whose names begin so cannot be deleted.
    stuck: parking_lot::Mutex<Vec<String>>,
    /// Folders whose names begin so cannot be listed.
    unlisted: parking_lot::Mutex<Vec<String>>,
    /// Not even the folders can be listed.
    is_gone: AtomicBool,
    deletions: AtomicUsize,
}

fn broken() -> Error {
    Error::Generic { store: "faulty", source: "broken".into() }
}

fn is_one_of(name: &Path, starts: &parking_lot::Mutex<Vec<String>>) -> bool {
    starts.lock().iter().any(|start| name.as_ref().starts_with(start))
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

impl ObjectStore for Faulty {
    fn put_opts<'a, 'b, 'c>(&'a self, at: &'b Path, payload: PutPayload, options: PutOptions) -> Answer<'c, PutResult>
    where
        'a: 'c,
        'b: 'c,
    {
        self.inner.put_opts(at, payload, options)
    }

    fn put_multipart_opts<'a, 'b, 'c>(
        &'a self,
        at: &'b Path,
        options: PutMultipartOptions,
    ) -> Answer<'c, Box<dyn MultipartUpload>>
    where
        'a: 'c,
        'b: 'c,
    {
        self.inner.put_multipart_opts(at, options)
    }

    fn get_opts<'a, 'b, 'c>(&'a self, at: &'b Path, options: GetOptions) -> Answer<'c, GetResult>
    where
        'a: 'c,
        'b: 'c,
    {
        self.inner.get_opts(at, options)
    }

    fn delete_stream(&self, names: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let names: Vec<Path> = names.map(|name| name.unwrap()).collect::<Vec<_>>().now_or_never().unwrap();
        self.deletions.fetch_add(names.len(), SeqCst);
        let (stuck, rest): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| is_one_of(name, &self.stuck));
        let failed = stream::iter(stuck.into_iter().map(|_| Err(broken())));
        failed.chain(self.inner.delete_stream(stream::iter(rest.into_iter().map(Ok)).boxed())).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match prefix {
            Some(folder) if is_one_of(folder, &self.unlisted) => {
                let first = self.inner.list(prefix).take(1);
                first.chain(stream::iter([Err(broken())])).boxed()
            }
            _ => self.inner.list(prefix),
        }
    }

    fn list_with_delimiter<'a, 'b, 'c>(&'a self, prefix: Option<&'b Path>) -> Answer<'c, ListResult>
    where
        'a: 'c,
        'b: 'c,
    {
        if self.is_gone.load(SeqCst) {
            return Box::pin(async { Err(broken()) });
        }
        self.inner.list_with_delimiter(prefix)
    }

    fn copy_opts<'a, 'b, 'd, 'c>(&'a self, from: &'b Path, to: &'d Path, options: CopyOptions) -> Answer<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        'd: 'c,
    {
        self.inner.copy_opts(from, to, options)
    }
}

fn at(seconds: i64) -> UnixMillis {
    NOW.plus_millis(seconds * 1000)
}

/// Images in a faulty place: so many in each of three hours. The names of the hours' folders, the oldest first.
async fn three_hours(faulty: &Arc<Faulty>, each: usize) -> (Images, Vec<String>) {
    let signer = Signer::new("https://lm.example", [(1, b"key".as_slice())]).unwrap();
    let images = Images { signer, store: Store { objects: faulty.clone() }, bytes_max: 1 << 20 };
    for hour in 0..3 {
        for _ in 0..each {
            images.keep(bytes::Bytes::from_static(b"\x89PNG\r\n\x1a\n"), None, at(hour * 3600)).await.unwrap();
        }
    }
    let folders = images.store.folders(i64::MAX).await.unwrap();
    (images, folders.iter().map(ToString::to_string).collect())
}

async fn left(faulty: &Faulty) -> usize {
    faulty.inner.list(None).count().await
}

#[tokio::test]
async fn a_head_that_cannot_be_deleted_does_not_keep_the_rest() {
    let faulty = Arc::new(Faulty::default());
    let (images, folders) = three_hours(&faulty, 5).await;
    faulty.stuck.lock().push(folders[0].clone());
    let now = at(DUE_AFTER + 3 * 3600);
    // The bound is less than what is stuck, and counts what is gone.
    let first = images.sweep(now, 4).await.unwrap();
    assert_eq!(first, Swept { deleted: 4, failed: 5, unlisted: 0, more: true });
    assert_eq!(images.sweep(now, 4).await.unwrap(), first);
    let last = images.sweep(now, 4).await.unwrap();
    assert_eq!(last, Swept { deleted: 2, failed: 5, unlisted: 0, more: false });
    assert_eq!(left(&faulty).await, 5);
    // Once it can be deleted it is.
    faulty.stuck.lock().clear();
    assert_eq!(images.sweep(now, 10).await.unwrap(), Swept { deleted: 5, ..Swept::default() });
    assert_eq!(left(&faulty).await, 0);
}

#[tokio::test]
async fn a_folder_that_cannot_be_listed_does_not_end_the_round() {
    let faulty = Arc::new(Faulty::default());
    let (images, folders) = three_hours(&faulty, 5).await;
    faulty.unlisted.lock().push(folders[1].clone());
    let now = at(DUE_AFTER + 3 * 3600);
    // What was listed of it before it failed is deleted too.
    let swept = images.sweep(now, 100).await.unwrap();
    assert_eq!(swept, Swept { deleted: 11, failed: 0, unlisted: 1, more: false });
    assert_eq!(left(&faulty).await, 4);
    faulty.unlisted.lock().clear();
    assert_eq!(images.sweep(now, 100).await.unwrap().deleted, 4);
}

#[tokio::test(start_paused = true)]
async fn rounds_go_on_at_once_beside_failures_and_never_without_an_end() {
    let faulty = Arc::new(Faulty::default());
    let (images, folders) = three_hours(&faulty, ROUND_MAX / 2 + 1).await;
    faulty.stuck.lock().push(folders[0].clone());
    let images = Arc::new(images);
    let sweeping = tokio::spawn(keep_clean(images.clone(), Clock::derived(at(DUE_AFTER + 3 * 3600))));
    tokio::time::sleep(EVERY / 2).await;
    assert_eq!(left(&faulty).await, ROUND_MAX / 2 + 1, "a second round came without a tick");
    // Two rounds, each of which tried what is stuck; a third one only with the next tick.
    assert_eq!(faulty.deletions.load(SeqCst), 4 * (ROUND_MAX / 2 + 1));
    faulty.is_gone.store(true, SeqCst);
    tokio::time::sleep(EVERY).await;
    faulty.is_gone.store(false, SeqCst);
    faulty.stuck.lock().clear();
    tokio::time::sleep(EVERY).await;
    assert_eq!(left(&faulty).await, 0, "a place that was gone for a while is swept again");
    sweeping.abort();
}
