//! `admin create, list`: operators, who sign in to the operators' pages.

use reqwest::Method;
use serde_json::{Value, json};

use super::Answer;
use super::args::OperatorVerb;
use super::client::{Client, Failure};
use crate::cli::table::{Table, cell, entries, print_fields};

/// Runs one verb.
pub(super) async fn run(client: &Client, verb: &OperatorVerb) -> Result<Answer, Failure> {
    match verb {
        OperatorVerb::Create { email } => {
            let json = client.send(Method::POST, &["operators"], Some(&json!({ "email": email }))).await?;
            let people =
                print_fields(&json, &[("operator", "/email"), ("works until", "/expires_at"), ("link", "/link")]);
            Ok(Answer { json, people })
        }
        OperatorVerb::List => {
            let json = client.list(&["operators"]).await?;
            Ok(Answer { people: print_list(&json), json })
        }
    }
}

fn print_list(list: &Value) -> String {
    let mut table = Table::new(&["OPERATOR", "ID"]);
    for operator in entries(list) {
        table.push([cell(operator, "/email"), cell(operator, "/id")]);
    }
    table.print("no operators: lmhaven admin create EMAIL prints a link that makes one")
}
