//! `[webhooks]`: where webhooks to customers may go.

use serde::Deserialize;
use toml::Value;

use super::fields::{Given, Reader};

/// `[webhooks]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Webhooks {
    /// They may go to this machine too, and without TLS: for trying things out. Never where customers are.
    pub allow_loopback: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawWebhooks {
    allow_loopback: Option<Value>,
}

/// Reads the section; `None` where something in it is wrong.
pub(super) fn read(reader: &mut Reader<'_>, value: Value) -> Option<Webhooks> {
    const SECTION: &str = "webhooks";
    let RawWebhooks { allow_loopback } = reader.section(SECTION, value)?;
    let allow_loopback = reader.required(SECTION, "allow_loopback", allow_loopback, Given::boolean);
    Some(Webhooks { allow_loopback: allow_loopback? })
}
