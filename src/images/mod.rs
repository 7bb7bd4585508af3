//! Generated images for the life of their links: kept, signed, found, read, deleted.
//!
//! [`Images`] is what the gateway shares: the relay of images calls [`Images::keep`], `routes/files` the rest, and
//! `sweep` deletes. Nothing here speaks HTTP with callers, fetches from providers, or knows money.

pub mod format;
pub mod keys;
pub mod link;
pub mod store;
pub mod sweep;
#[cfg(test)]
mod tests;
mod trailer;

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use lmhaven_actors::domain::time::UnixMillis;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::config::Config;
use format::Format;
use link::{ImageId, Link, LinkError, Named, Signer};
use store::{Store, StoreError, Stored};
use sweep::Swept;

/// Images cannot be kept or signed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The place of the bytes.
    #[error(transparent)]
    Place(#[from] store::OpenError),
    /// The generated key of links.
    #[error("the key of image links in {folder} cannot be used: {source}")]
    Key {
        /// Where it is kept.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
    /// No key can be made.
    #[error("the system gives no randomness: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// Every image whose link is good, and what signs links.
pub struct Images {
    signer: Signer,
    store: Store,
    bytes_max: usize,
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images").field("signer", &self.signer).field("store", &self.store).finish_non_exhaustive()
    }
}

impl Images {
    /// Opens the configured place and the keys; makes a key beside the store where there is none. Blocks on files.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        let store = Store::open(&config.images.place)?;
        let generated = generated_key(config)?;
        let configured = config.images.link_keys.iter().map(|key| (key.kid.get(), key.key.expose()));
        let generated = generated.as_ref().map(|key| (keys::KID, key.expose_secret()));
        let keys = configured.chain(generated).map(|(kid, key)| (kid, key.as_bytes()));
        let signer = Signer::new(&config.server.public_url, keys).ok_or_else(|| OpenError::Key {
            folder: config.store.path.display().to_string(),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        Ok(Self { signer, store, bytes_max: config.images.bytes_max })
    }

    /// Keeps an image and signs its link, good for 24 hours from `now`. The bytes decide the format. When this
    /// returns, the image is durable.
    ///
    /// # Errors
    /// [`StoreError::NoImage`] and [`StoreError::TooLarge`] for the bytes; [`StoreError::NoRandomness`] and
    /// [`StoreError::Failed`] where nothing is wrong with them. Nothing is kept then.
    pub async fn keep(&self, bytes: Bytes, pixels: Option<(u32, u32)>, now: UnixMillis) -> Result<Link, StoreError> {
        let format = Format::of(&bytes).ok_or(StoreError::NoImage)?;
        if bytes.len() > self.bytes_max {
            return Err(StoreError::TooLarge { bytes: bytes.len(), max: self.bytes_max });
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(StoreError::NoRandomness)?;
        let link = self.signer.sign(ImageId::from_random(random), format, now);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let stored = Stored { format, length, sha256: digest(bytes.clone()).await, pixels };
        self.store.put(&link.named, bytes, &stored).await?;
        Ok(link)
    }

    /// What a link names, given the path and the query of a request as they came, not decoded.
    ///
    /// # Errors
    /// [`LinkError`], where it is not one of ours or no longer good.
    pub fn check(&self, path: &str, query: &str, now: UnixMillis) -> Result<Named, LinkError> {
        self.signer.verify(path, query, now)
    }

    /// What is known of an image; reads none of its bytes.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Damaged`] or [`StoreError::Failed`].
    pub async fn find(&self, named: &Named) -> Result<Stored, StoreError> {
        self.store.find(named).await
    }

    /// A range of an image's bytes as they are read.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Failed`].
    pub async fn read(
        &self,
        named: &Named,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        self.store.read(named, range).await
    }

    /// Deletes at most `max` images whose links were over for the grace hour at `now`.
    ///
    /// # Errors
    /// The place cannot be listed.
    pub async fn sweep(&self, now: UnixMillis, max: usize) -> Result<Swept, StoreError> {
        self.store.sweep(now, max).await
    }
}

/// The key beside the store: made where the configuration has none, else only found.
fn generated_key(config: &Config) -> Result<Option<SecretString>, OpenError> {
    let folder = &config.store.path;
    let unusable = |source| OpenError::Key { folder: folder.display().to_string(), source };
    if !config.images.link_keys.is_empty() {
        return keys::find(folder).map_err(unusable);
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    keys::find_or_make(folder, random).map(Some).map_err(unusable)
}

/// SHA-256, away from the executor: a large image takes longer than a request may hold it up.
async fn digest(bytes: Bytes) -> [u8; 32] {
    let hash = |bytes: &Bytes| Sha256::digest(bytes).into();
    let copy = bytes.clone();
    // The task can only fail where the runtime is shutting down.
    tokio::task::spawn_blocking(move || hash(&copy)).await.unwrap_or_else(|_| hash(&bytes))
}
