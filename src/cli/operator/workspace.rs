//! `workspace list, create, show, set`.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::args::{Limit, WorkspaceChanges, WorkspaceVerb};
use super::client::{Client, Failure};
use super::{Answer, key};
use crate::cli::table::{Table, cell, entries, print_fields};

const FIELDS: [(&str, &str); 14] = [
    ("id", "/id"),
    ("name", "/name"),
    ("owner", "/owner_email"),
    ("email verified", "/email_verified"),
    ("suspended", "/suspended"),
    ("balance", "/balance_usd"),
    ("reserved", "/reserved_usd"),
    ("available", "/available_usd"),
    ("tier", "/limits/tier"),
    ("requests per minute", "/limits/requests_per_minute"),
    ("concurrent streams", "/limits/concurrent_streams"),
    ("text", "/features/text"),
    ("image", "/features/image"),
    ("voice", "/features/voice"),
];

/// Runs one verb.
pub(super) async fn run(client: &Client, verb: &WorkspaceVerb) -> Result<Answer, Failure> {
    match verb {
        WorkspaceVerb::List => {
            let json = client.list(&["workspaces"]).await?;
            Ok(Answer { people: print_list(&json), json })
        }
        WorkspaceVerb::Create { name, owner_email, email_verified } => {
            let body = json!({"name": name, "owner_email": owner_email, "email_verified": email_verified});
            let json = client.send(Method::POST, &["workspaces"], Some(&body)).await?;
            Ok(Answer { people: print_one(&json), json })
        }
        WorkspaceVerb::Show { workspace } => {
            let json = client.get(&["workspaces", &workspace.to_string()]).await?;
            Ok(Answer { people: print_one(&json), json })
        }
        WorkspaceVerb::Set { workspace, changes } => {
            let path = ["workspaces", &workspace.to_string()];
            let json = client.send(Method::PATCH, &path, Some(&patch(changes))).await?;
            Ok(Answer { people: print_one(&json), json })
        }
    }
}

/// Only what was given; null returns a limit to the tier.
fn patch(changes: &WorkspaceChanges) -> Value {
    let WorkspaceChanges {
        requests_per_minute,
        concurrent_streams,
        text,
        image,
        voice,
        suspended,
        email_verified,
        name,
    } = changes;
    let limit = |limit: Limit| match limit {
        Limit::Number(number) => json!(number),
        Limit::Tier => Value::Null,
    };
    let object = |fields: Vec<(&str, Option<Value>)>| {
        let given = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        given.collect::<Map<String, Value>>()
    };
    let features = object(vec![
        ("text", text.map(Value::Bool)),
        ("image", image.map(Value::Bool)),
        ("voice", voice.map(Value::Bool)),
    ]);
    Value::Object(object(vec![
        ("requests_per_minute", requests_per_minute.map(limit)),
        ("concurrent_streams", concurrent_streams.map(limit)),
        ("features", (!features.is_empty()).then_some(Value::Object(features))),
        ("suspended", suspended.map(Value::Bool)),
        ("email_verified", email_verified.map(Value::Bool)),
        ("name", name.as_ref().map(|name| json!(name))),
    ]))
}

fn print_list(list: &Value) -> String {
    let mut table =
        Table::new(&["ID", "NAME", "OWNER", "BALANCE", "RESERVED", "TIER", "REQUESTS/MIN", "STREAMS", "STATE"]);
    for workspace in entries(list) {
        let state = match (cell(workspace, "/suspended").as_str(), cell(workspace, "/email_verified").as_str()) {
            ("yes", _) => "suspended",
            (_, "no") => "unverified",
            _ => "active",
        };
        let pointers = [
            "/id",
            "/name",
            "/owner_email",
            "/balance_usd",
            "/reserved_usd",
            "/limits/tier",
            "/limits/requests_per_minute",
            "/limits/concurrent_streams",
        ];
        let cells = pointers.into_iter().map(|pointer| cell(workspace, pointer));
        table.push(cells.chain([state.to_owned()]));
    }
    table.print("no workspaces")
}

fn print_one(workspace: &Value) -> String {
    let keys = workspace.get("keys").cloned().unwrap_or_default();
    format!("{}\n{}", print_fields(workspace, &FIELDS), key::print_list(&keys))
}
