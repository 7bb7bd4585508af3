//! The key that links are signed with where the configuration has none: made once, kept beside the store.
//!
//! Its kid is 0, below every configured one, so that a gateway which gets keys of its own goes on verifying the
//! links that it signed before. Deleting the file takes the key back.

use std::io::Result;
use std::path::Path;

use secrecy::SecretString;

use crate::key_file;

/// The generated key's number.
pub const KID: u32 = 0;
/// The file in the store's folder.
pub const FILE: &str = "image-link.key";

/// The generated key in `folder`, if one was ever made.
pub fn find(folder: &Path) -> Result<Option<SecretString>> {
    key_file::find(&folder.join(FILE))
}

/// The generated key in `folder`, made from `random` if there is none. One process at a time: the store is locked.
pub fn find_or_make(folder: &Path, random: [u8; 32]) -> Result<SecretString> {
    key_file::find_or_make(&folder.join(FILE), random)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::key_file::LEN;

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
