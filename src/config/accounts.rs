//! `[accounts]`: who may sign up, and where the key of mailed links is kept.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Value;

use super::fields::{Given, Reader};

/// The key's file in the store's folder, where none is named.
const KEY_FILE: &str = "accounts.key";

/// `[accounts]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// Anybody may sign up. Otherwise only who is invited to a workspace, or has an account.
    pub sign_up: bool,
    /// The file with the key that links of mails are made with; made where it is missing.
    pub key_file: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawAccounts {
    sign_up: Option<Value>,
    key_file: Option<Value>,
}

/// Reads the section; `None` where something in it is wrong. The default file is in the store's folder.
pub(super) fn read(reader: &mut Reader<'_>, value: Value, store: Option<&Path>) -> Option<Accounts> {
    const SECTION: &str = "accounts";
    let RawAccounts { sign_up, key_file } = reader.section(SECTION, value)?;
    let sign_up = reader.required(SECTION, "sign_up", sign_up, Given::boolean);
    let key_file = match key_file {
        None => Some(store?.join(KEY_FILE)),
        given => reader.optional(SECTION, "key_file", given, |given| given.text().map(PathBuf::from)),
    };
    Some(Accounts { sign_up: sign_up?, key_file: key_file? })
}
