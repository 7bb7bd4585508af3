//! `price list, publish` and `model list`.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Answer;
use super::args::{ModelVerb, PriceVerb, PublishArgs};
use super::client::{Client, Failure};
use crate::cli::output::print_problem;
use crate::cli::table::{Table, cell, entries, print_fields};
use crate::operations::prices::STALE_AFTER;

/// Runs one verb of `price`.
pub(super) async fn run(client: &Client, verb: &PriceVerb) -> Result<Answer, Failure> {
    match verb {
        PriceVerb::List => {
            let json = client.list(&["prices"]).await?;
            if let Some(warning) = old(&json, Timestamp::now()) {
                print_problem(&warning);
            }
            Ok(Answer { people: print_versions(&json), json })
        }
        PriceVerb::Publish(args) => {
            let json = client.send(Method::POST, &["prices"], Some(&body(args)?)).await?;
            let people = print_fields(&json, &[("version", "/version"), ("effective at", "/effective_at")]);
            Ok(Answer { json, people })
        }
    }
}

/// Runs one verb of `model`.
pub(super) async fn run_model(client: &Client, verb: &ModelVerb) -> Result<Answer, Failure> {
    let ModelVerb::List = verb;
    let versions = client.list(&["prices"]).await?;
    let models = in_force(&versions, Timestamp::now()).and_then(|version| version.get("models")).cloned();
    let json =
        json!({"object": "list", "data": models.unwrap_or_else(|| json!([])), "has_more": false, "next_after": null});
    let mut table = Table::new(&["MODEL", "RATIO", "LIST PRICE"]);
    for model in entries(&json) {
        let prices = model.get("list_price").map(list_price).unwrap_or_default();
        table.push([cell(model, "/id"), cell(model, "/ratio"), prices.join(", ")]);
    }
    Ok(Answer { people: table.print("no models"), json })
}

/// The request's body: a file as it is, or one model; options win over what the file says.
fn body(args: &PublishArgs) -> Result<Value, Failure> {
    let PublishArgs { file, model, ratio, list_price, effective_at, reason } = args;
    let mut body = if let Some(file) = file {
        let refused = |error: &dyn std::fmt::Display| Failure::Given(format!("{}: {error}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| refused(&error))?;
        serde_json::from_str::<Map<String, Value>>(&text).map_err(|error| refused(&error))?
    } else {
        let price = |(key, value): &(String, String)| match value.parse::<u64>() {
            Ok(tokens) if key == "long_context_over" => (key.clone(), json!(tokens)),
            _ => (key.clone(), json!(value)),
        };
        let prices: Map<String, Value> = list_price.iter().map(price).collect();
        Map::from_iter([("models".to_owned(), json!([{"id": model, "ratio": ratio, "list_price": prices}]))])
    };
    if let Some(at) = effective_at {
        body.insert("effective_at".to_owned(), json!(at));
    }
    if let Some(reason) = reason {
        body.insert("reason".to_owned(), json!(reason));
    }
    Ok(Value::Object(body))
}

fn print_versions(list: &Value) -> String {
    let mut table = Table::new(&["VERSION", "EFFECTIVE AT", "MODELS", "REASON"]);
    for version in entries(list) {
        let models =
            version.get("models").and_then(Value::as_array).map_or_else(|| "-".to_owned(), |m| m.len().to_string());
        table.push([cell(version, "/version"), cell(version, "/effective_at"), models, cell(version, "/reason")]);
    }
    table.print("no price book yet")
}

/// The version that a request pays at `now`: of those in effect the one that took effect last.
fn in_force(versions: &Value, now: Timestamp) -> Option<&Value> {
    let effective = |version: &Value| version.get("effective_at")?.as_str()?.parse::<Timestamp>().ok();
    let number = |version: &Value| version.get("version").and_then(Value::as_u64);
    let past = entries(versions).iter().filter(|version| effective(version).is_some_and(|at| at <= now));
    past.max_by_key(|version| (effective(version), number(version)))
}

/// A warning where the version in force was forgotten: ratios and list prices change weekly.
fn old(versions: &Value, now: Timestamp) -> Option<String> {
    let since: Timestamp = in_force(versions, now)?.get("effective_at")?.as_str()?.parse().ok()?;
    let age = now.as_millisecond().saturating_sub(since.as_millisecond());
    let days = age / (24 * 60 * 60_000);
    (age > STALE_AFTER)
        .then(|| format!("the prices in force are {days} days old; ratios and list prices change weekly"))
}

/// `input 5.00`, …: every price below the object, however deep it lies.
fn list_price(prices: &Value) -> Vec<String> {
    let Some(prices) = prices.as_object() else { return Vec::new() };
    let below = |(key, value): (&String, &Value)| match value {
        Value::Object(_) => list_price(value),
        Value::Null => Vec::new(),
        _ => vec![format!("{key} {}", cell(value, ""))],
    };
    prices.iter().flat_map(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_in_force_is_the_last_that_took_effect() {
        let versions = json!({"data": [
            {"version": 1, "effective_at": "2026-01-01T00:00:00Z"},
            {"version": 2, "effective_at": "2027-01-01T00:00:00Z"},
            {"version": 3, "effective_at": "2026-06-01T00:00:00Z"},
            {"version": 4, "effective_at": "2026-06-01T00:00:00Z"},
        ]});
        let at = |time: &str| in_force(&versions, time.parse().unwrap()).map(|version| version["version"].clone());
        assert_eq!(at("2025-12-31T23:59:59Z"), None);
        assert_eq!(at("2026-01-01T00:00:00Z"), Some(json!(1)));
        assert_eq!(at("2026-12-31T23:59:59Z"), Some(json!(4)));
        assert_eq!(at("2027-01-01T00:00:00Z"), Some(json!(2)));
    }

    #[test]
    fn prices_of_more_than_eight_days_are_warned_of() {
        let versions = json!({"data": [
            {"version": 1, "effective_at": "2026-01-01T00:00:00Z"},
            {"version": 2, "effective_at": "2026-02-01T00:00:00Z"},
        ]});
        let at = |time: &str| old(&versions, time.parse().unwrap());
        assert_eq!(at("2026-01-09T00:00:00Z"), None, "eight days");
        let warning = at("2026-01-09T00:00:01Z").unwrap();
        assert_eq!(warning, "the prices in force are 8 days old; ratios and list prices change weekly");
        assert_eq!((at("2026-02-02T00:00:00Z"), at("2025-01-01T00:00:00Z")), (None, None));
    }

    #[test]
    fn list_prices_are_read_flat_and_by_modality() {
        assert_eq!(list_price(&json!({"input": "5.00", "cache_read": null})), ["input 5.00"]);
        assert_eq!(list_price(&json!({"image": {"1K": "0.134"}})), ["1K 0.134"]);
    }

    #[test]
    fn a_file_is_sent_as_it_is_and_options_win() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prices.json");
        std::fs::write(&file, r#"{"models": [{"id": "m"}], "reason": "old", "note": 1}"#).unwrap();
        let args = PublishArgs {
            file: Some(file.clone()),
            model: None,
            ratio: None,
            list_price: Vec::new(),
            effective_at: "2026-12-01T00:00:00Z".parse().ok(),
            reason: Some("new".to_owned()),
        };
        let expected = json!({
            "models": [{"id": "m"}], "reason": "new", "note": 1, "effective_at": "2026-12-01T00:00:00Z",
        });
        assert_eq!(body(&args).unwrap(), expected);
        std::fs::write(&file, "[]").unwrap();
        assert!(body(&args).unwrap_err().is_usage(), "a list is no body");
    }
}
