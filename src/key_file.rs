//! A key that is made once and kept in a file that only its owner reads.
//!
//! `images` signs links with one, `accounts` makes the tokens of mails with another. Deleting the file takes the key back.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

/// Characters of a key: 32 bytes in base64.
pub const LEN: usize = 43;

/// The key in the file, if it is there.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn find(path: &Path) -> Result<Option<SecretString>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "a key was readable by others; it no longer is");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let key = text.trim_end();
    if key.len() != LEN || URL_SAFE_NO_PAD.decode(key).is_err() {
        return Err(Error::new(ErrorKind::InvalidData, "it does not hold a key"));
    }
    Ok(Some(key.into()))
}

/// The key in the file, made from `random` if there is none. One process at a time: the store is locked.
///
/// # Errors
/// As [`find`], or the file cannot be written.
pub fn find_or_make(path: &Path, random: [u8; 32]) -> Result<SecretString> {
    if let Some(key) = find(path)? {
        return Ok(key);
    }
    let key = URL_SAFE_NO_PAD.encode(random);
    // Whole or not at all, also where the machine dies here: half a key would keep the gateway from starting.
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    match fs::remove_file(draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    fs::rename(draft, path)?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all()?,
        None => File::open(".")?.sync_all()?,
    }
    Ok(key.into())
}
