//! Where the bytes are: one object each, gone an hour after the link, and nothing of a link in the log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lmhaven::config::{Config, FixedEnvironment};
use lmhaven::images::Images;
use lmhaven::images::sweep::{ROUND_MAX, Swept};
use tracing_subscriber::EnvFilter;

use super::{Tomorrow, png, rest_of};
use crate::harness::{Haven, until};

const DAY: i64 = 86_400;
const HOUR: i64 = 3600;

impl Haven {
    /// Every file of the folder of images.
    fn objects(&self) -> Vec<PathBuf> {
        files_below(&self.folder.path().join("store").join("images"))
    }
}

#[actix_web::test]
async fn an_image_that_is_gone_is_404_to_a_good_link_alone() {
    let haven = Haven::start().await;
    let link = haven.keep(png(500)).await;
    let [object] = haven.objects().try_into().unwrap();
    std::fs::remove_file(object).unwrap();
    assert_eq!(haven.refused_file(rest_of(&link)).await.refusal(), (404, "not_found"));
    let changed = rest_of(&link).replace("img_", "img-");
    assert_eq!(haven.refused_file(&changed).await.refusal(), (403, "invalid_link"));
    haven.finish().await;
}

#[actix_web::test]
async fn an_image_outlives_its_link_by_an_hour_and_no_more() {
    let tomorrow = Tomorrow::new();
    let haven = Haven::start_from("", &[], tomorrow.clock()).await;
    let link = haven.keep(png(500)).await;
    let images = &haven.server.gateway.images;
    for seconds in [0, DAY - 1, DAY, DAY + HOUR - 1] {
        let now = tomorrow.set(seconds);
        assert_eq!(images.sweep(now, ROUND_MAX).await.unwrap(), Swept::default(), "{seconds}");
        assert_eq!(haven.objects().len(), 1);
        let status = haven.file(&link, &[]).await.status;
        assert_eq!(status, if seconds < DAY { 200 } else { 403 }, "{seconds}");
    }
    // The gateway's own timer does the same, minutes later.
    let due = tomorrow.set(DAY + HOUR);
    assert_eq!(images.sweep(due, ROUND_MAX).await.unwrap().deleted, 1);
    assert_eq!(haven.objects(), Vec::<PathBuf>::new());
    haven.finish().await;
}

/// Every file of a folder's folders.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let files = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files(folder.to_owned()).flat_map(files).collect()
}

#[actix_web::test]
async fn what_was_due_while_no_gateway_ran_is_deleted_at_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let text = format!("[store]\npath = \"{place}\"\n[images]\npath = \"{place}/images\"\n");
    let before = Config::parse(Some(("before", &text)), &FixedEnvironment::default()).unwrap();
    let before = Images::open(&before).unwrap();
    let tomorrow = Tomorrow::new();
    let kept = before.keep(png(10), None, tomorrow.set(0)).await.unwrap();
    before.keep(png(10), None, tomorrow.set(-DAY - HOUR - 1)).await.unwrap();
    tomorrow.set(0);
    let images = folder.path().join("images");
    assert_eq!(files_below(&images).len(), 2);
    let path = images.display().to_string();
    let haven = Haven::start_from("", &[("IMAGES__PATH", &path)], tomorrow.clock()).await;
    let left = until("the first sweep", || async { Some(files_below(&images)).filter(|left| left.len() == 1) }).await;
    assert!(left[0].display().to_string().ends_with(&kept.named.file_name()));
    haven.finish().await;
}

#[actix_web::test]
async fn an_image_is_a_file_that_viewers_open_and_a_damaged_one_is_not_served() {
    let log = Log::default();
    let writer = log.clone();
    let filter = EnvFilter::new("lmhaven=trace,lmhaven_actors=trace,info");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone()).with_ansi(false).init();
    let haven = Haven::start().await;
    let link = haven.keep(png(500)).await;
    let [object] = haven.objects().try_into().unwrap();
    assert!(object.display().to_string().ends_with(&link.named.file_name()));
    let bytes = std::fs::read(&object).unwrap();
    assert_eq!(bytes[..500], png(500));
    assert_eq!(haven.file(&link, &[]).await.status, 200);
    std::fs::write(&object, &bytes[..400]).unwrap();
    assert_eq!(haven.refused_file(rest_of(&link)).await.refusal(), (500, "internal"));
    let changed = format!("{}x", rest_of(&link));
    assert_eq!(haven.refused_file(&changed).await.status, 403);
    haven.finish().await;
    // Links open images, so no part of their query may be in the log.
    let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let signature = link.url().split("sig=").nth(1).unwrap();
    assert!(lines.contains("a stored image is damaged"), "{lines}");
    assert!(!lines.contains(signature) && !lines.contains("sig="), "{lines}");
}

/// What is logged, in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
