//! Images as objects: put at once with what is known of them, read in ranges, looked up without their bytes.
//!
//! An object is the image followed by a trailer of fixed size (`Trailer`). So one atomic put makes both, a folder
//! of a gateway holds images that any viewer opens (what follows their end is ignored), and byte ranges of the image
//! are byte ranges of the object. Its name is `{hour}/{expiry}-{id}.{ext}`: a link, whose expiry is signed, leads
//! straight to it, and the sweep reads from names alone what is due, an hour's folder at a time.
//! Links are `link`'s business; deleting is `sweep`'s.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};

use super::format::Format;
use super::link::Named;
use super::trailer::{self, Trailer};
use crate::config::{ImagePlace, S3};

/// Seconds of names that share a folder.
const FOLDER_SECONDS: i64 = 3600;
/// A service that says nothing for this long is not there.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The caller waits while requests to the service are repeated.
const RETRY_FOR: Duration = Duration::from_secs(10);
const RETRIES_MAX: usize = 3;

/// The place of images cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made.
    #[error("the folder of images {path} cannot be made: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bucket's settings do not fit together.
    #[error("the place of images cannot be opened: {0}")]
    Objects(#[from] object_store::Error),
}

/// An image cannot be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bytes are neither PNG nor JPEG nor WebP.
    #[error("the bytes are no PNG, JPEG or WebP image")]
    NoImage,
    /// More bytes than `images.bytes_max`.
    #[error("the image has {bytes} bytes, of which {max} are allowed")]
    TooLarge {
        /// So many it has.
        bytes: usize,
        /// So many are allowed.
        max: usize,
    },
    /// There is no such image, or no longer.
    #[error("there is no such image")]
    Missing,
    /// What is stored is not what was put.
    #[error("the stored image is damaged")]
    Damaged,
    /// No unguessable name can be made.
    #[error("the system gives no randomness: {0}")]
    NoRandomness(getrandom::Error),
    /// The place does not answer, or answers with an error.
    #[error("the place of images failed: {0}")]
    Failed(object_store::Error),
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            other => Self::Failed(other),
        }
    }
}

/// A stored image, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its format.
    pub format: Format,
    /// Its bytes.
    pub length: u64,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Width and height, where they were known.
    pub pixels: Option<(u32, u32)>,
}

/// Where images are.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
}

impl Store {
    /// Opens the configured place. A folder is made; a bucket is not asked before it is needed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(place: &ImagePlace) -> Result<Self, OpenError> {
        let objects: Arc<dyn ObjectStore> = match place {
            ImagePlace::Folder(path) => {
                std::fs::create_dir_all(path).map_err(|source| OpenError::Folder { path: path.clone(), source })?;
                // A link is only given out for an image that survives a power cut.
                let folder = LocalFileSystem::new_with_prefix(path)?;
                Arc::new(folder.with_fsync(true).with_automatic_cleanup(true))
            }
            ImagePlace::S3(s3) => Arc::new(PrefixStore::new(bucket(s3)?, s3.prefix.as_str())),
        };
        Ok(Self { objects })
    }

    /// Puts an image and what is known of it, durably, in one step.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub(super) async fn put(&self, named: &Named, bytes: Bytes, stored: &Stored) -> Result<(), StoreError> {
        let trailer = Bytes::copy_from_slice(&Trailer::of(stored).to_bytes());
        let payload = PutPayload::from_iter([bytes, trailer]);
        self.objects.put(&object_name(named), payload).await?;
        Ok(())
    }

    /// What is known of an image; reads none of its bytes.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Damaged`] or [`StoreError::Failed`].
    pub(super) async fn find(&self, named: &Named) -> Result<Stored, StoreError> {
        let options = GetOptions { range: Some(GetRange::Suffix(trailer::LEN)), ..GetOptions::default() };
        let got = self.objects.get_opts(&object_name(named), options).await?;
        let object_len = got.meta.size;
        let stored = Trailer::read(&got.bytes().await?).ok_or(StoreError::Damaged)?;
        let whole = stored.length.checked_add(trailer::LEN) == Some(object_len);
        if whole && stored.format == named.format { Ok(stored) } else { Err(StoreError::Damaged) }
    }

    /// A range of an image's bytes as they are read.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Failed`]; the stream's items fail with the latter.
    pub(super) async fn read(
        &self,
        named: &Named,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let got = self.objects.get_opts(&object_name(named), options).await?;
        Ok(got.into_stream().map_err(StoreError::from).boxed())
    }
}

fn bucket(s3: &S3) -> Result<impl ObjectStore, object_store::Error> {
    let S3 { bucket, endpoint, region, credentials, prefix: _, allow_http } = s3;
    // A time limit on whole requests would cut a slow customer's download; silence is what tells a dead service.
    let client =
        ClientOptions::new().with_timeout_disabled().with_read_timeout(SILENCE_MAX).with_allow_http(*allow_http);
    let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_FOR, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_client_options(client)
        .with_retry(retry);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(credentials) = credentials {
        builder = builder
            .with_access_key_id(credentials.access_key_id.expose())
            .with_secret_access_key(credentials.secret_access_key.expose());
    }
    builder.build()
}

/// The object of an image.
pub(super) fn object_name(named: &Named) -> Path {
    let folder = folder_of(named.expires_at);
    Path::from_iter([folder.to_string(), format!("{}-{}", named.expires_at, named.file_name())])
}

/// What an object's name says; `None` for anything that [`object_name`] does not make.
pub(super) fn parse_object_name(name: &Path) -> Option<Named> {
    let (expires_at, file) = name.filename()?.split_once('-')?;
    let (id, format) = Named::parse_file_name(file)?;
    let named = Named { id, format, expires_at: expires_at.parse().ok()? };
    (object_name(&named) == *name).then_some(named)
}

/// The number of the folder for images that expire at this second.
pub(super) const fn folder_of(expires_at: i64) -> i64 {
    expires_at.div_euclid(FOLDER_SECONDS)
}

/// The first second at which an image of this folder can expire.
pub(super) const fn folder_begins(folder: i64) -> i64 {
    folder.saturating_mul(FOLDER_SECONDS)
}
