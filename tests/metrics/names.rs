//! Every expression is read by a parser, and every metric in it is one that the gateway writes.

use std::collections::BTreeSet;

use lmhaven::telemetry::{Kind, METRICS};
use promql_parser::parser::{Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};

use crate::files;

/// What Prometheus adds to a scrape.
const OF_PROMETHEUS: [&str; 1] = ["up"];

#[derive(Default)]
struct Names(BTreeSet<String>);

impl ExprVisitor for Names {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
        let selector: Option<&VectorSelector> = match expr {
            Expr::VectorSelector(selector) => Some(selector),
            Expr::MatrixSelector(selector) => Some(&selector.vs),
            _ => None,
        };
        if let Some(selector) = selector {
            self.0.insert(selector.name.clone().expect("a selector with a name"));
        }
        Ok(true)
    }
}

fn names(expr: &str) -> BTreeSet<String> {
    let mut names = Names::default();
    let Ok(_) = walk_expr(&mut names, &files::parse(expr));
    names.0
}

fn known() -> BTreeSet<String> {
    let mut known: BTreeSet<String> = OF_PROMETHEUS.map(str::to_owned).into();
    for metric in METRICS {
        match metric.kind {
            Kind::Counter | Kind::Gauge => known.insert(metric.name.to_owned()),
            Kind::Histogram => known.insert(format!("{}_bucket", metric.name)),
        };
    }
    known.extend(files::rules().into_iter().filter(|rule| !rule.is_alert).map(|rule| rule.name));
    known
}

#[test]
fn every_metric_of_dashboards_and_rules_exists() {
    let known = known();
    let rules = files::rules().into_iter().map(|rule| (rule.name, rule.expr));
    let panels = files::panel_expressions().into_iter().map(|panel| (panel.place, panel.text));
    for (place, expr) in panels.chain(rules) {
        let names = names(&expr);
        assert!(!names.is_empty(), "{place} asks for nothing");
        for name in names {
            assert!(known.contains(&name) || name.starts_with("process_"), "{place}: there is no metric {name}");
        }
    }
}

#[test]
fn every_metric_is_shown_somewhere() {
    let shown: BTreeSet<_> = files::panel_expressions().iter().flat_map(|panel| names(&panel.text)).collect();
    for metric in METRICS {
        let name =
            if metric.kind == Kind::Histogram { format!("{}_bucket", metric.name) } else { metric.name.to_owned() };
        assert!(shown.contains(&name), "no panel shows {}", metric.name);
    }
}

#[test]
fn every_alert_has_severity_summary_and_a_chapter_in_the_runbook() {
    let page = std::fs::read_to_string(files::folder().join("../docs/operations.md")).unwrap();
    let chapters: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
    let mut seen = BTreeSet::new();
    for rule in files::rules().into_iter().filter(|rule| rule.is_alert) {
        assert!(["critical", "warning"].contains(&rule.severity.as_str()), "{rule:?}");
        assert!(!rule.summary.is_empty(), "{rule:?}");
        let (page, chapter) = rule.runbook_url.split_once('#').unwrap();
        assert_eq!((page, chapter), ("docs/operations.md", rule.name.to_lowercase().as_str()));
        assert!(chapters.contains(chapter), "docs/operations.md has no chapter {chapter}");
        assert!(seen.insert(rule.name.clone()), "{} stands twice", rule.name);
    }
    assert!(seen.len() >= 15, "{seen:?}");
}

#[test]
fn every_alert_has_a_firing_and_a_quiet_case() {
    let cases = files::read("rules_test.yml");
    for rule in files::rules().into_iter().filter(|rule| rule.is_alert) {
        let of_rule = cases.split("alertname: ").skip(1).filter(|case| case.lines().next() == Some(rule.name.as_str()));
        let quiet: Vec<bool> = of_rule.map(|case| case.lines().nth(1).unwrap().contains("exp_alerts: []")).collect();
        assert!(quiet.contains(&true) && quiet.contains(&false), "{}: {quiet:?}", rule.name);
    }
}
