//! `[images]`: where generated images are kept for the life of their links, and with which keys links are signed.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Value;

use super::fields::{Given, Reader, key_of};
use super::secret::Secret;
use super::url;

/// The folder below `store.path` where the section names no place.
const FOLDER: &str = "images";
/// One image is in memory while it is stored, so this is not a matter of disk.
const BYTES_MAX: u64 = 256 << 20;
/// Characters of a link key: what 32 random bytes take in base64 without padding.
const KEY_LEN_MIN: usize = 43;
/// Buckets and prefixes are part of every object's address.
const PREFIX_LEN_MAX: usize = 256;

/// `[images]`.
#[derive(Clone, Debug)]
pub struct Images {
    /// Where the bytes are.
    pub place: ImagePlace,
    /// Bytes of one image; more is not kept.
    pub bytes_max: usize,
    /// What links are signed with, each kid once; the highest kid signs. Where empty, a key is generated and kept.
    pub link_keys: Vec<LinkKey>,
}

/// Where images are kept.
#[derive(Clone, Debug)]
pub enum ImagePlace {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket that speaks the S3 protocol.
    S3(S3),
}

/// `[images.s3]`.
#[derive(Clone, Debug)]
pub struct S3 {
    /// The bucket.
    pub bucket: String,
    /// Where the service is, without a final slash; Amazon's of the region where `None`.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// Who asks. Where `None`, the machine's own role.
    pub credentials: Option<S3Credentials>,
    /// What object names start with, without slashes at its ends; may be empty.
    pub prefix: String,
    /// Whether the endpoint may be plain HTTP.
    pub allow_http: bool,
}

/// An access key of S3.
#[derive(Clone, Debug)]
pub struct S3Credentials {
    /// Its id.
    pub access_key_id: Secret,
    /// Its secret.
    pub secret_access_key: Secret,
}

/// One key of `[[images.link_keys]]`.
#[derive(Clone, Debug)]
pub struct LinkKey {
    /// Its number, as links carry it. 0 is the generated key's.
    pub kid: NonZeroU32,
    /// The key; its characters are the key's bytes.
    pub key: Secret,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawImages {
    path: Option<Value>,
    bytes_max: Option<Value>,
    link_keys: Option<Value>,
    s3: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawS3 {
    bucket: Option<Value>,
    endpoint: Option<Value>,
    region: Option<Value>,
    access_key_id: Option<Value>,
    secret_access_key: Option<Value>,
    prefix: Option<Value>,
    allow_http: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawLinkKey {
    kid: Option<Value>,
    key: Option<Value>,
}

const SECTION: &str = "images";

/// Reads the section; `None` where something in it is wrong. The default folder is below the store's.
pub(super) fn read(reader: &mut Reader<'_>, value: Value, store: Option<&Path>) -> Option<Images> {
    let RawImages { path, bytes_max, link_keys, s3 } = reader.section(SECTION, value)?;
    let bytes_max = reader.required(SECTION, "bytes_max", bytes_max, |given| {
        let bytes = Some(given.size()?).filter(|bytes| (1..=BYTES_MAX).contains(bytes));
        bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .ok_or_else(|| "expected a size from 1 B to 256 MiB".to_owned())
    });
    let link_keys = read_link_keys(reader, link_keys);
    let place = match (path, s3) {
        (Some(_), Some(_)) => {
            reader.refuse("images.path", "cannot stand beside [images.s3]; images are kept in one place");
            None
        }
        (None, Some(s3)) => read_s3(reader, s3).map(ImagePlace::S3),
        (None, None) => Some(ImagePlace::Folder(store?.join(FOLDER))),
        (path, None) => {
            let path = reader.optional(SECTION, "path", path, |given| given.text().map(PathBuf::from));
            path.map(ImagePlace::Folder)
        }
    };
    Some(Images { place: place?, bytes_max: bytes_max?, link_keys: link_keys? })
}

fn read_link_keys(reader: &mut Reader<'_>, value: Option<Value>) -> Option<Vec<LinkKey>> {
    let entries = reader.entries("images.link_keys", value);
    let keys: Vec<Option<LinkKey>> =
        entries.into_iter().enumerate().map(|(place, entry)| read_link_key(reader, place, entry)).collect();
    let keys: Vec<LinkKey> = keys.into_iter().collect::<Option<_>>()?;
    let twice = keys.iter().enumerate().find(|(place, key)| keys.iter().take(*place).any(|other| other.kid == key.kid));
    if let Some((place, _)) = twice {
        reader.refuse(format!("images.link_keys[{place}].kid"), "another key has the same kid");
        return None;
    }
    Some(keys)
}

fn read_link_key(reader: &mut Reader<'_>, place: usize, entry: Value) -> Option<LinkKey> {
    let section = format!("images.link_keys[{place}]");
    let RawLinkKey { kid, key } = reader.section(&section, entry)?;
    let kid = reader.required(&section, "kid", kid, |given| given.positive(u32::MAX));
    let written = reader.required(&section, "key", key, |given| given.text().map(str::to_owned));
    let path = key_of(&section, "key");
    let key = written.and_then(|written| reader.secret(&path, &written)?.ok());
    if key.as_ref().is_some_and(|key| key.expose().len() < KEY_LEN_MIN) {
        reader.refuse(path, "is shorter than 32 random bytes in base64; make one with `openssl rand -base64 32`");
        return None;
    }
    Some(LinkKey { kid: kid?, key: key? })
}

fn read_s3(reader: &mut Reader<'_>, value: Value) -> Option<S3> {
    const SECTION: &str = "images.s3";
    let RawS3 { bucket, endpoint, region, access_key_id, secret_access_key, prefix, allow_http } =
        reader.section(SECTION, value)?;
    let bucket = reader.required(SECTION, "bucket", bucket, |given| bucket_name(given.text()?));
    let region = reader.required(SECTION, "region", region, |given| given.text().map(str::to_owned));
    let errors_before = reader.errors.len();
    let prefix = reader.optional(SECTION, "prefix", prefix, |given| prefix_of(given.text()?)).unwrap_or_default();
    let allow_http = reader.optional(SECTION, "allow_http", allow_http, Given::boolean).unwrap_or(false);
    let endpoint = reader.optional(SECTION, "endpoint", endpoint, |given| {
        let endpoint = url::parse_host(given.text()?)?;
        if endpoint.starts_with("http://") && !allow_http {
            return Err("is plain HTTP, which `allow_http = true` permits".to_owned());
        }
        Ok(endpoint)
    });
    let id = read_secret(reader, SECTION, "access_key_id", access_key_id);
    let secret = read_secret(reader, SECTION, "secret_access_key", secret_access_key);
    let unread = reader.errors.len() > errors_before;
    let credentials = match (id, secret) {
        (Some(access_key_id), Some(secret_access_key)) => Some(S3Credentials { access_key_id, secret_access_key }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) if unread => None,
        (Some(_), None) | (None, Some(_)) => {
            reader.refuse(SECTION, "access_key_id and secret_access_key go together");
            return None;
        }
    };
    if unread {
        return None;
    }
    Some(S3 { bucket: bucket?, endpoint, region: region?, credentials, prefix, allow_http })
}

fn read_secret(reader: &mut Reader<'_>, section: &str, key: &str, value: Option<Value>) -> Option<Secret> {
    let written = reader.optional(section, key, value, |given| given.text().map(str::to_owned))?;
    reader.secret(&key_of(section, key), &written)?.ok()
}

/// What Amazon allows; others allow no more.
fn bucket_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if (3..=63).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("expected 3 to 63 lower-case letters, digits, `-` and `.`".to_owned())
    }
}

/// Names that mean the same in a path, an URL and a bucket.
fn prefix_of(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let usable = |name: &str| !name.is_empty() && name.bytes().all(allowed) && !name.bytes().all(|byte| byte == b'.');
    if trimmed.len() <= PREFIX_LEN_MAX && trimmed.split('/').all(usable) {
        Ok(trimmed.to_owned())
    } else {
        Err("expected names of letters, digits, `-`, `_` and `.`, with `/` between them".to_owned())
    }
}
