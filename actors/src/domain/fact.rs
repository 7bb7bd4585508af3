//! What happened besides money: workspaces, keys, prices, provider accounts, and who did it.
//!
//! Facts stand in the same journal as entries and are replayed with them, in one order. They are rare and
//! small, kept as JSON; a field that is added later gets a default, so that old journals stay readable.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::billing::{BilledTo, BillingEvent};
use super::ids::{KeyId, WorkspaceId};
use super::key::{KeyKind, SpendReset};
use super::mail::MailFact;
use super::money::NanoUsd;
use super::payment::PaymentFact;
use super::people::PeopleFact;
use super::price::PriceRow;
use super::time::UnixMillis;
use super::webhook::WebhookFact;

/// Something that happened, other than money moving.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// A workspace was opened.
    WorkspaceCreated(WorkspaceCreated),
    /// Some of its settings changed.
    WorkspaceChanged(WorkspaceChanged),
    /// A key was made.
    KeyCreated(KeyCreated),
    /// A key was revoked.
    KeyRevoked(KeyRevoked),
    /// Another key takes a key's place: it is refused from some moment on.
    KeyRetired(KeyRetired),
    /// A price-book version was published.
    PricesPublished(PricesPublished),
    /// An operator switched a provider account on or off.
    ProviderAccountSwitched(ProviderAccountSwitched),
    /// Who did what.
    Audited(AuditRow),
    /// Something about people: accounts, sessions, members.
    People(PeopleFact),
    /// Something about a mail.
    Mail(MailFact),
    /// Something happened to a payment.
    Payment(PaymentFact),
    /// A workspace's people are told of money or limits.
    Billing(BillingEvent),
    /// Something about webhooks to customers.
    Webhook(WebhookFact),
}

impl Fact {
    /// The workspace it belongs to, where it belongs to one.
    pub fn workspace(&self) -> Option<WorkspaceId> {
        match self {
            Self::WorkspaceCreated(fact) => Some(fact.workspace),
            Self::WorkspaceChanged(fact) => Some(fact.workspace),
            Self::KeyCreated(fact) => Some(fact.workspace),
            Self::KeyRevoked(fact) => Some(fact.workspace),
            Self::KeyRetired(fact) => Some(fact.workspace),
            Self::Payment(fact) => fact.workspace(),
            Self::Billing(event) => Some(event.workspace),
            Self::PricesPublished(_)
            | Self::ProviderAccountSwitched(_)
            | Self::Audited(_)
            | Self::People(_)
            | Self::Mail(_)
            | Self::Webhook(_) => None,
        }
    }
}

/// A workspace was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceCreated {
    /// Its id.
    pub workspace: WorkspaceId,
    /// When.
    pub at: UnixMillis,
    /// What people call it.
    pub name: String,
    /// Who answers for it.
    pub owner_email: String,
    /// The owner has confirmed the address.
    pub email_verified: bool,
}

/// Which features a workspace has. On unless switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Chat models.
    pub text: bool,
    /// Image models.
    pub image: bool,
    /// Speech models.
    pub voice: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self { text: true, image: true, voice: true }
    }
}

/// A value that may be left alone, set, or returned to what the tier says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Override {
    /// As it was.
    #[default]
    Unchanged,
    /// This value.
    Set(std::num::NonZeroU32),
    /// What the tier says.
    Tier,
}

/// Some of a workspace's settings changed; `None` leaves a setting as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceChanged {
    /// Whose.
    pub workspace: WorkspaceId,
    /// When.
    pub at: UnixMillis,
    /// Requests per minute.
    #[serde(default)]
    pub requests_per_minute: Override,
    /// Streams at once.
    #[serde(default)]
    pub concurrent_streams: Override,
    /// All three features.
    #[serde(default)]
    pub features: Option<Features>,
    /// No request is admitted.
    #[serde(default)]
    pub suspended: Option<bool>,
    /// The owner has confirmed the address.
    #[serde(default)]
    pub email_verified: Option<bool>,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// Whom its receipts name.
    #[serde(default)]
    pub billed_to: Option<BilledTo>,
}

impl WorkspaceChanged {
    /// A change of nothing, to be filled in.
    pub const fn nothing(workspace: WorkspaceId, at: UnixMillis) -> Self {
        Self {
            workspace,
            at,
            requests_per_minute: Override::Unchanged,
            concurrent_streams: Override::Unchanged,
            features: None,
            suspended: None,
            email_verified: None,
            name: None,
            billed_to: None,
        }
    }
}

/// A key was made. Its secret is nowhere; the digest finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCreated {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Its id.
    pub key: KeyId,
    /// When.
    pub at: UnixMillis,
    /// What people call it.
    pub name: String,
    /// BLAKE3 of the whole secret, in hexadecimal.
    pub digest: String,
    /// The secret's last four characters.
    pub last_four: String,
    /// From when on it is refused.
    #[serde(default)]
    pub expires_at: Option<UnixMillis>,
    /// What it may spend in each period of `spend_limit_reset`.
    #[serde(default)]
    pub spend_limit: Option<NanoUsd>,
    /// When what it spent against its limit is forgotten.
    #[serde(default)]
    pub spend_limit_reset: SpendReset,
    /// The models it may use; `None` is all.
    #[serde(default)]
    pub models: Option<Vec<Arc<str>>>,
    /// The addresses or networks it may come from; `None` is all.
    #[serde(default)]
    pub ip_allow: Option<Vec<Network>>,
    /// What it is for.
    #[serde(default)]
    pub purpose: KeyPurpose,
    /// What whoever has its secret may do.
    #[serde(default)]
    pub kind: KeyKind,
    /// The key whose place it takes: they share one spend limit.
    #[serde(default)]
    pub rotated_from: Option<KeyId>,
    /// The management key that made it: what it spends counts against that key's limit too.
    #[serde(default)]
    pub made_by: Option<KeyId>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPurpose {
    /// Requests of whoever has its secret.
    #[default]
    Requests,
    /// The dashboard's playground: requests of members who are signed in. Nobody has its secret.
    Playground,
}

/// An address with the length of its network prefix, written `10.0.0.0/8`; a bare address is one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text is not an address or network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address or a network such as 10.0.0.0/8")]
pub struct ParseNetworkError;

impl Network {
    /// Whether `address` lies in it. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        fn bits(address: IpAddr) -> (u128, u8) {
            match address {
                IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
                IpAddr::V6(v6) => (v6.to_bits(), 128),
            }
        }
        let (mine, my_width) = bits(self.address);
        let (theirs, their_width) = bits(address.to_canonical());
        let kept = if self.prefix == 0 { 0 } else { u128::MAX << (128 - u32::from(self.prefix)) };
        my_width == their_width && mine & kept == theirs & kept
    }

    /// Whether every address of `other` lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }
}

impl std::str::FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(digits) => digits.parse().ok().filter(|prefix| *prefix <= width).ok_or(ParseNetworkError)?,
        };
        Ok(Self { address, prefix })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        if self.prefix == width { write!(f, "{}", self.address) } else { write!(f, "{}/{}", self.address, self.prefix) }
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A key was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRevoked {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Which.
    pub key: KeyId,
    /// When.
    pub at: UnixMillis,
}

/// Another key takes a key's place. It stays good until its window is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRetired {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Which.
    pub key: KeyId,
    /// When.
    pub at: UnixMillis,
    /// From when on it is refused.
    pub expires_at: UnixMillis,
}

/// A price-book version was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PricesPublished {
    /// Counted from 1.
    pub version: u32,
    /// When it was published.
    pub at: UnixMillis,
    /// From when on requests pay it.
    pub effective_at: UnixMillis,
    /// Every model's row.
    pub rows: BTreeMap<String, PriceRow>,
    /// Why.
    pub reason: String,
    /// The digest of the configuration file's prices, where the file seeded it: the same file again seeds nothing.
    #[serde(default)]
    pub seeded_from: Option<String>,
}

/// An operator switched a provider account on or off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderAccountSwitched {
    /// The provider's id in the configuration.
    pub provider: String,
    /// The account, counted from 0 as in the configuration.
    pub n: usize,
    /// It may be used.
    pub enabled: bool,
    /// When.
    pub at: UnixMillis,
}

/// Who did what, when and why. Holds no secret and no prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When.
    pub at: UnixMillis,
    /// Who: `admin`, `cli` or `system`.
    pub actor: String,
    /// What, such as `workspace.create`.
    pub action: String,
    /// To what: an id.
    pub target: String,
    /// Why, where a reason was given.
    pub reason: Option<String>,
    /// What was before.
    pub before: Option<serde_json::Value>,
    /// What is now.
    pub after: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_their_prefix_says() {
        let network: Network = "10.1.0.0/16".parse().unwrap();
        assert!(network.contains("10.1.255.255".parse().unwrap()));
        assert!(!network.contains("10.2.0.0".parse().unwrap()));
        assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()), "mapped into IPv6");
        let host: Network = "2001:db8::1".parse().unwrap();
        assert!(host.contains("2001:db8::1".parse().unwrap()) && !host.contains("2001:db8::2".parse().unwrap()));
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
        assert!(all.covers(&network) && network.covers(&network) && !network.covers(&all) && !all.covers(&host));
        for text in ["", "10.0.0.0/33", "host", "10.0.0.0/", "1.2.3"] {
            assert_eq!(text.parse::<Network>(), Err(ParseNetworkError), "{text}");
        }
    }

    #[test]
    fn a_fact_of_an_older_version_is_still_read() {
        let text = r#"{"fact":"workspace_changed","workspace":"ws_00000000000000000000000001","at":5}"#;
        let Fact::WorkspaceChanged(change) = serde_json::from_str(text).unwrap() else { panic!("another fact") };
        assert_eq!(change.requests_per_minute, Override::Unchanged);
        let text = r#"{"fact":"key_created","workspace":"ws_00000000000000000000000001","key":"key_00000000000000000000000002",
            "at":5,"name":"k","digest":"00","last_four":"abcd","spend_limit":"0.05"}"#;
        let Fact::KeyCreated(key) = serde_json::from_str(text).unwrap() else { panic!("another fact") };
        assert_eq!((key.kind, key.spend_limit_reset), (KeyKind::Inference, SpendReset::None));
        assert_eq!((key.rotated_from, key.made_by, key.purpose), (None, None, KeyPurpose::Requests));
    }
}
