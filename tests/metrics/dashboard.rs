//! The shape of each dashboard: what Grafana would not complain about, but an operator would.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::files;

const ROWS: [&str; 8] =
    ["Traffic", "Latency", "Providers", "Money", "Limits", "Runtime", "Accounts and payments", "Media"];

#[test]
fn a_dashboard_is_fixed_and_refreshes_itself() {
    let mut uids = BTreeSet::new();
    for (name, dashboard) in files::dashboards() {
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{name}");
        assert_eq!(dashboard["schemaVersion"], 41, "{name}");
        assert_eq!(dashboard["editable"], false, "{name}");
        assert_eq!(dashboard["refresh"], "30s", "{name}");
        assert!(dashboard.get("id").is_none_or(Value::is_null), "{name}: Grafana numbers dashboards itself");
    }
}

#[test]
fn the_overview_has_its_rows_in_order() {
    let dashboards = files::dashboards();
    let (_, overview) = dashboards.iter().find(|(name, _)| name == "overview.json").unwrap();
    let rows: Vec<_> = panels(overview).filter(|panel| panel["type"] == "row").map(|row| &row["title"]).collect();
    assert_eq!(rows, ROWS.map(|row| json!(row)).iter().collect::<Vec<_>>());
}

#[test]
fn variables_are_one_datasource_and_labels_that_it_has() {
    for (name, dashboard) in files::dashboards() {
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let sources: Vec<_> = variables.iter().filter(|variable| variable["type"] == "datasource").collect();
        assert_eq!(sources.len(), 1, "{name}");
        assert_eq!((&sources[0]["name"], &sources[0]["query"]), (&json!("datasource"), &json!("prometheus")), "{name}");
        for wanted in ["provider", "model"] {
            let variable = variables.iter().find(|variable| variable["name"] == wanted).unwrap();
            assert_eq!(variable["type"], "query", "{name}");
            let query = variable["query"]["query"].as_str().unwrap();
            let label = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
            let (metric, label) = label.split_once(", ").unwrap();
            assert!(lmhaven::telemetry::METRICS.iter().any(|known| known.name == metric), "{name}: {metric}");
            assert_eq!(label, wanted, "{name}");
            let text = dashboard["panels"].to_string();
            assert!(text.contains(&format!("${wanted}")), "{name}: nothing uses ${wanted}");
        }
    }
}

#[test]
fn every_panel_tells_what_it_shows_in_which_unit_and_from_where() {
    for (name, dashboard) in files::dashboards() {
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}: its id stands twice");
            if panel["type"] == "row" {
                continue;
            }
            let has_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
            assert!(has_text(&panel["description"]), "{name}: {title}: no description");
            assert!(has_text(&panel["fieldConfig"]["defaults"]["unit"]), "{name}: {title}: no unit");
            assert_eq!(panel["datasource"], from_variable(), "{name}: {title}");
            let mut refs = BTreeSet::new();
            for target in panel["targets"].as_array().unwrap() {
                assert!(has_text(&target["refId"]) && refs.insert(target["refId"].to_string()), "{name}: {title}");
                assert_eq!(target["datasource"], from_variable(), "{name}: {title}");
                assert!(has_text(&target["legendFormat"]), "{name}: {title}");
                let expr = target["expr"].as_str().unwrap();
                for window in expr.split('[').skip(1) {
                    let window = window.split(']').next().unwrap();
                    assert!(["$__rate_interval", "$__range"].contains(&window), "{name}: {title}: [{window}]");
                }
            }
            assert!(!refs.is_empty(), "{name}: {title} asks for nothing");
        }
    }
}

#[test]
fn no_panel_covers_another_or_leaves_the_grid() {
    for (name, dashboard) in files::dashboards() {
        let mut taken = BTreeSet::new();
        for panel in panels(&dashboard) {
            let at = |field: &str| panel["gridPos"][field].as_u64().unwrap();
            assert!(at("w") > 0 && at("h") > 0 && at("x") + at("w") <= 24, "{name}: {}", panel["title"]);
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{name}: {} covers another panel", panel["title"]);
                }
            }
        }
    }
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter()
}

fn from_variable() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}
