//! The key that links are signed with where the configuration has none: made once, kept beside the store.
//!
//! Its kid is 0, below every configured one, so that a gateway which gets keys of its own goes on verifying the
//! links that it signed before. Deleting the file takes the key back.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Result, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

/// The generated key's number.
pub const KID: u32 = 0;
/// The file in the store's folder.
pub const FILE: &str = "image-link.key";
/// Characters of a key: 32 bytes in base64.
const LEN: usize = 43;

/// The generated key in `folder`, if one was ever made.
pub fn find(folder: &Path) -> Result<Option<SecretString>> {
    let path = folder.join(FILE);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "the key of image links was readable by others; it no longer is");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let key = text.trim_end();
    if key.len() != LEN || URL_SAFE_NO_PAD.decode(key).is_err() {
        return Err(std::io::Error::new(ErrorKind::InvalidData, "it does not hold a key"));
    }
    Ok(Some(key.into()))
}

/// The generated key in `folder`, made from `random` if there is none. One process at a time: the store is locked.
pub fn find_or_make(folder: &Path, random: [u8; 32]) -> Result<SecretString> {
    if let Some(key) = find(folder)? {
        return Ok(key);
    }
    let key = URL_SAFE_NO_PAD.encode(random);
    // Whole or not at all, also where the machine dies here: half a key would keep the gateway from starting.
    let draft = folder.join(format!("{FILE}.new"));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(FILE))?;
    File::open(folder)?.sync_all()?;
    Ok(key.into())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn mode(folder: &Path) -> u32 {
        fs::metadata(folder.join(FILE)).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(find(folder.path()).unwrap().is_none());
        let made = find_or_make(folder.path(), [7; 32]).unwrap();
        let again = find_or_make(folder.path(), [8; 32]).unwrap();
        assert_eq!(made.expose_secret(), again.expose_secret());
        assert_eq!(made.expose_secret().len(), LEN);
        assert_eq!(mode(folder.path()), 0o600);
        // A backup that came back readable by all.
        fs::set_permissions(folder.path().join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(find(folder.path()).unwrap().unwrap().expose_secret(), made.expose_secret());
        assert_eq!(mode(folder.path()), 0o600);
    }

    #[test]
    fn a_draft_that_a_crash_left_is_replaced_and_a_broken_key_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("image-link.key.new"), "half").unwrap();
        find_or_make(folder.path(), [7; 32]).unwrap();
        fs::write(folder.path().join(FILE), "half").unwrap();
        assert_eq!(find_or_make(folder.path(), [7; 32]).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
