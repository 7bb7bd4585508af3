//! `key list, create, rotate, revoke`.

use jiff::Timestamp;
use lmhaven_actors::domain::key::{KeyKind, SpendReset};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Answer;
use super::args::KeyVerb;
use super::client::{Client, Failure};
use crate::cli::output::harmless;
use crate::cli::table::{Table, cell, entries, print_fields};
use crate::keys::overlap::Overlap;

/// Runs one verb.
pub(super) async fn run(client: &Client, verb: &KeyVerb) -> Result<Answer, Failure> {
    match verb {
        KeyVerb::List { workspace } => {
            let mut workspace = client.get(&["workspaces", &workspace.to_string()]).await?;
            let keys = workspace.get_mut("keys").map_or_else(|| json!([]), Value::take);
            let json = json!({"object": "list", "data": keys, "has_more": false, "next_after": null});
            Ok(Answer { people: print_list(&json), json })
        }
        KeyVerb::Create { workspace, name, expires_at, kind, spend_limit_usd, spend_limit_reset, models, ip_allow } => {
            let mut body = Map::from_iter([("name".to_owned(), json!(name))]);
            if let Some(at) = expires_at {
                body.insert("expires_at".to_owned(), json!(at));
            }
            if let Some(limit) = spend_limit_usd {
                body.insert("spend_limit_usd".to_owned(), json!(limit));
            }
            if *spend_limit_reset != SpendReset::default() {
                body.insert("spend_limit_reset".to_owned(), json!(spend_limit_reset));
            }
            if *kind != KeyKind::default() {
                body.insert("kind".to_owned(), json!(kind));
            }
            if !models.is_empty() {
                body.insert("models".to_owned(), json!(models));
            }
            if !ip_allow.is_empty() {
                body.insert("ip_allow".to_owned(), json!(ip_allow));
            }
            let path = ["workspaces", &workspace.to_string(), "keys"];
            let json = client.send(Method::POST, &path, Some(&Value::Object(body))).await?;
            Ok(Answer { people: print_secret(&json), json })
        }
        KeyVerb::Rotate { workspace, key, overlap } => {
            let path = ["workspaces", &workspace.to_string(), "keys", &key.to_string(), "rotate"];
            let json = client.send(Method::POST, &path, Some(&json!({ "overlap": overlap }))).await?;
            let until = match overlap {
                Overlap::None => format!("{key} is revoked"),
                overlap => format!("{key} stays good for {}", overlap.name()),
            };
            Ok(Answer { people: format!("{}{until}\n", print_secret(&json)), json })
        }
        KeyVerb::Revoke { workspace, key } => {
            let path = ["workspaces", &workspace.to_string(), "keys", &key.to_string()];
            let json = client.send(Method::DELETE, &path, None).await?;
            Ok(Answer { people: format!("{key} is revoked\n"), json })
        }
    }
}

fn print_secret(made: &Value) -> String {
    format!(
        "{}\nThe secret is shown this once; only its digest is kept.\n",
        print_fields(made, &[("id", "/id"), ("secret", "/secret")])
    )
}

/// A workspace's keys, in the list envelope or without.
pub(super) fn print_list(keys: &Value) -> String {
    let mut table =
        Table::new(&["KEY", "NAME", "KIND", "SECRET", "CREATED", "LAST USED", "SPENT", "SPEND LIMIT", "STATE"]);
    for key in entries(keys) {
        table.push([
            cell(key, "/id"),
            cell(key, "/name"),
            cell(key, "/kind"),
            format!("sk-lmh-…{}", harmless(&cell(key, "/last_four"))),
            cell(key, "/created_at"),
            cell(key, "/last_used_at"),
            cell(key, "/spent_usd"),
            spend_limit(key),
            state(key, Timestamp::now()),
        ]);
    }
    table.print("no keys")
}

/// `10.00 monthly`.
fn spend_limit(key: &Value) -> String {
    let reset = cell(key, "/spend_limit_reset");
    let period =
        if ["daily", "weekly", "monthly"].contains(&reset.as_str()) { format!(" {reset}") } else { String::new() };
    cell(key, "/spend_limit_usd") + period.as_str()
}

fn state(key: &Value, now: Timestamp) -> String {
    let time = |pointer: &str| key.pointer(pointer).and_then(Value::as_str)?.parse::<Timestamp>().ok();
    match (key.get("revoked_at"), time("/expires_at")) {
        (Some(revoked), _) if !revoked.is_null() => "revoked".to_owned(),
        (_, Some(expires)) if expires <= now => "expired".to_owned(),
        (_, Some(expires)) => format!("until {expires}"),
        (_, None) => "active".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_key_follows_from_its_times() {
        let now: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        for (key, expected) in [
            (json!({"revoked_at": null, "expires_at": null}), "active"),
            (json!({"revoked_at": "2026-01-01T00:00:00Z", "expires_at": null}), "revoked"),
            (json!({"revoked_at": null, "expires_at": "2026-11-23T00:00:00Z"}), "expired"),
            (json!({"revoked_at": null, "expires_at": "2026-11-24T00:00:00Z"}), "until 2026-11-24T00:00:00Z"),
        ] {
            assert_eq!(state(&key, now), expected, "{key}");
        }
    }
}
