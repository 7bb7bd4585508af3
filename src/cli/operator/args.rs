//! What can be typed after `workspace`, `key`, `credit`, `price`, `model`, `provider` and `admin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use lmhaven_actors::domain::fact::Network;
use lmhaven_actors::domain::ids::{KeyId, WorkspaceId};
use lmhaven_actors::domain::key::{KeyKind, SpendReset};
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::price::Ratio;

use crate::keys::overlap::Overlap;

/// The variable that holds the admin token. There is no option for it: options are visible to every process.
pub const TOKEN_VARIABLE: &str = "LMHAVEN_ADMIN_TOKEN";

const ADMIN_API: &str = "Admin API";

/// Where the admin API is, and how to answer.
#[derive(Clone, Debug, Args)]
pub struct AdminArgs {
    /// The admin API; its token is read from `LMHAVEN_ADMIN_TOKEN`
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = ADMIN_API,
        env = "LMHAVEN_ADMIN_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8081"
    )]
    pub url: String,
    /// Print the API's JSON instead of a table
    #[arg(long, global = true, help_heading = ADMIN_API)]
    pub json: bool,
}

macro_rules! verbs {
    ($($name:ident, $verb:ident, $doc:literal, $examples:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Debug, Args)]
        #[command(after_help = $examples)]
        pub struct $name {
            /// Where the admin API is.
            #[command(flatten)]
            pub admin: AdminArgs,
            /// What to do.
            #[command(subcommand)]
            pub verb: $verb,
        }
    )*};
}

verbs! {
    WorkspaceArgs, WorkspaceVerb, "`workspace …`",
        "Examples:\n  lmhaven workspace create --name acme --owner-email ops@acme.example --email-verified\n  \
         lmhaven workspace set ws_… --requests-per-minute 1200 --voice off\n  \
         lmhaven workspace set ws_… --requests-per-minute tier";
    KeyArgs, KeyVerb, "`key …`",
        "Examples:\n  lmhaven key create ws_… --name production --spend-limit-usd 50.00\n  \
         lmhaven key revoke ws_… key_…";
    CreditArgs, CreditVerb, "`credit …`",
        "Examples:\n  lmhaven credit add ws_… 25.00 --reason 'welcome'\n  \
         lmhaven credit add ws_… -5.00 --reason 'refund of invoice 7' --idempotency-key refund-7";
    PriceArgs, PriceVerb, "`price …`",
        "Examples:\n  lmhaven price publish --model claude-opus-4-7 --ratio 27.5 \\\n      \
         --list-price input=5.00 --list-price output=25.00 --reason 'week 48'\n  \
         lmhaven price publish --file week-48.json --effective-at 2026-12-01T00:00:00Z";
    ModelArgs, ModelVerb, "`model …`", "Example:\n  lmhaven model list --json";
    ProviderArgs, ProviderVerb, "`provider …`",
        "Examples:\n  lmhaven provider list\n  lmhaven provider disable anthropic 0";
    OperatorArgs, OperatorVerb, "`admin …`", "Example:\n  lmhaven admin create ops@acme.example";
}

/// Verbs of `admin`.
#[derive(Debug, Subcommand)]
pub enum OperatorVerb {
    /// Print a link with which whoever has this address becomes an operator and chooses a password, once, within 30 minutes
    Create {
        /// The address to sign in with
        #[arg(value_name = "EMAIL")]
        email: String,
    },
    /// Everybody who may sign in to the operators' pages
    List,
}

/// Verbs of `workspace`.
#[derive(Debug, Subcommand)]
pub enum WorkspaceVerb {
    /// All workspaces with balance, limits and state
    List,
    /// Make a workspace
    Create {
        /// What people call it
        #[arg(long)]
        name: String,
        /// The address of whoever owns it
        #[arg(long, value_name = "EMAIL")]
        owner_email: String,
        /// The address is known to be right; otherwise nothing is served before it is confirmed
        #[arg(long)]
        email_verified: bool,
    },
    /// One workspace with its keys
    Show {
        /// Which workspace
        workspace: WorkspaceId,
    },
    /// Change limits, features, state or name
    #[command(override_usage = "lmhaven workspace set <WORKSPACE> <CHANGE>...")]
    Set {
        /// Which workspace
        workspace: WorkspaceId,
        /// What to change
        #[command(flatten)]
        changes: WorkspaceChanges,
    },
}

/// What can be changed of a workspace; what is not given stays.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
pub struct WorkspaceChanges {
    /// A number, or `tier` for what the tier says
    #[arg(long, value_name = "N|tier", value_parser = limit)]
    pub requests_per_minute: Option<Limit>,
    /// A number, or `tier` for what the tier says
    #[arg(long, value_name = "N|tier", value_parser = limit)]
    pub concurrent_streams: Option<Limit>,
    /// Text models
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    pub text: Option<bool>,
    /// Image models
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    pub image: Option<bool>,
    /// Voice models
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    pub voice: Option<bool>,
    /// Refuse every request
    #[arg(long, value_name = "true|false")]
    pub suspended: Option<bool>,
    /// The owner has confirmed the address
    #[arg(long, value_name = "true|false")]
    pub email_verified: Option<bool>,
    /// What people call it
    #[arg(long)]
    pub name: Option<String>,
}

/// A limit of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// This one.
    Number(std::num::NonZeroU32),
    /// What the tier says.
    Tier,
}

/// Verbs of `key`.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// The keys of a workspace, without their secrets
    List {
        /// Which workspace
        workspace: WorkspaceId,
    },
    /// Make a key and print its secret, this once
    Create {
        /// Which workspace
        workspace: WorkspaceId,
        /// What people call it
        #[arg(long)]
        name: String,
        /// Refused from then on, such as 2027-01-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        expires_at: Option<Timestamp>,
        /// What it may do: inference, `read_only` or management
        #[arg(long, default_value = "inference")]
        kind: KeyKind,
        /// The most that it may spend, in all or in each period of --spend-limit-reset
        #[arg(long, value_name = "USD", value_parser = positive_amount)]
        spend_limit_usd: Option<NanoUsd>,
        /// When the limit starts anew, at 00:00 UTC: none, daily, weekly (Monday) or monthly
        #[arg(long, value_name = "PERIOD", default_value = "none", requires = "spend_limit_usd")]
        spend_limit_reset: SpendReset,
        /// A model that it may use; all where none is given; may be repeated
        #[arg(long = "model", value_name = "MODEL")]
        models: Vec<String>,
        /// An address or network that it may come from; all where none is given; may be repeated
        #[arg(long, value_name = "NETWORK")]
        ip_allow: Vec<Network>,
    },
    /// Give a key a new secret and print it, this once; settings and spend limit stay
    Rotate {
        /// Which workspace
        workspace: WorkspaceId,
        /// Which key
        key: KeyId,
        /// How long the old secret stays good: 0 (revoked at once), 1h, 24h or 7d
        #[arg(long, default_value = "24h")]
        overlap: Overlap,
    },
    /// Revoke a key, from the next request on and for running streams
    Revoke {
        /// Which workspace
        workspace: WorkspaceId,
        /// Which key
        key: KeyId,
    },
}

/// Verbs of `credit`.
#[derive(Debug, Subcommand)]
pub enum CreditVerb {
    /// Add money; a negative amount is a refund and takes no more than is available
    Add {
        /// Which workspace
        workspace: WorkspaceId,
        /// US dollars, such as 25.00 or -5.00
        #[arg(value_name = "USD", allow_negative_numbers = true, value_parser = amount)]
        amount: NanoUsd,
        /// Why, for the ledger and the audit log
        #[arg(long)]
        reason: String,
        /// The same key twice credits once; a new one unless given
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
}

/// Verbs of `price`.
#[derive(Debug, Subcommand)]
pub enum PriceVerb {
    /// All versions of the price book
    List,
    /// Publish a version; models left out keep their price
    Publish(PublishArgs),
}

/// What to publish.
#[derive(Clone, Debug, Args)]
pub struct PublishArgs {
    /// The body of the request, for several models at once
    #[arg(
        long,
        help = "The body as the admin API takes it: {\"models\": [{\"id\", \"ratio\", \"list_price\": {…}}], …}",
        value_name = "JSON",
        required_unless_present = "model",
        conflicts_with_all = ["model", "ratio", "list_price"]
    )]
    pub file: Option<PathBuf>,
    /// One model to price
    #[arg(long, requires_all = ["ratio", "list_price"])]
    pub model: Option<String>,
    /// What its list price is divided by
    #[arg(long, requires = "model")]
    pub ratio: Option<Ratio>,
    /// One of its list prices, such as input=5.00; may be repeated
    #[arg(long, value_name = "KEY=USD", requires = "model", value_parser = list_price)]
    pub list_price: Vec<(String, String)>,
    /// From when on requests pay it; now unless given
    #[arg(long, value_name = "TIME")]
    pub effective_at: Option<Timestamp>,
    /// Why, for the audit log
    #[arg(long)]
    pub reason: Option<String>,
}

/// Verbs of `model`.
#[derive(Debug, Subcommand)]
pub enum ModelVerb {
    /// All models with the ratio and list price in force
    List,
}

/// Verbs of `provider`.
#[derive(Debug, Subcommand)]
pub enum ProviderVerb {
    /// Every account of every provider and how it is
    List,
    /// Use an account again
    Enable(AccountArgs),
    /// Stop using an account; requests on their way are finished
    Disable(AccountArgs),
}

/// An upstream account.
#[derive(Clone, Debug, Args)]
pub struct AccountArgs {
    /// The provider's id
    pub provider: String,
    /// The account, counted from 0 as in `api_keys`
    #[arg(value_name = "N")]
    pub account: usize,
}

fn limit(text: &str) -> Result<Limit, String> {
    if text == "tier" {
        return Ok(Limit::Tier);
    }
    text.parse().map(Limit::Number).map_err(|_| "expected a whole number above zero, or `tier`".to_owned())
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected `on` or `off`".to_owned()),
    }
}

fn amount(text: &str) -> Result<NanoUsd, String> {
    match text.parse::<NanoUsd>() {
        Ok(NanoUsd::ZERO) => Err("an amount is not zero".to_owned()),
        Ok(amount) => Ok(amount),
        Err(error) => Err(error.to_string()),
    }
}

fn positive_amount(text: &str) -> Result<NanoUsd, String> {
    amount(text)
        .and_then(|amount| if amount.is_positive() { Ok(amount) } else { Err("expected more than zero".to_owned()) })
}

fn list_price(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=USD, such as input=5.00")?;
    if key == "long_context_over" {
        value.parse::<u64>().map_err(|_| "expected a whole number of tokens")?;
    } else {
        value.parse::<NanoUsd>().map_err(|error| error.to_string())?;
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_checked_before_anything_is_sent() {
        assert_eq!(limit("tier"), Ok(Limit::Tier));
        assert!(limit("0").is_err() && limit("Tier").is_err());
        assert_eq!(on_or_off("off"), Ok(false));
        assert!(on_or_off("no").is_err());
        assert_eq!(amount("-5.00"), Ok(NanoUsd::from_nano(-5_000_000_000)));
        assert!(amount("0.00").is_err() && amount("5,00").is_err() && positive_amount("-5").is_err());
        assert_eq!(list_price("input=5.00"), Ok(("input".to_owned(), "5.00".to_owned())));
        assert!(list_price("input").is_err() && list_price("input=free").is_err());
        assert!(list_price("long_context_over=200000").is_ok() && list_price("long_context_over=1.5").is_err());
    }
}
