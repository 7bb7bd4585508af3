//! The operator's verbs: a thin client of the admin API, one file per noun.
//!
//! A verb makes one call, or one per page of a list, and prints a table or the API's JSON. It decides nothing:
//! what is refused is refused by the gateway, in the gateway's words.

mod admin;
pub mod args;
mod client;
mod credit;
mod key;
mod price;
mod provider;
#[cfg(test)]
mod tests;
mod workspace;

use serde_json::Value;

use args::{AdminArgs, CreditVerb, KeyVerb, ModelVerb, OperatorVerb, PriceVerb, ProviderVerb, WorkspaceVerb};
use client::Client;
pub use client::Failure;

/// One call of an operator.
#[derive(Debug)]
pub struct Operation {
    admin: AdminArgs,
    verb: Verb,
}

/// A noun with its verb.
#[derive(Debug)]
enum Verb {
    Workspace(WorkspaceVerb),
    Key(KeyVerb),
    Credit(CreditVerb),
    Price(PriceVerb),
    Model(ModelVerb),
    Provider(ProviderVerb),
    Operator(OperatorVerb),
}

/// The same answer twice: for programs and for people.
struct Answer {
    json: Value,
    people: String,
}

macro_rules! operations {
    ($($args:ident => $noun:ident;)*) => {$(
        impl From<args::$args> for Operation {
            fn from(args: args::$args) -> Self {
                Self { admin: args.admin, verb: Verb::$noun(args.verb) }
            }
        }
    )*};
}

operations! {
    WorkspaceArgs => Workspace;
    KeyArgs => Key;
    CreditArgs => Credit;
    PriceArgs => Price;
    ModelArgs => Model;
    ProviderArgs => Provider;
    OperatorArgs => Operator;
}

impl Operation {
    /// Does it with this token and answers what to print.
    ///
    /// # Errors
    /// Where there is no answer, or none but a refusal.
    pub async fn run(&self, token: Option<&str>) -> Result<String, Failure> {
        let client = Client::new(&self.admin.url, token)?;
        let Answer { json, people } = match &self.verb {
            Verb::Workspace(verb) => workspace::run(&client, verb).await?,
            Verb::Key(verb) => key::run(&client, verb).await?,
            Verb::Credit(verb) => credit::run(&client, verb).await?,
            Verb::Price(verb) => price::run(&client, verb).await?,
            Verb::Model(verb) => price::run_model(&client, verb).await?,
            Verb::Provider(verb) => provider::run(&client, verb).await?,
            Verb::Operator(verb) => admin::run(&client, verb).await?,
        };
        Ok(if self.admin.json { format!("{json:#}") } else { people })
    }
}
