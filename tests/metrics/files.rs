//! The files under `grafana/` and every expression in them, with Grafana's variables put in.

use std::path::PathBuf;

use promql_parser::parser::token::{T_EQLC, T_GTE, T_GTR, T_LAND, T_LSS, T_LTE, T_NEQ};
use promql_parser::parser::{self, Expr};
use serde_json::Value;

/// The repository's `grafana` folder.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("grafana")
}

/// A file under `grafana/`.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(folder().join(path)).unwrap()
}

/// Every dashboard by its file name.
pub(crate) fn dashboards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(folder().join("dashboards")).unwrap();
    let dashboards: Vec<_> = files
        .map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            let text = read(&format!("dashboards/{name}"));
            let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, value)
        })
        .collect();
    assert!(!dashboards.is_empty());
    dashboards
}

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub(crate) place: String,
    pub(crate) text: String,
}

/// Every expression of every dashboard as Prometheus gets it.
pub(crate) fn panel_expressions() -> Vec<Expression> {
    let mut found = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place = format!("{name}: {} {}", panel["title"], target["refId"]);
                found.push(Expression { place, text: substitute(target["expr"].as_str().unwrap()) });
            }
        }
        for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
            if let Some(text) = annotation["expr"].as_str() {
                let place = format!("{name}: annotation {}", annotation["name"]);
                found.push(Expression { place, text: substitute(text) });
            }
        }
    }
    assert!(found.len() > 40, "{}", found.len());
    found
}

fn substitute(text: &str) -> String {
    let text = [("$__rate_interval", "10s"), ("$__range", "1m"), ("$provider", ".*"), ("$model", ".*")]
        .iter()
        .fold(text.to_owned(), |text, (variable, value)| text.replace(variable, value));
    assert!(!text.contains('$'), "a variable that is not known here: {text}");
    text
}

/// One rule of `rules.yml`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) is_alert: bool,
    pub(crate) expr: String,
    pub(crate) severity: String,
    pub(crate) summary: String,
    pub(crate) runbook_url: String,
}

/// The rules, read line by line: the file keeps to `key: value` and folded `>-` expressions. The live test compares
/// them with what Prometheus reads.
pub(crate) fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut folding = false;
    for line in read("rules.yml").lines() {
        let (depth, line) = (line.len() - line.trim_start().len(), line.trim());
        if folding && depth >= 10 {
            let expr = &mut rules.last_mut().unwrap().expr;
            if !expr.is_empty() {
                expr.push(' ');
            }
            expr.push_str(line);
            continue;
        }
        folding = false;
        let Some((key, value)) = line.split_once(": ").filter(|_| !line.starts_with('#')) else { continue };
        let value = value.trim_matches('"').to_owned();
        if let Some(kind) = key.strip_prefix("- ").filter(|kind| ["record", "alert"].contains(kind)) {
            rules.push(Rule { name: value, is_alert: kind == "alert", ..Rule::default() });
            continue;
        }
        let Some(rule) = rules.last_mut() else { continue };
        match key {
            "expr" if value == ">-" => folding = true,
            "expr" => rule.expr = value,
            "severity" => rule.severity = value,
            "summary" => rule.summary = value,
            "runbook_url" => rule.runbook_url = value,
            _ => {}
        }
    }
    assert!(rules.len() > 20 && rules.iter().all(|rule| !rule.expr.is_empty()));
    rules
}

/// What the rules ask for: recordings whole, alerts without their thresholds, so that a healthy gateway has an answer.
pub(crate) fn rule_expressions() -> Vec<Expression> {
    let mut found = Vec::new();
    for rule in rules() {
        let mut parts = Vec::new();
        if rule.is_alert {
            without_thresholds(&parse(&rule.expr), &mut parts);
        } else {
            parts.push(rule.expr.clone());
        }
        let place = |n| format!("rules.yml: {} {n}", rule.name);
        found.extend(parts.into_iter().enumerate().map(|(n, text)| Expression { place: place(n), text }));
    }
    found
}

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Expr {
    parser::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn without_thresholds(expr: &Expr, parts: &mut Vec<String>) {
    match expr {
        Expr::Binary(binary) => match binary.op.id() {
            T_LAND => {
                without_thresholds(&binary.lhs, parts);
                without_thresholds(&binary.rhs, parts);
            }
            T_EQLC | T_GTE | T_GTR | T_LSS | T_LTE | T_NEQ => without_thresholds(&binary.lhs, parts),
            _ => parts.push(expr.to_string()),
        },
        _ => parts.push(expr.to_string()),
    }
}
