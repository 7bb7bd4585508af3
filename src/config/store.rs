//! `[store]`: where the ledger is kept.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Value;

use super::fields::{Given, Reader};

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Which kind of store.
    pub kind: StoreKind,
    /// Its folder; relative to the folder that the process runs in.
    pub path: PathBuf,
    /// Free bytes on the disk below which no new hold is taken.
    pub min_free: u64,
}

/// The stores that this build has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Embedded, on one machine.
    Sled,
}

impl StoreKind {
    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawStore {
    kind: Option<Value>,
    path: Option<Value>,
    min_free: Option<Value>,
}

/// Reads the section; `None` where something in it is wrong.
pub(super) fn read(reader: &mut Reader<'_>, value: Value) -> Option<Store> {
    const SECTION: &str = "store";
    let RawStore { kind, path, min_free } = reader.section(SECTION, value)?;
    let kind = reader.required(SECTION, "kind", kind, |given| match given.text()? {
        "sled" => Ok(StoreKind::Sled),
        "postgres" => Err("\"postgres\" is not supported by this build yet; use \"sled\"".to_owned()),
        _ => Err("expected \"sled\"".to_owned()),
    });
    let path = reader.required(SECTION, "path", path, |given| given.text().map(PathBuf::from));
    let min_free = reader.required(SECTION, "min_free", min_free, Given::size);
    Some(Store { kind: kind?, path: path?, min_free: min_free? })
}
