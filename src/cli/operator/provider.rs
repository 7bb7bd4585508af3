//! `provider list, enable, disable`.

use reqwest::Method;
use serde_json::Value;

use super::Answer;
use super::args::{AccountArgs, ProviderVerb};
use super::client::{Client, Failure};
use crate::cli::table::{Table, cell, entries};

/// Runs one verb.
pub(super) async fn run(client: &Client, verb: &ProviderVerb) -> Result<Answer, Failure> {
    match verb {
        ProviderVerb::List => {
            let json = client.list(&["providers"]).await?;
            Ok(Answer { people: print_list(&json), json })
        }
        ProviderVerb::Enable(account) => switch(client, account, "enable").await,
        ProviderVerb::Disable(account) => switch(client, account, "disable").await,
    }
}

async fn switch(client: &Client, AccountArgs { provider, account }: &AccountArgs, to: &str) -> Result<Answer, Failure> {
    let path = ["providers", provider, "accounts", &account.to_string(), to];
    let json = client.send(Method::POST, &path, None).await?;
    Ok(Answer { people: format!("account {account} of {provider} is {to}d\n"), json })
}

/// One row per account: an account, not a provider, is healthy or not.
fn print_list(list: &Value) -> String {
    let mut table = Table::new(&["PROVIDER", "KIND", "ACCOUNT", "STATE", "IN FLIGHT", "UNTIL", "LAST ERROR"]);
    for provider in entries(list) {
        let accounts = provider.get("accounts").map(entries).unwrap_or_default();
        if accounts.is_empty() {
            let none = ["-", "no accounts", "-", "-", "-"].map(str::to_owned);
            table.push([cell(provider, "/id"), cell(provider, "/kind")].into_iter().chain(none));
        }
        for account in accounts {
            let cells = ["/n", "/state", "/in_flight", "/until", "/last_error"].map(|pointer| cell(account, pointer));
            table.push([cell(provider, "/id"), cell(provider, "/kind")].into_iter().chain(cells));
        }
    }
    table.print("no providers")
}
